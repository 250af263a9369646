# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts of a test's own, who listens on them, who reaches them, and modules and playbooks that are run there."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import typing as t

from load import ROOT, address

CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 1)
    print("open")
except ConnectionRefusedError:
    print("refused")
except TimeoutError:
    print("dropped")
"""
# The roles of the gateway alone, as site.yml runs them.
GATEWAY = "molecule/shared/gateway.yml"
# Of a run that is killed after its first change; DIE_AFTER_CHANGE_LOG names the file that tells which.
DEADLY = {
    "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "molecule/shared/callback_plugins"),
    "ANSIBLE_CALLBACKS_ENABLED": "llm.host.preload,packed_modules,die_after_change",
}
PLAIN = {"ANSIBLE_LOAD_CALLBACK_PLUGINS": "1", "ANSIBLE_CALLBACK_RESULT_FORMAT": "json", "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1"}


def sh(name: str, *command: str) -> str:
    return subprocess.run(["docker", "exec", name, *command], check=True, capture_output=True, text=True).stdout.strip()


def listen(name: str, *ports: int) -> None:
    for port in ports:
        sh(name, "sh", "-c", f"setsid python3 -m http.server --bind 0.0.0.0 {port} >/dev/null 2>&1 </dev/null &")
    for port in ports:
        sh(name, "timeout", "10", "sh", "-c", f"until ss -Hltn sport = {port} | grep -q .; do sleep 0.1; done")


def leave(name: str, port: int) -> None:
    sh(name, "pkill", "-f", f"http.server --bind 0.0.0.0 {port}")
    sh(name, "timeout", "10", "sh", "-c", f"while ss -Hltn sport = {port} | grep -q .; do sleep 0.1; done")


def reaches(name: str, target: str, port: int) -> str:
    return sh(name, "python3", "-c", CONNECT, address(target), str(port))


def restart(name: str) -> None:
    subprocess.run(["docker", "restart", "--time", "30", name], check=True, capture_output=True)
    sh(
        name,
        "timeout",
        "60",
        "sh",
        "-c",
        "until [ -S /run/systemd/private ]; do sleep 0.1; done; systemctl is-system-running --wait || true",
    )


def throwaway(name: str, image: str, *packages: str) -> t.Iterator[str]:
    subprocess.run(["docker", "rm", "--force", name], check=True, capture_output=True)
    subprocess.run([ROOT / "tests/lab/lab", "run", name, image, "--network", "llm-host-lab"], check=True)
    if packages:
        sh(name, "sh", "-c", f"apt-get update -qq && apt-get install -y -qq --no-install-recommends {' '.join(packages)} >/dev/null 2>&1")
    yield name
    subprocess.run(["docker", "rm", "--force", name], check=True, capture_output=True)


@dataclasses.dataclass(frozen=True)
class Run:
    """What a run of a playbook printed, and how many tasks it says changed something, by host."""

    output: str
    code: int

    @property
    def changed(self) -> dict[str, int]:
        return {host: int(count) for host, count in re.findall(r"^(\S+)\s+: ok=\d+\s+changed=(\d+)", self.output, re.MULTILINE)}

    @property
    def failures(self) -> list[str]:
        """What each failed task says."""
        return [text for texts in self.failures_by_host.values() for text in texts]

    @property
    def failures_by_host(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for host, result in re.findall(r"^(?:fatal|failed): \[(\S+?)\].*? => (\{.*\})$", self.output, re.MULTILINE):
            found.setdefault(host, []).append(json.loads(result)["msg"])
        return found


class Call(t.NamedTuple):
    """What a module said."""

    ok: bool
    result: dict[str, t.Any]


def call(name: str, module: str, *options: str, **arguments: t.Any) -> Call:
    command = ["ansible", name, "-i", f"{name},", "-c", "community.docker.docker", "-u", "root", *options]
    command += ["-m", f"llm.host.{module}", "-a", json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd=ROOT, env={**os.environ, **PLAIN})
    text = done.stdout[done.stdout.index("=> {") + 3 : done.stdout.rindex("}") + 1]
    return Call(done.returncode == 0, json.loads(text))
