# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Ollama client against scripted replies, and against the recorded exchanges with a real server."""

from __future__ import annotations

import http.client
import io
import itertools
import json
import typing as t
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted import API, Call, Pieces, Script, digest, tags

from ansible_collections.llm.host.plugins.module_utils._http import Response, TransportError, json_lines, words_for
from ansible_collections.llm.host.plugins.module_utils._names import ModelName
from ansible_collections.llm.host.plugins.module_utils._server import ApiError, NotFound, OllamaServer, Unreachable

X = ModelName.parse("x")
PULL = [
    {"status": "pulling manifest"},
    {"status": "pulling aaa", "digest": "sha256:a", "total": 100},
    {"status": "pulling aaa", "digest": "sha256:a", "total": 100, "completed": 60},
    {"status": "pulling aaa", "digest": "sha256:a", "total": 100, "completed": 100},
    {"status": "pulling bbb", "digest": "sha256:b", "total": 50, "completed": 50},
    {"status": "pulling ccc", "digest": "sha256:c", "total": 50, "completed": 20},
    {"status": "pulling ccc", "digest": "sha256:c", "total": 50, "completed": 50},
    {"status": "verifying sha256 digest"},
    {"status": "writing manifest"},
    {"status": "success"},
]
BODY = b"".join(json.dumps(line).encode() + b"\n" for line in PULL)


def client(script: Script, **options: t.Any) -> OllamaServer:
    return OllamaServer(script, API, **options)


@pytest.mark.parametrize("cut", range(len(BODY) + 1))
def test_a_stream_reads_the_same_wherever_it_is_cut(cut):
    assert list(json_lines([BODY[:cut], BODY[cut:]])) == PULL


@given(st.lists(st.integers(min_value=0, max_value=len(BODY)), max_size=30))
def test_a_stream_reads_the_same_in_any_pieces(cuts):
    edges = [0, *sorted(cuts), len(BODY)]
    assert list(json_lines(BODY[start:end] for start, end in itertools.pairwise(edges))) == PULL


# Without its last byte, a line end, the stream is whole.
@pytest.mark.parametrize("length", range(len(BODY) - 1))
def test_a_stream_that_ends_early_is_never_a_success(length):
    call = Call("POST", "/api/pull", lines=[])
    call.body = lambda: Pieces([BODY[:length]])
    with pytest.raises(Unreachable):
        client(Script(call)).pull(X)


def test_lines_that_are_no_objects_are_refused():
    for body in (b"<html>\n", b"[]\n", b'{"a": 1} x\n'):
        with pytest.raises(TransportError, match="the reply contains a line"):
            list(json_lines([body]))


def test_a_pull_counts_what_was_downloaded_and_not_what_was_there():
    with Script(Call("POST", "/api/pull", expect={"model": "x:latest"}, lines=PULL)) as script:
        assert client(script).pull(X).bytes == 100 + 0 + 30


def test_insecure_is_passed_on():
    with Script(Call("POST", "/api/pull", expect={"model": "x:latest", "insecure": True}, lines=PULL)) as script:
        client(script).pull(X, insecure=True)


def test_an_error_inside_a_stream_is_an_error_with_its_phase():
    script = Script(Call("POST", "/api/pull", lines=[*PULL[:2], {"error": "max retries exceeded: EOF"}]))
    with pytest.raises(ApiError) as caught:
        client(script).pull(X)
    assert (caught.value.message, caught.value.phase) == ("max retries exceeded: EOF", "pulling aaa")


def test_a_stream_without_success_is_an_error_with_its_phase():
    with pytest.raises(Unreachable) as caught:
        client(Script(Call("POST", "/api/pull", lines=PULL[:-1]))).pull(X)
    assert (caught.value.message, caught.value.phase) == ("the reply ended without success", "writing manifest")


def test_a_connection_that_breaks_off_is_an_error_with_its_phase():
    script = Script(Call("POST", "/api/pull", lines=PULL[:3], breaks=http.client.IncompleteRead(b"")))
    with pytest.raises(Unreachable, match="closed before the reply was complete") as caught:
        client(script).pull(X)
    assert caught.value.phase == "pulling aaa"


def test_a_stream_that_repeats_itself_is_given_up_after_the_patience():
    ticks = iter(range(0, 10_000, 10))
    stalled = [{"status": "pulling aaa", "digest": "sha256:a", "total": 100, "completed": 60}] * 100
    with pytest.raises(Unreachable, match="no progress for 60 s"):
        client(Script(Call("POST", "/api/pull", lines=stalled)), patience=60, clock=lambda: next(ticks)).pull(X)


