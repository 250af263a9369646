# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that answer what no Ollama would, and programs that say what a test wants."""

from __future__ import annotations

import contextlib
import json
import socketserver
import threading
import time
import typing as t
from pathlib import Path

__all__ = ("SILENCE", "TRICKLE", "answers", "install", "values", "wait_for")

SILENCE = object()
TRICKLE = object()
Answer = t.Any


@contextlib.contextmanager
def answers(by_path: dict[str, Answer]) -> t.Iterator[str]:
    """The address of a server. An answer is a status, bytes, or what becomes JSON; ``by_path`` may change meanwhile."""
    over = threading.Event()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            path = self.rfile.readline().split()[1].decode()
            while self.rfile.readline().strip():
                pass
            answer = by_path.get(path, 404)
            if answer is SILENCE:
                over.wait(30)
            elif answer is TRICKLE:
                self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n{")
                while not over.wait(0.1):
                    self.wfile.write(b" ")
                    self.wfile.flush()
            elif isinstance(answer, int):
                self.wfile.write(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % answer)
            else:
                body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

        def handle_error(self, request: t.Any, client_address: t.Any) -> None:
            """Who asked has gone: that is what some tests are about."""

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            over.set()
            server.shutdown()


def install(directory: Path, name: str, script: str) -> Path:
    """A program for the PATH, in the language of sh. It notes how often it was started."""
    directory.mkdir(exist_ok=True)
    program = directory / name
    program.write_text(f"#!/bin/sh\necho \"$*\" >>'{directory}/{name}.calls'\n{script}\n")
    program.chmod(0o755)
    return directory / f"{name}.calls"


def values(part: t.Any, *names: str) -> dict[tuple[str, ...], float]:
    """What a part tells, by name and labels; all of it, or only some metrics."""
    return {(name, *labels): float(value) for name, labels, value in part.samples() if not names or name in names}


def wait_for(condition: t.Callable[[], t.Any], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.05)
