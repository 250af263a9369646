# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pulls over the registry protocol: what is asked, what is stored, and what happens when it goes wrong."""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import time
import typing as t

import pytest
import upstream
from serverunder import wait_for
from suite import MODELS

if t.TYPE_CHECKING:
    import pathlib

    from serverunder import Server
    from suite import Launch, Registry

BIG = "79dc5e550bd3027f0f051e57fe75b88be19ff2b7ce004978d4158864bb3e5161"
TINY = "916d21e4765d017daecd3cda555eb7f5fbd77472f5208e91947985f7243293f5"


@pytest.fixture
def server(empty_server: Server) -> Server:
    return empty_server


def pull(server: Server, name: str, **fields: t.Any) -> list[t.Any]:
    reply = server.post("/api/pull", {"model": name, "insecure": True, **fields})
    assert reply.status == 200
    return reply.lines()


def blob(server: Server, digest: str = BIG) -> pathlib.Path:
    return server.models / "blobs" / f"sha256-{digest}"


def test_pulled_model_has_the_digest_of_the_registry(server: Server, registry: Registry) -> None:
    lines = pull(server, registry.name("tiny"))
    assert lines[0] == {"status": "pulling manifest"}
    assert [line["status"] for line in lines[-3:]] == ["verifying sha256 digest", "writing manifest", "success"]
    assert server.tags()[registry.name("tiny")]["digest"] == TINY
    assert blob(server).read_bytes() == (MODELS / "store" / "blobs" / f"sha256-{BIG}").read_bytes()
    assert sorted(path.name for path in blob(server).parent.iterdir() if "partial" in path.name) == []


def test_registry_is_asked_for_size_then_place_then_ranges(server: Server, registry: Registry) -> None:
    pull(server, registry.name("tiny"))
    manifest = registry.requests("/manifests/")[0]
    assert "application/vnd.docker.distribution.manifest.v2+json" in manifest["headers"]["accept"]
    assert manifest["headers"]["user-agent"].startswith("ollama/")
    asked = [(entry["method"], entry["range"]) for entry in registry.requests(BIG)]
    assert asked == [("HEAD", None), ("GET", None), ("GET", "bytes=0-239999")]


def test_second_pull_downloads_nothing_and_rewrites_the_manifest(server: Server, registry: Registry) -> None:
    name = registry.name("tiny")
    pull(server, name)
    before = server.tags()[name]["modified_at"]
    registry.state.forget()
    time.sleep(0.01)
    lines = pull(server, name)
    assert {"status": f"pulling {BIG[:12]}", "digest": f"sha256:{BIG}", "total": 240000, "completed": 240000} in lines
    assert registry.requests("/blobs/") == []
    assert server.tags()[name]["modified_at"] != before


def test_moved_tag_replaces_the_model_and_removes_what_is_unused(server: Server, registry: Registry) -> None:
    name = registry.name("tiny")
    old = registry.move("tiny", variant="old licence")
    pull(server, name)
    assert server.tags()[name]["digest"] == old
    new = registry.move("tiny", digest=TINY)
    lines = pull(server, name)
    assert new == TINY == server.tags()[name]["digest"]
    assert {"status": "removing unused layers"} in lines
    assert len(list(blob(server).parent.iterdir())) == 2


def test_noprune_keeps_replaced_layers(launch: Launch, registry: Registry) -> None:
    server = launch(env={"OLLAMA_NOPRUNE": "1"})
    registry.move("tiny", variant="old licence")
    pull(server, registry.name("tiny"))
    registry.move("tiny", digest=TINY)
    lines = pull(server, registry.name("tiny"))
    assert {"status": "removing unused layers"} not in lines
    assert len(list(blob(server).parent.iterdir())) == 3


def test_broken_download_is_resumed_where_it_stopped(server: Server, registry: Registry) -> None:
    registry.faults({"path": BIG, "truncate": 100000, "times": 3})
    lines = pull(server, registry.name("tiny"))
    assert lines[-1] == {"status": "success"}
    ranges = [entry["range"] for entry in registry.requests(BIG) if entry["range"]]
    assert ranges[0] == "bytes=0-239999"
    assert len(ranges) > 1
    assert all(int(text[6:].partition("-")[0]) > 0 for text in ranges[1:])
    assert blob(server).stat().st_size == 240000


def test_wrong_bytes_are_refused_and_deleted(server: Server, registry: Registry) -> None:
    registry.faults({"path": BIG, "wrong_bytes": True})
    lines = pull(server, registry.name("tiny"))
    assert lines[-1]["error"].startswith(f"digest mismatch, file must be downloaded again: want sha256:{BIG}, got sha256:")
    assert not blob(server).exists()
    assert registry.name("tiny") not in server.tags()
    registry.faults()
    assert pull(server, registry.name("tiny"))[-1] == {"status": "success"}


