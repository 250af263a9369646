# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet: its gateway, its hosts with GPUs, and the instances of Ollama on them."""

from __future__ import annotations

import collections
import os
import typing as t
from pathlib import Path

import pytest
import testinfra
from lab_hosts import throwaway
from load import Place, Pool, address

from ansible_collections.llm.host.plugins.module_utils._probe import Endpoint

UNITS = {"default": ("ollama", 11434), "second": ("ollama@second", 11444), "third": ("ollama@third", 11454)}


class Fleet(Pool):
    """Instances are called as HAProxy calls them: host, dot, instance."""

    def __init__(self) -> None:
        super().__init__(
            testinfra.get_host("docker://fleet-edge"), Place(address("fleet-edge"), Path(os.environ["LAB_CACHE"], "ca.crt").read_text())
        )
        self.hosts = {name: testinfra.get_host(f"docker://{name}") for name in ("gpu-01", "gpu-02", "gpu-03")}

    def systemctl(self, what: str, *names: str) -> None:
        for name in names:
            host, _, instance = name.partition(".")
            self.hosts[host].check_output(f"systemctl {what} {UNITS[instance][0]}")

    def starts(self) -> dict[str, list[str]]:
        """The main processes of all instances, by host."""
        ask = "systemctl show --property MainPID ollama 'ollama@*' | grep --invert-match =0"
        return {name: host.check_output(ask).split() for name, host in self.hosts.items()}

    def count(self, *names: str) -> collections.Counter[str]:
        return self.counters(*self._places(names))

    def fault(self, faults: dict[str, t.Any], *names: str) -> None:
        self.faults(faults, *self._places(names))

    def _places(self, names: t.Iterable[str]) -> list[str]:
        return [f"{address(host)}:{UNITS[instance][1]}" for name in names for host, _, instance in [name.partition(".")]]


@pytest.fixture(scope="session")
def site() -> Fleet:
    return Fleet()


@pytest.fixture(scope="session")
def stranger() -> t.Iterator[str]:
    """A host of the same network that nobody knows."""
    yield from throwaway("stranger", "debian13")


@pytest.fixture
def fleet(site) -> t.Iterator[Fleet]:
    """The fleet, with all instances up, and what a test did to it undone."""
    site.all_up()
    yield site
    site.leave()
    site.fault({}, *site.names)


@pytest.fixture
def gateway(site) -> Endpoint:
    return Endpoint("https://ollama.example.com", ca=site.place.ca, connect_to=site.place.address)
