# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens pass one by one, and what happens at one end is known at the other."""

from __future__ import annotations

import json
import typing as t

import pytest

pytestmark = pytest.mark.timed

KEY = "alice-has-a-key-of-enough-length"
TOKENS = 20
SHAPES = {
    "/api/generate": {"model": "tiny", "prompt": "hello", "options": {"num_predict": TOKENS}},
    "/api/chat": {"model": "tiny", "messages": [{"role": "user", "content": "hello"}], "options": {"num_predict": TOKENS}},
    "/v1/chat/completions": {"model": "tiny", "messages": [{"role": "user", "content": "hello"}], "max_tokens": TOKENS, "stream": True},
    "/v1/messages": {"model": "tiny", "messages": [{"role": "user", "content": "hello"}], "max_tokens": TOKENS, "stream": True},
}


def ask(path: str, body: t.Mapping[str, t.Any], key: str = KEY) -> str:
    text = json.dumps(body)
    lines = (
        f"POST {path} HTTP/1.1",
        "Host: llm.test",
        f"Authorization: Bearer {key}",
        "Content-Type: application/json",
        f"Content-Length: {len(text)}",
    )
    return "\r\n".join(lines) + "\r\n\r\n" + text


def assert_one_by_one(pieces: list[list[t.Any]]) -> None:
    """As many pieces as tokens, but for some that a busy machine passes on together, over the time that the tokens took."""
    assert len(pieces) >= 0.8 * TOKENS
    assert pieces[-1][0] - pieces[0][0] >= 0.6 * TOKENS * 0.03


@pytest.mark.parametrize("path", SHAPES)
def test_as_many_reads_as_tokens(agent, faults, path):
    faults(tokens=TOKENS, token_ms=30)
    found = agent("stream", data=ask(path, SHAPES[path]))
    assert found["status"] == 200
    assert_one_by_one(found["pieces"])
    assert found["reads"] >= 0.8 * TOKENS
    assert "content-length" not in dict(found["headers"])


@pytest.mark.parametrize("path", ["/api/chat", "/v1/chat/completions"])
def test_http_2_streams_too(agent, faults, path):
    faults(tokens=TOKENS, token_ms=30)
    headers = [[":method", "POST"], [":scheme", "https"], [":path", path], [":authority", "llm.test"], ["authorization", f"Bearer {KEY}"]]
    found = agent("stream2", headers=headers, body=json.dumps(SHAPES[path]))
    assert (found["protocol"], found["ok"]) == ("h2", True)
    assert_one_by_one(found["pieces"])


def test_a_client_that_leaves_is_missed_at_once(agent, faults):
    faults(tokens=600, token_ms=50)
    found = agent("leave", data=ask("/api/generate", {"model": "tiny", "prompt": "hello", "options": {"num_predict": 600}}))
    assert found["status"] == 200
    assert found["noticed"] is not None and found["noticed"] < 5


def test_a_client_that_leaves_before_the_first_token_is_missed_too(agent, faults):
    faults(prompt_ms=30000)
    found = agent("give_up", data=ask("/api/generate", SHAPES["/api/generate"]))
    assert found["noticed"] is not None and found["noticed"] < 5
