# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How requests refer to models: blanks, case, ``:local`` and ``:cloud``, and names that cannot be."""

from __future__ import annotations

import typing as t

import pytest

if t.TYPE_CHECKING:
    from serverunder import Server

TWICE = 'use either :local or :cloud, not both: "{}"'
MISSING = "model '{}' not found"
PULL_FIRST = 'model "{}" not found, try pulling it first'


def ask(server: Server, path: str, name: str) -> tuple[int, str]:
    """The status, and the error if there is one."""
    body: dict[str, t.Any] = {"model": name, "name": "", "input": [], "prompt": ""}
    reply = server.ask("DELETE" if path == "/api/delete" else "POST", path, body)
    return reply.status, reply.json()["error"] if reply.status >= 400 else ""


@pytest.mark.parametrize("name", [" embed ", "EMBED", "embed:Latest", "embed:local", "embed:latest:local", "library/embed"])
@pytest.mark.parametrize("path", ["/api/show", "/api/embed"])
def test_reference_finds_the_model(shared: Server, path: str, name: str) -> None:
    assert ask(shared, path, name) == (200, "")


def test_old_embeddings_route_wants_the_exact_case(shared: Server) -> None:
    assert ask(shared, "/api/embeddings", "embed") == (200, "")
    assert ask(shared, "/api/embeddings", "EMBED") == (404, PULL_FIRST.format("EMBED"))


def test_base_of_a_build_is_found_by_its_exact_case_only(server: Server) -> None:
    server.create("tiny-copy", **{"from": " tiny:local"})
    lines = server.post("/api/create", {"model": "x", "from": "127.0.0.1:9/library/TINY"}).lines()
    assert lines[0] == {"status": "pulling manifest"}
    server.post("/api/copy", {"source": "tiny", "destination": "127.0.0.1:9/library/tiny"})
    lines = server.post("/api/create", {"model": "x", "from": "127.0.0.1:9/library/TINY"}).lines()
    assert "connection refused" in lines[-1]["error"]
    server.create("x", **{"from": "127.0.0.1:9/library/tiny"})


@pytest.mark.parametrize(
    ("path", "empty", "missing"),
    [
        pytest.param("/api/generate", (404, "model '' not found"), MISSING, id="generate"),
        pytest.param("/api/chat", (400, "model is required"), MISSING, id="chat"),
        pytest.param("/api/embed", (404, "model '' not found"), PULL_FIRST, id="embed"),
        pytest.param("/api/embeddings", (400, "model is required"), PULL_FIRST, id="embeddings"),
        pytest.param("/api/show", (400, "model is required"), "model '{}:latest' not found", id="show"),
        pytest.param("/api/delete", (400, "model is required"), MISSING, id="delete"),
    ],
)
def test_words_of_each_route(shared: Server, path: str, empty: tuple[int, str], missing: str) -> None:
    assert ask(shared, path, "") == empty
    assert ask(shared, path, "nope") == (404, missing.format("nope"))
    invalid = 'name "a b" is invalid' if path == "/api/delete" else "invalid model name"
    assert ask(shared, path, "a b") == (400, invalid)
    for name in ("x:cloud:cloud", "tiny:local:cloud", "x:local:local"):
        assert ask(shared, path, name) == (400, TWICE.format(name))


@pytest.mark.parametrize("name", ["", "a b"])
def test_pull_of_what_is_no_name(shared: Server, name: str) -> None:
    assert ask(shared, "/api/pull", name) == (400, "invalid model name")


@pytest.mark.parametrize(
    ("path", "status"),
    [("/api/embed", 501), ("/api/embeddings", 500), ("/v1/embeddings", 501)],
)
def test_model_for_text_gives_no_vectors(shared: Server, path: str, status: int) -> None:
    reply = shared.post(path, {"model": "tiny", "input": "x", "prompt": "x"})
    error = reply.json()["error"]
    text = error["message"] if isinstance(error, dict) else error
    assert (reply.status, text) == (status, "This server does not support embeddings. Start it with `--embeddings`")


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        pytest.param({"files": {"./a.gguf": "sha256:" + "0" * 64}}, "file path must be relative", id="dot"),
        pytest.param({"files": {"a//b.gguf": "sha256:" + "0" * 64}}, "file path must be relative", id="empty-part"),
        pytest.param({"files": {"a.gguf": ""}}, "invalid digest format", id="no-digest"),
        pytest.param({"files": {}}, "unknown type", id="no-files"),
        pytest.param({"from": "tiny", "adapters": {"a.gguf": ""}}, "invalid digest format", id="adapter-without-a-digest"),
        pytest.param({"from": "tiny:local:cloud"}, "invalid model name", id="base-that-contradicts-itself"),
    ],
)
def test_create_refuses_before_it_begins(shared: Server, fields: dict[str, t.Any], text: str) -> None:
    reply = shared.post("/api/create", {"model": "x", **fields})
    assert (reply.status, reply.json()) == (400, {"error": text})


def test_quantization_of_a_stored_model_is_checked(shared: Server) -> None:
    reply = shared.post("/api/create", {"model": "x", "from": "tiny", "quantize": "q9", "stream": False})
    assert reply.status == 500
    assert reply.json()["error"].startswith("unsupported quantization type Q9 - supported types are F32")
