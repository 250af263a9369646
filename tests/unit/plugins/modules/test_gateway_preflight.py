# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the gateway is to listen becomes addresses of the host: those of each entry, each once, and never all of them for want of one."""

from __future__ import annotations

import json

import pytest

from ansible_collections.llm.host.plugins.module_utils._bind import BindError
from ansible_collections.llm.host.plugins.modules.gateway_preflight import bound_by

HAVE = {
    "lo": ["127.0.0.1", "::1"],
    "eth0": ["203.0.113.7"],
    "eth1": ["fd00:1::7", "10.1.0.7"],
    "wg0": ["10.86.0.7", "fd00:86::7"],
}


class Module:
    """A host with these addresses."""

    def __init__(self, have):
        self._output = json.dumps([{"ifname": name, "addr_info": [{"local": one} for one in found]} for name, found in have.items()])

    def get_bin_path(self, name):
        return f"/sbin/{name}"

    def run_command(self, command):
        return 0, self._output, ""


def bound(*binds, have=HAVE, follows=False):
    entries = [
        {
            "bind": bind,
            "variable": "gateway_bind",
            "networks": [],
            "named": False,
            "interface": "wg0",
            "addresses": ["10.86.0.7", "fd00:86::7"],
            "follows": follows,
            "leaves": False,
        }
        for bind in binds
    ]
    return bound_by(Module(have), entries)


@pytest.mark.parametrize(
    ("binds", "addresses"),
    [
        pytest.param([], [], id="all-of-them-if-nothing-is-said"),
        pytest.param(["loopback"], ["127.0.0.1", "::1"], id="loopback-of-both-families"),
        pytest.param(["wireguard"], ["10.86.0.7", "fd00:86::7"], id="wireguard-of-both-families"),
        pytest.param(["eth1"], ["10.1.0.7", "fd00:1::7"], id="an-interface-by-its-name"),
        pytest.param(["203.0.113.7"], ["203.0.113.7"], id="a-public-address-that-somebody-wrote"),
        pytest.param(["[fd00:1:0::7]"], ["fd00:1::7"], id="an-address-in-brackets-and-another-spelling"),
        pytest.param(["eth1", "10.1.0.7", "wg0", "wireguard"], ["10.1.0.7", "fd00:1::7", "10.86.0.7", "fd00:86::7"], id="each-once"),
    ],
)
def test_entries_become_addresses(binds, addresses):
    assert bound(*binds) == {"addresses": addresses, "unknown": False, "pending": False}


@pytest.mark.parametrize(
    ("bind", "words"),
    [
        pytest.param("eth0", "has no private address", id="an-interface-with-a-public-address"),
        pytest.param("eth7", "nor an interface of the host", id="an-interface-that-is-missing"),
        pytest.param("10.1.0.8", "which no interface of the host has", id="an-address-that-is-missing"),
        pytest.param("tailscale", "tailscale0 has no address of a tailnet", id="no-tailnet"),
    ],
)
def test_what_the_host_does_not_have_is_a_sentence_beside_what_it_has(bind, words):
    with pytest.raises(BindError, match=words):
        bound("loopback", bind)


def test_what_follows_later_in_the_run_is_pending_and_no_fault():
    bare = {"lo": ["127.0.0.1"]}
    assert bound("loopback", "tailscale", have=bare, follows=True) == {"addresses": ["127.0.0.1"], "unknown": True, "pending": True}
    assert bound("wireguard", have=bare, follows=True) == {"addresses": ["10.86.0.7", "fd00:86::7"], "unknown": False, "pending": True}
