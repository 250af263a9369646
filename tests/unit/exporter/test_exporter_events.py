# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which loads and unloads are counted."""

from __future__ import annotations

import pytest
from ollama_exporter.events import SETTLED, Events
from ollama_exporter.ollama import Loaded

A = Loaded("aa", 100, 100, 4096, None)
LONG = SETTLED + 1


def seen(*looks: dict[str, Loaded], every: float = 2) -> tuple[dict[str, int], dict[str, int]]:
    events = Events()
    for number, models in enumerate(looks):
        events.see(models, number * every)
    return events.loads, events.unloads


@pytest.mark.parametrize(
    ("looks", "every", "loads", "unloads"),
    [
        pytest.param([{}, {"a": A}], 2, 1, 0, id="it-comes"),
        pytest.param([{"a": A}], 2, 0, 0, id="it-was-there-before-anybody-counted"),
        pytest.param([{"a": A}, {}], 2, 0, 1, id="it-goes"),
        pytest.param([{}, {"a": A}, {}, {"a": A}], 2, 2, 1, id="it-goes-and-comes-back"),
        pytest.param([{}, {"a": A}, {"a": A}, {"a": A}], 2, 1, 0, id="it-stays"),
        pytest.param([{"a": A}, {"a": A._replace(context=8192)}], 2, 1, 1, id="another-context-is-a-reload"),
        pytest.param([{"a": A}, {"a": A._replace(digest="bb")}], 2, 1, 1, id="another-digest-is-a-reload"),
        pytest.param([{"a": A._replace(context=0)}, {"a": A}], 2, 0, 0, id="a-context-that-was-not-known-is-none"),
        pytest.param([{}, {"a": A._replace(size=0, vram=0)}, {"a": A._replace(size=50)}, {"a": A}], 2, 1, 0, id="it-grows-while-it-loads"),
        pytest.param([{"a": A}, {"a": A._replace(vram=50)}], LONG, 1, 1, id="another-size-after-a-while-is-a-reload"),
        pytest.param([{"a": A}, {"a": A._replace(expires=5.0)}], LONG, 0, 0, id="a-later-expiry-is-none"),
    ],
)
def test_what_is_counted(looks, every, loads, unloads):
    counted = seen(*looks, every=every)
    assert [each.get("a", 0) for each in counted] == [loads, unloads]


def test_models_that_nobody_has_any_more_are_forgotten_and_those_that_are_there_begin_at_zero():
    events = Events()
    events.see({}, 0)
    events.see({"gone": A, "stays": A}, 1)
    events.see({"stays": A}, 2)
    events.keep({"new"})
    assert (events.loads, events.unloads) == ({"new": 0, "stays": 1}, {"new": 0, "stays": 0})
