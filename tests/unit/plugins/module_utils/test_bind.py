# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ipaddress
import json
import re

import pytest

from ansible_collections.llm.host.plugins.module_utils._bind import BindError, Bound, host_addresses, is_private, public_addresses, resolve

FOUND = {
    "lo": ["127.0.0.1", "::1"],
    "eth0": ["203.0.113.7", "2001:db8::7"],
    "eth1": ["fd00::7", "10.20.0.7", "192.168.3.7"],
    "eth2": [],
    "wg0": ["10.86.0.7", "fd86::7"],
    "tailscale0": ["fd7a:115c:a1e0::7", "100.101.102.103"],
}
MEMBER = {"interface": "wg0", "addresses": ["10.86.0.7", "fd86::7"]}
STRANGER = {"interface": "wg0", "addresses": []}


def bound(bind, found=None, *, networks=None, wireguard=None, follows=False, leaves=False):
    return resolve(
        {
            "bind": bind,
            "variable": "ollama_bind",
            "networks": networks or [],
            "named": networks is not None,
            "follows": follows,
            "leaves": leaves,
            **(wireguard or MEMBER),
        },
        FOUND if found is None else found,
    )


@pytest.mark.parametrize(
    ("bind", "addresses", "interface"),
    [
        pytest.param("loopback", ("127.0.0.1", "::1"), "lo", id="loopback"),
        pytest.param("localhost", ("127.0.0.1", "::1"), "lo", id="its-name"),
        pytest.param("127.0.0.1", ("127.0.0.1",), "lo", id="its-address"),
        pytest.param("wireguard", ("10.86.0.7", "fd86::7"), "wg0", id="wireguard"),
        pytest.param("wg0", ("10.86.0.7", "fd86::7"), "wg0", id="its-interface"),
        pytest.param("tailscale", ("100.101.102.103", "fd7a:115c:a1e0::7"), "tailscale0", id="tailscale-ipv4-first"),
        pytest.param("tailscale0", ("100.101.102.103", "fd7a:115c:a1e0::7"), "tailscale0", id="its-interface-too"),
        pytest.param("10.20.0.7", ("10.20.0.7",), "eth1", id="an-address"),
        pytest.param("[fd00::7]", ("fd00::7",), "eth1", id="an-address-of-ipv6"),
        pytest.param("fd00:0::7", ("fd00::7",), "eth1", id="in-another-spelling"),
        pytest.param("eth1", ("10.20.0.7", "192.168.3.7", "fd00::7"), "eth1", id="an-interface-with-its-private-addresses"),
        pytest.param("0.0.0.0", ("0.0.0.0",), "", id="everywhere-only-when-it-says-so"),
    ],
)
def test_what_is_written_becomes_addresses_of_the_host(bind, addresses, interface):
    assert bound(bind) == Bound(addresses, interface)


def test_of_an_interface_only_addresses_in_the_networks_that_are_named_count():
    assert bound("eth1", networks=["10.20.0.0/16", "fd00::/64"]).addresses == ("10.20.0.7", "fd00::7")


@pytest.mark.parametrize(
    ("bind", "found", "said"),
    [
        pytest.param(
            "eth0", FOUND, "ollama_bind is eth0, which has no private address (203.0.113.7, 2001:db8::7)", id="a-public-interface"
        ),
        pytest.param(
            "eth1",
            FOUND,
            "no network that the inventory calls private (it names none): list its network in ollama_private_networks",
            id="a-private-interface-that-nobody-named",
        ),
        pytest.param("eth2", FOUND, "no private address (none at all)", id="an-interface-without-addresses"),
        pytest.param("eth9", FOUND, "ollama_bind is eth9, which is neither", id="an-interface-that-was-renamed"),
        pytest.param("10.20.0.8", FOUND, "ollama_bind is 10.20.0.8, which no interface of the host has", id="an-address-that-changed"),
        pytest.param("tailscale", {**FOUND, "tailscale0": []}, "tailscale0 has no address of a tailnet", id="a-tailnet-that-is-down"),
        pytest.param(
            "tailscale", {**FOUND, "tailscale0": ["203.0.113.9"]}, "tailscale0 has no address of a tailnet", id="no-tailnet-at-all"
        ),
        pytest.param("wireguard", {**FOUND, "wg0": ["10.86.0.7"]}, "wg0 does not have fd86::7", id="a-tunnel-that-is-half-up"),
        pytest.param("wireguard", {"lo": ["127.0.0.1"]}, "wg0 does not have 10.86.0.7 and fd86::7", id="a-tunnel-that-is-down"),
    ],
)
def test_what_is_not_there_is_one_sentence_and_never_another_address(bind, found, said):
    with pytest.raises(BindError, match=re.escape(said)):
        bound(bind, found, networks=[])


def test_a_host_outside_of_the_network_is_told_to_join():
    with pytest.raises(BindError, match="group wireguard"):
        bound("wireguard", wireguard=STRANGER, follows=True)


def test_nothing_listens_in_a_network_that_the_host_leaves():
    with pytest.raises(BindError, match="ollama_bind is tailscale, and this host is to leave that network: let it listen elsewhere first"):
        bound("tailscale", leaves=True)


def test_what_this_run_brings_up_may_be_missing():
    assert bound("tailscale", {}, follows=True) == Bound((), "tailscale0", pending=True)
    assert bound("wireguard", {}, follows=True) == Bound(("10.86.0.7", "fd86::7"), "wg0", pending=True)


def test_public_is_what_strangers_could_reach():
    assert public_addresses(FOUND) == ["203.0.113.7", "2001:db8::7"]


def test_addresses_of_one_link_and_those_that_come_or_go_cannot_be_bound_to():
    told = [
        {
            "ifname": "eth0",
            "addr_info": [
                {"local": "10.0.0.7", "scope": "global"},
                {"local": "fe80::7", "scope": "link"},
                {"local": "fd00::7", "scope": "global", "tentative": True},
                {"local": "fd00::8", "scope": "global", "dadfailed": True},
                {"local": "fd00::9", "scope": "global", "temporary": True},
                {"local": "fd00::a", "scope": "global", "deprecated": True},
            ],
        },
        {"ifname": "wg0"},
        {},
    ]
    assert host_addresses(json.dumps(told)) == {"eth0": ["10.0.0.7"], "wg0": []}


@pytest.mark.parametrize(
    ("text", "private"),
    [
        ("10.1.2.3", True),
        ("172.31.0.1", True),
        ("172.32.0.1", False),
        ("192.168.0.0/16", True),
        ("192.0.0.0/8", False),
        ("100.64.0.1", True),
        ("100.128.0.1", False),
        ("fd00::1", True),
        ("2001:db8::1", False),
        ("0.0.0.0/0", False),
        ("::/0", False),
        ("8.8.8.8", False),
    ],
)
def test_private_is_what_nobody_reaches_from_the_internet(text, private):
    assert is_private(ipaddress.ip_network(text)) is private
