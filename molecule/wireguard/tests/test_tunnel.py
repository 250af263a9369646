# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who reaches Ollama through the tunnel, who does not, and after which boots."""

from __future__ import annotations

import itertools
import stat
import subprocess

import pytest
from conftest import HOSTS, NETWORKS, WEB, tunnel
from load import address, eventually

OLLAMA = ("wg-01", "wg-02")


def test_a_request_to_the_gateway_goes_through_the_tunnel(network):
    network.settle()

    def received():
        return sum(network.peer(name, "wg-edge").received for name in OLLAMA)

    before = received()
    assert all(network.answers() for _ in range(4))
    # Each is more than this, with its headers.
    assert received() > before + 4 * 300
    assert [network.sh(name, "ss -Hltn sport = 11434").split()[3] for name in OLLAMA] == [f"{tunnel(name)}:11434" for name in OLLAMA]


def test_outside_of_the_tunnel_nobody_reaches_ollama(network):
    assert [network.reaches("wg-edge", tunnel(name)) for name in OLLAMA] == [True, True]
    places = [place for name in OLLAMA for place in (tunnel(name), address(name))]
    assert [network.reaches("wg-outsider", place) for place in places] == [False] * 4
    assert [network.reaches("wg-edge", address(name)) for name in OLLAMA] == [False, False]


def test_who_sends_tunnel_addresses_over_the_lan_gets_nothing(network):
    network.sh("wg-outsider", f"ip route add {NETWORKS[0]} via {address('wg-01')}")
    try:
        assert not network.reaches("wg-outsider", tunnel("wg-01"))
    finally:
        network.sh("wg-outsider", f"ip route del {NETWORKS[0]}")


def test_both_families_go_through_it(network):
    with network.web("wg-02", family=1) as where:
        eventually(lambda: network.reaches("wg-01", where, WEB))


def test_keys_are_for_root_alone_and_everyone_has_one(network):
    files = [network.hosts[name].file(path) for name in HOSTS for path in network.sh(name, "ls -d /etc/wireguard/*").split()]
    assert {(file.user, file.mode) for file in files} == {("root", stat.S_IRUSR | stat.S_IWUSR)}
    assert len(set(network.private_keys())) == 4


def test_the_configuration_of_a_client_works_as_it_is(network):
    conf = network.clients / "laptop.conf"
    assert stat.S_IMODE(conf.stat().st_mode) == 0o600
    subprocess.run(["docker", "cp", conf, "wg-outsider:/etc/wireguard/laptop.conf"], check=True, capture_output=True)
    network.sh("wg-outsider", "wg-quick up laptop 2>&1")
    try:
        assert network.sh("wg-outsider", "ip -4 -brief address show laptop").split()[2] == f"{tunnel('laptop')}/32"
        ask = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=10).read().decode())"
        assert "version" in network.sh("wg-outsider", "python3 -c %s %s", ask, f"http://{tunnel('wg-02')}:11434/api/version")
    finally:
        network.sh("wg-outsider", "wg-quick down laptop 2>&1; rm /etc/wireguard/laptop.conf")


@pytest.mark.parametrize("order", list(itertools.permutations(HOSTS))[::2], ids=", then ".join)
def test_hosts_boot_in_any_order(network, order):
    network.lose_power(*HOSTS)
    network.boot(*order[:1])
    eventually(lambda: network.hosts[order[0]].run("wg show wg0").rc == 0, 45)
    network.boot(*order[1:])
    network.settle(45)
    assert network.answers()
    assert [network.sh(name, "systemctl --failed --plain --no-legend") for name in HOSTS] == [""] * 3
