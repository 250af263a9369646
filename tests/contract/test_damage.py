# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Damaged files in the store: which models are hidden, what the routes say, and what repairs them."""

from __future__ import annotations

import hashlib
import json
import pathlib
import typing as t

import pytest
from suite import MODELS, add_models

if t.TYPE_CHECKING:
    from serverunder import Server
    from suite import Launch, Registry

LIBRARY = "manifests/registry.ollama.ai/library"
NOT_FOUND = "model '{}' not found"
CUT = (MODELS / "tiny.gguf").read_bytes()[:3000]


def manifest_path(server: Server, name: str = "rich") -> pathlib.Path:
    return server.models / LIBRARY / name / "latest"


def entry(manifest: dict[str, t.Any], kind: str) -> dict[str, t.Any]:
    """The place of the manifest that names the blob of this kind."""
    if kind == "config":
        return t.cast("dict[str, t.Any]", manifest["config"])
    return next(layer for layer in manifest["layers"] if layer["mediaType"].endswith(kind))


def blob(server: Server, kind: str, name: str = "rich") -> pathlib.Path:
    digest = entry(json.loads(manifest_path(server, name).read_text()), kind)["digest"]
    return server.models / "blobs" / str(digest).replace(":", "-")


def hurt(server: Server, kind: str, data: bytes | None, *, digest: str = "") -> None:
    """Make a model ``hurt`` that is like ``rich``, but with one damaged file that the server has never read."""
    text = manifest_path(server).read_bytes()
    digest = digest or "sha256:" + hashlib.sha256(repr((kind, data)).encode()).hexdigest()
    if kind == "manifest":
        text = data or b""
    else:
        manifest = json.loads(text)
        entry(manifest, kind)["digest"] = digest
        text = json.dumps(manifest).encode()
        if data is not None:
            (server.models / "blobs" / digest.replace(":", "-")).write_bytes(data)
    path = manifest_path(server, "hurt")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text)


@pytest.fixture
def server(server: Server) -> Server:
    """With a third model that has a layer of every kind."""
    fields = {"template": "{{ .Prompt }}", "system": "Be brief.", "parameters": {"seed": 1}, "license": "MIT"}
    server.create("rich", **{"from": "tiny", **fields})
    return server


GARBAGE = "invalid character 'g' looking for beginning of value"
MISTYPED = "json: cannot unmarshal number into Go struct field ConfigV2.model_format of type string"
UNUSABLE = '"hurt" does not support generate'
HIDDEN, LISTED, BARE = "hidden", "listed", "listed without capabilities"
TABLE = [
    pytest.param("config", b"garbage", HIDDEN, (500, GARBAGE), (500, GARBAGE), id="config-garbage"),
    pytest.param("config", b"", HIDDEN, (500, "EOF"), (500, "EOF"), id="config-empty"),
    pytest.param("config", b'{"os":', HIDDEN, (500, "unexpected EOF"), (500, "unexpected EOF"), id="config-cut"),
    pytest.param("config", None, HIDDEN, (404, NOT_FOUND), (404, NOT_FOUND), id="config-missing"),
    pytest.param("config", b'{"model_format":1}', HIDDEN, (500, MISTYPED), (500, MISTYPED), id="config-of-another-type"),
    pytest.param("template", None, HIDDEN, (404, NOT_FOUND), (404, NOT_FOUND), id="template-missing"),
    pytest.param("template", b"{{ .X", HIDDEN, (500, "unclosed action"), (500, "unclosed action"), id="template-cut"),
    pytest.param("system", None, LISTED, (404, NOT_FOUND), (404, NOT_FOUND), id="system-missing"),
    pytest.param("license", None, LISTED, (404, NOT_FOUND), (404, NOT_FOUND), id="license-missing"),
    pytest.param("params", b"garbage", LISTED, (500, GARBAGE), (500, GARBAGE), id="parameters-garbage"),
    pytest.param("model", None, BARE, (404, NOT_FOUND), (400, UNUSABLE), id="weights-missing"),
    pytest.param("model", b"garbage", BARE, (500, "invalid file magic"), (400, UNUSABLE), id="weights-garbage"),
    pytest.param("model", CUT, LISTED, (500, "EOF"), (500, "EOF"), id="weights-cut"),
    pytest.param("manifest", b"garbage", HIDDEN, (500, GARBAGE), (500, GARBAGE), id="manifest-garbage"),
    pytest.param("manifest", b"", HIDDEN, (500, "EOF"), (500, "EOF"), id="manifest-empty"),
    pytest.param("manifest", b"{}", BARE, (404, NOT_FOUND), (400, UNUSABLE), id="manifest-of-nothing"),
]


@pytest.mark.parametrize(("kind", "data", "listing", "shown", "generated"), TABLE)
def test_damaged_model_hides_or_fails_alone(
    server: Server, kind: str, data: bytes | None, listing: str, shown: tuple[int, str], generated: tuple[int, str]
) -> None:
    hurt(server, kind, data)
    tags = server.tags()
    assert tags.keys() == {"tiny:latest", "embed:latest", "rich:latest"} | ({"hurt:latest"} if listing != HIDDEN else set())
    assert listing == HIDDEN or ("capabilities" in tags["hurt:latest"]) == (listing == LISTED)
    for path, name, (status, text) in (("/api/show", "hurt:latest", shown), ("/api/generate", "hurt", generated)):
        reply = server.post(path, {"model": "hurt"})
        assert reply.status == status
        assert reply.json()["error"].endswith(text.format(name) if status == 404 else text)


