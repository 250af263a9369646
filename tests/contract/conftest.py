# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the contract suite.

The server under test is the packed stand-in, or a real release with ``OLLAMA_ARCHIVE=<its archive>``,
or one that runs already with ``OLLAMA_URL=http://…`` (its store must be empty).
"""

from __future__ import annotations

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import typing as t

import pytest

HERE = pathlib.Path(__file__).resolve().parent
STANDIN = HERE.parent / "standin"
sys.path[:0] = [str(HERE), str(STANDIN)]

import pack
import serverunder
import transcripts
import upstream
from suite import MODELS, Launch, Registry, add_models

VERSION = "0.32.15"
ARCHIVE = os.environ.get("OLLAMA_ARCHIVE", "")
URL = os.environ.get("OLLAMA_URL", "").rstrip("/")


@pytest.fixture(scope="session")
def is_standin() -> bool:
    return not (ARCHIVE or URL)


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory, is_standin: bool) -> pathlib.Path:
    """The unpacked release; ``bin/ollama`` is in it."""
    if URL:
        pytest.skip("OLLAMA_URL names a running server: its program is not at hand")
    target = tmp_path_factory.mktemp("release")
    archive = pathlib.Path(ARCHIVE) if ARCHIVE else pack.pack(VERSION, arch="amd64", out=target / "packed")
    subprocess.run(["tar", "-xf", str(archive), "-C", str(target)], check=True)
    return target


@pytest.fixture(scope="session")
def binary(release: pathlib.Path) -> pathlib.Path:
    return release / "bin" / "ollama"


@pytest.fixture
def launch(binary: pathlib.Path, tmp_path: pathlib.Path, is_standin: bool) -> t.Iterator[Launch]:
    """Start further servers with their own settings and store; they end with the test."""
    running: list[serverunder.Server] = []

    def launcher(*, env: t.Mapping[str, str] | None = None, home: pathlib.Path | None = None, **values: t.Any) -> serverunder.Server:
        folder = home or tmp_path / f"home{len(running)}"
        server = serverunder.start(binary, folder, standin=is_standin, env=env, **values)
        running.append(server)
        return server

    yield launcher
    for server in running:
        server.stop()


@pytest.fixture(scope="session")
def _reused(binary: pathlib.Path, tmp_path_factory: pytest.TempPathFactory, is_standin: bool) -> t.Iterator[serverunder.Server]:
    home = tmp_path_factory.mktemp("reused")
    server = serverunder.start(binary, home, standin=is_standin, env={"OLLAMA_NUM_PARALLEL": "4"})
    yield server
    server.stop()


@pytest.fixture
def empty_server(_reused: serverunder.Server) -> serverunder.Server:
    """A server of the test's own, as good as new: nothing stored, nothing loaded, no faults."""
    if _reused.standin:
        _reused.faults()
        _reused.ask("DELETE", "/_standin/seen")
    for name in _reused.loaded():
        _reused.post("/api/generate", {"model": name, "keep_alive": 0})
    for name in _reused.tags():
        _reused.ask("DELETE", "/api/delete", {"model": name})
    shutil.rmtree(_reused.models / "manifests", ignore_errors=True)
    for path in (_reused.models / "blobs").iterdir():
        path.unlink()
    serverunder.wait_for(lambda: not _reused.loaded())
    return _reused


@pytest.fixture
def server(empty_server: serverunder.Server) -> serverunder.Server:
    """The same with the two test models."""
    add_models(empty_server)
    return empty_server


@pytest.fixture
def standin(is_standin: bool, request: pytest.FixtureRequest) -> serverunder.Server:
    """The same, for what needs a fault to be switched on."""
    if not is_standin:
        pytest.skip("needs a fault that only the stand-in can be told to show")
    return t.cast(serverunder.Server, request.getfixturevalue("server"))


@pytest.fixture(scope="session")
def _registry() -> Registry:
    options = argparse.Namespace(
        releases=None, store=MODELS / "store", archive=None, archive_version=None, bind="127.0.0.1", http_port=0, tls_cert=None
    )
    return Registry(upstream.serve(options)[0])


@pytest.fixture
def registry(_registry: Registry) -> t.Iterator[Registry]:
    """The registry, without faults and with its original tags."""
    _registry.faults()
    _registry.state.forget()
    _registry.state.content.registry.reset()
    yield _registry
    _registry.faults()


@pytest.fixture(scope="session")
def replayed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, is_standin: bool, _registry: Registry
) -> t.Iterator[transcripts.Replay]:
    """All transcripts, played once in their order against one server with an empty store."""
    if URL:
        server = serverunder.Server(URL, standin=False)
        if not server.loopback:
            pytest.skip("the transcripts pull from a registry on 127.0.0.1: run the suite on the server's own machine")
        if server.tags():
            pytest.skip("the server at OLLAMA_URL has models; the transcripts begin with an empty store")
    else:
        binary = request.getfixturevalue("binary")
        server = serverunder.start(binary, tmp_path_factory.mktemp("replay"), standin=is_standin)
    yield transcripts.Replay(server, _registry)
    server.stop()


@pytest.fixture(scope="session")
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, is_standin: bool) -> t.Iterator[serverunder.Server]:
    """One server with the test models, for tests that leave it as they find it."""
    if URL:
        request.getfixturevalue("replayed")  # it leaves the test models behind
        yield serverunder.Server(URL, standin=False)
        return
    binary = request.getfixturevalue("binary")
    server = serverunder.start(binary, tmp_path_factory.mktemp("shared"), standin=is_standin)
    add_models(server)
    yield server
    server.stop()
