# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two hosts with Ollama behind one gateway, a client that never stops asking, and hosts that lose their power."""

from __future__ import annotations

import json
import subprocess
import typing as t

import pytest
import testinfra
from load import Client, Place, Pool, address, eventually

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
        eventually(lambda: self.hosts[name].run("systemctl is-system-running").stdout.strip() in ("running", "degraded"), 60)


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
    return lambda: Client(site.place)
