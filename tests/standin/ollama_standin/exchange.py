# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One request and its answer: bodies in, JSON, text or a stream out."""

from __future__ import annotations

import contextlib
import select
import socket
import time
import typing as t

from ollama_standin import gojson
from ollama_standin.errors import ApiError, ClientGone

if t.TYPE_CHECKING:
    from http.server import BaseHTTPRequestHandler

__all__ = ["Exchange"]

JSON_UTF8 = "application/json; charset=utf-8"
_INLINE_LIMIT = 2048
_PIECE = 1 << 16


class Exchange:
    """What a route handler sees of a request."""

    def __init__(self, handler: BaseHTTPRequestHandler, *, method: str, path: str) -> None:
        self._handler = handler
        self._socket: socket.socket = handler.connection
        self.method = method
        self.path = path
        self.params: dict[str, str] = {}
        self.headers = handler.headers
        self.status = 0
        # Called before the answer goes out: who has read it may ask at once what was seen.
        self.note: t.Callable[[], None] = lambda: None
        self.extra_headers: dict[str, str] = {}
        self.started = False
        self._chunked = False
        self.split = 0
        self._left = int(self.headers.get("Content-Length") or 0)
        self._chunked_body = self.headers.get("Transfer-Encoding", "").lower() == "chunked"
        self._text: str | None = None
        self._kept = bytearray()

    @property
    def seen_body(self) -> str:
        """The beginning of the body, for tests that ask what arrived."""
        return self._kept.decode("utf-8", "replace")

    def body_chunks(self) -> t.Iterator[bytes]:
        """The request body in pieces; can be read once."""
        for piece in self._pieces():
            if len(self._kept) < _PIECE:
                self._kept += piece[: _PIECE - len(self._kept)]
            yield piece

    def _pieces(self) -> t.Iterator[bytes]:
        while self._chunked_body:
            size = int(self._handler.rfile.readline().partition(b";")[0].strip() or b"0", 16)
            if size == 0:
                while self._handler.rfile.readline().strip():
                    pass
                self._chunked_body = False
                return
            while size:
                piece = self._handler.rfile.read(min(size, _PIECE))
                if not piece:
                    raise ClientGone
                size -= len(piece)
                yield piece
            self._handler.rfile.readline()
        while self._left:
            piece = self._handler.rfile.read(min(self._left, _PIECE))
            if not piece:
                raise ClientGone
            self._left -= len(piece)
            yield piece

    def text(self) -> str:
        if self._text is None:
            self._text = b"".join(self.body_chunks()).decode("utf-8", "replace")
        return self._text

    def json(self, *, empty: str = "missing request body") -> dict[str, t.Any]:
        """The body as an object; an ApiError in the server's words otherwise."""
        text = self.text()
        if not text.strip():
            raise ApiError(400, empty)
        try:
            value = gojson.decode(text)
        except gojson.JsonError as error:
            raise ApiError(400, str(error)) from None
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise ApiError(400, f"json: cannot unmarshal {gojson.kind_of(value)} into Go value of type api.Request")
        return value

    def finish_body(self) -> None:
        """Read a small rest of the body so that the connection can serve the next request."""
        if self._left > 4 * _PIECE or self._chunked_body:
            self._handler.close_connection = True
        else:
            for _ in self.body_chunks():
                pass

    def _head(self, status: int, headers: t.Mapping[str, str]) -> None:
        self.status = status
        self.started = True
        self.note()
        self._handler.send_response(status)
        for name, value in {**self.extra_headers, **headers}.items():
            self._handler.send_header(name, value)
        self._handler.end_headers()

    def send(self, status: int, body: bytes = b"", content_type: str = "") -> None:
        """A complete answer; long ones go chunked, as net/http does it."""
        headers = {"Content-Type": content_type} if content_type else {}
        if len(body) > _INLINE_LIMIT and self.method != "HEAD":
            self.start_stream(content_type, status=status)
            self.write(body)
            self.end_stream()
            return
        if status not in (204, 304):
            headers["Content-Length"] = str(len(body))
        self._head(status, headers)
        if self.method != "HEAD":
            self._raw(body)

    def send_json(self, status: int, value: t.Any, content_type: str = JSON_UTF8, *, newline: bool = False) -> None:
        self.send(status, (gojson.dumps(value) + ("\n" if newline else "")).encode(), content_type)

    def start_stream(self, content_type: str, *, status: int = 200) -> None:
        self._chunked = True
        self._head(status, {"Content-Type": content_type, "Transfer-Encoding": "chunked"})

    def write(self, data: bytes) -> None:
        size = self.split or len(data)
        for piece in (data[start : start + size] for start in range(0, len(data), size)):
            self._raw(b"%x\r\n%b\r\n" % (len(piece), piece))
            if self.split:
                time.sleep(0.001)

    def end_stream(self) -> None:
        if self._chunked:
            self._raw(b"0\r\n\r\n")

    def cut(self) -> None:
        """Break the connection in the middle of the answer."""
        self._handler.close_connection = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def _raw(self, data: bytes) -> None:
        try:
            self._handler.wfile.write(data)
        except OSError:
            self._handler.close_connection = True
            raise ClientGone from None

    def gone(self) -> bool:
        """Whether the client has closed its side."""
        try:
            readable, _, _ = select.select([self._socket], [], [], 0)
            return bool(readable) and not self._socket.recv(1, socket.MSG_PEEK)
        except (OSError, ValueError):
            return True
