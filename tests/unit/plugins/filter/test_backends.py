# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the gateway finds Ollama, decided from the inventory alone."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.llm.host.plugins.filter.bind import bind_asked
from ansible_collections.llm.host.plugins.filter.pool import backend_hosts, backend_problems, backends, gateway_reach_problems
from ansible_collections.llm.host.plugins.plugin_utils._wireguard_addresses import assigned

TWO = [{"name": "gpu0", "port": 11434}, {"name": "gpu1", "port": 11435}]


@pytest.mark.parametrize(
    ("hosts", "hostvars", "expected"),
    [
        pytest.param(["me"], {"me": {}}, ["127.0.0.1:11434"], id="own-host-without-settings-is-loopback-and-the-default-port"),
        pytest.param(["me"], {"me": {"ollama_instances": TWO}}, ["127.0.0.1:11434", "127.0.0.1:11435"], id="each-instance-is-one-backend"),
        pytest.param(["me"], {"me": {"ollama_bind": "localhost"}}, ["127.0.0.1:11434"], id="own-localhost-is-loopback"),
        pytest.param(["me"], {"me": {"ollama_bind": "0.0.0.0"}}, ["127.0.0.1:11434"], id="own-host-on-all-addresses-is-loopback"),
        pytest.param(["me"], {"me": {"ollama_bind": "10.0.0.5"}}, ["10.0.0.5:11434"], id="own-host-on-one-address-is-that-address"),
        pytest.param(["me"], {"me": {"ollama_bind": "::1"}}, ["[::1]:11434"], id="own-ipv6-loopback-keeps-its-brackets"),
        pytest.param(["gpu"], {"gpu": {"ollama_bind": "10.0.0.7"}}, ["10.0.0.7:11434"], id="other-host-is-its-listening-address"),
        pytest.param(["gpu"], {"gpu": {"ollama_bind": "fd00::7"}}, ["[fd00::7]:11434"], id="ipv6-address-gets-brackets"),
        pytest.param(["gpu"], {"gpu": {"ollama_bind": "[fd00::7]"}}, ["[fd00::7]:11434"], id="brackets-are-not-doubled"),
        pytest.param(
            ["gpu"],
            {"gpu": {"ollama_bind": "wireguard"}},
            [f"{assigned('gpu', ['10.86.0.0/16'])[0]}:11434"],
            id="wireguard-follows-from-the-name",
        ),
        pytest.param(
            ["gpu"],
            {"gpu": {"ollama_bind": "wireguard", "wireguard_networks": ["fd86::/64"], "wireguard_addresses": ["fd86::7"]}},
            ["[fd86::7]:11434"],
            id="or-is-the-address-that-is-declared",
        ),
        pytest.param(
            ["gpu"],
            {"gpu": {"ollama_bind": "wg7", "wireguard_interface": "wg7", "wireguard_addresses": ["10.86.0.7"]}},
            ["10.86.0.7:11434"],
            id="its-interface-too",
        ),
        pytest.param(
            ["gpu"], {"gpu": {"ollama_bind": "tailscale"}}, ["100.64.0.0:11434"], id="of-what-is-not-known-yet-an-address-that-nobody-has"
        ),
        pytest.param(
            ["gpu"],
            {"gpu": {"ollama_bind": "0.0.0.0", "ansible_host": "10.0.0.7"}},
            ["10.0.0.7:11434"],
            id="all-addresses-means-ansible-host",
        ),
        pytest.param(["gpu"], {"gpu": {"ollama_bind": "::"}}, ["gpu:11434"], id="all-addresses-without-ansible-host-means-its-name"),
        pytest.param(
            ["b", "me"],
            {"b": {"ollama_bind": "10.0.0.2"}, "me": {}},
            ["10.0.0.2:11434", "127.0.0.1:11434"],
            id="order-of-the-group-is-kept",
        ),
        pytest.param([], {}, [], id="no-host-no-backend"),
    ],
)
def test_backends(hosts, hostvars, expected):
    assert backends(hosts, hostvars, "me") == expected


