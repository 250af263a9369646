# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives of a release and a server with faults, for the tests of ollama_release."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import hashlib
import http.server
import io
import random
import re
import socket
import struct
import subprocess
import tarfile
import threading
import typing as t
from pathlib import Path

SCRIPT = b"#!/bin/sh\necho ollama\n"


@dataclasses.dataclass(frozen=True)
class Item:
    """An entry of an archive."""

    name: str
    content: bytes = b""
    mode: int = 0o644
    kind: bytes = tarfile.REGTYPE
    target: str = ""


def directory(name: str) -> Item:
    return Item(name, kind=tarfile.DIRTYPE, mode=0o755)


def symlink(name: str, target: str) -> Item:
    return Item(name, kind=tarfile.SYMTYPE, target=target)


def hardlink(name: str, target: str) -> Item:
    return Item(name, kind=tarfile.LNKTYPE, target=target)


def release_items(version: str = "0.32.15", *, prefix: str = "", size: int = 3000) -> list[Item]:
    filler = random.Random(version).randbytes(size)
    return [
        directory(f"{prefix}bin"),
        Item(f"{prefix}bin/ollama", SCRIPT + version.encode(), 0o755),
        directory(f"{prefix}lib"),
        directory(f"{prefix}lib/ollama"),
        Item(f"{prefix}lib/ollama/libggml-base.so.0.0.1", filler),
        symlink(f"{prefix}lib/ollama/libggml-base.so", "libggml-base.so.0.0.1"),
        Item(f"{prefix}lib/ollama/cuda_v13/libggml-cuda.so", filler[::-1]),
        Item(f"{prefix}lib/ollama/llama-server", b"\x7fELF", 0o755),
    ]


def tar_bytes(items: t.Iterable[Item]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for item in items:
            info = tarfile.TarInfo(item.name)
            info.type, info.mode, info.linkname = item.kind, item.mode, item.target
            info.size = len(item.content) if item.kind == tarfile.REGTYPE else 0
            info.uid = info.gid = 1234
            tar.addfile(info, io.BytesIO(item.content))
    return buffer.getvalue()


def packed(items: t.Iterable[Item], *, suffix: str = ".tar.zst") -> bytes:
    return compressed(tar_bytes(items), suffix=suffix)


def compressed(plain: bytes, *, suffix: str = ".tar.zst") -> bytes:
    if suffix == ".tgz":
        return gzip.compress(plain)
    if suffix == ".tar":
        return plain
    return subprocess.run(["zstd", "-qc"], input=plain, stdout=subprocess.PIPE, check=True).stdout


def elf(machine: int) -> bytes:
    return b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 2, machine) + bytes(44)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def tree_of(root: Path) -> dict[str, str]:
    """Every path below a directory with its content, to see whether anything changed."""
    return {
        str(path.relative_to(root)): str(path.readlink()) if path.is_symlink() else path.read_bytes().hex()
        for path in sorted(root.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


class Server:
    """Serves ``files`` with Range, counts requests, and fails as told."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.requests: list[tuple[str, str]] = []
        self.cut_after: list[int] = []
        self.statuses: list[int] = []
        self.ranges = True
        self.redirect = ""
        self.wrong_range = False
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: t.Any) -> None:
                pass

            def do_GET(self) -> None:
                server._answer(self)

        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def publish(self, version: str, name: str, data: bytes, *, listed: bool = True) -> None:
        self.files[f"/v{version}/{name}"] = data
        if listed:
            listing = self.files.get(f"/v{version}/sha256sum.txt", b"")
            self.files[f"/v{version}/sha256sum.txt"] = listing + f"{sha256(data)}  ./{name}\n".encode()

    def asked(self, suffix: str) -> list[str]:
        """The Range headers of the requests for a path with this end."""
        return [wanted for path, wanted in self.requests if path.endswith(suffix)]

    def _answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        wanted = handler.headers.get("Range", "")
        self.requests.append((handler.path, wanted))
        if self.redirect and not handler.path.startswith(self.redirect):
            self._send(handler, 302, b"", {"Location": f"{self.url}{self.redirect}{handler.path}"})
            return
        listing = handler.path.endswith("sha256sum.txt")
        if self.statuses and not listing:
            self._send(handler, self.statuses.pop(0), b"fault")
            return
        data = self.files.get(handler.path[len(self.redirect) :])
        if data is None:
            self._send(handler, 404, b"not found")
            return
        match = re.fullmatch(r"bytes=(\d+)-", wanted) if self.ranges else None
        status, headers, body = 200, {}, data
        if match:
            start = int(match.group(1))
            if start >= len(data):
                self._send(handler, 416, b"", {"Content-Range": f"bytes */{len(data)}"})
                return
            said = start + 1 if self.wrong_range else start
            status, body = 206, data[start:]
            headers = {"Content-Range": f"bytes {said}-{len(data) - 1}/{len(data)}"}
        cut = self.cut_after.pop(0) if self.cut_after and not listing else None
        self._send(handler, status, body, headers, cut=cut)

    @staticmethod
    def _send(
        handler: http.server.BaseHTTPRequestHandler,
        status: int,
        body: bytes,
        headers: t.Mapping[str, str] | None = None,
        *,
        cut: int | None = None,
    ) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body if cut is None else body[:cut])
        if cut is not None:
            handler.wfile.flush()
            with contextlib.suppress(OSError):
                handler.connection.shutdown(socket.SHUT_RDWR)
            handler.close_connection = True


@contextlib.contextmanager
def running_server() -> t.Iterator[Server]:
    server = Server()
    try:
        yield server
    finally:
        server.close()
