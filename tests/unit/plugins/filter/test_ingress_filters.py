# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may come in to a host, read from the variables of the role firewall."""

from __future__ import annotations

import pytest

from ansible_collections.llm.host.plugins.filter.ingress import ingress_options, ingress_problems

SETTINGS = {
    "host": "gpu-01",
    "allow": [],
    "ssh_from": [],
    "confirm_within": 60,
    "tunnels": {"tailscale": 41641, "wireguard": "51820"},
    "interfaces": {"wireguard": "wg7"},
}


def entry(**changes):
    return {"allow": [{"ports": [443], "from": ["any"], **changes}]}


@pytest.mark.parametrize(
    ("settings", "problems"),
    [
        pytest.param({}, [], id="nothing-declared"),
        pytest.param(entry(ports=[443, "11434-11436"], **{"from": ["10.20.0.0/16", "fd00::/8", "wireguard", "any"]}), [], id="all-that-can-be"),
        pytest.param(
            entry(ports=[70000]),
            ["firewall_allow[0].ports has 70000: write a port from 1 to 65535, or a range such as 11434-11436."],
            id="no-port",
        ),
        pytest.param(
            entry(ports=["90-80"]),
            ["firewall_allow[0].ports has '90-80': write a port from 1 to 65535, or a range such as 11434-11436."],
            id="a-range-upside-down",
        ),
        pytest.param(
            entry(ports=[]), ["firewall_allow[0].ports is empty: write ports, such as [443], or remove the entry."], id="no-ports"
        ),
        pytest.param(
            entry(**{"from": []}),
            ["firewall_allow[0].from is empty, so nobody would be let in: write a network such as 10.20.0.0/16, or any, or remove the entry."],
            id="nobody",
        ),
        pytest.param(
            entry(**{"from": ["wireguad"]}),
            ["firewall_allow[0].from has 'wireguad': write a network such as 10.20.0.0/16, tailscale or wireguard, or any."],
            id="an-unknown-name",
        ),
        pytest.param(
            entry(**{"from": ["10.20.0.0/40"]}),
            ["firewall_allow[0].from has '10.20.0.0/40': write a network such as 10.20.0.0/16, tailscale or wireguard, or any."],
            id="no-network",
        ),
        pytest.param(
            entry(**{"from": ["tailscale"]}),
            [
                "firewall_allow[0].from has tailscale, but gpu-01 is not in the group tailscale: put it into that group, "
                "or say something else for this host."
            ],
            id="a-network-that-the-host-is-not-in",
        ),
        pytest.param(
            {"ssh_from": ["any"]},
            ["firewall_ssh_from[0] is any: leave firewall_ssh_from empty, which opens SSH to everybody."],
            id="ssh-from-anybody",
        ),
        pytest.param(
            {"ssh_from": ["office"]},
            ["firewall_ssh_from[0] has 'office': write a network such as 10.20.0.0/16, tailscale or wireguard."],
            id="ssh-from-an-unknown-name",
        ),
        pytest.param({"confirm_within": 0}, ["firewall_confirm_within is 0: write a number of seconds, such as 60."], id="no-time"),
    ],
)  # fmt: skip
def test_problems(settings, problems):
    assert ingress_problems({**SETTINGS, **settings}) == problems


def test_names_become_interfaces_and_the_tunnel_itself_is_let_in():
    settings = {
        **SETTINGS,
        "allow": [{"ports": [443], "protocol": "tcp", "from": ["10.20.0.0/16", "wireguard"]}],
        "ssh_from": ["wireguard", "fd00::/8"],
    }
    assert ingress_options(settings) == {
        "openings": [
            {"ports": ["443"], "protocol": "tcp", "sources": ["10.20.0.0/16"], "interfaces": ["wg7"]},
            {"ports": ["51820"], "protocol": "udp", "sources": ["any"], "interfaces": []},
        ],
        "ssh_sources": ["fd00::/8"],
        "ssh_interfaces": ["wg7"],
        "confirm_within": 60,
    }


def test_without_a_list_ssh_is_narrowed_to_nothing():
    options = ingress_options({**SETTINGS, "interfaces": {}})
    assert (options["openings"], options["ssh_sources"], options["ssh_interfaces"]) == ([], [], [])
