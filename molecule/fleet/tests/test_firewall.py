# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who reaches the instances of a host, tried from the gateway, from a stranger, and from the host itself."""

from __future__ import annotations

import pytest
import testinfra
from lab_hosts import leave, listen, reaches

# One run after the other, on however busy a machine.
pytestmark = pytest.mark.timeout(900)

GPU, EDGE = "gpu-02", "fleet-edge"
PORTS = (11434, 11444)
FREE = 8099
RULES = "/etc/llm-host/firewall.nft"


@pytest.fixture
def gpu():
    return testinfra.get_host(f"docker://{GPU}")


@pytest.mark.parametrize(("host", "port"), [*((GPU, port) for port in PORTS), ("gpu-03", PORTS[0])])
def test_the_gateway_and_the_host_itself_reach_the_instances_and_a_stranger_does_not(stranger, host, port):
    assert [reaches(name, host, port) for name in (EDGE, host, stranger)] == ["open", "open", "refused"]


def test_a_stranger_reaches_what_is_not_ours_to_protect(stranger):
    listen(GPU, FREE)
    try:
        assert reaches(stranger, GPU, FREE) == "open"
    finally:
        leave(GPU, FREE)


def test_it_goes_when_nobody_wants_it_and_comes_back(run_playbook, stranger, gpu):
    run = run_playbook("site.yml", "--limit", GPU, "-e", "ollama_firewall=false")
    try:
        assert run.code == 0, run.output[-3000:]
        assert gpu.run("nft list table inet llm_host").rc != 0
        assert not gpu.file(RULES).exists
    finally:
        run = run_playbook("site.yml", "--limit", GPU)
    assert run.code == 0, run.output[-3000:]
    assert [reaches(name, GPU, PORTS[0]) for name in (EDGE, stranger)] == ["open", "refused"]


def test_verify_yml_misses_a_table_that_somebody_flushed_and_site_yml_puts_it_back(run_playbook, stranger, gpu):
    gpu.check_output("nft delete table inet llm_host")
    assert reaches(stranger, GPU, PORTS[0]) == "open"
    assert run_playbook("playbooks/verify.yml", "--limit", GPU).code != 0
    run = run_playbook("site.yml", "--limit", GPU)
    assert (run.code, run.changed) == (0, {GPU: 1}), run.output[-3000:]
    assert reaches(stranger, GPU, PORTS[0]) == "refused"


def test_an_address_that_the_gateway_cannot_reach_is_refused_before_anything_changes(run_playbook):
    run = run_playbook("site.yml", "--limit", GPU, "-e", "ollama_bind=127.0.0.1")
    assert (run.code, run.changed) == (2, {GPU: 0})
    assert f"The gateway cannot reach Ollama on {GPU}, which listens on 127.0.0.1 only: set ollama_bind of {GPU} to" in run.failures[0]


def test_who_is_not_private_is_refused_in_one_sentence(run_playbook):
    run = run_playbook("site.yml", "--limit", GPU, "-e", "balancer_source=192.0.2.5")
    assert run.code != 0
    assert run.changed == {GPU: 0}
    assert f"cannot let in the gateway {EDGE}, whose balancer_source 192.0.2.5 is not in a private network" in run.failures[0]
