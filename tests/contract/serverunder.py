# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server under test: where its program comes from, how it is started, and how it is asked."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import time
import typing as t
import urllib.parse

__all__ = ["Reply", "Server", "free_port", "start", "wait_for"]

_READY_SECONDS = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition: t.Callable[[], bool], *, seconds: float = 10.0) -> bool:
    """Whether the condition came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@dataclasses.dataclass(frozen=True)
class Reply:
    """A complete answer."""

    status: int
    headers: t.Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> t.Any:
        return json.loads(self.body)

    def lines(self) -> list[t.Any]:
        return [json.loads(line) for line in self.text.splitlines() if line]


@dataclasses.dataclass
class Server:
    """A running server; ``process`` and ``home`` are there only when the suite started it."""

    url: str
    standin: bool
    home: pathlib.Path | None = None
    process: subprocess.Popen[bytes] | None = None
    log_path: pathlib.Path | None = None

    @property
    def host(self) -> str:
        return urllib.parse.urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        return urllib.parse.urlsplit(self.url).port or 80

    @property
    def loopback(self) -> bool:
        return self.host in ("localhost", "127.0.0.1", "::1")

    @property
    def models(self) -> pathlib.Path:
        assert self.home is not None
        return self.home / "models"

    def log(self) -> str:
        assert self.log_path is not None
        return self.log_path.read_text(errors="replace")

    def connect(self, timeout: float = 60.0) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.host, self.port, timeout=timeout)

    def ask(
        self,
        method: str,
        path: str,
        body: t.Any = None,
        *,
        headers: t.Mapping[str, str] | None = None,
        timeout: float = 60.0,
    ) -> Reply:
        """One request on its own connection; a dict becomes JSON, bytes go as they are."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        connection = self.connect(timeout)
        with contextlib.closing(connection):
            connection.request(method, path, data, dict(headers or {}))
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, found, response.read())

    def post(self, path: str, body: t.Any, **values: t.Any) -> Reply:
        return self.ask("POST", path, body, **values)

    def tags(self) -> dict[str, dict[str, t.Any]]:
        return {item["name"]: item for item in self.ask("GET", "/api/tags").json()["models"]}

    def loaded(self) -> dict[str, dict[str, t.Any]]:
        return {item["name"]: item for item in self.ask("GET", "/api/ps").json()["models"]}

    def upload(self, path: pathlib.Path, digest: str) -> None:
        assert self.post(f"/api/blobs/{digest}", path.read_bytes()).status in (200, 201)

    def create(self, name: str, **fields: t.Any) -> list[t.Any]:
        lines = self.post("/api/create", {"model": name, **fields}).lines()
        assert lines[-1] == {"status": "success"}, lines
        return lines

    def faults(self, **values: t.Any) -> None:
        """The stand-in's switches; no values means all off."""
        assert self.standin
        assert self.ask("PUT", "/_standin/faults", values).status == 200

    def counters(self) -> dict[str, int]:
        return dict(self.ask("GET", "/_standin/seen?last=0").json()["counters"])

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def start(
    binary: pathlib.Path,
    home: pathlib.Path,
    *,
    standin: bool,
    env: t.Mapping[str, str] | None = None,
    bind: str = "127.0.0.1",
    wait: bool = True,
) -> Server:
    """Start ``serve`` on a free port with its own home; wait until it answers unless told otherwise."""
    home.mkdir(parents=True, exist_ok=True)
    port = free_port()
    log_path = home / "serve.log"
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "OLLAMA_HOST": f"{bind}:{port}",
        "OLLAMA_MODELS": str(home / "models"),
        "OLLAMA_NO_CLOUD": "1",
        **(env or {}),
    }
    with log_path.open("ab") as log:
        process = subprocess.Popen([str(binary), "serve"], env=environment, stdout=log, stderr=log)
    server = Server(f"http://127.0.0.1:{port}", standin, home, process, log_path)
    if wait:
        wait_until_ready(server)
    return server


def wait_until_ready(server: Server) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        if server.process is not None and server.process.poll() is not None:
            raise AssertionError(f"serve ended with {server.process.returncode}:\n{server.log()}")
        with contextlib.suppress(OSError, http.client.HTTPException):
            if server.ask("GET", "/api/version", timeout=5).status == 200:
                return
        time.sleep(0.05)
    raise AssertionError(f"{server.url} did not answer within {_READY_SECONDS:.0f} s")
