# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The status page, as people with different eyes, hands and screens meet it in a real browser, and in good and bad times."""

from __future__ import annotations

import json
import os
import time
import typing as t
import urllib.parse

import pytest
from figures import LONG, PlayedMonitor, lasting
from outside import NAME, PASSWORD, PROGRAMS, ROOT, Outside

# The page is the same on both Debians.
testinfra_hosts = ["ansible://*-13"]
VIEWS = ["light", "dark", "phone-light", "phone-dark", "narrow"]
STATES = ["stale", "unanswered", "blip", "never", "missing", "login", "garbage", "odd", "away", "quiet", "long"]


def answer(value: t.Any, status: int = 200) -> dict[str, t.Any]:
    return {"status": status, "body": value if isinstance(value, str) else json.dumps(value)}


def answers() -> dict[str, t.Any]:
    """What the page may be told, besides what it wants to hear."""
    now = time.time()
    good, hour_old = lasting(PlayedMonitor(), now), lasting(PlayedMonitor(), now - 3600)
    never = {name: good[name] for name in ("version", "every", "asked")}
    script = '<img src=x onerror="document.title=1">'
    return {
        "stale": answer(hour_old),
        "unanswered": answer({**hour_old, "asked": good["asked"], "answered": False}),
        "blip": answer({**lasting(PlayedMonitor(), now - 60), "asked": good["asked"], "answered": False}),
        "never": answer({**never, "answered": False}),
        "missing": answer('{"error":"The gateway does not offer this address."}', 404),
        "login": answer("", 401),
        "garbage": answer("<html>"),
        "odd": answer({**good, "hosts": 7}),
        "away": None,
        "quiet": answer(lasting(PlayedMonitor(alerting=False, idle=True), now)),
        "long": answer(lasting(PlayedMonitor(models=[LONG, script], hosts=[LONG[:60]]), now)),
    }


@pytest.fixture(scope="module")
def seen(outside: Outside, shown: dict[str, t.Any]) -> dict[str, t.Any]:
    """What clients/browse_status.py saw; its pictures are in .cache/screenshots."""
    shots = ROOT / ".cache/screenshots" / f"{os.environ.get('MOLECULE_SCENARIO_NAME', 'scenario')}-{outside.host}"
    shots.mkdir(parents=True, exist_ok=True)
    url = f"https://alice:{urllib.parse.quote(PASSWORD)}@{NAME}/status"
    options = ("-v", f"{shots}:/shots", "-v", f"{PROGRAMS}:/clients:ro")
    return json.loads(
        outside.image("python3", "/clients/browse_status.py", url, outside.address, options=options, text=json.dumps(answers()))
    )


@pytest.mark.parametrize("view", VIEWS)
def test_nobody_must_scroll_sideways(seen, view):
    for overflow in seen["views"][view]["overflow"]:
        assert (overflow["page"], overflow["beyond"]) == (0, [])


@pytest.mark.parametrize("view", VIEWS)
def test_all_text_stands_out_from_its_background(seen, view):
    texts = seen["views"][view]["contrast"]
    assert len(texts) >= 60
    assert [text for text in texts if text["ratio"] < text["wanted"]] == []


def test_nothing_comes_from_elsewhere_and_nothing_is_complained_about(seen):
    assert {urllib.parse.urlsplit(url).hostname for url in seen["requests"]} == {NAME}
    paths = {urllib.parse.urlsplit(url).path for url in seen["requests"]}
    assert paths - {"/favicon.ico"} == {"/status", "/status.js", "/status.json"}
    assert seen["complaints"] == []


def test_the_figures_are_those_of_the_monitor(seen, shown):
    page = seen["seen"]
    assert (page["trouble"], page["hidden"]) == ("", False)
    cards = dict(page["cards"])
    assert list(cards) == [
        "Time to the whole answer", "Time to the first word", "Tokens written", "Requests", "Waiting in the queue", "Refused for a full queue",
    ]  # fmt: skip
    assert cards["Tokens written"] == f"{plain(shown['now']['tokens'])} /s"
    assert cards["Waiting in the queue"] == str(round(shown["now"]["waiting"]))
    assert cards["Requests"] == f"{plain(shown['now']['requests'] * 60)} /min"
    assert [row[0] for row in page["models"]] == [model["name"] for model in shown["models"]]
    assert page["meters"] == [
        pair
        for host in shown["hosts"]
        for gpu in host["gpus"]
        for pair in (
            [f"GPU {gpu['gpu']}: Busy", pytest.approx(gpu["utilization"])],
            [f"GPU {gpu['gpu']}: Memory", pytest.approx(gpu["memory_used"] / gpu["memory_total"])],
        )
    ]
    assert [host for host, _ in page["loaded"]] == ["gpu-a", "gpu-b"]
    assert page["loaded"][0][1][0] == ["llama3.3:70b", "42.2 GiB", "100 %", "always"]
    assert page["loaded"][0][1][2][2] == "70 %, the rest slowly by the CPU"
    assert page["age"].startswith("as of ") and page["age"].endswith(" ago")


