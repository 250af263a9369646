# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two machines with GPUs behind one gateway, and the repository that one of them has its driver from."""

from __future__ import annotations

import json
import typing as t

import pytest
import testinfra
from load import Client, Place, Pool, address

MIRROR = "/srv/debian12/x86_64"


class Machine:
    """A host with a GPU, seen from inside."""

    def __init__(self, name: str) -> None:
        self.host = testinfra.get_host(f"docker://{name}")

    @property
    def boots(self) -> int:
        return len(self.host.file("/var/lib/lab-machine/boots").content_string.splitlines())

    @property
    def kernel(self) -> str:
        return self.host.file("/proc/sys/kernel/osrelease").content_string.strip()

    @property
    def loaded(self) -> str:
        found = self.host.file("/sys/module/nvidia/version")
        return found.content_string.strip() if found.exists else ""

    def package(self, name: str) -> str:
        return self.host.run("dpkg-query -W -f '${Version}' %s", name).stdout

    def held(self) -> set[str]:
        return set(self.host.check_output("apt-mark showhold").split())

    def dkms(self) -> str:
        return self.host.check_output("dkms status")

    def query(self, *fields: str) -> list[str]:
        return self.host.check_output(f"nvidia-smi --query-gpu={','.join(fields)} --format=csv,noheader,nounits").split(", ")


class Site(Pool):
    """``run`` runs a playbook with variables."""

    def __init__(self, run: t.Callable[..., t.Any]) -> None:
        edge = testinfra.get_host("docker://gpu-edge")
        super().__init__(edge, Place(address("gpu-edge"), edge.file("/etc/llm-gateway/tls/ca.crt").content_string))
        self.debian13, self.debian12 = Machine("gpu-13"), Machine("gpu-12")
        self._mirror = testinfra.get_host("docker://gpu-mirror")
        self._run = run

    def run(self, playbook: str, *options: str, **variables: t.Any) -> t.Any:
        return self._run(playbook, "--extra-vars", json.dumps(variables), *options)

    def publish(self, version: str, *options: str) -> None:
        self._mirror.check_output(f"mirror --out {MIRROR} --version {version} {' '.join(options)}")

    def withdraw(self, version: str) -> None:
        self._mirror.check_output(f"rm {MIRROR}/*_{version}-1_*.deb && mirror --out {MIRROR}")


@pytest.fixture(scope="session")
def site(run_playbook) -> Site:
    return Site(run_playbook)


@pytest.fixture
def client(site) -> t.Callable[[], Client]:
    return lambda: Client(site.place)
