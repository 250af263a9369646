# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom the firewall of a host lets in, decided from the inventory and from what its names stand for there."""

from __future__ import annotations

import pytest

from ansible_collections.llm.host.plugins.filter.firewall import (
    firewall_gateways,
    firewall_interfaces,
    firewall_members,
    firewall_ports,
    firewall_problems,
    firewall_sources,
)

FIREWALL = {
    "host": "gpu",
    "ports": [11434],
    "group": ["edge"],
    "gateways": [{"host": "edge", "variable": "", "address": "edge"}],
    "allow": [],
    "networks": ["10.20.0.0/24", "fd00::/64"],
    "anywhere": False,
    "bind": "10.20.0.7",
    "wireguard": "wg0",
}
ADDRESSES = {"edge": ["10.20.0.5"]}


@pytest.mark.parametrize(
    ("listens", "ports"),
    [
        pytest.param("127.0.0.1", [], id="loopback"),
        pytest.param("localhost", [], id="its-name"),
        pytest.param("[::1]", [], id="loopback-of-ipv6"),
        pytest.param("10.20.0.7", [11434, 11444], id="an-address"),
        pytest.param("0.0.0.0", [11434, 11444], id="every-address"),
        pytest.param("fd00::7", [11434, 11444], id="an-address-of-ipv6"),
    ],
)
def test_ports_are_closed_where_others_could_reach_them(listens, ports):
    assert firewall_ports({"host": listens, "instances": [{"name": "a", "port": 11434}, {"name": "b", "port": "11444"}]}) == ports


@pytest.mark.parametrize(
    ("variables", "variable", "address"),
    [
        pytest.param({}, "", "edge", id="its-name-where-nothing-is-said"),
        pytest.param({"ansible_host": "10.20.0.5"}, "ansible_host", "10.20.0.5", id="where-ansible-finds-it"),
        pytest.param({"ansible_host": "edge.lan"}, "ansible_host", "edge.lan", id="which-may-be-a-name"),
        pytest.param({"ansible_host": "192.0.2.5", "ollama_bind": "10.20.0.5"}, "ollama_bind", "10.20.0.5", id="rather-where-it-listens-itself"),
        pytest.param({"ansible_host": "10.20.0.5", "ollama_bind": "127.0.0.1"}, "ansible_host", "10.20.0.5", id="but-not-loopback"),
        pytest.param({"ansible_host": "10.20.0.5", "ollama_bind": "0.0.0.0"}, "ansible_host", "10.20.0.5", id="nor-every-address"),
        pytest.param({"ollama_bind": "localhost"}, "", "edge", id="nor-the-name-of-loopback"),
        pytest.param(
            {"ansible_host": "192.0.2.5", "ollama_bind": "10.20.0.5", "balancer_source": "[fd00::5]"},
            "balancer_source", "fd00::5",
            id="before-all-what-somebody-wrote",
        ),
    ],
)  # fmt: skip
def test_a_gateway_comes_from(variables, variable, address):
    assert firewall_gateways(["edge"], {"edge": variables}, "gpu") == [{"host": "edge", "variable": variable, "address": address}]


def test_a_gateway_on_the_host_itself_needs_no_rule():
    assert firewall_gateways(["gpu", "edge"], {"gpu": {}, "edge": {}}, "gpu") == firewall_gateways(["edge"], {"edge": {}}, "gpu")


@pytest.mark.parametrize(
    ("firewall", "addresses", "sources"),
    [
        pytest.param({}, ADDRESSES, ["10.20.0.5"], id="the-gateway"),
        pytest.param({}, {"edge": ["192.0.2.5", "fd00::5", "fe80::5%eth0"]}, ["fd00::5"], id="of-a-name-only-what-is-private"),
        pytest.param({"gateways": [], "group": ["gpu"]}, {}, [], id="nobody-but-the-host-itself"),
        pytest.param({"allow": ["10.20.0.64/26", "fd00::9"]}, ADDRESSES, ["10.20.0.5", "10.20.0.64/26", "fd00::9"], id="what-is-listed"),
        pytest.param({"anywhere": True, "networks": []}, {"edge": ["192.0.2.5"]}, ["192.0.2.5"], id="from-anywhere-where-that-is-accepted"),
    ],
)
def test_sources(firewall, addresses, sources):
    assert firewall_problems({**FIREWALL, **firewall}, addresses) == []
    assert firewall_sources({**FIREWALL, **firewall}, addresses) == sources


