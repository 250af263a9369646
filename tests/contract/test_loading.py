# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loading, keeping and unloading models; slots and the queue."""

from __future__ import annotations

import concurrent.futures
import datetime as dt
import typing as t

import pytest
from serverunder import wait_for
from suite import add_models

if t.TYPE_CHECKING:
    from serverunder import Server
    from suite import Launch


def seconds_left(server: Server, name: str = "tiny:latest") -> float:
    text = server.loaded()[name]["expires_at"]
    head, _, fraction = text.removesuffix("Z").partition(".")
    if head.startswith(("2", "1")) and int(head[:4]) > 2100:
        return float("inf")
    assert text.endswith("Z") or "+" in fraction or "-" in fraction
    stamp = dt.datetime.fromisoformat(head[:19]).replace(tzinfo=dt.UTC)
    if not text.endswith("Z"):
        stamp = stamp.replace(tzinfo=dt.datetime.fromisoformat(head[:19] + text[-6:]).tzinfo)
    return (stamp - dt.datetime.now(dt.UTC)).total_seconds()


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [
        pytest.param(600, 590, 601, id="seconds"),
        pytest.param(90.5, 85, 91, id="fractions-of-seconds"),
        pytest.param("10m", 590, 601, id="minutes"),
        pytest.param("1h30m", 5390, 5401, id="hours-and-minutes"),
        pytest.param(-1, float("inf"), float("inf"), id="minus-one-is-for-ever"),
        pytest.param("-1m", float("inf"), float("inf"), id="a-negative-duration-is-for-ever"),
    ],
)
def test_keep_alive_sets_the_time_that_the_model_stays(shared: Server, value: t.Any, low: float, high: float) -> None:
    assert shared.post("/api/generate", {"model": "tiny", "keep_alive": value}).json()["done_reason"] == "load"
    assert low <= seconds_left(shared) <= high


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param("3600", 'time: missing unit in duration "3600"', id="number-in-a-string"),
        pytest.param("-1", 'time: missing unit in duration "-1"', id="minus-one-in-a-string"),
        pytest.param("soon", 'time: invalid duration "soon"', id="a-word"),
        pytest.param("5 minutes", 'time: unknown unit " minutes" in duration "5 minutes"', id="a-phrase"),
    ],
)
def test_keep_alive_string_without_a_unit_is_refused(shared: Server, value: str, text: str) -> None:
    reply = shared.post("/api/chat", {"model": "tiny", "keep_alive": value})
    assert (reply.status, reply.json()) == (400, {"error": text})


@pytest.mark.parametrize("value", [0, "0", "0s"])
def test_keep_alive_zero_unloads_at_once(shared: Server, value: t.Any) -> None:
    shared.post("/api/generate", {"model": "tiny"})
    reply = shared.post("/api/generate", {"model": "tiny", "keep_alive": value})
    assert (reply.status, reply.json()["done_reason"]) == (200, "unload")
    assert wait_for(lambda: "tiny:latest" not in shared.loaded())


def test_unloading_a_model_that_is_not_loaded_succeeds(shared: Server) -> None:
    shared.post("/api/generate", {"model": "tiny", "keep_alive": 0})
    assert wait_for(lambda: "tiny:latest" not in shared.loaded())
    assert shared.post("/api/chat", {"model": "tiny", "keep_alive": 0}).json()["done_reason"] == "unload"


def test_model_leaves_when_its_time_is_over(shared: Server) -> None:
    shared.post("/api/generate", {"model": "tiny", "keep_alive": 0.2})
    assert wait_for(lambda: "tiny:latest" not in shared.loaded(), seconds=8)


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [
        pytest.param("30", 25, 31, id="bare-number-is-seconds"),
        pytest.param('"45s"', 40, 46, id="quotes-are-stripped"),
        pytest.param("-1", float("inf"), float("inf"), id="negative-is-for-ever"),
        pytest.param("soon", 290, 301, id="nonsense-is-the-default"),
    ],
)
def test_keep_alive_variable(launch: Launch, value: str, low: float, high: float) -> None:
    server = launch(env={"OLLAMA_KEEP_ALIVE": value})
    add_models(server)
    server.post("/api/generate", {"model": "tiny"})
    assert low <= seconds_left(server) <= high


