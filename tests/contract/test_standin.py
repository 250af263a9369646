# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only the stand-in has: faults, and a record of what arrived."""

from __future__ import annotations

import http.client
import json
import time
import typing as t

import pytest

if t.TYPE_CHECKING:
    from serverunder import Server
    from suite import Launch


@pytest.fixture(autouse=True)
def _only_standin(is_standin: bool) -> None:
    if not is_standin:
        pytest.skip("tests of the stand-in's own additions")


def env(**faults: t.Any) -> dict[str, str]:
    return {"OLLAMA_STANDIN_FAULTS": json.dumps(faults)}


def test_version_says_that_it_is_a_standin(shared: Server) -> None:
    assert shared.ask("GET", "/api/version").json() == {"version": "0.32.15+standin"}


def test_socket_accepts_before_http_answers(launch: Launch) -> None:
    server = launch(env=env(start_delay=2), wait=False)
    deadline = time.monotonic() + 10
    while "Listening on" not in server.log() and time.monotonic() < deadline:
        time.sleep(0.02)
    connection = http.client.HTTPConnection(server.host, server.port, timeout=0.3)
    connection.connect()
    connection.request("GET", "/api/version")
    with pytest.raises(TimeoutError):
        connection.getresponse()
    assert server.ask("GET", "/api/version").status == 200


@pytest.mark.parametrize("value", [True, "cannot open the device"])
def test_refused_start(launch: Launch, value: t.Any) -> None:
    server = launch(env=env(refuse_start=value), wait=False)
    assert server.process is not None
    assert server.process.wait(10) == 1
    assert "Error: " in server.log()


def test_unknown_fault_is_refused_so_that_no_typo_passes(launch: Launch, standin: Server) -> None:
    server = launch(env=env(no_such=1), wait=False)
    assert server.process is not None
    assert server.process.wait(10) == 1
    assert standin.ask("PUT", "/_standin/faults", {"no_such": 1}).status == 400
    assert standin.ask("PUT", "/_standin/faults", {"token_ms": "fast"}).status == 400


def test_version_fault_status_fault_and_back(standin: Server) -> None:
    standin.faults(version_500=True)
    assert standin.ask("GET", "/api/version").status == 500
    standin.faults(status={"^/api/tags": 502})
    assert [standin.ask("GET", path).status for path in ("/api/tags", "/api/ps")] == [502, 200]
    standin.faults(unauthorized=True)
    assert standin.ask("GET", "/api/tags").status == 401
    standin.faults()
    assert standin.ask("GET", "/api/version").status == 200


def test_hanging_path_answers_nothing(standin: Server) -> None:
    standin.faults(hang="^/api/chat")
    with pytest.raises(TimeoutError):
        standin.post("/api/chat", {"model": "tiny"}, timeout=0.3)
    assert standin.ask("GET", "/api/version").status == 200


def test_pull_faults(standin: Server) -> None:
    standin.faults(pull_error="max retries exceeded: EOF")
    lines = standin.post("/api/pull", {"model": "x"}).lines()
    assert lines == [{"status": "pulling manifest"}, {"error": "max retries exceeded: EOF"}]
    standin.faults(create_error="no space left on device")
    assert standin.post("/api/create", {"model": "x", "from": "tiny"}).json() == {"error": "no space left on device"}


def test_cut_stream_has_no_end(standin: Server) -> None:
    standin.faults(cut_after=2)
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        standin.post("/api/chat", {"model": "tiny", "messages": [{"role": "user", "content": "x"}]})


def test_load_fault_leaves_the_next_load_alone(standin: Server) -> None:
    standin.faults(load_error="llama-server failed to start")
    assert standin.post("/api/generate", {"model": "tiny"}).status == 500
    standin.faults()
    assert standin.post("/api/generate", {"model": "tiny"}).status == 200


def test_seen_tells_what_a_backend_got(standin: Server) -> None:
    standin.ask("DELETE", "/_standin/seen")
    standin.post("/api/show?x=1", {"model": "tiny"}, headers={"X-LLM-User": "alice", "Authorization": "Bearer k"})
    (entry,) = standin.ask("GET", "/_standin/seen").json()["requests"]
    assert (entry["method"], entry["path"], entry["status"]) == ("POST", "/api/show?x=1", 200)
    assert entry["headers"]["x-llm-user"] == "alice"
    assert json.loads(entry["body"]) == {"model": "tiny"}


def test_control_paths_work_with_any_host_header(standin: Server) -> None:
    assert standin.ask("GET", "/_standin/faults", headers={"Host": "example.com"}).status == 200
