# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of both web servers share."""

from __future__ import annotations

import json
import os
import time
import typing as t

import pytest
import testinfra.utils.ansible_runner
from engines import ENGINES, Engine
from figures import PlayedMonitor, lasting
from lab import Agent
from outside import Outside

Hosts = dict[str, Agent]


@pytest.fixture(scope="module")
def hosts() -> Hosts:
    """Every host of the scenario, for what is done on all of them at once."""
    runner = testinfra.utils.ansible_runner.AnsibleRunner(os.environ["MOLECULE_INVENTORY_FILE"])
    return {name: Agent(name) for name in runner.get_hosts("gateway")}


@pytest.fixture(scope="module")
def engine(hosts: Hosts) -> Engine:
    runner = testinfra.utils.ansible_runner.AnsibleRunner(os.environ["MOLECULE_INVENTORY_FILE"])
    return ENGINES[runner.get_variables(next(iter(hosts)))["gateway_provider"]]


@pytest.fixture(scope="module")
def agent(host: t.Any) -> Agent:
    return Agent(host.backend.get_hostname())


@pytest.fixture
def faults(agent: Agent) -> t.Iterator[t.Callable[..., None]]:
    """Switch on what the stand-in is to do, until the test is over."""

    def switch(**values: t.Any) -> None:
        agent("backend", method="PUT", path="/_standin/faults", value=values)

    yield switch
    switch()


@pytest.fixture(scope="module")
def outside(host: t.Any, tmp_path_factory: pytest.TempPathFactory) -> Outside:
    """The host as other people's programs reach it."""
    return Outside.of(host, tmp_path_factory.mktemp("authority") / "ca.crt")


@pytest.fixture(scope="module")
def shown(agent: Agent, engine: Engine) -> dict[str, t.Any]:
    """What the status page is to show of this moment, in the place where the role metrics puts it."""
    value = lasting(PlayedMonitor(), time.time())
    folder = "/run/llm-status"
    agent.sh(f"install -d -m 0750 -g {engine.group} {folder} && install -m 0640 -g {engine.group} /dev/null {folder}/status.json")
    agent.sh(f"cat > {folder}/status.json <<'END'\n{json.dumps(value)}\nEND")
    return value
