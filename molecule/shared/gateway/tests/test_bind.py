# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The web server listens where gateway_bind says, waits for it at boot, and takes nothing else instead."""

from __future__ import annotations

import os

import pytest
import testinfra.utils.ansible_runner
from lab import Agent
from load import address

# An address of loopback that no list names.
OTHER = "127.0.0.2"
GATEWAY = "molecule/gateway.yml"
DROP_IN = "/etc/systemd/system/{unit}.d/50-llm-host.conf"


@pytest.fixture(scope="module")
def binds(hosts) -> dict[str, bool]:
    """By host, whether it listens at some addresses only."""
    runner = testinfra.utils.ansible_runner.AnsibleRunner(os.environ["MOLECULE_INVENTORY_FILE"])
    return {name: "gateway_bind" in runner.get_variables(name) for name in hosts}


@pytest.fixture(scope="module")
def bound(binds) -> str:
    return next(name for name, some in binds.items() if some)


def reached(name: str) -> dict[str, bool]:
    return Agent(name)("reach", addresses=["127.0.0.1", address(name), OTHER])


def test_it_listens_at_the_addresses_and_nowhere_else(binds):
    assert {True, False} == set(binds.values())
    for name, some in binds.items():
        assert reached(name) == {"127.0.0.1": True, address(name): True, OTHER: not some}, name


def test_it_starts_when_the_host_has_the_address(binds, engine):
    for name, some in binds.items():
        after = Agent(name).sh(f"systemctl show -p After --value {engine.unit}").split()
        assert [unit for unit in after if unit.startswith("llm-gateway")] == [f"llm-gateway-address@{address(name)}.service"] * some, name


@pytest.mark.parametrize(
    ("bind", "words"),
    [
        pytest.param("192.0.2.9", "gateway_bind is 192.0.2.9, which no interface of the host has", id="address-that-is-missing"),
        pytest.param("wg7", "gateway_bind is wg7, which is neither", id="interface-that-is-missing"),
        pytest.param("tailscale", "gateway_bind is tailscale, but tailscale0 has no address", id="no-tailnet"),
    ],
)
def test_what_the_host_does_not_have_is_a_sentence_and_changes_nothing(run_playbook, bound, bind, words):
    run = run_playbook(GATEWAY, "--limit", bound, "--extra-vars", f"gateway_bind={bind}")
    assert words in run.failures[0]
    assert run.changed == {bound: 0}
    assert reached(bound)[OTHER] is False


def test_all_addresses_and_back(run_playbook, bound, engine):
    drop_in = Agent(bound).sh(f"cat {DROP_IN.format(unit=engine.unit)}")
    everywhere = run_playbook(GATEWAY, "--limit", bound, "--extra-vars", '{"gateway_bind": ["all"]}')
    assert everywhere.code == 0, everywhere.output[-3000:]
    assert reached(bound)[OTHER] is True
    assert "llm-gateway-address" not in Agent(bound).sh(f"systemctl cat {engine.unit}")
    assert Agent(bound).sh("ls /etc/systemd/system | grep llm-gateway || true") == ""
    back = run_playbook(GATEWAY, "--limit", bound)
    assert back.code == 0, back.output[-3000:]
    assert reached(bound) == {"127.0.0.1": True, address(bound): True, OTHER: False}
    assert Agent(bound).sh(f"cat {DROP_IN.format(unit=engine.unit)}") == drop_in
