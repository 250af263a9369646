# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users of a balancer and instances behind it, and what a crowd of users sees and uses up in a while."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import subprocess
import sys
import time
import typing as t
import urllib.request

from hosts import NETWORK, ROOT, address, start

__all__ = ("FIRST", "INSTANCES", "SLOTS", "TOKENS", "Instances", "User", "measure", "name_of", "quantile")

PORT = 11400
FIRST, INSTANCES, SLOTS = 11434, 8, 4
TOKENS = 20
WARM_UP = 3


def name_of(host: str) -> str:
    return f"llm-host-bench-{host}"


@dataclasses.dataclass(frozen=True)
class User:
    """Asks, reads, pauses, asks again; with so many requests at the same time."""

    name: str
    parallel: int = 1
    pause: float = 0
    model: str = "tiny"
    tokens: tuple[int, int] = (TOKENS, TOKENS)


@dataclasses.dataclass(frozen=True)
class Seen:
    """What users saw and instances counted, from the end of the warm-up on."""

    seconds: float
    replies: list[dict[str, t.Any]]
    tokens: int
    loads: int

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / self.seconds

    def waits(self, name: str) -> list[float]:
        return sorted(reply["seconds"] for reply in self.replies if reply["user"].startswith(name))


def call(method: str, url: str, body: t.Any = None) -> t.Any:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, method=method), timeout=10) as reply:
        return json.loads(reply.read() or "null")


class Instances:
    """Stand-ins in one container."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        name = name_of("instances")
        options = ["--name", name, "--network", NETWORK, "-v", f"{ROOT / 'tests'}:/tests:ro"]
        serve = ["python3", "/tests/bench/instances.py", *map(str, (FIRST, INSTANCES, SLOTS))]
        start(stack, "docker", "run", "-d", "--init", *options, "llm-host/lab:debian13", *serve)
        self.address = address(name)
        self.urls = [f"http://{self.address}:{FIRST + number}" for number in range(INSTANCES)]
        for url in self.urls:
            self._wait(url)

    @staticmethod
    def _wait(url: str) -> None:
        deadline = time.monotonic() + 30
        while True:
            try:
                call("GET", f"{url}/api/version")
                return
            except OSError:
                if time.monotonic() > deadline:
                    sys.exit(f"the stand-in at {url} does not answer")
                time.sleep(0.2)

    def pace(self, **milliseconds: float) -> None:
        for url in self.urls:
            call("PUT", f"{url}/_standin/faults", milliseconds)

    def count(self, name: str) -> int:
        return sum(call("GET", f"{url}/_standin/seen?last=0")["counters"][name] for url in self.urls)


def measure(instances: Instances, host: str, users: t.Sequence[User], *, seconds: float) -> Seen:
    """Let the users ask for so long, and as long again as it takes to warm up."""
    orders = {"port": PORT, "seconds": seconds + WARM_UP, "users": [dataclasses.asdict(user) for user in users]}
    command = ["docker", "exec", name_of(host), "python3", "/bench/users.py", json.dumps(orders)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        time.sleep(WARM_UP)
        began, tokens, loads = time.monotonic(), instances.count("tokens"), instances.count("loads")
        time.sleep(max(0.0, began + seconds - 1 - time.monotonic()))
        took, tokens, loads = time.monotonic() - began, instances.count("tokens") - tokens, instances.count("loads") - loads
        output, errors = process.communicate()
    if process.returncode:
        sys.exit(f"the users of {host} failed:\n{errors[-2000:]}")
    replies = [reply for reply in json.loads(output) if reply["asked"] >= WARM_UP]
    if wrong := [reply for reply in replies if reply["status"] != 200]:
        sys.exit(f"{len(wrong)} of {len(replies)} requests to {host} failed, the first with {wrong[0]}")
    return Seen(took, replies, tokens, loads)


def quantile(values: t.Sequence[float], percent: int) -> float:
    """Of sorted values; the last where there are few."""
    return values[min(len(values) - 1, len(values) * percent // 100)]
