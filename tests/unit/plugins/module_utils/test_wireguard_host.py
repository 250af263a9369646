# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the programs of WireGuard print, and what is written for them."""

from __future__ import annotations

import os
import subprocess

import pytest

from ansible_collections.llm.host.plugins.module_utils import _wireguard_host
from ansible_collections.llm.host.plugins.module_utils._wireguard import Interface, Live, LivePeer, Peer, key_file, render
from ansible_collections.llm.host.plugins.module_utils._wireguard_host import SCRIPT_TEXT, WireGuard, quietly, read_live
from ansible_collections.llm.host.plugins.modules.wireguard_info import kernel_has_it

DUMP = (
    "SECRET=\tOWN=\t51820\toff\n"
    "KEY-A=\t(none)\t192.0.2.2:51820\t10.86.0.2/32,fd86::2/128\t1000\t300\t200\t25\n"
    "KEY-B=\t(none)\t(none)\t(none)\t0\t0\t0\toff\n"
)
LINK = {
    "mtu": 1420,
    "addr_info": [{"local": "10.86.0.1", "prefixlen": 16}, {"local": "fe80::1", "prefixlen": 64}, {"local": "fd86::1", "prefixlen": 64}],
}


def test_what_wg_and_ip_print_is_understood_and_the_private_key_dropped():
    live = read_live(DUMP, LINK, 1060)
    assert live == Live(
        "OWN=", 51820, frozenset({"10.86.0.1/16", "fd86::1/64"}), 1420,
        {
            "KEY-A=": LivePeer(frozenset({"10.86.0.2/32", "fd86::2/128"}), "192.0.2.2:51820", 25, 60, 300),
            "KEY-B=": LivePeer(frozenset()),
        },
    )  # fmt: skip
    assert "SECRET" not in repr(live)


def test_the_peer_behind_an_address_is_the_one_with_the_longest_network():
    peers = {"HUB": LivePeer(frozenset({"10.86.0.0/16"})), "NEAR": LivePeer(frozenset({"10.86.0.2/32"}))}
    live = Live("OWN", 1, frozenset(), 1420, peers)
    assert [_wireguard_host._key_of(live, address) for address in ("10.86.0.2", "10.86.0.3", "192.0.2.1")] == ["NEAR", "HUB", ""]


def test_a_program_that_is_not_there_is_one_that_failed():
    def run(command, handle_exceptions=True):
        raise FileNotFoundError(command[0])

    host = WireGuard(quietly(run))
    assert host.live("wg0") is None
    assert host.public_key("/nowhere") == ""
    assert host.routes() == []


@pytest.mark.parametrize(
    ("path", "text", "has_it"),
    [
        pytest.param("sys/module/wireguard/version", "1", True, id="loaded-or-built-in"),
        pytest.param("lib/modules/6.1/modules.dep", "kernel/drivers/net/wireguard/wireguard.ko.xz: x.ko\n", True, id="a-module"),
        pytest.param("lib/modules/6.1/modules.builtin", "kernel/drivers/net/wireguard/wireguard.ko\n", True, id="built-in"),
        pytest.param("lib/modules/5.10/modules.dep", "kernel/drivers/net/wireguard/wireguard.ko: \n", False, id="of-another-kernel"),
        pytest.param("lib/modules/6.1/modules.dep", "kernel/net/xfrm.ko: \n", False, id="none"),
    ],
)
def test_whether_the_kernel_has_it(tmp_path, path, text, has_it):
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text(text)
    assert kernel_has_it("6.1", str(tmp_path)) is has_it


def test_only_silent_peers_with_names_are_looked_up(tmp_path):
    """The script itself, with a wg that tells and notes."""
    peers = [Peer(name, f"KEY-{name}", ("10.86.0.2/32",), f"{name}.example.com:51820") for name in ("silent", "fresh", "never", "gone")]
    peers.append(Peer("literal", "KEY-literal", ("10.86.0.3/32",), "192.0.2.3:51820"))
    (tmp_path / "wg0.conf").write_text(render(Interface("wg0", ("10.86.0.1/16",), 51820, key_file(""), peers=tuple(peers))))
    program = tmp_path / "wg"
    program.write_text(
        f'#!/bin/sh\nif [ "$1" = set ]; then echo "$WG_ENDPOINT_RESOLUTION_RETRIES $*" >>{tmp_path}/log; exit 1; fi\nnow=$(date +%s)\n'
        'printf "KEY-silent\\t$((now - 500))\\nKEY-fresh\\t$((now - 5))\\nKEY-never\\t0\\nKEY-literal\\t0\\n"\n'
    )
    program.chmod(0o755)
    script = SCRIPT_TEXT.replace("/etc/wireguard", str(tmp_path))
    subprocess.run(["sh", "-c", script, "sh", "wg0"], check=True, env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert (tmp_path / "log").read_text().splitlines() == [
        "0 set wg0 peer KEY-silent endpoint silent.example.com:51820",
        "0 set wg0 peer KEY-never endpoint never.example.com:51820",
    ]
