# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configurations of people's devices: made once, kept, and for nobody else's eyes."""

from __future__ import annotations

import stat

import pytest

from ansible_collections.llm.host.plugins.module_utils._wireguard import PENDING
from ansible_collections.llm.host.plugins.plugin_utils._wireguard_clients import PLACEHOLDER, Clients, private_key_in, public_key_of

PEER = {"name": "edge", "public_key": "K-EDGE", "allowed": ["10.86.0.1/32"], "endpoint": "edge.example.com:51820"}
ALICE = {"name": "alice", "public_key": "", "addresses": ["10.86.0.9/32"], "peers": [PEER], "state": "present"}
QRENCODE = '#!/bin/sh\n[ "$1 $3" = "-t -r" ] && [ "$5" = -o ] && grep -q PrivateKey "$4" && echo "$2" >"$6"\n'


@pytest.fixture
def qrencode(tmp_path):
    program = tmp_path / "qrencode"
    program.write_text(QRENCODE)
    program.chmod(0o755)
    return str(program)


@pytest.fixture
def dest(tmp_path):
    return tmp_path / "clients"


def test_a_key_is_made_once_and_kept(dest):
    key, changed = Clients(str(dest), "").ensure(ALICE, check_mode=False)
    text = (dest / "alice.conf").read_text()
    assert text == (
        f"[Interface]\nPrivateKey = {private_key_in(text)}\nAddress = 10.86.0.9/32\n"
        "\n[Peer]\n# edge\nPublicKey = K-EDGE\nAllowedIPs = 10.86.0.1/32\nEndpoint = edge.example.com:51820\nPersistentKeepalive = 25\n"
    )
    assert (key, changed) == (public_key_of(private_key_in(text)), [str(dest / "alice.conf")])
    assert (stat.S_IMODE((dest / "alice.conf").stat().st_mode), stat.S_IMODE(dest.stat().st_mode)) == (0o600, 0o700)
    assert Clients(str(dest), "").ensure(ALICE, check_mode=False) == (key, [])


def test_a_new_peer_changes_the_file_and_not_the_key(dest):
    key = Clients(str(dest), "").ensure(ALICE, check_mode=False)[0]
    more = {**ALICE, "peers": [PEER, {**PEER, "name": "gpu", "public_key": "K-GPU"}]}
    assert Clients(str(dest), "").ensure(more, check_mode=False) == (key, [str(dest / "alice.conf")])


def test_who_could_not_be_asked_keeps_its_entry_and_who_has_none_is_left_out(dest):
    Clients(str(dest), "").ensure(ALICE, check_mode=False)
    unknown = [{**PEER, "public_key": ""}, {**PEER, "name": "gpu", "public_key": ""}]
    assert Clients(str(dest), "").ensure({**ALICE, "peers": unknown}, check_mode=False)[1] == []


def test_check_mode_makes_nothing(dest):
    assert Clients(str(dest), "").ensure(ALICE, check_mode=True) == (PENDING, [str(dest / "alice.conf")])
    assert not dest.exists()


def test_who_has_a_key_finds_a_line_for_it_and_no_code(dest, qrencode):
    key, changed = Clients(str(dest), qrencode).ensure({**ALICE, "public_key": "K-ALICE"}, check_mode=False)
    assert (key, changed) == ("K-ALICE", [str(dest / "alice.conf")])
    assert f"PrivateKey = {PLACEHOLDER}\n" in (dest / "alice.conf").read_text()


def test_codes_lie_beside_and_are_made_again_with_the_file(dest, qrencode):
    files = [str(dest / f"alice{suffix}") for suffix in (".conf", ".png", ".txt")]
    clients = Clients(str(dest), qrencode)
    assert clients.ensure(ALICE, check_mode=False)[1] == files
    assert clients.ensure(ALICE, check_mode=False)[1] == []
    assert [(dest / f"alice{suffix}").read_text() for suffix in (".png", ".txt")] == ["PNG\n", "UTF8\n"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in dest.iterdir()} == {0o600}
    assert clients.ensure({**ALICE, "addresses": ["10.86.0.8/32"]}, check_mode=False)[1] == files
    assert not clients.codes_missing
    assert clients.ensure({**ALICE, "state": "absent"}, check_mode=True) == ("", files)
    assert clients.ensure({**ALICE, "state": "absent"}, check_mode=False) == ("", files)
    assert list(dest.iterdir()) == []


def test_without_qrencode_there_is_none_and_it_is_told(dest):
    clients = Clients(str(dest), "")
    clients.ensure(ALICE, check_mode=False)
    assert clients.codes_missing


def test_what_no_code_can_hold_is_told_and_the_file_is_there(dest, qrencode):
    clients = Clients(str(dest), qrencode)
    clients.ensure({**ALICE, "peers": [{**PEER, "name": f"gpu-{number}"} for number in range(30)]}, check_mode=False)
    assert clients.too_long == ["alice"]
    assert [path.name for path in dest.iterdir()] == ["alice.conf"]