def test_request_without_keep_alive_leaves_the_time_of_a_loaded_model(shared: Server) -> None:
    shared.post("/api/generate", {"model": "tiny", "keep_alive": -1})
    shared.post("/api/generate", {"model": "tiny", "prompt": "x", "options": {"num_predict": 1}})
    assert seconds_left(shared) == float("inf")
    shared.post("/api/generate", {"model": "tiny", "keep_alive": 0})


def test_derived_model_shares_the_loaded_base_under_its_first_name(server: Server) -> None:
    server.create("derived", **{"from": "tiny", "system": "Be brief."})
    server.post("/api/generate", {"model": "tiny"})
    server.post("/api/generate", {"model": "derived"})
    assert list(server.loaded()) == ["tiny:latest"]
    server.post("/api/generate", {"model": "derived", "keep_alive": 0})
    assert wait_for(lambda: not server.loaded())


def test_context_length_follows_request_model_and_variable(launch: Launch) -> None:
    server = launch(env={"OLLAMA_CONTEXT_LENGTH": "1024"})
    add_models(server)
    server.create("small", **{"from": "tiny", "parameters": {"num_ctx": 512}})
    found = []
    for request in ({"model": "tiny"}, {"model": "small"}, {"model": "small", "options": {"num_ctx": 256}}):
        server.post("/api/generate", request)
        found.append(next(iter(server.loaded().values()))["context_length"])
    server.post("/api/generate", {"model": "tiny", "options": {"num_ctx": 100000}})
    found.append(next(iter(server.loaded().values()))["context_length"])
    assert found == [1024, 512, 256, 2048]


def test_no_more_models_than_allowed_are_loaded(launch: Launch) -> None:
    server = launch(env={"OLLAMA_MAX_LOADED_MODELS": "1"})
    add_models(server)
    server.post("/api/generate", {"model": "tiny"})
    server.post("/api/embed", {"model": "embed"})
    assert list(server.loaded()) == ["embed:latest"]


def test_many_requests_to_a_loaded_model_need_no_place_in_the_queue(launch: Launch) -> None:
    server = launch(env={"OLLAMA_MAX_QUEUE": "1", "OLLAMA_NUM_PARALLEL": "2"})
    add_models(server)
    server.post("/api/generate", {"model": "tiny"})
    request = {"model": "tiny", "prompt": "x", "stream": False, "options": {"num_predict": 2}}
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        replies = list(pool.map(lambda _: server.post("/api/generate", request).status, range(12)))
    assert replies == [200] * 12


def generate_many(server: Server, count: int, **fields: t.Any) -> list[int]:
    request = {"model": "tiny", "prompt": "x", "stream": False, **fields}
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda _: server.post("/api/generate", request).status, range(count)))


def test_no_more_than_num_parallel_generations_run_at_once(standin: Server) -> None:
    standin.faults(token_ms=20, tokens=15)
    assert generate_many(standin, 10) == [200] * 10
    assert standin.counters()["peak"] == 4


def test_embedding_model_has_one_slot(server: Server) -> None:
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        ask = lambda _: server.post("/api/embed", {"model": "embed", "input": "a"}).status
        assert list(pool.map(ask, range(4))) == [200] * 4


def test_full_queue_answers_503_in_the_words_of_each_api(launch: Launch, is_standin: bool) -> None:
    if not is_standin:
        pytest.skip("needs a slow load, which only the stand-in can be told to show")
    server = launch(env={"OLLAMA_MAX_QUEUE": "1"})
    add_models(server)
    server.faults(load_ms=3000)
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        loading = [pool.submit(server.post, "/api/generate", {"model": name}) for name in ("tiny", "tiny")]
        assert wait_for(lambda: server.counters()["queued"] == 2)
        message = "server busy, please try again.  maximum pending requests exceeded"
        native = server.post("/api/generate", {"model": "tiny", "prompt": "x"})
        assert (native.status, native.json()) == (503, {"error": message})
        chat = {"model": "tiny", "max_tokens": 3, "messages": [{"role": "user", "content": "x"}]}
        openai = server.post("/v1/chat/completions", chat)
        assert (openai.status, openai.json()["error"]) == (503, {"message": message, "type": "api_error", "param": None, "code": None})
        anthropic = server.post("/v1/messages", chat)
        assert (anthropic.status, anthropic.json()["error"]["type"]) == (503, "overloaded_error")
        assert [future.result().status for future in loading] == [200, 200]
