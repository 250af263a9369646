# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.llm.host.plugins.filter.bind import bind_address, bind_options, bind_options_of
from ansible_collections.llm.host.plugins.plugin_utils._bind import PENDING

HOSTVARS = {"gpu": {"wireguard_addresses": ["10.86.0.7"]}}
GROUPS = {"tailscale": ["gpu"], "wireguard": ["gpu"]}


def options(bind, hostvars=HOSTVARS, groups=GROUPS, **others):
    return bind_options(bind, "gpu", hostvars, groups, **others)


@pytest.mark.parametrize(
    ("bind", "bound", "address"),
    [
        pytest.param("loopback", {}, "127.0.0.1", id="loopback"),
        pytest.param("localhost", {}, "127.0.0.1", id="its-name"),
        pytest.param("[fd00::7]", {}, "fd00::7", id="an-address"),
        pytest.param("wireguard", {}, "10.86.0.7", id="wireguard-is-known-from-the-inventory"),
        pytest.param("wg0", {}, "10.86.0.7", id="its-interface-too"),
        pytest.param("tailscale", {}, PENDING, id="a-tailnet-tells-later"),
        pytest.param("tailscale", {"addresses": [], "pending": True}, PENDING, id="or-would"),
        pytest.param("tailscale", {"addresses": ["100.101.102.103", "fd7a:115c:a1e0::7"]}, "100.101.102.103", id="ipv4-first"),
        pytest.param("eth1", {"addresses": ["fd00::7"]}, "fd00::7", id="what-the-interface-has"),
        pytest.param("eth1", {}, PENDING, id="never-everywhere-because-nothing-is-known"),
    ],
)
def test_one_address(bind, bound, address):
    assert bind_address(options(bind), bound) == address


@pytest.mark.parametrize(
    ("bind", "hostvars", "groups", "follows"),
    [
        pytest.param("tailscale", HOSTVARS, GROUPS, True, id="tailscale"),
        pytest.param("tailscale", HOSTVARS, {}, False, id="tailscale-without-its-group"),
        pytest.param("tailscale", {"gpu": {"tailscale_state": "absent"}}, GROUPS, False, id="a-host-that-leaves"),
        pytest.param("100.101.102.103", HOSTVARS, GROUPS, True, id="an-address-of-a-tailnet"),
        pytest.param("wireguard", HOSTVARS, GROUPS, True, id="wireguard"),
        pytest.param("10.86.0.7", HOSTVARS, GROUPS, True, id="its-address"),
        pytest.param("10.20.0.7", HOSTVARS, GROUPS, False, id="another-address"),
        pytest.param("eth1", HOSTVARS, GROUPS, False, id="an-interface"),
    ],
)
def test_what_this_run_sets_up_may_be_missing_before(bind, hostvars, groups, follows):
    assert options(bind, hostvars, groups, follows=True)["follows"] is follows
    assert options(bind, hostvars, groups)["follows"] is False


@pytest.mark.parametrize(("bind", "leaves"), [("tailscale", True), ("100.101.102.103", True), ("wireguard", False), ("loopback", False)])
def test_who_leaves_a_network_cannot_listen_there(bind, leaves):
    assert options(bind, {"gpu": {"tailscale_state": "absent"}})["leaves"] is leaves


def test_who_is_not_in_the_group_has_no_address_in_the_network():
    assert options("wireguard", groups={})["addresses"] == []


@pytest.mark.parametrize(
    ("networks", "anywhere", "named"),
    [(None, False, False), ([], False, True), (["10.0.0.0/8"], "no", True), (["10.0.0.0/8"], "yes", False)],
)
def test_of_an_interface_only_named_networks_count_unless_the_risk_is_accepted(networks, anywhere, named):
    assert options("eth1", networks=networks, anywhere=anywhere)["named"] is named


def test_a_network_that_is_none_is_one_sentence():
    with pytest.raises(AnsibleFilterError, match="wireguard_networks or wireguard_addresses of gpu are wrong"):
        options("wireguard", {"gpu": {"wireguard_networks": ["10.86.0/x"]}})


def test_of_another_host_the_inventory_says_it_all():
    variables = {"ollama_bind": "eth1", "ollama_private_networks": ["10.20.0.0/16"], "ollama_accept_exposed_api": "no"}
    assert bind_options_of("gpu", {"gpu": variables}, {}) == bind_options("eth1", "gpu", {"gpu": variables}, {}, networks=["10.20.0.0/16"])
    assert bind_options_of("gpu", {"gpu": {}}, {})["bind"] == "loopback"


@pytest.mark.parametrize(
    ("bind", "word"), [("wg0", "wireguard"), ("tailscale0", "tailscale"), ("localhost", "loopback"), (" eth1 ", "eth1")]
)
def test_the_name_of_an_interface_stands_for_its_network(bind, word):
    assert options(bind)["bind"] == word
