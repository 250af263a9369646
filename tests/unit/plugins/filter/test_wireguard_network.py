# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A WireGuard network from an inventory, and what is wrong with one."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.llm.host.plugins.filter.wireguard import (
    wireguard_addresses,
    wireguard_client_configs,
    wireguard_host_problems,
    wireguard_interface,
    wireguard_members,
    wireguard_probes,
    wireguard_problems,
)
from ansible_collections.llm.host.plugins.plugin_utils._wireguard_network import DEFAULTS, with_port

NAMES = ["edge", "gpu-01", "gpu-02"]
KEY = "NWZC0w8Mpm0DMjxpoSY/k/9WhEKpvFPPK7lPe5/+Ymo="
KEYS = {"edge": "K-EDGE", "gpu-01": "K-01", "gpu-02": "K-02", "alice": KEY}
ADDRESSES = {"edge": "10.86.0.1", "gpu-01": "10.86.0.2", "gpu-02": "10.86.0.3"}
ALICE = {"name": "alice", "public_key": KEY, "addresses": ["10.86.0.9"]}
HUB = {"wireguard_topology": "hub", "wireguard_hub": "edge"}
INFO = {"taken": "", "tunnels": True, "ipv6": True, "routes": [], "interfaces": [], "public_key": "", "wanted_key": ""}


def site(general: dict[str, t.Any] | None = None, **of_hosts: dict[str, t.Any]) -> dict[str, dict[str, t.Any]]:
    """The variables of three hosts: ``general`` for all, then those of one, by its name with underscores."""
    return {
        name: {"wireguard_addresses": [ADDRESSES[name]], "ansible_host": f"{name}.example.com", **(general or {}), **of_hosts.get(name.replace("-", "_"), {})}
        for name in NAMES
    }  # fmt: skip


def general(**variables: t.Any) -> dict[str, t.Any]:
    return {f"wireguard_{name}": value for name, value in variables.items()}


def problems(*arguments: t.Any, name: str = "edge", **of_hosts: t.Any) -> list[str]:
    return wireguard_problems(NAMES, site(*arguments, **of_hosts), name)


def peers(name: str, *arguments: t.Any, keys: dict[str, str] | None = None, **of_hosts: t.Any) -> dict[str, dict[str, t.Any]]:
    found = wireguard_interface(NAMES, site(*arguments, **of_hosts), name, KEYS if keys is None else keys)["peers"]
    return {peer.pop("name"): peer for peer in found}


def test_the_defaults_are_those_of_the_role():
    role = yaml.safe_load((Path(__file__).parents[4] / "roles/wireguard/defaults/main.yml").read_text())
    assert {name: role[f"wireguard_{name}"] for name in DEFAULTS} == DEFAULTS
    assert set(role) - {f"wireguard_{name}" for name in DEFAULTS} == {"wireguard_group", "wireguard_endpoint"}


def test_a_network_of_which_nothing_is_said_has_no_problems():
    assert wireguard_problems(NAMES, {name: {} for name in NAMES}, "edge") == []


def test_an_address_follows_from_the_name_or_is_declared():
    assert wireguard_addresses("gpu-01") == wireguard_addresses("gpu-01", ["10.86.0.0/16"])
    assert wireguard_addresses("gpu-01", ["10.86.0.0/16", "fd86::/64"], ["fd86::7"])[1] == "fd86::7"
    with pytest.raises(AnsibleFilterError, match="wireguard_networks or wireguard_addresses of gpu-01"):
        wireguard_addresses("gpu-01", ["10.86.0.1/16"])


def test_in_a_mesh_everyone_knows_everyone():
    found = peers("edge", gpu_01=general(endpoint="192.0.2.7"), gpu_02=general(endpoint="fd00::7", port=4))
    assert {name: (peer["allowed"], peer["endpoint"]) for name, peer in found.items()} == {
        "gpu-01": (["10.86.0.2/32"], "192.0.2.7:51820"),
        "gpu-02": (["10.86.0.3/32"], "[fd00::7]:4"),
    }