EDGE = "The firewall of gpu cannot let in the gateway edge, "
ADVICE = "set balancer_source of edge to the address from which it reaches gpu, in ollama_private_networks of gpu, "


@pytest.mark.parametrize(
    ("firewall", "addresses", "problem"),
    [
        pytest.param({}, {"edge": []}, f"{EDGE}because gpu finds no address for its name: {ADVICE}10.20.0.0/24, fd00::/64.", id="unknown"),
        pytest.param(
            {}, {"edge": ["192.0.2.5"]}, f"{EDGE}whose name is 192.0.2.5, not in a private network: {ADVICE}", id="name-from-outside"
        ),
        pytest.param({}, {"edge": ["127.0.1.1"]}, f"{EDGE}whose name is 127.0.1.1, not in", id="name-of-loopback"),
        pytest.param(
            {"gateways": [{"host": "edge", "variable": "ansible_host", "address": "192.0.2.5"}]},
            {"192.0.2.5": ["192.0.2.5"]},
            f"{EDGE}whose ansible_host 192.0.2.5 is not in a private network: {ADVICE}",
            id="address-from-outside",
        ),
        pytest.param({"networks": []}, ADDRESSES, "in ollama_private_networks of gpu, which is empty.", id="no-private-network"),
        pytest.param(
            {"allow": ["monitor"]}, ADDRESSES, "ollama_firewall_allow[0] is 'monitor': write an address or a network", id="no-address"
        ),
        pytest.param(
            {"allow": ["10.20.0.9", "10.20.0.0/16"]}, ADDRESSES, "ollama_firewall_allow[1] 10.20.0.0/16 does not lie", id="too-wide"
        ),
        pytest.param(
            {"group": [], "gateways": []}, {}, "would let nobody reach Ollama, because the inventory has no gateway", id="no-gateway"
        ),
    ],
)
def test_who_cannot_be_let_in_is_a_sentence(firewall, addresses, problem):
    (found,) = firewall_problems({**FIREWALL, **firewall}, addresses)
    assert problem in found


def test_where_nothing_is_closed_nothing_is_wrong():
    assert firewall_problems({**FIREWALL, "ports": [], "group": [], "gateways": [], "allow": ["monitor"]}, {}) == []


@pytest.mark.parametrize(
    ("changed", "interfaces"),
    [
        pytest.param({}, [], id="none-for-an-address"),
        pytest.param({"bind": "wireguard"}, ["wg0"], id="wireguard"),
        pytest.param({"bind": "wg7", "wireguard": "wg7"}, ["wg7"], id="its-interface"),
        pytest.param({"bind": "tailscale"}, ["tailscale0"], id="tailscale"),
        pytest.param({"allow": ["tailscale", "wireguard", "10.20.0.9"]}, ["tailscale0", "wg0"], id="what-is-listed"),
        pytest.param({"bind": "tailscale", "ports": []}, [], id="none-where-nothing-is-closed"),
    ],
)
def test_members_of_a_private_network_are_let_in(changed, interfaces):
    assert firewall_interfaces({**FIREWALL, **changed}) == interfaces


def test_who_is_a_member_need_not_be_found_in_the_inventory():
    assert firewall_problems({**FIREWALL, "bind": "tailscale", "group": [], "gateways": []}, {}) == []
    assert firewall_sources({**FIREWALL, "gateways": [], "allow": ["wireguard", "10.20.0.9"]}, {}) == ["10.20.0.9"]


@pytest.mark.parametrize(
    ("changed", "members"),
    [
        pytest.param({}, ["10.20.0.5"], id="the-gateway"),
        pytest.param({"bind": "wireguard", "gateways": []}, ["10.86.0.0/16"], id="wireguard"),
        pytest.param(
            {"bind": "tailscale", "gateways": [], "allow": ["10.20.0.9"]},
            ["10.20.0.9", "100.64.0.0/10", "fd7a:115c:a1e0::/48"],
            id="a-tailnet-and-one",
        ),
        pytest.param({"ports": []}, ["10.20.0.0/24", "fd00::/64"], id="everybody-in-the-network-without-firewall"),
        pytest.param({"bind": "loopback", "ports": []}, [], id="nobody-on-loopback"),
    ],
)
def test_who_may_reach_an_instance(changed, members):
    assert firewall_members({**FIREWALL, **changed}, ADDRESSES, ["10.86.0.0/16"]) == members
