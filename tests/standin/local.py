# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in and the upstream as processes of this machine, for tests that need no host."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import typing as t
import urllib.request
from pathlib import Path

__all__ = ["GGUF", "STORE", "call", "free_port", "start_ollama", "start_upstream"]

HERE = Path(__file__).resolve().parent
STORE = HERE.parent / "data" / "models" / "store"
GGUF = HERE.parent / "data" / "models" / "tiny.gguf"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def call(method: str, url: str, body: t.Any = None) -> t.Any:
    data = None if body is None else json.dumps(body).encode()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(url, data=data, method=method), timeout=120) as reply:
        text = reply.read()
    return json.loads(text) if text else None


def _start(command: list[str], url: str, log: Path, **environment: str) -> subprocess.Popen[bytes]:
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT, env={**os.environ, **environment})
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            call("GET", url)
            return process
        except OSError:
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
    process.kill()
    raise AssertionError(f"{command} does not answer: {log.read_text()}")


def start_upstream(directory: Path) -> tuple[str, subprocess.Popen[bytes]]:
    """A registry, and where it answers."""
    shutil.copytree(STORE, directory / "store")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    options = ["--store", str(directory / "store"), "--bind", "127.0.0.1", "--http-port", str(port)]
    return url, _start([sys.executable, str(HERE / "upstream.py"), *options], f"{url}/_upstream/tags", directory / "upstream.log")


def start_ollama(directory: Path, url: str, *, through: t.Sequence[str] = (), **environment: str) -> subprocess.Popen[bytes]:
    """The stand-in, with its store below ``directory``; ``through`` is a command that runs it."""
    return _start(
        [*through, sys.executable, "-m", "ollama_standin", "serve"],
        f"{url}/api/version",
        directory / "ollama.log",
        PYTHONPATH=str(HERE),
        OLLAMA_HOST=url.removeprefix("http://"),
        OLLAMA_MODELS=str(directory / "models"),
        HOME=str(directory),
        **environment,
    )
