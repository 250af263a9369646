# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two hosts with Ollama behind one gateway, a client that never stops asking, and hosts that lose their power."""

from __future__ import annotations

import collections
import itertools
import json
import subprocess
import threading
import typing as t

import pytest
import testinfra
from load import Call, Place, Pool, address, eventually, join

HOSTS = ("first", "second")
VERSION = """
import json, sys, urllib.request
print(json.load(urllib.request.urlopen(sys.argv[1], timeout=5))["version"].partition("+")[0])
"""


class Lifecycle(Pool):
    """The site. ``run`` runs a playbook with variables."""

    def __init__(self, run: t.Callable[..., t.Any]) -> None:
        first = testinfra.get_host("docker://first")
        super().__init__(first, Place(address("first"), first.file("/etc/llm-gateway/tls/ca.crt").content_string))
        self.hosts = {name: testinfra.get_host(f"docker://{name}") for name in HOSTS}
        self._run = run

    def run(self, playbook: str, *options: str, **variables: t.Any) -> t.Any:
        return self._run(playbook, "--extra-vars", json.dumps(variables), *options)

    def versions(self) -> list[str]:
        """What serves on each host, without build metadata."""
        return [self.version(name) for name in self.hosts]

    def version(self, name: str) -> str:
        # Only the gateway may ask.
        return self.hosts["first"].run(f"python3 -c %s http://{address(name)}:11434/api/version", VERSION).stdout.strip()

    def processes(self) -> list[str]:
        return [host.check_output("systemctl show -P InvocationID ollama") for host in self.hosts.values()]

    def installed(self, name: str) -> list[str]:
        return self.hosts[name].check_output("ls /opt/ollama").split()

    def fault(self, name: str, **faults: t.Any) -> None:
        self.faults(faults, f"{address(name)}:11434")

    def lose_power(self, name: str) -> None:
        """Everything on the host is killed at once, and it boots again."""
        subprocess.run(["docker", "kill", name], check=True, capture_output=True)
        self.boot(name)

    def boot(self, name: str) -> None:
        subprocess.run(["docker", "start", name], check=True, capture_output=True)
        eventually(lambda: self.hosts[name].run("systemctl is-system-running").stdout.strip() in ("running", "degraded"), 30)


class Client:
    """Asks every 100 ms whether the last one was answered or not, and counts what was not answered as it should."""

    def __init__(self, site: Lifecycle) -> None:
        self._site = site
        self._stop = threading.Event()
        self._calls: list[Call] = []
        self._refused = 0
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def __enter__(self) -> Client:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stop.set()
        self._thread.join()
        join(self._calls)

    def _ask(self) -> None:
        while not self._stop.wait(0.1):
            try:
                self._calls.append(Call(self._site.place, "alice", tokens=5))
            except OSError:
                self._refused += 1

    @property
    def answers(self) -> collections.Counter[int]:
        """How many got which status; 0 where the connection was refused or broke."""
        return collections.Counter([*(call.status for call in self._calls), *[0] * self._refused])

    @property
    def longest_gap(self) -> float:
        """Seconds between two requests that were answered well."""
        ends = sorted(call.end for call in self._calls if call.status == 200)
        return max(later - earlier for earlier, later in itertools.pairwise(ends))


@pytest.fixture(scope="session")
def lifecycle(run_playbook) -> Lifecycle:
    return Lifecycle(run_playbook)


@pytest.fixture
def site(lifecycle) -> Lifecycle:
    """The site, with the same version on both hosts, which need not be the one that the inventory declares."""
    if len(set(lifecycle.versions())) > 1:
        run = lifecycle.run("site.yml")
        assert run.code == 0, run.output[-3000:]
    return lifecycle


@pytest.fixture
def client(site) -> t.Callable[[], Client]:
    return lambda: Client(site)
