# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page at /, as people with different eyes, hands and screens meet it in a real browser."""

from __future__ import annotations

import json
import os
import typing as t
import urllib.parse

import pytest
from outside import CHAT, NAME, PASSWORD, PROGRAMS, ROOT, Outside

# The page is the same on both Debians.
testinfra_hosts = ["ansible://*-13"]
VIEWS = ["light", "dark", "phone-light", "phone-dark", "narrow"]


@pytest.fixture(scope="module")
def seen(outside: Outside) -> dict[str, t.Any]:
    """What clients/browse.py saw; its pictures are in .cache/screenshots."""
    shots = ROOT / ".cache/screenshots" / f"{os.environ.get('MOLECULE_SCENARIO_NAME', 'scenario')}-{outside.host}"
    shots.mkdir(parents=True, exist_ok=True)
    url = f"https://alice:{urllib.parse.quote(PASSWORD)}@{NAME}/"
    program = (PROGRAMS / "browse.py").read_text()
    return json.loads(outside.image("python3", "-", url, outside.address, options=("-v", f"{shots}:/shots"), text=program))


@pytest.mark.parametrize("view", VIEWS)
def test_nobody_must_scroll_sideways(seen, view):
    # As it opens, with all examples open, and with a very long name of a model.
    assert seen["views"][view]["overflow"] == [{"page": 0, "beyond": [], "table": [0]}] * 3


@pytest.mark.parametrize("view", VIEWS)
def test_all_text_stands_out_from_its_background(seen, view):
    texts = seen["views"][view]["contrast"]
    assert len(texts) >= 40
    assert [text for text in texts if text["ratio"] < text["wanted"]] == []


def test_dark_and_light_differ(seen):
    assert seen["views"]["light"]["contrast"][0]["ratio"] != seen["views"]["dark"]["contrast"][0]["ratio"]


def test_nothing_comes_from_elsewhere_and_nothing_is_complained_about(seen):
    assert {urllib.parse.urlsplit(url).hostname for url in seen["requests"]} == {NAME}
    assert {urllib.parse.urlsplit(url).path for url in seen["requests"]} <= {"/", "/favicon.ico"}
    assert seen["complaints"] == []


def test_the_keyboard_reaches_everything_in_the_order_of_the_page(seen):
    keyboard = seen["keyboard"]
    assert [stop["at"] for stop in keyboard["seen"]] == keyboard["stops"]
    assert [stop["at"] for stop in keyboard["seen"] if not stop["ring"]] == []
    assert keyboard["closed"] == 0
    assert len([stop for stop in keyboard["stops"] if stop.startswith("PRE ")]) == len(seen["shape"]["examples"])
    assert any(stop.startswith("A ") for stop in keyboard["stops"])


def test_a_click_selects_an_example_to_the_letter(seen):
    assert seen["click"] == 0


@pytest.mark.parametrize("view", VIEWS)
def test_a_screen_reader_is_told_of_the_table(seen, view):
    roles = seen["views"][view]["roles"]
    assert (roles["table"], roles["columnheader"], roles["rowheader"], roles["row"]) == (1, 6, 3, 4)
    assert roles["cell"] >= 9


def test_the_page_has_the_shape_that_helpers_rely_on(seen):
    shape = seen["shape"]
    assert (shape["lang"], bool(shape["title"])) == ("en", True)
    assert [level for level, _ in shape["headings"]] == ["H1", "H2", "H2", "H2", "H2"]
    assert all(text.strip() for _, text in shape["headings"])
    assert shape["landmarks"] == ["HEADER", "MAIN"]
    assert shape["unnamed"] == []
    assert {scope for _, scope in shape["columns"]} == {"col"}
    assert set(shape["heads"]) == {"row"}
    assert shape["labels"] == [name for name, _ in shape["columns"]][1:]
    assert len(set(shape["ids"])) == len(shape["ids"])
    assert shape["small"] == []


def test_the_models_are_told_with_purpose_size_and_pin(seen):
    assert [name for name, _ in seen["shape"]["columns"]] == ["Name", "For", "Can", "Size", "Context", "Version"]
    rows = {row[0]: row[1:] for row in seen["shape"]["rows"]}
    assert list(rows) == ["tiny", "embed", "team-assistant"]
    assert rows["tiny"][:3] == ["Quick answers", "completion", "240 kB"]
    assert rows["embed"][1] == "embedding"
    assert [row[4] for row in rows.values()] == ["916d21e4765d", "85614f34646b", "built here"]


def test_there_is_an_example_for_each_client(seen):
    titles = [title for title, _ in seen["shape"]["examples"]]
    for wanted in (
        "curl",
        "Python, OpenAI",
        "JavaScript, OpenAI",
        "Python, Ollama",
        "Python, Anthropic",
        "Continue",
        "Open WebUI",
        "LiteLLM",
    ):
        assert any(title.startswith(wanted) for title in titles), wanted
    texts = {title: text for title, text in seen["shape"]["examples"]}
    # Each says where the key goes, and which model is meant.
    assert [title for title, text in texts.items() if "LLM_KEY" not in text and "API_KEY=KEY" not in text] == []
    assert [title for title, text in texts.items() if CHAT not in text] == ["Open WebUI: environment"]
    assert [title for title, text in texts.items() if f"https://{NAME}" not in text] == []
