# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run that changes nothing costs: seconds, tasks, and operations on the host."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

import models
import operations
from balancer import balancer
from gateways import gateways
from hosts import ROOT, machine
from transfers import transfers
from upgrade import upgrade

HOST = "llm-host-bench"
LIBRARY = "tests/bench/library.yml"
SEEN = "http://127.0.0.1:11434/_standin/seen"
REPEATS = 3
LIBRARIES = (1, 30, 300)
BUDGETED = 30
PINGS = 16


@dataclasses.dataclass(frozen=True)
class Run:
    """One run of a playbook."""

    seconds: float
    tasks: list[operations.Task]

    def seconds_in(self, module: str) -> float:
        return sum(task.seconds for task in self.tasks if module in task.modules)


def play(playbook: str | Path, **variables: t.Any) -> Run:
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder, "operations.jsonl")
        command = ["ansible-playbook", "-i", str(ROOT / "tests/bench/inventory"), str(ROOT / playbook), "-e", json.dumps(variables)]
        began = time.monotonic()
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, **operations.environment(written)},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        seconds = time.monotonic() - began
        if done.returncode:
            sys.exit(f"{playbook} failed:\n{(done.stdout + done.stderr)[-4000:]}")
        return Run(seconds, operations.read(written))


def one_ping() -> float:
    """Seconds from one task to the next, for the smallest module that there is."""
    tasks = [{"name": f"Ping {number}", "ansible.builtin.ping": {}} for number in range(PINGS)]
    with tempfile.TemporaryDirectory() as folder:
        playbook = Path(folder, "pings.yml")
        playbook.write_text(json.dumps([{"name": "Pings", "hosts": HOST, "gather_facts": False, "tasks": tasks}]))
        began = [task.began for task in play(playbook).tasks]
    return statistics.median(later - earlier for earlier, later in itertools.pairwise(began))


def asked_of_ollama(method: str) -> list[str] | None:
    """What Ollama was asked; only the stand-in knows. DELETE makes it forget."""
    program = f"import urllib.request as u; print(u.urlopen(u.Request('{SEEN}?last=500', method='{method}')).read().decode())"
    done = subprocess.run(["docker", "exec", HOST, "python3", "-c", program], capture_output=True, text=True)
    if done.returncode:
        return None
    return [f"{entry['method']} {entry['path']}" for entry in json.loads(done.stdout.strip() or '{"requests": []}')["requests"]]


def row(*cells: object) -> None:
    print(f"  {cells[0]!s:<26}" + "".join(f"{cell!s:>18}" for cell in cells[1:]), flush=True)


def report(title: str, runs: t.Sequence[Run], ping: float) -> None:
    seconds = statistics.median(run.seconds for run in runs)
    every = ", ".join(f"{run.seconds:.1f}" for run in runs)
    print(f"\n{title}: {seconds:.1f} s = {seconds / ping:.0f} pings of {ping:.2f} s   (median of {every})")
    row("role", "tasks", "touch the host", "module runs", "round trips", "seconds")
    tasks = runs[-1].tasks
    for role in (*dict.fromkeys(task.role for task in tasks), None):
        mine = [task for task in tasks if role in (None, task.role)]
        took = statistics.median(sum(task.seconds for task in run.tasks if role in (None, task.role)) for run in runs)
        touching, modules, trips = map(sum, zip(*((task.touches_host, len(task.modules), task.trips) for task in mine), strict=True))
        row("all" if role is None else role or "(none)", len(mine), touching, modules, trips, f"{took:.1f}")


@contextlib.contextmanager
def host() -> t.Iterator[None]:
    def remove() -> None:
        subprocess.run(["docker", "rm", "-f", "-v", HOST], capture_output=True)

    remove()
    try:
        subprocess.run([models.LAB, "run", HOST, "debian13", "--network", "llm-host-lab"], check=True)
        yield
    finally:
        remove()


def bench() -> bool:
    first = play("site.yml")
    print(f"first run of site.yml on a bare host: {first.seconds:.1f} s, packages included")
    again = [play("site.yml") for _ in range(REPEATS)]
    report("site.yml again", again, one_ping())
    verdicts = {"site.yml again: changed nothing": not any(task.changed for run in again for task in run.tasks)}

    pings: dict[int, float] = {}
    for count in LIBRARIES:
        declared = models.offer(count)
        play("playbooks/models.yml", ollama_models=declared)
        asked_of_ollama("DELETE")
        runs = [play(LIBRARY, ollama_models=declared)]
        asked = asked_of_ollama("GET")
        runs += [play(LIBRARY, ollama_models=declared) for _ in range(REPEATS - 1)]
        ping = one_ping()
        report(f"ollama + ollama_models again, {count} declared", runs, ping)
        module = statistics.median(run.seconds_in(operations.MODEL_MODULE) for run in runs)
        pings[count] = module / ping
        print(f"  the task of the model module: {module:.2f} s = {pings[count]:.1f} pings")
        listed = ", ".join(f"{times} x {what}" for what, times in collections.Counter(asked or ()).items())
        print(f"  requests to Ollama: {'only the stand-in counts them' if asked is None else f'{len(asked)} ({listed})'}")
        if count == BUDGETED:
            verdicts |= {f"library of {count}: {what}": kept for what, kept in operations.budget(runs[-1].tasks).items()}
    low, *_, high = LIBRARIES
    print(f"\n{high} : {low} declared, the task of the model module in pings: {pings[high] / pings[low]:.1f} : 1\n")
    for what, kept in verdicts.items():
        print(f"{'PASS' if kept else 'FAIL'}  {what}")
    return all(verdicts.values())


if __name__ == "__main__":
    machine("at the start")
    with host():
        kept = bench()
        upgrade(HOST, play)
    transfers()
    gateways()
    balancer()
    machine("at the end")
    sys.exit(not kept)
