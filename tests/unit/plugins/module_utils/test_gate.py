# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import json
import typing as t

import pytest

from ansible_collections.llm.host.plugins.module_utils._gate import Ability, ability_of, losses
from ansible_collections.llm.host.plugins.module_utils._names import ModelName
from ansible_collections.llm.host.plugins.module_utils._server import ApiError, Loaded, Present

GOOD = Ability(version="0.32.14", models=("small:latest", "tiny:latest"), model="tiny:latest", share=1.0)


class Server:
    """A server with models of some sizes, of which some are loaded; it notes who was asked."""

    def __init__(self, sizes: dict[str, int], *, loaded: dict[str, int] | None = None, gpu: int = 0, fault: str = "") -> None:
        self.sizes, self.loaded, self.gpu, self.fault = sizes, dict(loaded or {}), gpu, fault
        self.asked: list[str] = []

    def version(self) -> str:
        return "0.32.15"

    def tags(self) -> tuple[Present, ...]:
        return tuple(Present(ModelName.parse(name), "d", size) for name, size in self.sizes.items())

    def running(self) -> tuple[Loaded, ...]:
        return tuple(Loaded(ModelName.parse(name), "d", 100, vram) for name, vram in self.loaded.items())

    def answer(self, name: ModelName) -> None:
        self.asked.append(name.short)
        if self.fault:
            raise ApiError(self.fault)
        self.loaded[name.short] = self.gpu


@pytest.mark.parametrize(
    ("server", "options", "asked"),
    [
        pytest.param(Server({}), {}, [], id="no-models"),
        pytest.param(Server({"big": 9, "small": 2}), {}, ["small:latest"], id="the-smallest"),
        pytest.param(
            Server({"big": 9, "small": 2, "odd": 1}), {"prefer": ["big", "small", "??"]}, ["small:latest"], id="the-smallest-declared"
        ),
        pytest.param(Server({"big": 9, "small": 2}, loaded={"big": 100}), {}, ["big:latest"], id="one-that-is-loaded"),
        pytest.param(Server({"big": 9}, loaded={"big": 100}), {"loaded_is_enough": True}, [], id="loaded-is-enough"),
        pytest.param(Server({"big": 9, "small": 2}), {"again": "big"}, ["big:latest"], id="the-same-again"),
        pytest.param(Server({"small": 2}), {"again": "gone"}, ["small:latest"], id="the-same-is-gone"),
    ],
)
def test_who_is_asked(server: Server, options: dict[str, t.Any], asked: list[str]) -> None:
    ability_of(t.cast(t.Any, server), **options)
    assert server.asked == asked


def test_ability_survives_json() -> None:
    ability = ability_of(t.cast(t.Any, Server({"tiny": 1}, gpu=60)))
    assert (ability.model, ability.share) == ("tiny:latest", 0.6)
    assert Ability.of(json.loads(json.dumps(dataclasses.asdict(ability)))) == ability


@pytest.mark.parametrize(
    ("before", "changes", "less_gpu", "words"),
    [
        pytest.param(GOOD, {}, False, [], id="as-good-as-before"),
        pytest.param(None, {}, False, [], id="nothing-is-known"),
        pytest.param(GOOD, {"models": ("tiny:latest",)}, False, ["does not list small:latest any more"], id="lost-a-model"),
        pytest.param(GOOD, {"fault": "boom"}, False, ["tiny:latest does not answer: boom."], id="no-answer"),
        pytest.param(None, {"fault": "boom"}, False, ["does not answer: boom."], id="no-answer-of-a-new-one"),
        pytest.param(dataclasses.replace(GOOD, fault="x"), {"fault": "boom"}, False, ["(nor did it before)"], id="nor-before"),
        pytest.param(GOOD, {"share": 0.0}, False, ["has 0% of its memory on GPUs, and had 100%."], id="lost-the-gpu"),
        pytest.param(GOOD, {"share": 0.97}, False, [], id="estimated-in-another-way"),
        pytest.param(GOOD, {"share": 0.0}, True, [], id="less-gpu-is-accepted"),
        pytest.param(GOOD, {"share": 0.0, "model": "small:latest"}, False, [], id="another-model"),
    ],
)
def test_losses(before: Ability | None, changes: dict[str, t.Any], less_gpu: bool, words: list[str]) -> None:
    found = losses(before, dataclasses.replace(GOOD, **changes), less_gpu=less_gpu)
    assert len(found) == len(words)
    assert all(word in sentence for word, sentence in zip(words, found))
