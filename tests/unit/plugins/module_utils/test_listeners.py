# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import socket

from ansible_collections.llm.host.plugins.module_utils._listeners import Listener, listeners


def test_a_real_listener_is_found_with_its_process():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        found = listeners(ports={port})
    assert [(entry.port, entry.pid) for entry in found] == [(port, os.getpid())]


def test_a_port_that_nobody_uses_has_no_listener():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert listeners(ports={port}) == []


def test_the_unit_is_read_from_the_control_group(tmp_path):
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text("header\n0: 0100007F:2CAA 00000000:0000 0A 0:0 0:0 0 0 0 4711 1\n")
    process = tmp_path / "812"
    (process / "fd").mkdir(parents=True)
    (process / "fd" / "3").symlink_to("socket:[4711]")
    (process / "comm").write_text("ollama\n")
    (process / "cgroup").write_text("1:name=systemd:/docker/abc/system.slice/system-ollama.slice/ollama@gpu0.service\n")
    assert listeners(ports={11434}, proc=tmp_path) == [Listener(port=11434, pid=812, program="ollama", unit="ollama@gpu0.service")]
