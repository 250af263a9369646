# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import socket
import threading

import pytest

from ansible_collections.llm.host.plugins.module_utils import _reach
from ansible_collections.llm.host.plugins.module_utils._reach import Reached, reached


@pytest.fixture
def elsewhere(monkeypatch):
    """As if loopback were another host."""
    monkeypatch.setattr(_reach, "_own", lambda address: False)


def test_what_answers_is_told_with_where_one_came_from(elsewhere):
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_server(("127.0.0.1", 0)) as gone:
        port, closed = server.getsockname()[1], gone.getsockname()[1]
        gone.close()
        assert reached(["127.0.0.1", "no-such-host.invalid"], [port, closed], 2) == [Reached("127.0.0.1", port, "127.0.0.1")]


def test_addresses_of_this_host_are_left_out():
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert reached(["127.0.0.1"], [server.getsockname()[1]], 2) == []


def test_a_host_without_addresses_or_ports_answers_nothing():
    assert reached([], [11434], 2) == reached(["192.0.2.1"], [], 2) == []


@pytest.mark.parametrize(
    ("text", "counts"), [(b"HTTP/1.0 200 OK\r\n\r\nOllama is running", True), (b"HTTP/1.0 502 Bad Gateway\r\n\r\n", False), (b"", False)]
)
def test_a_proxy_on_the_way_is_not_taken_for_ollama(elsewhere, text, counts):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def answer():
            connection = server.accept()[0]
            with connection:
                connection.recv(4096)
                connection.sendall(text)

        thread = threading.Thread(target=answer)
        thread.start()
        found = reached(["127.0.0.1"], [port], 5, "Ollama is running")
        thread.join()
    assert bool(found) is counts
