# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Streams: shapes, disconnection, errors in the middle, many at once."""

from __future__ import annotations

import concurrent.futures
import json
import time
import typing as t

import pytest

if t.TYPE_CHECKING:
    from serverunder import Server
    from suite import Launch

MESSAGES = [{"role": "user", "content": "hello"}]


def events(text: str) -> list[tuple[str, dict[str, t.Any]]]:
    """Event names with their data."""
    blocks = [dict(line.split(": ", 1) for line in block.splitlines()) for block in text.strip().split("\n\n")]
    return [(block["event"], json.loads(block["data"])) for block in blocks]


def kinds(text: str) -> list[str]:
    """Event names, repetitions as one."""
    found: list[str] = []
    for name, data in events(text):
        assert data["type"] == name
        if not found or found[-1] != name:
            found.append(name)
    return found


def test_responses_stream(shared: Server) -> None:
    reply = shared.post("/v1/responses", {"model": "tiny", "input": "hi", "max_output_tokens": 4, "stream": True})
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert kinds(reply.text) == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [data["sequence_number"] for _, data in events(reply.text)] == list(range(len(events(reply.text))))


def test_messages_stream(shared: Server) -> None:
    reply = shared.post("/v1/messages", {"model": "tiny", "messages": MESSAGES, "max_tokens": 4, "stream": True})
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert kinds(reply.text) == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert events(reply.text)[-2][1]["delta"]["stop_reason"] == "max_tokens"


def test_completions_stream_ends_with_done(shared: Server) -> None:
    reply = shared.post("/v1/completions", {"model": "tiny", "prompt": "hi", "max_tokens": 4, "stream": True})
    lines = [line for line in reply.text.splitlines() if line]
    assert lines[-1] == "data: [DONE]"
    assert all(json.loads(line[6:])["object"] == "text_completion" for line in lines[:-1])


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/v1/completions"])
def test_unknown_model_in_the_openai_form(shared: Server, path: str) -> None:
    body = {"model": "nope", "messages": MESSAGES, "input": "x", "prompt": "x"}
    reply = shared.post(path, body)
    error = {"message": "model 'nope' not found", "type": "not_found_error", "param": None, "code": None}
    assert (reply.status, reply.json()) == (404, {"error": error})


def test_unknown_model_in_the_anthropic_form(shared: Server) -> None:
    reply = shared.post("/v1/messages", {"model": "nope", "messages": MESSAGES, "max_tokens": 1})
    assert reply.status == 404
    assert (reply.json()["type"], reply.json()["error"]["type"]) == ("error", "not_found_error")


def test_chat_without_messages_loads_the_model(shared: Server) -> None:
    item = shared.post("/api/chat", {"model": "tiny"}).json()
    assert item["message"] == {"role": "assistant", "content": ""}
    assert (item["done"], item["done_reason"]) == (True, "load")


def test_tokens_arrive_one_by_one(standin: Server) -> None:
    standin.faults(token_ms=200, tokens=6)
    connection = standin.connect()
    connection.request("POST", "/api/chat", json.dumps({"model": "tiny", "messages": MESSAGES}))
    response = connection.getresponse()
    stamps = []
    while response.readline():
        stamps.append(time.monotonic())
    connection.close()
    assert len(stamps) == 7
    assert stamps[-1] - stamps[0] > 0.2


def wait_for_counter(server: Server, name: str, value: int) -> dict[str, int]:
    deadline = time.monotonic() + 5
    while server.counters()[name] != value and time.monotonic() < deadline:
        time.sleep(0.02)
    return server.counters()


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "in-one-piece"])
def test_client_that_leaves_stops_its_generation(standin: Server, stream: bool) -> None:
    standin.faults(token_ms=20, tokens=1000)
    connection = standin.connect()
    connection.request("POST", "/api/generate", json.dumps({"model": "tiny", "prompt": "x", "stream": stream}))
    wait_for_counter(standin, "running", 1)
    connection.close()
    counters = wait_for_counter(standin, "running", 0)
    assert (counters["cancelled"], counters["finished"]) == (1, 0)
    assert counters["tokens"] < 500


