# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import socket

import pytest

from ansible_collections.llm.host.plugins.module_utils._listeners import (
    Listener,
    addresses_of,
    all_or_some,
    connected,
    listeners,
    reachable,
)


def test_a_real_listener_is_found_with_its_process():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        found = listeners(ports={port})
    assert [(entry.port, entry.pid) for entry in found] == [(port, os.getpid())]


def test_a_port_that_nobody_uses_has_no_listener():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert listeners(ports={port}) == []


@pytest.fixture
def recorded(tmp_path):
    """A /proc in which ollama@gpu0 listens on port 11434."""
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text(f"header\n0: 0100007F:2CAA 00000000:0000 0A 0:0 0:0 0 {os.getuid()} 0 4711 1\n")
    process = tmp_path / "812"
    (process / "fd").mkdir(parents=True)
    (process / "fd" / "3").symlink_to("socket:[4711]")
    (process / "comm").write_text("ollama\n")
    (process / "cgroup").write_text("1:name=systemd:/docker/abc/system.slice/system-ollama.slice/ollama@gpu0.service\n")
    return tmp_path


OWNER = Listener(port=11434, pid=812, program="ollama", unit="ollama@gpu0.service")


def test_the_unit_is_read_from_the_control_group(recorded):
    assert listeners(ports={11434}, proc=recorded) == [OWNER]


def test_a_process_of_the_expected_unit_is_the_owner_where_sockets_cannot_be_seen(recorded):
    (recorded / "812" / "fd" / "3").unlink()
    assert listeners(ports={11434}, units={11434: ["ollama.service", "ollama@gpu0.service"]}, proc=recorded) == [OWNER]


def test_a_process_of_another_unit_is_not(recorded):
    (recorded / "812" / "fd" / "3").unlink()
    assert listeners(ports={11434}, units={11434: ["ollama.service"]}, proc=recorded) == [Listener(port=11434)]


@pytest.mark.parametrize(
    ("addresses", "found"),
    [
        pytest.param([], [OWNER], id="at-any"),
        pytest.param(["10.0.0.1", "127.0.0.1"], [OWNER], id="at-one-of-these"),
        pytest.param(["10.0.0.1"], [], id="at-another"),
    ],
)
def test_who_listens_at_another_address_does_not_matter(recorded, addresses, found):
    assert listeners(ports={11434}, addresses=addresses, proc=recorded) == found


def test_who_listens_at_all_addresses_listens_at_each(recorded):
    (recorded / "net" / "tcp").write_text((recorded / "net" / "tcp").read_text().replace("0100007F", "00000000"))
    assert listeners(ports={11434}, addresses=["10.0.0.1"], proc=recorded) == [OWNER]
    assert addresses_of({11434}, proc=recorded) == {"0.0.0.0"}


@pytest.mark.parametrize(
    ("have", "want", "expected"),
    [
        pytest.param((), (), False, id="nobody-listens-yet"),
        pytest.param((), ("10.0.0.1",), False, id="nobody-listens-yet-and-some-are-wanted"),
        pytest.param(("0.0.0.0", "::"), (), False, id="all-stays-all"),
        pytest.param(("10.0.0.1",), ("10.0.0.2", "::1"), False, id="one-becomes-others"),
        pytest.param(("::",), ("10.0.0.1",), True, id="all-of-both-families-becomes-one"),
        pytest.param(("0.0.0.0",), ("10.0.0.1",), True, id="all-becomes-one"),
        pytest.param(("10.0.0.1", "::1"), (), True, id="some-become-all"),
    ],
)
def test_all_addresses_and_some_are_not_to_be_had_together(have, want, expected):
    assert all_or_some(have, want) is expected


def test_only_what_listens_beyond_loopback_can_be_reached(tmp_path):
    (tmp_path / "net").mkdir()
    listening = {
        "tcp": ["0500007F:0001", "00000000:0002", "0700140A:0003"],
        "tcp6": [f"{'0' * 24}01000000:0004", f"{'0' * 16}FFFF00000100007F:0005", f"{'0' * 32}:0006"],
    }
    for table, sockets in listening.items():
        (tmp_path / "net" / table).write_text("header\n" + "".join(f"0: {socket} 0:0 0A 0:0 0:0 0 0 0 4711 1\n" for socket in sockets))
    assert reachable({1, 2, 3, 4, 5, 6}, proc=tmp_path) == {2, 3, 6}
    assert reachable({1, 3}, proc=tmp_path) == {3}


def test_who_is_connected_is_named_by_address(tmp_path):
    (tmp_path / "net").mkdir()
    sockets = {
        "tcp": [
            ("0500000A:2CAA", "0700000A:C000", "01"),
            ("0500000A:2CAA", "0800000A:C000", "06"),
            ("0500000A:C001", "0900000A:2CAA", "01"),
        ],
        "tcp6": [
            (f"{'0' * 32}:2CAA", f"{'0' * 16}FFFF00000A00000A:C000", "01"),
            (f"{'0' * 32}:2CAA", f"000000FD{'0' * 16}05000000:C000", "01"),
        ],
    }
    for table, lines in sockets.items():
        (tmp_path / "net" / table).write_text(
            "header\n" + "".join(f"0: {here} {there} {state} 0:0 0:0 0 0 0 4711 1\n" for here, there, state in lines)
        )
    assert connected(11434, proc=tmp_path) == ["10.0.0.10", "10.0.0.7", "fd00::5"]


def test_a_real_connection_is_seen_for_as_long_as_it_stays():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert connected(port) == []
        with socket.create_connection(("127.0.0.1", port)):
            assert connected(port) == ["127.0.0.1"]
        assert connected(port) == []
