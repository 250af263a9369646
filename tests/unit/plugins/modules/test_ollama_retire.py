# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is connected is real; only systemctl is not."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

import pytest

from ansible_collections.llm.host.plugins.module_utils._retire import Retirement
from ansible_collections.llm.host.plugins.module_utils._units import Units
from ansible_collections.llm.host.plugins.modules import ollama_retire


@pytest.fixture
def commands(monkeypatch):
    monkeypatch.setattr(ollama_retire, "LOOK", 0.02)
    return []


@pytest.fixture
def units(commands):
    return Units(lambda command: commands.append(" ".join(command[1:])) or (0, "", ""))


@pytest.fixture
def busy():
    """A port to which somebody is connected, and that connection."""
    with socket.create_server(("127.0.0.1", 0)) as server, contextlib.ExitStack() as stack:
        port = server.getsockname()[1]
        client = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        served = stack.enter_context(server.accept()[0])

        def leave() -> None:
            client.close()
            served.close()

        yield port, leave


def retirement(unit: str, port: int) -> Retirement:
    return Retirement(unit, port, stop=True, disable=True)


def test_an_idle_one_is_stopped(units, commands):
    plan = retirement("ollama@gpu1.service", 1)
    assert ollama_retire.stop_when_quiet(units, [plan], 10) == ([plan], [])
    assert commands == ["stop ollama@gpu1.service", "disable ollama@gpu1.service"]


def test_what_runs_is_finished_before_the_stop(units, commands, busy):
    port, leave = busy
    left = []
    threading.Timer(0.5, lambda: (left.append(time.monotonic()), leave())).start()
    assert ollama_retire.stop_when_quiet(units, [retirement("ollama.service", port)], 10)[1] == []
    assert commands[0] == "stop ollama.service"
    assert left
    assert time.monotonic() - left[0] > 0.1


def test_what_takes_too_long_goes_on_and_the_others_leave(units, commands, busy):
    plans = [retirement("ollama.service", busy[0]), retirement("ollama@gpu1.service", 1)]
    stopped, problems = ollama_retire.stop_when_quiet(units, plans, 1)
    assert stopped == plans[1:]
    assert commands == ["stop ollama@gpu1.service", "disable ollama@gpu1.service"]
    assert problems == [
        f"ollama.service is to go, but 127.0.0.1 did not leave its port {busy[0]} in 1 s. It goes on serving, and the next run "
        "stops it. Does a gateway still send requests there, which --limit left out? Else end what runs there, or set ollama_retire_timeout to 0, which breaks it off."
    ]


def test_a_timeout_of_0_breaks_it_off(units, commands, busy):
    assert ollama_retire.stop_when_quiet(units, [retirement("ollama.service", busy[0])], 0)[1] == []
    assert commands == ["stop ollama.service", "disable ollama.service"]


def test_a_folder_with_a_file_of_somebody_else_stays(units, commands, tmp_path):
    for unit in ("a", "b"):
        (tmp_path / f"{unit}.d").mkdir()
        (tmp_path / f"{unit}.d" / "10-llm-host.conf").touch()
    (tmp_path / "a.d" / "override.conf").touch()
    ollama_retire.remove(units, [tmp_path / "a.d" / "10-llm-host.conf", tmp_path / "b.d" / "10-llm-host.conf"])
    assert [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*"))] == ["a.d", "a.d/override.conf"]
    assert commands == ["daemon-reload"]
