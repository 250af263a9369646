# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who comes through Tailscale's serve is known by what tailscaled says, and by nothing that anybody else could say."""

from __future__ import annotations

import json
import typing as t

import pytest
from test_log import _entries

BOB = {"Authorization": "Bearer bob-has-a-key-of-enough-length"}
ADDRESS = "100.64.1.2"


def login(name: str) -> dict[str, str]:
    """The headers that tailscaled sets."""
    return {"Tailscale-User-Login": f"{name}@example.com", "Tailscale-User-Name": name.title(), "X-Forwarded-For": ADDRESS}


CASES: dict[str, tuple[str, dict[str, str], int, str]] = {
    "a-user": ("/api/tags", login("alice"), 200, "alice user"),
    "a-user-in-other-letters": ("/api/tags", login("Alice"), 200, "alice user"),
    "an-admin": ("/api/ps", login("ops"), 200, "ops admin"),
    "a-user-is-no-admin": ("/api/ps", login("alice"), 403, ""),
    "what-nobody-may": ("/api/me", login("ops"), 404, ""),
    "a-program-that-must-send-some-key": ("/v1/models", {**login("alice"), "Authorization": "Bearer none"}, 200, "alice user"),
    "a-key-says-more-than-the-device": ("/v1/models", {**login("alice"), **BOB}, 200, "bob user"),
    "a-key-without-a-login-as-of-a-tagged-device": ("/v1/models", BOB, 200, "bob user"),
    "a-tagged-device": ("/api/tags", {}, 401, ""),
    "a-login-that-nobody-declared": ("/api/tags", login("eve"), 401, ""),
    "what-begins-like-a-login": ("/api/tags", {"Tailscale-User-Login": "alice@example.com.evil.example"}, 401, ""),
    "what-they-say-of-themselves": ("/api/tags", {"X-LLM-User": "ops", "Tailscale_User_Login": "ops@example.com"}, 401, ""),
}


@pytest.fixture(scope="module")
def replies(agent) -> dict[str, dict[str, t.Any]]:
    found = agent("through_tailnet", requests=[{"path": path, "headers": headers} for path, headers, *_ in CASES.values()])
    return dict(zip(CASES, found, strict=True))


def test_each_is_who_the_tailnet_says_and_may_what_they_may(replies):
    found = {name: (reply["status"], _who(reply)) for name, reply in replies.items()}
    assert found == {name: (status, who) for name, (_path, _headers, status, who) in CASES.items()}


def _who(reply: dict[str, t.Any]) -> str:
    return " ".join(f"{seen['headers']['x-llm-user']} {seen['headers']['x-llm-role']}" for seen in reply["seen"])


def test_the_backend_learns_where_it_comes_from_and_not_how_it_was_proved(replies):
    seen = [request["headers"] for reply in replies.values() for request in reply["seen"]]
    assert {name for headers in seen for name in headers if name.startswith("tailscale") or name == "authorization"} == set()
    assert replies["a-user"]["seen"][0]["headers"]["x-forwarded-for"] == ADDRESS
    assert {headers["x-forwarded-proto"] for headers in seen} == {"https"}


def test_who_is_nobody_here_learns_as_whom_they_came_and_whom_to_ask(replies):
    sentence = json.loads(replies["a-login-that-nobody-declared"]["body"])["error"]
    assert sentence.startswith("In the tailnet you are eve@example.com, who is no user of this gateway. Ask the administrators")
    assert "tailnet" not in replies["a-tagged-device"]["body"]


def test_the_log_tells_who_it_was(host, engine, replies):
    entries = _entries(host, engine, "/api/ps")[-2:]
    assert [(entry["user"], entry["status"]) for entry in entries] == [("ops", 200), ("alice", 403)]
    if engine.name == "nginx":
        assert {entry["remote"] for entry in entries} == {ADDRESS}


def test_only_root_and_the_web_server_reach_the_socket(host):
    directory = host.file("/run/llm-gateway")
    assert directory.mode == 0o700
    assert directory.user in ("root", "caddy")
    denied = "import socket; socket.socket(socket.AF_UNIX).connect('/run/llm-gateway/tailnet.sock')"
    assert "PermissionError" in host.run("setpriv --reuid nobody --clear-groups python3 -c %s", denied).stderr
