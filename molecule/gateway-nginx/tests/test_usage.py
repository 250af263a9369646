# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tokens in nginx's log are those that the answer told, and nobody notices that they are counted."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import re
import typing as t

import pytest
from test_policy import ALICE, BOB, CHAT, DOMAIN, OPS, Gateway, chat

COMPLETIONS = "/v1/completions"
DIRECT = """
import sys, urllib.request as u
request = u.Request("http://127.0.0.1:11434" + sys.argv[1], data=sys.argv[2].encode(), headers={"Content-Type": "application/json"})
sys.stdout.write(u.urlopen(request).read().decode())
"""
# What an answer says of itself and is another one each time.
OWN = re.compile(r'("id":"[a-z]+[-_])\w+|("created":)\d+')
# Where an answer says its tokens of prompt and completion; the last such place counts.
SAID = (
    re.compile(r'"(?:prompt_eval_count|prompt_tokens|input_tokens)":(\d+)'),
    re.compile(r'"(?:eval_count|completion_tokens|output_tokens)":(\d+)'),
)
ENDPOINTS = ("/api/generate", "/api/chat", CHAT, COMPLETIONS, "/v1/responses", "/v1/messages")


def said(text: str) -> tuple[int | None, int | None]:
    prompt, completion = ([int(number) for number in pattern.findall(text)] for pattern in SAID)
    return (prompt or [None])[-1], (completion or [None])[-1]


@pytest.fixture
def gateway(host, endpoint) -> Gateway:
    gateway = Gateway(host, endpoint(f"https://{DOMAIN}"))
    gateway.seen()
    return gateway


@pytest.fixture
def faults(host) -> t.Iterator[t.Callable[..., None]]:
    def switch(**values: t.Any) -> None:
        program = "import sys, urllib.request as u; u.urlopen(u.Request('http://127.0.0.1:11434/_standin/faults', sys.argv[1].encode(), method='PUT'))"
        host.check_output("python3 -c %s %s", program, json.dumps(values))

    yield switch
    switch()


def counted(gateway: Gateway, count: int) -> list[tuple[int | None, int | None]]:
    return [(line["prompt_tokens"], line["completion_tokens"]) for line in gateway.logged(count)]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_the_log_has_the_tokens_that_the_answer_tells(gateway, stream):
    wanted = set()
    for number, (path, who) in enumerate(itertools.product(ENDPOINTS, (ALICE, BOB))):
        request = chat("tiny", stream=stream, max_tokens=3 + number, options={"num_predict": 3 + number}, max_output_tokens=3 + number)
        told = said(gateway.ask(path, who, {**request, "stream_options": {"include_usage": True}}).body.decode())
        assert None not in told, path
        wanted.add((path, *told))
    lines = gateway.logged(len(wanted))
    assert {(line["path"], line["prompt_tokens"], line["completion_tokens"]) for line in lines} == wanted


def test_embeddings_cost_a_prompt_and_no_completion(gateway):
    for path in ("/api/embed", "/v1/embeddings"):
        assert gateway.ask(path, ALICE, {"model": "embed", "input": "hello you"}).status == 200
    assert gateway.ask("/api/embeddings", ALICE, {"model": "embed", "prompt": "hello you"}).status == 200
    (first, second, third) = sorted(counted(gateway, 3), key=str)
    assert first == second and first[0] > 0 and first[1] == 0
    assert third == (None, None)


@pytest.mark.parametrize("path", [CHAT, COMPLETIONS])
def test_who_does_not_ask_for_the_tokens_sees_what_they_would_have_seen(gateway, host, faults, path):
    request = json.dumps(chat("tiny", stream=True, max_tokens=5, stream_options=None))
    direct = OWN.sub(r"\1\2", host.run("python3 -c %s %s %s", DIRECT, path, request).stdout)
    assert "[DONE]" in direct
    assert '"usage"' not in direct
    for split in (0, 7):
        faults(split=split)
        for who in (ALICE, BOB):
            assert OWN.sub(r"\1\2", gateway.ask(path, who, request).body.decode()) == direct
    assert [completion for _, completion in counted(gateway, 4)] == [5] * 4


def test_only_a_stream_that_would_not_tell_is_asked(gateway):
    untouched = [
        '{ "model":"tiny", "stream":false, "x":12345678901234567890.0, "messages":[] , "prompt":"" }',
        '{"model":"tiny","stream":true,"stream_options":{ "include_usage" :\ttrue},"messages":[],"prompt":""}',
        '{"model":"tiny","stream":true,"stream\\u005foptions":{"include_usage":false},"messages":[],"prompt":""}',
        '{"model":"tiny","stream":true,"messages":[{"role":"user","content":"%s"}]}' % ("x" * 1_100_000),
    ]
    asked = [
        '{ "model":"tiny", "x":12345678901234567890.0,"stream" : true, "messages":[] , "prompt":"}" }\n',
        '{"model":"tiny","stream":true,"stream_options":{"include_usage":false},"messages":[],"prompt":"\\"include_usage\\":true"}',
    ]
    # An administrator's, since nobody takes options out of them.
    for body in untouched + asked:
        gateway.ask(CHAT, OPS, body)
    bodies = [request["body"] for request in gateway.seen()]
    assert bodies[: len(untouched) - 1] == untouched[:-1]
    assert len(bodies[len(untouched) - 1]) <= len(untouched[-1])
    assert bodies[len(untouched) :] == [
        re.sub(r"\}\s*\Z", lambda end: ',"stream_options":{"include_usage":true}' + end[0], body) for body in asked
    ]
    gateway.ask("/api/chat", OPS, asked[0])
    assert [request["body"] for request in gateway.seen()] == [asked[0]]


def test_what_ends_before_it_is_told_is_not_counted(gateway, faults):
    faults(cut_after=3)
    for path in (CHAT, COMPLETIONS, "/api/generate", "/v1/messages"):
        with contextlib.suppress(http.client.IncompleteRead):
            gateway.ask(path, ALICE, chat("tiny", stream=True, max_tokens=9))
    faults(generate_500=True)
    gateway.ask(CHAT, ALICE, chat("tiny", stream=True))
    gateway.ask("/api/nothing", ALICE, {})
    assert counted(gateway, 6) == [(None, None)] * 6