def test_of_a_tailnet_or_an_interface_only_the_host_knows_the_address():
    hostvars = {
        "a": {"ollama_bind": "tailscale"},
        "b": {"ollama_bind": "eth1"},
        "c": {"ollama_bind": "10.0.0.3"},
        "d": {},
        "e": {"ollama_bind": "wireguard"},
    }
    assert bind_asked(hostvars, hostvars) == ["a", "b"]
    bound = {"a": {"addresses": ["100.101.102.103", "fd7a:115c:a1e0::7"]}, "b": {"addresses": ["fd00::7"]}}
    assert backends(["a", "b", "c"], hostvars, "me", bound) == ["100.101.102.103:11434", "[fd00::7]:11434", "10.0.0.3:11434"]


@pytest.mark.parametrize("listens", ["127.0.0.1", "localhost", "::1", "127.0.0.9"])
def test_other_host_on_loopback_is_refused_and_named(listens):
    with pytest.raises(AnsibleFilterError, match=r"on gpu, which listens on .* only: set ollama_bind of gpu"):
        backends(["gpu"], {"gpu": {"ollama_bind": listens}}, "me")


def test_other_host_without_settings_is_refused_because_the_default_is_loopback():
    with pytest.raises(AnsibleFilterError, match=r"loopback only"):
        backends(["gpu"], {"gpu": {}}, "me")


@pytest.mark.parametrize("instances", [["gpu0"], [{"port": "x"}], 3])
def test_broken_instances_are_named_by_host(instances):
    with pytest.raises(AnsibleFilterError, match="ollama_instances of me"):
        backends(["me"], {"me": {"ollama_instances": instances}}, "me")


@pytest.mark.parametrize(
    ("hostvars", "expected"),
    [
        pytest.param({"me": {}, "other": {}}, ["127.0.0.1:11434"], id="hosts-that-keep-to-loopback-stand-alone"),
        pytest.param(
            {"me": {}, "other": {"ollama_bind": "10.0.0.2"}},
            ["127.0.0.1:11434", "10.0.0.2:11434"],
            id="a-host-that-can-be-reached-is-used-besides-the-own-one",
        ),
    ],
)
def test_a_host_that_runs_ollama_itself(hostvars, expected):
    assert backends(["me", "other"], hostvars, "me") == expected


def test_a_pool_of_which_one_host_cannot_be_reached_is_a_mistake():
    hostvars = {"me": {}, "near": {"ollama_bind": "10.0.0.2"}, "far": {}}
    assert "set ollama_bind of far" in backend_problems(["me", "near", "far"], hostvars, "me")[0]
    assert backend_hosts(["me", "far"], {"me": {}, "far": {}}, "me") == ["me"]


@pytest.mark.parametrize(
    ("me", "edge", "reached"),
    [
        pytest.param({"ollama_bind": "10.0.0.2"}, {}, True, id="private"),
        pytest.param({"ollama_bind": "tailscale"}, {}, True, id="of-a-tailnet"),
        pytest.param({}, {"gateway_backends": ["10.9.9.9:11434"]}, True, id="the-gateway-uses-others"),
        pytest.param({}, {"gateway_backend_group": "elsewhere"}, True, id="the-gateway-uses-another-group"),
        pytest.param({"ollama_bind": "loopback"}, {}, False, id="loopback"),
        pytest.param({}, {}, False, id="nothing-said"),
    ],
)
def test_whether_the_gateway_reaches_this_host(me, edge, reached):
    problems = gateway_reach_problems(["me", "edge"], {"me": me, "edge": edge}, {"ollama": ["me"], "elsewhere": []}, "me")
    assert (problems == []) is reached
    assert all(problem.startswith("The gateway cannot reach Ollama on me, which listens on") for problem in problems)