def test_client_that_leaves_while_it_waits_takes_no_slot(standin: Server) -> None:
    standin.faults(token_ms=20, tokens=10000)
    body = json.dumps({"model": "tiny", "prompt": "x"})
    connections = [standin.connect() for _ in range(6)]
    for connection in connections[:4]:
        connection.request("POST", "/api/generate", body)
    wait_for_counter(standin, "running", 4)
    for connection in connections[4:]:
        connection.request("POST", "/api/generate", body)
    wait_for_counter(standin, "waiting", 2)
    for connection in connections[4:]:
        connection.close()
    wait_for_counter(standin, "waiting", 0)
    for connection in connections[:4]:
        connection.close()
    counters = wait_for_counter(standin, "running", 0)
    assert (counters["started"], counters["cancelled"]) == (4, 4)


@pytest.mark.parametrize(
    ("path", "last"),
    [
        pytest.param("/api/generate", '{"error":"', id="native-generate"),
        pytest.param("/api/chat", '{"error":"', id="native-chat"),
        pytest.param("/v1/chat/completions", 'data: {"error":{', id="openai"),
        pytest.param("/v1/messages", 'data: {"type":"error"', id="anthropic"),
    ],
)
def test_error_after_the_first_token_comes_inside_a_200_stream(standin: Server, path: str, last: str) -> None:
    standin.faults(error_after=2)
    body = {"model": "tiny", "prompt": "x", "messages": MESSAGES, "max_tokens": 9, "stream": True}
    reply = standin.post(path, body)
    assert reply.status == 200
    assert [line for line in reply.text.splitlines() if line][-1].startswith(last)


def test_error_before_the_first_token_has_its_own_status(standin: Server) -> None:
    standin.faults(generate_500="llama runner process has terminated: exit status 2")
    reply = standin.post("/api/chat", {"model": "tiny", "messages": MESSAGES})
    assert (reply.status, reply.json()) == (500, {"error": "llama runner process has terminated: exit status 2"})
    assert standin.counters()["running"] == 0


def test_two_hundred_streams_at_once(launch: Launch, is_standin: bool) -> None:
    if not is_standin:
        pytest.skip("how fast a real model answers two hundred clients depends on the machine")
    from suite import add_models

    server = launch(env={"OLLAMA_NUM_PARALLEL": "200"})
    add_models(server)
    server.faults(token_ms=100, tokens=8)
    body = {"model": "tiny", "messages": MESSAGES}
    with concurrent.futures.ThreadPoolExecutor(200) as pool:
        replies = list(pool.map(lambda _: server.post("/api/chat", body), range(200)))
    assert {reply.status for reply in replies} == {200}
    assert {len(reply.lines()) for reply in replies} == {9}
    assert server.counters()["finished"] == 200


def test_openai_client_streams_a_chat(shared: Server) -> None:
    openai = pytest.importorskip("openai", reason="the openai client is not installed")
    client = openai.OpenAI(base_url=f"{shared.url}/v1", api_key="unused")
    stream = client.chat.completions.create(
        model="tiny", messages=MESSAGES, max_tokens=5, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "length"
    assert chunks[-1].usage.completion_tokens == 5


def test_openai_client_lists_and_embeds(shared: Server) -> None:
    openai = pytest.importorskip("openai", reason="the openai client is not installed")
    client = openai.OpenAI(base_url=f"{shared.url}/v1", api_key="unused")
    assert {model.id for model in client.models.list()} >= {"tiny:latest", "embed:latest"}
    vectors = client.embeddings.create(model="embed", input=["a", "b"]).data
    assert [len(vector.embedding) for vector in vectors] == [32, 32]
    with pytest.raises(openai.NotFoundError, match="not found"):
        client.chat.completions.create(model="nope", messages=MESSAGES)
