# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is declared or found wrongly is one sentence, and what somebody broke is found and mended."""

from __future__ import annotations

from conftest import HOSTS, tunnel

UNTOUCHED = dict.fromkeys(HOSTS, 0)


def test_two_hosts_with_one_address_are_both_named_before_anything_changes(network):
    run = network.run(wireguard_addresses=["{{ '10.86.0.7' if inventory_hostname != 'wg-edge' else '10.86.0.8' }}"])
    assert (run.code, run.changed) == (2, UNTOUCHED)
    assert set(run.failures) == {
        "wg-01 and wg-02 both have the address 10.86.0.7: set wireguard_addresses of wg-02 to another one."
    } or set(run.failures) == {"wg-02 and wg-01 both have the address 10.86.0.7: set wireguard_addresses of wg-01 to another one."}


def test_a_configuration_of_somebody_else_is_left_alone(network):
    network.sh("wg-01", "touch /etc/wireguard/wg9.conf")
    try:
        run = network.run("--limit", "wg-01", wireguard_interface="wg9")
    finally:
        network.sh("wg-01", "rm /etc/wireguard/wg9.conf")
    assert (run.code, run.changed) == (2, {"wg-01": 0})
    assert "/etc/wireguard/wg9.conf is there, which this role did not make" in run.failures[0]


def test_a_host_that_cannot_be_asked_keeps_its_entry(network):
    network.lose_power("wg-02")
    try:
        run = network.run("--limit", "wg-edge,wg-01")
        assert network.peers("wg-edge") == {"wg-01", "wg-02", "laptop"}
    finally:
        network.boot("wg-02")
    assert (run.code, run.changed) == (0, {"wg-edge": 0, "wg-01": 0}), run.output[-3000:]
    assert "wg-02 could not be asked for a key: the entry that is here stays." in run.output
    network.settle(45)


def test_what_somebody_broke_is_told_and_mended(network):
    network.settle()
    network.sh("wg-01", "systemctl disable --now wg-quick@wg0")
    stranger = network.sh("wg-02", "wg genkey | wg pubkey")
    network.sh("wg-02", f"echo '# by hand' >>/etc/wireguard/wg0.conf; wg set wg0 peer {stranger} allowed-ips 10.86.0.77/32")
    network.sh("wg-edge", f"wg set wg0 peer {network.public_key('wg-02')} remove")
    look = network.run(playbook="look.yml")
    assert look.code == 2
    for sentence in (
        "wg-01: wg-quick@wg0: expected a unit that starts at boot, found one that does not; run site.yml.",
        "wg-01: wg-quick@wg0: expected running, found stopped; run site.yml.",
        "wg-02: /etc/wireguard/wg0.conf: expected what the role writes, found another text",
        f"wg-02: wg0, peer {stranger}: expected nothing, since nobody declares it, found a peer",
        "wg-02: wg0, asked for wg-01: expected an answer through the tunnel, found none",
        "wg-edge: wg0: expected running with what is configured, found running with something else",
    ):
        assert any(sentence in failure for failure in look.failures), (sentence, look.failures)
    assert network.run().changed == dict.fromkeys(HOSTS, 1)
    assert network.run(playbook="look.yml").code == 0
    network.settle(45)
    assert network.reaches("wg-edge", tunnel("wg-02"))
