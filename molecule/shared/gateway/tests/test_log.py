# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written down of a request: who, what and how long; never a key, a prompt or a query string."""

from __future__ import annotations

import json
import typing as t

from load import eventually
from test_streams import KEY, SHAPES, ask


def _entries(host: t.Any, engine: t.Any, mark: str) -> list[dict[str, t.Any]]:
    """The lines of requests whose path has the mark, by the names that tests use."""
    entries = []
    for line in host.check_output(f"cat {engine.log}").splitlines():
        entry = {name: _at(json.loads(line), way) for name, way in engine.fields.items()}
        if mark in str(entry["path"]):
            entries.append(entry)
    return entries


def _at(value: t.Any, way: tuple[str | int, ...]) -> t.Any:
    for step in way:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list):
            value = value[step]
    return value


def test_each_request_is_a_line_that_says_who_what_and_how_long(host, agent, engine):

    def entries() -> list[dict[str, t.Any]]:
        return _entries(host, engine, "/v1/chat/completions")

    before = len(entries())
    agent(
        "stream", data=ask("/v1/chat/completions?secret=in-the-query", {**SHAPES["/v1/chat/completions"], "user": "a-word-of-the-prompt"})
    )
    # The line is written after the answer.
    eventually(lambda: len(entries()) > before)
    (entry,) = entries()[before:]
    assert (entry["user"], entry["method"], entry["path"], entry["status"]) == ("alice", "POST", "/v1/chat/completions", 200)
    assert entry["remote"].startswith("127.")
    assert entry["request_time"] > 0
    assert entry["bytes_out"] > 0
    assert entry["time"].startswith("20")
    assert str(entry["ttfb"]).removeprefix("upstream;dur=").replace(".", "").isdigit()


def test_no_log_knows_a_key_a_prompt_or_a_query_string(agent, engine):
    requests = (
        ask("/api/generate?secret=in-the-query", {"model": "tiny", "prompt": "a-word-of-the-prompt"}),
        ask("/api/nothing?secret=in-the-query", {}),
        ask("/api/generate?secret=in-the-query", {}, key=KEY + "-wrong"),
        ask("/api/%zz?secret=in-the-query", {}),
        ask("/api/generate?secret=in-the-query", {}).replace("Content-Length: 2", "Transfer-Encoding: xchunked"),
    )
    jobs = [{"id": str(number), "method": "POST", "data": data} for number, data in enumerate(requests)]
    found = agent("table", groups=[{"alone": True, "jobs": jobs}])["results"]
    assert [result["replies"][0]["status"] for result in found] == [200, 404, 401, 400, 501]
    logs = " ".join((engine.log, *engine.other_logs))
    text = agent.sh(f"cat {logs}; journalctl -q -o json -u {engine.unit}")
    for secret in ("in-the-query", "a-word-of-the-prompt", "alice-has-a", "bob-has-a-key", "ops-has-a-key", "ops has a pass"):
        assert secret not in text, secret


def test_the_log_is_not_for_everybody(host, engine):
    assert host.file(engine.log).mode & 0o007 == 0
    for path in engine.secret_files:
        assert host.file(path).user == "root"
        assert host.file(path).mode & 0o007 == 0