def test_at_a_hub_everyone_knows_the_hub_alone_and_it_sends_on():
    assert peers("gpu-01", HUB) == {
        "edge": {"public_key": "K-EDGE", "allowed": ["10.86.0.0/16"], "endpoint": "edge.example.com:51820", "keepalive": 0}
    }
    assert {name: peer["allowed"] for name, peer in peers("edge", HUB).items()} == {"gpu-01": ["10.86.0.2/32"], "gpu-02": ["10.86.0.3/32"]}
    assert [wireguard_interface(NAMES, site(HUB), name, KEYS)["forward"] for name in NAMES] == [True, False, False]


def test_who_cannot_be_reached_keeps_the_way_open_and_others_do_not():
    nat = {"gpu_01": general(endpoint="")}
    assert [peer["keepalive"] for peer in peers("gpu-01", **nat).values()] == [25, 25]
    assert [peer["keepalive"] for peer in peers("edge", **nat).values()] == [0, 0]
    assert [peer["keepalive"] for peer in peers("edge", general(keepalive=15), **nat).values()] == [15, 15]


def test_clients_are_known_where_they_can_connect():
    clients = general(clients=[ALICE, {"name": "bob", "state": "absent", "public_key": KEY}])
    assert "alice" in peers("edge", clients)
    assert "alice" not in peers("gpu-01", clients, gpu_01=general(endpoint=""))
    assert ["alice" in peers(name, {**clients, **HUB}) for name in NAMES] == [True, False, False]
    assert "bob" not in peers("edge", clients)


def test_the_configuration_of_a_client():
    clients = general(clients=[ALICE, {"name": "bob", "state": "absent"}])
    mesh, gone = wireguard_client_configs(NAMES, site(clients, gpu_02=general(endpoint="")), KEYS)
    assert [(peer["name"], peer["allowed"]) for peer in mesh["peers"]] == [("edge", ["10.86.0.1/32"]), ("gpu-01", ["10.86.0.2/32"])]
    assert (mesh["addresses"], gone["state"]) == (["10.86.0.9/32"], "absent")
    hub = wireguard_client_configs(NAMES, site({**clients, **HUB}), KEYS)[0]
    assert [(peer["name"], peer["allowed"]) for peer in hub["peers"]] == [("edge", ["10.86.0.0/16"])]


def test_who_leaves_is_no_member_and_nobodys_peer():
    leaving = {"gpu_02": general(state="absent")}
    assert wireguard_members(NAMES, site(**leaving)) == ["edge", "gpu-01"]
    assert list(peers("edge", **leaving)) == ["gpu-01"]
    assert wireguard_interface(NAMES, site(**leaving), "gpu-02", KEYS) == {"state": "absent"}


def test_a_key_that_is_not_known_is_empty():
    assert peers("edge", keys={})["gpu-01"]["public_key"] == ""


def test_probes_go_to_those_that_can_be_reached():
    assert wireguard_probes(NAMES, site(gpu_01=general(endpoint="")), "edge") == {"10.86.0.3": "gpu-02"}
    assert wireguard_probes(NAMES, site(HUB), "gpu-01") == {"10.86.0.1": "edge"}


@pytest.mark.parametrize(
    ("endpoint", "whole"),
    [("a", "a:1"), ("a:2", "a:2"), ("192.0.2.1", "192.0.2.1:1"), ("fd00::1", "[fd00::1]:1"), ("[fd00::1]", "[fd00::1]:1"), ("[fd00::1]:2", "[fd00::1]:2"), ("", "")],
)  # fmt: skip
def test_with_port(endpoint, whole):
    assert with_port(endpoint, 1) == whole


