# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.llm.host.plugins.filter.ollama import ollama_turns


def looked(**due):
    return {"looked": {"instances": [{"unit": unit, "due": what} for unit, what in due.items()]}}


HOSTVARS = {
    "one": looked(a="restart", b="restart"),
    "two": looked(a="restart", b="start"),
    "three": looked(a="", b="start"),
    "four": {},
    "five": looked(a="restart"),
}


@pytest.mark.parametrize(
    ("at_once", "turns"),
    [
        pytest.param(1, [{"one": "a"}, {"one": "b"}, {"two": "a"}, {"five": "a"}], id="one-host"),
        pytest.param(2, [{"one": "a", "two": "a"}, {"one": "b"}, {"five": "a"}], id="two-hosts"),
        pytest.param(9, [{"one": "a", "two": "a", "five": "a"}, {"one": "b"}], id="all-hosts-but-one-instance-of-each"),
        pytest.param(0, [{"one": "a"}, {"one": "b"}, {"two": "a"}, {"five": "a"}], id="less-than-one"),
    ],
)
def test_turns(at_once, turns):
    assert ollama_turns(HOSTVARS, HOSTVARS, "looked", at_once) == turns


def test_nobody_has_a_turn_where_nothing_is_to_be_restarted():
    assert ollama_turns(["three", "four"], HOSTVARS, "looked", 1) == []
