# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A person never waits for the canary."""

from __future__ import annotations

import signal
import time

import pytest


@pytest.mark.parametrize("mode", ["loaded", "all"])
@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"waiting": 1}, "queue"),
        ({"sessions": 4}, "busy"),
        ({"state": "DOWN"}, "down"),
        ({"state": "DRAIN"}, "drained"),
        ({"state": "MAINT"}, "drained"),
        ({"page": "nonsense"}, "balancer"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_nothing_is_asked_and_it_is_counted(canary, ollama, balancer, mode, said, reason):
    ollama.generate()
    started = ollama.counters()["started"]
    for name, value in said.items():
        setattr(balancer, name, value)
    canary.run(mode)
    found = canary.run(mode)
    assert found[f"skipped_total tiny:latest {reason}"] == 2
    assert found["runs_total tiny:latest"] == 0
    assert "success tiny:latest" not in found
    assert ollama.counters()["started"] == started


def test_a_model_in_memory_is_measured_beside_others_but_none_is_loaded(canary, ollama, balancer):
    ollama.generate()
    balancer.sessions = 1
    found = canary.run("all")
    assert found["success tiny:latest"] == 1
    assert found["skipped_total embed:latest busy"] == 1
    assert list(ollama.resident()) == ["tiny:latest"]


def test_what_was_measured_before_stays_when_a_turn_is_left_out(canary, ollama, balancer):
    ollama.generate()
    speed = canary.run()["tokens_per_second tiny:latest"]
    balancer.waiting = 1
    assert canary.run()["tokens_per_second tiny:latest"] == speed


@pytest.mark.parametrize("said", [{"waiting": 1}, {"sessions": 1}], ids=["somebody-waits", "the-slot-is-needed"])
def test_a_generation_gives_way_to_a_person(canary, ollama, balancer, said):
    balancer.slots = 1
    ollama.generate()
    ollama.faults(token_ms=2000)
    process = canary.start()
    ollama.await_running()
    for name, value in said.items():
        setattr(balancer, name, value)
    looks = balancer.looks
    began = time.monotonic()
    ollama.faults(token_ms=1)
    ollama.generate()
    assert time.monotonic() - began < 4
    # One may have been under way.
    assert balancer.looks - looks <= 2
    reason = "queue" if "waiting" in said else "busy"
    found = canary.ended(process)
    assert found[f"skipped_total tiny:latest {reason}"] == 1
    assert "success tiny:latest" not in found
    assert ollama.counters()["cancelled"] == 1


def test_a_load_gives_way_to_a_person(canary, ollama, balancer):
    ollama.faults(load_ms=20000)
    canary.models = canary.models[:1]
    process = canary.start("all")
    deadline = time.monotonic() + 20
    while not ollama.counters()["loads"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    balancer.sessions = 1
    began = time.monotonic()
    found = canary.ended(process)
    assert time.monotonic() - began < 4
    assert found["skipped_total tiny:latest busy"] == 1
    assert ollama.resident() == {}


def test_two_runs_are_never_at_the_same_time(canary, ollama):
    ollama.generate()
    ollama.faults(token_ms=300)
    first = canary.start()
    ollama.await_running()
    second = canary.start()
    canary.ended(second)
    assert canary.said == "Another run goes on.\n"
    assert first.poll() is None
    ollama.faults(token_ms=1)
    third = canary.start("all")
    assert canary.ended(first)["runs_total tiny:latest"] == 1
    canary.ended(third)
    assert ollama.counters()["peak"] == 1


def test_a_run_that_is_killed_leaves_no_model_behind(canary, ollama):
    ollama.faults(token_ms=500)
    process = canary.start("all")
    ollama.await_running()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    deadline = time.monotonic() + 20
    while ollama.resident():
        assert time.monotonic() < deadline
        time.sleep(0.1)