@pytest.mark.parametrize(
    ("variables", "of_hosts", "sentence"),
    [
        pytest.param({}, {"gpu_01": general(addresses=["10.86.0.1"])}, "edge and gpu-01 both have the address 10.86.0.1: set wireguard_addresses of gpu-01", id="two-hosts-with-one-address"),
        pytest.param(general(clients=[{**ALICE, "addresses": ["10.86.0.3"]}]), {}, "gpu-02 and the client alice both have the address 10.86.0.3: set its addresses in wireguard_clients", id="a-client-with-the-address-of-a-host"),
        pytest.param({}, {"gpu_01": general(addresses=["10.87.0.1"])}, "wireguard_addresses of gpu-01 has 10.87.0.1, which lies in none of wireguard_networks (10.86.0.0/16)", id="an-address-elsewhere"),
        pytest.param({}, {"gpu_01": general(addresses=["10.86.0.0"])}, "the first or the last address of 10.86.0.0/16", id="the-address-of-the-network"),
        pytest.param({}, {"gpu_01": general(addresses=["10.86.0.5", "10.86.0.6"])}, "has two addresses in 10.86.0.0/16", id="two-addresses-in-one-network"),
        pytest.param({}, {"gpu_01": general(addresses=["10.86.0.5/16"])}, "write addresses without a length", id="an-address-with-a-length"),
        pytest.param(general(networks=["10.86.0.0/30"], addresses=[]), {}, "10.86.0.0/30 with 2 addresses for 3 hosts and clients", id="too-small"),
        pytest.param(general(networks=["8.8.8.0/24"]), {}, "wireguard_networks[0] is '8.8.8.0/24', which is not private", id="not-private"),
        pytest.param(general(networks=["2001:db8::/64"]), {}, "which is not private", id="not-private-of-ipv6"),
        pytest.param(general(networks=["10.86.0.1/16"]), {}, "write a network without bits behind its length", id="no-network"),
        pytest.param(general(networks=[]), {}, "wireguard_networks is empty", id="no-networks"),
        pytest.param(general(networks=["10.86.0.0/16", "10.86.1.0/24"]), {}, "overlaps with another one of them", id="networks-in-each-other"),
        pytest.param({}, {"gpu_01": general(networks=["10.99.0.0/16"])}, "wireguard_networks of edge and of gpu-01 differ", id="two-opinions"),
        pytest.param(general(topology="star"), {}, "wireguard_topology is 'star': write mesh or hub", id="no-topology"),
        pytest.param(general(topology="hub"), {}, "wireguard_hub is empty", id="no-hub"),
        pytest.param(general(topology="hub", hub="other"), {}, "wireguard_hub is other, which is not in the group wireguard", id="a-hub-elsewhere"),
        pytest.param(HUB, {"edge": general(endpoint="")}, "wireguard_hub is edge, which has no wireguard_endpoint", id="a-hub-that-nobody-reaches"),
        pytest.param({}, {"gpu_01": general(endpoint=""), "gpu_02": general(endpoint="")}, "gpu-01 and gpu-02 have no wireguard_endpoint, so they can never reach each other", id="two-behind-nat"),
        pytest.param({}, {"gpu_01": general(port=0)}, "wireguard_port of gpu-01 is 0: write a number from 1 to 65535", id="no-port"),
        pytest.param({}, {"gpu_01": general(keepalive=-1)}, "wireguard_keepalive of gpu-01 is -1", id="no-keepalive"),
        pytest.param({}, {"gpu_01": general(mtu=100)}, "wireguard_mtu of gpu-01 is 100", id="no-mtu"),
        pytest.param({}, {"gpu_01": general(interface="wireguard-of-team")}, "wireguard_interface of gpu-01 is 'wireguard-of-team'", id="a-long-name"),
        pytest.param({}, {"gpu_01": general(endpoint="http://a:1")}, "wireguard_endpoint of gpu-01 is 'http://a:1'", id="an-endpoint-that-is-a-url"),
        pytest.param({}, {"gpu_01": general(endpoint="127.0.0.1")}, "which is every host itself", id="an-endpoint-that-is-loopback"),
        pytest.param({}, {"gpu_01": {"ansible_host": "10.86.0.2"}}, "wireguard_endpoint of gpu-01 is 10.86.0.2, an address in the tunnel itself", id="an-endpoint-in-the-tunnel"),
        pytest.param({}, {"gpu_01": {"ansible_host": "10.86.7.7", **general(endpoint="192.0.2.1")}}, "ansible_host of gpu-01 is 10.86.7.7, in wireguard_networks and not its address there", id="the-lan-is-the-network"),
        pytest.param(general(clients=[ALICE, {**ALICE, "addresses": ["10.86.0.8"]}]), {}, "are both named alice", id="a-client-twice"),
        pytest.param(general(clients=[ALICE, {"name": "bob", "public_key": KEY}]), {}, "bob and alice have the same public_key", id="a-key-twice"),
        pytest.param(general(clients=[{**ALICE, "name": "edge"}]), {}, "has the name edge, which is a host of the network", id="a-client-named-as-a-host"),
        pytest.param(general(clients=[{**ALICE, "name": "../alice"}]), {}, "has the name '../alice'", id="a-client-outside-of-the-directory"),
        pytest.param(general(clients=[{**ALICE, "public_key": "short"}]), {}, "has a public_key that is none", id="no-key"),
        pytest.param(general(clients=[{"name": "bob"}]), {}, "bob has no public_key, and there is no place for a key", id="no-place-for-a-key"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_sentence(variables, of_hosts, sentence):
    found = problems(variables, **of_hosts)
    assert len(found) == 1, found
    assert sentence in found[0]


def test_a_host_outside_of_the_group_is_told():
    assert problems(name="other") == [
        "other is not in the group wireguard, so that no other host would know it: put it there, or set wireguard_group."
    ]


def test_a_host_that_is_managed_through_the_tunnel_is_no_problem():
    assert problems(gpu_01={"ansible_host": "10.86.0.2", **general(endpoint="192.0.2.1")}) == []


@pytest.mark.parametrize(
    ("info", "variables", "sentence"),
    [
        pytest.param({}, {}, "", id="all-is-well"),
        pytest.param({"taken": "/etc/wireguard/wg0.conf"}, {}, "wireguard_interface of gpu-01 is wg0, and /etc/wireguard/wg0.conf is there", id="taken"),
        pytest.param({"tunnels": False}, {}, "gpu-01 can have no WireGuard", id="no-kernel-and-no-tun"),
        pytest.param({"routes": [{"network": "10.86.7.0/24", "device": "eth0"}]}, {}, "overlaps with 10.86.7.0/24 that gpu-01 reaches through eth0", id="the-lan"),
        pytest.param({"routes": [{"network": "10.87.0.0/24", "device": "eth0"}, {"network": "fe80::/64", "device": "eth0"}]}, {}, "", id="other-networks"),
        pytest.param({"public_key": "a", "wanted_key": ""}, {}, "", id="a-new-key"),
        pytest.param({"public_key": "a", "wanted_key": ""}, {"ansible_host": "10.86.0.2"}, "asks for a new key while this run reaches it through the tunnel", id="a-new-key-through-the-tunnel"),
        pytest.param({"interfaces": ["wg0"]}, {"ansible_host": "10.86.0.2", "wireguard_state": "absent"}, "wireguard_state of gpu-01 is absent while", id="leaving-through-the-tunnel"),
        pytest.param({}, {"ansible_host": "10.86.0.2", "wireguard_state": "absent"}, "", id="gone-already"),
    ],
)  # fmt: skip
def test_what_is_in_the_way_on_a_host(info, variables, sentence):
    found = wireguard_host_problems(NAMES, site(gpu_01=variables), "gpu-01", {**INFO, **info})
    assert [sentence in text for text in found] == ([True] if sentence else []), found


def test_a_host_without_ipv6_is_told_before_wg_quick_fails():
    variables = site(general(networks=["10.86.0.0/16", "fd86::/64"]))
    assert wireguard_host_problems(NAMES, variables, "gpu-01", INFO) == []
    (sentence,) = wireguard_host_problems(NAMES, variables, "gpu-01", {**INFO, "ipv6": False})
    assert "wireguard_networks has fd86::/64, and IPv6 is switched off on gpu-01" in sentence
    assert wireguard_host_problems(NAMES, site(), "gpu-01", {**INFO, "ipv6": False}) == []


def test_a_new_key_is_refused_where_the_others_would_not_hear_of_it():
    info = {**INFO, "public_key": "a"}
    (sentence,) = wireguard_host_problems(NAMES, site(), "gpu-01", info, ["gpu-01", "edge"])
    assert "gpu-02 would not hear of it" in sentence
    assert wireguard_host_problems(NAMES, site(), "gpu-01", info, NAMES) == []
