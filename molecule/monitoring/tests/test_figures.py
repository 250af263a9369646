# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Prometheus says of a load is what those say who made it."""

from __future__ import annotations

import collections
import json
import statistics
import typing as t

import pytest
from load import Call, eventually, join

# Request by request: how it is asked for, and by whom.
WAYS: list[tuple[str, str, dict[str, t.Any]]] = [
    ("alice", "/api/generate", {}),
    ("alice", "/api/chat", {"stream": True}),
    ("alice", "/v1/chat/completions", {}),
    ("bob", "/v1/chat/completions", {"stream": True}),
    ("bob", "/v1/chat/completions", {"stream": True, "stream_options": {"include_usage": True}}),
    ("bob", "/v1/completions", {"stream": True}),
    ("bob", "/v1/messages", {"stream": True}),
    ("bob", "/v1/responses", {"stream": True, "input": "hello"}),
]
TOKENS = range(10, 101, 6)
# So that an answer takes from a fifth of a second to two: what a busy machine adds to each is little beside it.
PACE = {"token_ms": 20}


class Load(t.NamedTuple):
    """What was sent, and what Prometheus counted before."""

    calls: list[tuple[str, Call, int]]
    before: dict[str, dict[tuple[str, ...], float]]


REQUESTS = "sum(llm_gateway_requests_total)"
COUNTED = {
    "requests": "sum by (code, user) (llm_gateway_requests_total)",
    "completion": "sum by (user) (llm_gateway_completion_tokens_total)",
    "prompt": "sum by (user) (llm_gateway_prompt_tokens_total)",
}


@pytest.fixture(scope="module")
def load(_watched, watcher) -> Load:
    """Each way once, so that every series is there and its growth can be seen; then the load."""
    known = watcher.number(REQUESTS) or 0
    join([_watched.call(user, path=path, tokens=10, **fields) for user, path, fields in WAYS])
    watcher.counted(REQUESTS, known + len(WAYS))
    before = {name: watcher.ask(query) for name, query in COUNTED.items()}
    _watched.fault(PACE)
    calls = []
    for tokens in TOKENS:
        batch = [
            (user, _watched.call(user, path=path, tokens=tokens, max_output_tokens=tokens, **fields), tokens) for user, path, fields in WAYS
        ]
        join([call for _, call, _ in batch])
        calls += batch
    _watched.leave()
    _watched.fault({})
    assert {call.status for _, call, _ in calls} == {200}
    watcher.counted(REQUESTS, known + len(WAYS) + len(calls))
    return Load(calls, before)


def test_every_request_is_counted_once_with_its_user_and_status(load, watcher):
    grown = grown_since(load.before["requests"], watcher.ask(COUNTED["requests"]))
    assert grown == collections.Counter(("200", user) for user, _, _ in load.calls)


def grown_since(before: dict[tuple[str, ...], float], now: dict[tuple[str, ...], float]) -> dict[tuple[str, ...], float]:
    return {labels: value - before.get(labels, 0) for labels, value in now.items() if value != before.get(labels, 0)}


def test_the_tokens_of_each_user_are_exact_streamed_or_not(load, watcher):
    told = collections.Counter[tuple[str, ...]]()
    for user, _, tokens in load.calls:
        told[user,] += tokens
    assert grown_since(load.before["completion"], watcher.ask(COUNTED["completion"])) == told


def test_the_tokens_of_prompts_are_what_the_answers_say(load, watcher):
    """Where the answer says it to the client; it is the same prompt in the others."""
    grown = grown_since(load.before["prompt"], watcher.ask(COUNTED["prompt"]))
    native = next(json.loads(call.text)["prompt_eval_count"] for user, call, _ in load.calls if user == "alice")
    assert native > 0
    assert set(grown) == {("alice",), ("bob",)}
    assert all(value >= native for value in grown.values())


@pytest.mark.parametrize(("name", "share"), [("p50", 0.5), ("p95", 0.95)])
def test_latency_is_within_ten_percent_of_what_the_clients_saw(load, watcher, name, share):
    seen = sorted(call.end - call.begin for _, call, _ in load.calls)
    expected = statistics.quantiles(seen, n=100, method="inclusive")[round(share * 100) - 1]
    reported = watcher.number(f"llm:request_seconds:all:{name}")
    print(f"{name}: the clients saw {expected:.3f} s, Prometheus says {reported:.3f} s")
    assert reported == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("waiting", [5, 9])
def test_the_queue_is_as_long_as_prometheus_says(watched, watcher, waiting):
    watched.fault({"token_ms": 200})
    for _ in range(16):
        watched.call("alice", tokens=300)
    eventually(lambda: watched.now("scur") == 16)
    for _ in range(waiting):
        watched.call("bob", tokens=10)
    eventually(lambda: watched.waiting == waiting)
    watcher.scraped()
    assert watcher.number("llm:queue_waiting") == waiting