def plain(value: float) -> str:
    return f"{value:,.0f}" if value == 0 or value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def test_alerts_are_told_in_plain_words_the_worst_first(seen):
    first, second = seen["seen"]["alerts"]
    assert first.startswith("Critical: Answers take longer than usual: 95 of 100 within 11 s")
    assert second.startswith("Warning: A GPU of gpu-a is almost full")


def test_a_chart_breaks_where_nothing_was_measured(seen):
    assert {(role, line.count("M")) for role, _, line in seen["seen"]["charts"]} == {("img", 2)}


def test_each_chart_is_told_in_words_and_as_a_table(seen):
    assert all("last 24 hours: " in label and " between " in label for _, label, _ in seen["seen"]["charts"])
    assert seen["seen"]["hours"] == 25


def test_the_page_has_the_shape_that_helpers_rely_on(seen):
    page = seen["seen"]
    assert page["landmarks"] == ["HEADER", "MAIN"]
    assert page["headings"][0] == "H1" and page["headings"].count("H1") == 1
    assert page["unnamed"] == 0
    assert len(set(page["ids"])) == len(page["ids"])
    assert set(page["scopes"]) == {"col", "row"}


def test_the_keyboard_reaches_everything_in_the_order_of_the_page(seen):
    keyboard = seen["keyboard"]
    assert [stop["at"] for stop in keyboard["seen"]] == keyboard["stops"]
    assert [stop["at"] for stop in keyboard["seen"] if not stop["ring"]] == []
    assert keyboard["closed"] == 0
    assert len(keyboard["stops"]) >= 6


def test_the_figures_are_renewed_and_the_keyboard_stays_where_it_is(seen):
    assert seen["stays"]


@pytest.mark.parametrize("state", STATES)
def test_no_state_is_too_wide_or_too_pale(seen, state):
    page = seen["states"][state]
    assert (page["overflow"]["page"], page["overflow"]["beyond"]) == (0, [])
    assert [text for text in page["contrast"] if text["ratio"] < text["wanted"]] == []


@pytest.mark.parametrize(
    ("state", "words", "hidden"),
    [
        pytest.param("stale", "These figures have not been renewed since", False, id="stale"),
        pytest.param("unanswered", "No monitor answers. What you see is how it was at", False, id="no-monitor"),
        pytest.param("blip", "", False, id="a-monitor-that-was-away-for-a-moment"),
        pytest.param("never", "No monitor answers.", True, id="never-measured"),
        pytest.param("missing", "No figures were collected on this gateway yet.", True, id="no-file"),
        pytest.param("login", "You are not logged in any more", True, id="logged-out"),
        pytest.param("garbage", "The figures cannot be read.", True, id="garbage"),
        pytest.param("odd", "The figures cannot be read.", True, id="other-than-expected"),
        pytest.param("away", "The gateway cannot be reached.", True, id="no-gateway"),
    ],
)
def test_what_is_not_as_it_should_be_is_said(seen, state, words, hidden):
    page = seen["states"][state]
    assert page["trouble"].startswith(words) and bool(page["trouble"]) == bool(words)
    assert page["hidden"] == hidden
    assert "nothing is known yet" in page["age"] if hidden else "as of" in page["age"]


def test_a_quiet_night_is_no_error(seen):
    page = seen["states"]["quiet"]
    assert page["trouble"] == ""
    assert page["alerts"] == ["Nothing: no alert fires."]
    assert {value for _, value in page["cards"]} == {"–"}
    assert page["models"] == [["No model was used."]]
    assert page["loaded"] == [[host, [["No model is in memory."]]] for host in ("gpu-a", "gpu-b")]


def test_a_name_is_a_text_whatever_it_says(seen):
    assert [row[0] for row in seen["states"]["long"]["models"]] == [LONG, '<img src=x onerror="document.title=1">']


def test_the_file_is_for_the_web_server_alone(agent, shown):
    assert agent.sh("stat -c %a /run/llm-status /run/llm-status/status.json") == "750\n640"
