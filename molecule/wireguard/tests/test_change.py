# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts come, change and go while others are connected."""

from __future__ import annotations

import os
import subprocess

import pytest
from conftest import HOSTS, WEB
from lab_hosts import DEADLY
from load import ROOT, eventually

# Of each host its own value, by its name.
OF_ITSELF = "{{%s if inventory_hostname == '%s' else %s}}"
TRACES = "find /etc/wireguard /etc/systemd/system /usr/local/lib -name '*wg-quick*' -o -name '*wireguard-*' -o -path '/etc/wireguard/*'"
UNTOUCHED = dict.fromkeys(HOSTS, 0)


@pytest.fixture(scope="module")
def elsewhere(network):
    """Another name of the interface, a hub, and a host whose name nobody knows."""
    endpoint = OF_ITSELF % ("'nosuch.example.com'", "wg-02", "inventory_hostname")
    run = network.run(
        wireguard_interface="wg7", wireguard_topology="hub", wireguard_hub="wg-edge", wireguard_endpoint=endpoint, wireguard_clients=[]
    )
    yield run
    back = network.run()
    assert back.code == 0, back.output[-3000:]
    network.settle()


def test_new_keys_under_traffic_and_no_request_is_lost(network, client):
    network.settle()
    before = [network.public_key(name) for name in HOSTS]
    with client() as asking:
        run = network.run("-vvvv", "--diff", wireguard_key_rotation="two")
        network.settle()
    assert run.code == 0, run.output[-3000:]
    assert set(asking.answers) == {200}
    assert len({*before, *(network.public_key(name) for name in HOSTS)}) == 6
    assert [key for key in network.private_keys() if key in run.output] == []
    assert [network.sh(name, "ls /etc/wireguard | grep -c key") for name in HOSTS] == ["1"] * 3


def test_a_run_that_is_killed_at_every_change_is_finished_by_the_next(network, tmp_path):
    log, before = tmp_path / "log", [network.public_key(name) for name in HOSTS]
    log.touch()
    environment = {**os.environ, **DEADLY, "DIE_AFTER_CHANGE_LOG": str(log)}
    command = [
        "ansible-playbook",
        "-i",
        os.environ["MOLECULE_INVENTORY_FILE"],
        str(ROOT / "molecule/wireguard/network.yml"),
        "-e",
        "wireguard_key_rotation=3",
    ]
    codes = []
    while not codes or codes[-1] == -9:
        assert len(codes) < 8
        codes.append(subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, start_new_session=True).returncode)
    assert codes[-1] == 0 and len(log.read_text().splitlines()) == len(codes) - 1 > 1
    network.settle()
    assert network.answers()
    assert len({*before, *(network.public_key(name) for name in HOSTS)}) == 6


def test_a_host_leaves_without_a_trace_and_comes_back_while_others_talk(network):
    network.settle()
    leaves = OF_ITSELF % ("'absent'", "wg-02", "'present'")
    with network.talk("wg-edge", "wg-01") as said:
        before, count = network.peer("wg-edge", "wg-01"), said()
        run = network.run(wireguard_state=leaves, wireguard_key_rotation="3")
        assert run.code == 0, run.output[-3000:]
        assert network.peers("wg-edge") == {"wg-01", "laptop"}
        assert network.sh("wg-02", TRACES) == ""
        assert network.hosts["wg-02"].run("ip link show wg0").rc != 0
        assert network.run(wireguard_state=leaves, wireguard_key_rotation="3").changed == UNTOUCHED
        assert network.run(wireguard_key_rotation="3").code == 0
        after = network.peer("wg-edge", "wg-01")
        assert network.peers("wg-edge") == {"wg-01", "wg-02", "laptop"}
        assert after.received > before.received and after.endpoint == before.endpoint
        assert said() > count
        eventually(lambda count=said(): said() > count + 20)
    network.settle()


def test_another_name_takes_the_place_of_the_old_one(network, elsewhere):
    assert elsewhere.code == 0, elsewhere.output[-3000:]
    assert [network.sh(name, "ls /sys/class/net | grep wg") for name in HOSTS] == ["wg7"] * 3
    assert [network.sh(name, "ls /etc/wireguard/*.conf") for name in HOSTS] == ["/etc/wireguard/wg7.conf"] * 3
    assert [network.sh(name, "systemctl is-enabled wg-quick@wg7") for name in HOSTS] == ["enabled"] * 3
    with network.web("wg-01") as where:
        eventually(lambda: network.reaches("wg-edge", where, WEB))


def test_at_a_hub_hosts_reach_each_other_through_it(network, elsewhere):
    assert network.peers("wg-edge", "wg7") == {"wg-01", "wg-02"}
    assert network.sh("wg-01", "wg show wg7 allowed-ips").split()[1:] == ["10.86.0.0/16", "fd86::/64"]
    before = network.peer("wg-edge", "wg-01", "wg7").sent
    # The other way round nobody would know where wg-02 is.
    with network.web("wg-01") as where:
        eventually(lambda: network.reaches("wg-02", where, WEB))
    assert network.peer("wg-edge", "wg-01", "wg7").sent > before


def test_a_name_that_nobody_knows_keeps_no_tunnel_down_at_boot(network, elsewhere):
    assert "#Endpoint = nosuch.example.com:51820" in network.sh("wg-edge", "cat /etc/wireguard/wg7.conf")
    network.lose_power("wg-edge")
    network.boot("wg-edge")
    with network.web("wg-01") as where:
        eventually(lambda: network.reaches("wg-edge", where, WEB), 30)
    # The interface works before wg-quick has run to its end, after which the timer starts.
    eventually(lambda: network.hosts["wg-edge"].run("systemctl is-active llm-host-wireguard@wg7.timer").rc == 0)
    assert network.sh("wg-edge", "systemctl is-active wg-quick@wg7") == "active"


def test_a_client_that_is_not_declared_any_more_is_nobodys_peer(network, elsewhere):
    assert "laptop" not in network.peers("wg-edge", "wg7")
    assert (network.clients / "laptop.conf").exists()