def test_a_slow_stream_that_goes_on_is_waited_for():
    ticks = iter(range(0, 100_000, 50))
    slow = [{"status": "pulling aaa", "digest": "sha256:a", "total": 100, "completed": n} for n in range(100)]
    with Script(Call("POST", "/api/pull", lines=[*slow, {"status": "success"}])) as script:
        assert client(script, patience=60, clock=lambda: next(ticks)).pull(X).bytes == 99


def test_tags_are_read_with_complete_names():
    with Script(Call("GET", "/api/tags", tags(("X:1", digest("A")), ("h.io/n/y:2", digest("b"))))) as script:
        first, second = client(script).tags()
    assert (first.name.key, first.digest) == ("registry.ollama.ai/library/x:1", digest("a"))
    assert second.name.short == "h.io/n/y:2"


def test_an_empty_list_may_be_null():
    with Script(Call("GET", "/api/tags", {"models": None})) as script:
        assert client(script).tags() == ()


@pytest.mark.parametrize("reply", [b"<html>", b"[]", b""])
def test_something_else_on_the_port_is_recognised(reply):
    with pytest.raises(ApiError, match=f"What answers at {API}/api/tags is not Ollama"):
        client(Script(Call("GET", "/api/tags", reply))).tags()


def test_nothing_on_the_port_is_one_sentence():
    script = Script(Call("GET", "/api/tags", raises=TransportError("connection refused", refused=True)))
    with pytest.raises(Unreachable) as caught:
        client(script).tags()
    assert caught.value.message == f"Cannot reach Ollama at {API}: connection refused"
    assert caught.value.refused


def test_a_refused_host_name_is_explained():
    with pytest.raises(ApiError, match=r"use its address, such as 127\.0\.0\.1"):
        client(Script(Call("GET", "/api/tags", status=403))).tags()


def test_an_unknown_model_is_not_found():
    script = Script(Call("DELETE", "/api/delete", {"error": "model 'x' not found"}, 404, expect={"model": "x:latest"}))
    with pytest.raises(NotFound, match="model 'x' not found"):
        client(script).delete(X)


def test_blobs_are_asked_for_and_sent_as_files():
    class Blob:
        digest = "sha256:1"
        size = 3

        def open(self) -> t.BinaryIO:
            return io.BytesIO(b"abc")

    with Script(
        Call("HEAD", "/api/blobs/sha256:1", status=404),
        Call("POST", "/api/blobs/sha256:1", status=201, expect=b"abc"),
        Call("HEAD", "/api/blobs/sha256:1"),
    ) as script:
        server = client(script)
        assert not server.has_blob("sha256:1")
        server.upload(Blob())
        assert server.has_blob("sha256:1")


def test_embedding_models_are_loaded_another_way():
    with Script(
        Call(
            "POST", "/api/generate", {"error": '"x:latest" does not support generate'}, 400, expect={"model": "x:latest", "keep_alive": -1}
        ),
        Call("POST", "/api/embed", {"model": "x", "embeddings": []}, expect={"model": "x:latest", "keep_alive": -1}),
    ) as script:
        client(script).load(X, keep_alive=-1)


@pytest.mark.parametrize(
    ("exc", "text"),
    [
        (TimeoutError("timed out"), "no answer within 5 s"),
        (ConnectionRefusedError(111, "Connection refused"), "connection refused"),
        (ConnectionResetError(104, "reset"), "the connection was closed before the reply was complete"),
        (OSError(113, "No route to host"), "no route to host"),
    ],
)
def test_what_went_wrong_on_the_way_is_said_in_plain_words(exc, text):
    assert words_for(exc, timeout=5).reason == text


RECORDED = Path(__file__).parents[3] / "data" / "transcripts"
STREAMS = [
    pytest.param(entry, id=f"{path.stem}-{entry['title']}")
    for path in sorted(RECORDED.glob("*.json"))
    for entry in json.loads(path.read_text())
    if entry["request"]["path"] in ("/api/pull", "/api/create") and isinstance(entry["request"]["body"], dict)
]


@pytest.mark.parametrize("entry", STREAMS)
def test_recorded_streams_of_a_real_server_end_as_they_ended(entry):
    class Replay:
        def open(self, *_arguments: t.Any, **_options: t.Any) -> Response:
            return Response(status=entry["response"]["status"], headers={}, raw=io.BytesIO(entry["response"]["body"].encode()))

    server = OllamaServer(Replay(), API)
    errors = [json.loads(line)["error"] for line in entry["response"]["body"].splitlines() if '"error"' in line]
    if not errors:
        server.pull(X)
        return
    with pytest.raises(ApiError) as caught:
        server.pull(X)
    assert caught.value.message == errors[0]