def test_existing_blob_is_trusted_without_being_read(server: Server, registry: Registry) -> None:
    blob(server).parent.mkdir(parents=True, exist_ok=True)
    blob(server).write_bytes(b"x" * 240000)
    assert pull(server, registry.name("tiny"))[-1] == {"status": "success"}
    assert blob(server).read_bytes() == b"x" * 240000


@pytest.mark.parametrize(
    ("status", "part"),
    [
        pytest.param(404, "pull model manifest: file does not exist", id="not-found"),
        pytest.param(429, "pull model manifest: 429: ", id="too-many-requests"),
        pytest.param(500, "pull model manifest: 500: ", id="registry-broken"),
    ],
)
def test_refused_manifest_is_an_error_inside_the_stream(server: Server, registry: Registry, status: int, part: str) -> None:
    registry.faults({"path": "/manifests/", "status": status})
    lines = pull(server, registry.name("tiny"))
    assert lines[0] == {"status": "pulling manifest"}
    assert lines[-1]["error"].startswith(part)
    alone = server.post("/api/pull", {"model": registry.name("tiny"), "insecure": True, "stream": False})
    assert alone.status == 500
    assert alone.json()["error"].startswith(part)


def test_failed_pull_leaves_the_old_model(server: Server, registry: Registry) -> None:
    name = registry.name("tiny")
    pull(server, name)
    registry.move("tiny", variant="new licence")
    registry.faults({"path": "/manifests/", "status": 500})
    assert "error" in pull(server, name)[-1]
    assert server.tags()[name]["digest"] == TINY
    assert server.post("/api/generate", {"model": name}).json()["done"] is True


def test_pull_without_a_stream_answers_once(server: Server, registry: Registry) -> None:
    reply = server.post("/api/pull", {"model": registry.name("tiny"), "insecure": True, "stream": False})
    assert (reply.status, reply.json()) == (200, {"status": "success"})


def test_progress_lines_have_total_and_completed(server: Server, registry: Registry) -> None:
    registry.faults({"path": BIG, "bytes_per_second": 400000})
    lines = [line for line in pull(server, registry.name("tiny")) if line.get("digest") == f"sha256:{BIG}"]
    assert len(lines) > 2
    assert {line["total"] for line in lines} == {240000}
    completed = [line.get("completed", 0) for line in lines]
    assert completed == sorted(completed)


def test_client_that_leaves_cancels_the_download_and_the_rest_is_resumable(server: Server, registry: Registry) -> None:
    registry.faults({"path": BIG, "bytes_per_second": 60000})
    connection = server.connect()
    connection.request("POST", "/api/pull", json.dumps({"model": registry.name("tiny"), "insecure": True}))
    response = connection.getresponse()
    while b'"completed"' not in response.readline():
        pass
    response.close()
    connection.close()
    part = blob(server).with_name(f"sha256-{BIG}-partial-0")
    # How far it got is written when it is given up, long before all would be there.
    assert wait_for(lambda: re.search(r'"Completed": ?[1-9]', part.read_text()) is not None)
    assert not blob(server).exists()
    parts = {path.name for path in blob(server).parent.iterdir()}
    assert {f"sha256-{BIG}-partial", f"sha256-{BIG}-partial-0"} <= parts
    registry.faults()
    registry.state.forget()
    assert pull(server, registry.name("tiny"))[-1] == {"status": "success"}
    ranges = [entry["range"] for entry in registry.requests(BIG) if entry["range"]]
    assert ranges
    assert all(text != "bytes=0-239999" for text in ranges)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A certificate of its own authority for 127.0.0.1, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("needs the program openssl to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    cert, key = str(folder / "cert.pem"), str(folder / "key.pem")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    extra = ["-subj", "/CN=lab", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert]
    subprocess.run([*command, *extra], check=True, capture_output=True)
    return cert, key


def test_https_registry_is_trusted_by_the_systems_store_alone(launch: Launch, certificate: tuple[str, str]) -> None:
    cert, key = certificate
    options = argparse.Namespace(
        releases=None, store=MODELS / "store", archive=None, archive_version=None, bind="127.0.0.1", http_port=0, https_port=0,
        tls_cert=cert, tls_key=key,
    )  # fmt: skip
    port = upstream.serve(options)[1].server_address[1]
    request = {"model": f"127.0.0.1:{port}/library/tiny"}
    trusting, wary = launch(env={"SSL_CERT_FILE": cert}), launch()
    assert trusting.post("/api/pull", request).lines()[-1] == {"status": "success"}
    error = wary.post("/api/pull", request).lines()[-1]["error"]
    assert "tls: failed to verify certificate: x509: certificate signed by unknown authority" in error


def test_create_pulls_a_base_that_is_not_there(server: Server) -> None:
    lines = server.post("/api/create", {"model": "x", "from": "127.0.0.1:9/library/nope"}).lines()
    assert lines[0] == {"status": "pulling manifest"}
    assert "connection refused" in lines[-1]["error"]