def test_digest_that_is_none_hides_the_model(server: Server) -> None:
    hurt(server, "config", None, digest="sha256:zz")
    assert "hurt:latest" not in server.tags()
    reply = server.post("/api/show", {"model": "hurt"})
    assert (reply.status, reply.json()) == (500, {"error": "invalid digest format"})


@pytest.mark.parametrize("data", [b"garbage", None], ids=["garbage", "missing"])
def test_damage_is_seen_after_a_start(launch: Launch, tmp_path: pathlib.Path, data: bytes | None) -> None:
    first = launch(home=tmp_path / "home")
    add_models(first)
    first.tags()
    path = blob(first, "config", "tiny")
    path.unlink()
    if data is not None:
        path.write_bytes(data)
    assert first.tags().keys() == {"tiny:latest", "embed:latest"}
    first.stop()
    assert launch(home=tmp_path / "home").tags().keys() == {"embed:latest"}


def test_damage_under_a_running_server_is_not_seen_in_what_it_has_read(server: Server) -> None:
    server.post("/api/show", {"model": "rich"})
    server.post("/api/generate", {"model": "rich"})
    before = server.tags()["rich:latest"]
    blob(server, "config").write_bytes(b"garbage")
    assert server.tags()["rich:latest"] == before
    assert server.post("/api/show", {"model": "rich"}).status == 200
    assert server.post("/api/generate", {"model": "rich"}).status == 200
    assert server.post("/api/show", {"model": "rich", "system": "other"}).status == 500


def test_damaged_model_can_be_deleted(server: Server) -> None:
    hurt(server, "config", b"garbage")
    path = blob(server, "config", "hurt")
    assert server.ask("DELETE", "/api/delete", {"model": "hurt"}).status == 200
    assert not manifest_path(server, "hurt").exists()
    assert not path.exists()


@pytest.mark.parametrize("data", [b"garbage", b"", b"{}"], ids=["garbage", "empty", "of-nothing"])
def test_damaged_manifest_is_replaced(server: Server, registry: Registry, data: bytes) -> None:
    path = manifest_path(server, "again")
    server.create("again", **{"from": "tiny", "system": "one"})
    good = path.read_bytes()
    path.write_bytes(data)
    server.create("again", **{"from": "tiny", "system": "one"})
    assert path.read_bytes() == good
    path.write_bytes(data)
    assert server.post("/api/copy", {"source": "tiny", "destination": "again"}).status == 200
    pulled = registry.name("tiny")
    path = server.models / "manifests" / registry.address / "library" / "tiny" / "latest"
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    assert server.post("/api/pull", {"model": pulled, "insecure": True}).lines()[-1] == {"status": "success"}
    assert server.tags()[pulled]["digest"] == server.tags()["tiny:latest"]["digest"]


def test_damaged_manifest_is_not_deleted_by_the_api(server: Server) -> None:
    hurt(server, "manifest", b"garbage")
    reply = server.ask("DELETE", "/api/delete", {"model": "hurt"})
    assert (reply.status, reply.json()) == (500, {"error": GARBAGE})
    assert manifest_path(server, "hurt").exists()


def test_pull_does_not_repair_a_damaged_blob(server: Server, registry: Registry) -> None:
    path = blob(server, "config", "tiny")
    path.write_bytes(b"garbage")
    name = registry.name("tiny")
    assert server.post("/api/pull", {"model": name, "insecure": True}).lines()[-1] == {"status": "success"}
    assert path.read_bytes() == b"garbage"
    assert name not in server.tags()


@pytest.mark.parametrize(
    ("kind", "data", "text"),
    [
        pytest.param("system", None, "stat {}: no such file or directory", id="system-missing"),
        pytest.param("model", None, "stat {}: no such file or directory", id="weights-missing"),
        pytest.param("model", b"garbage", "invalid file magic", id="weights-garbage"),
        pytest.param("params", b"garbage", GARBAGE, id="parameters-garbage"),
    ],
)
def test_build_on_a_damaged_base_fails_and_makes_nothing(server: Server, kind: str, data: bytes | None, text: str) -> None:
    hurt(server, kind, data)
    reply = server.post("/api/create", {"model": "kid", "from": "hurt", "stream": False})
    assert (reply.status, reply.json()) == (500, {"error": text.format(blob(server, kind, "hurt"))})
    assert not manifest_path(server, "kid").exists()


def test_build_on_a_base_with_a_damaged_config_has_a_good_one(server: Server) -> None:
    hurt(server, "config", b"garbage")
    server.create("kid", **{"from": "hurt", "system": "other"})
    assert blob(server, "config", "kid").read_bytes() == blob(server, "config").read_bytes()
