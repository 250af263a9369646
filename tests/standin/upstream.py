#!/usr/bin/env python3
# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The internet of the lab: the release site and the model registry, by path, whatever the Host."""

from __future__ import annotations

import argparse
import http.server
import json
import os
import pathlib
import re
import socketserver
import ssl
import sys
import threading
import time
import typing as t
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from upstream_content import Content, Item
from upstream_faults import Fault, FaultList


class State:
    """What the listeners share."""

    def __init__(self, content: Content) -> None:
        self.content = content
        self.faults = FaultList()
        self._lock = threading.Lock()
        self._seen: list[dict[str, t.Any]] = []

    def saw(self, entry: dict[str, t.Any]) -> None:
        with self._lock:
            self._seen.append(entry)
            del self._seen[:-1000]

    def seen(self) -> list[dict[str, t.Any]]:
        with self._lock:
            return list(self._seen)

    def forget(self) -> None:
        with self._lock:
            self._seen.clear()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Listener

    def log_message(self, format: str, *args: t.Any) -> None:
        sys.stdout.write(f"{self.log_date_time_string()} {self.client_address[0]} {format % args}\n")
        sys.stdout.flush()

    def _reply(self, status: int, body: bytes, headers: t.Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _json(self, status: int, value: t.Any) -> None:
        self._reply(status, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _body(self) -> t.Any:
        return json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")

    def do_GET(self) -> None:
        parts = urllib.parse.urlsplit(self.path)
        state = self.server.state
        if parts.path.startswith("/_upstream/"):
            self._control(parts.path)
            return
        entry = {
            "time": time.time(),
            "method": self.command,
            "path": self.path,
            "host": self.headers.get("Host", ""),
            "range": self.headers.get("Range"),
            "scheme": self.server.scheme,
            "headers": {name.lower(): value for name, value in self.headers.items()},
        }
        state.saw(entry)
        fault = state.faults.take(self.path)
        if fault and fault.stall:
            time.sleep(fault.stall)
        if fault and fault.status:
            headers = {"Content-Type": "application/json"}
            if fault.status == 401:
                headers["WWW-Authenticate"] = f'Bearer realm="https://{self.headers.get("Host", "")}/v2/token"'
            body = {"errors": [{"code": "FAULT", "message": fault.text or "switched on by a test"}]}
            self._reply(fault.status, json.dumps(body).encode(), headers)
            return
        item = state.content.find(parts.path, urllib.parse.parse_qs(parts.query), host=self.headers.get("Host", ""))
        if item is None:
            self._reply(404, b"Not Found", {"Content-Type": "text/plain; charset=utf-8"})
        elif item.redirect:
            self._reply(302, b"", {"Location": item.redirect})
        else:
            self._send(item, fault)

    do_HEAD = do_GET

    def _send(self, item: Item, fault: Fault | None) -> None:
        size = item.size
        start, end = self._range(size)
        headers = {"Content-Type": item.content_type, "Accept-Ranges": "bytes", **item.headers}
        if item.locatable:
            headers["Location"] = self.path
        if start >= size > 0:
            self._reply(416, b"", {"Content-Range": f"bytes */{size}"})
            return
        partial = self.headers.get("Range") is not None and size > 0
        self.send_response(206 if partial else 200)
        if partial:
            headers["Content-Range"] = f"bytes {start}-{end}/{size}"
        headers["Content-Length"] = str(max(0, end - start + 1) if size else 0)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        sent = 0
        for piece in item.pieces(start, end + 1):
            if fault and fault.truncate is not None and sent + len(piece) > fault.truncate:
                self.wfile.write(piece[: max(0, fault.truncate - sent)])
                self.wfile.flush()
                self.close_connection = True
                return
            if fault and fault.wrong_bytes:
                piece = bytes(byte ^ 0xFF for byte in piece)
            self.wfile.write(piece)
            sent += len(piece)
            if fault and fault.bytes_per_second:
                time.sleep(len(piece) / fault.bytes_per_second)

    def _range(self, size: int) -> tuple[int, int]:
        match = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", "").strip())
        if match is None or not (match[1] or match[2]):
            return 0, size - 1
        if not match[1]:
            return max(0, size - int(match[2])), size - 1
        return int(match[1]), min(int(match[2]) if match[2] else size - 1, size - 1)

    def _control(self, path: str) -> None:
        state = self.server.state
        if path == "/_upstream/seen":
            self._json(200, {"requests": state.seen()})
        elif path == "/_upstream/faults":
            self._json(200, state.faults.as_list())
        elif path == "/_upstream/tags":
            self._json(200, state.content.registry.tags())
        else:
            self._json(404, {"error": "no such control path"})

    def do_DELETE(self) -> None:
        if self.path == "/_upstream/seen":
            self.server.state.forget()
        elif self.path == "/_upstream/faults":
            self.server.state.faults.replace([])
        elif self.path == "/_upstream/tags":
            self.server.state.content.registry.reset()
        else:
            self._json(404, {"error": "no such control path"})
            return
        self._json(200, {})

    def do_PUT(self) -> None:
        if self.path != "/_upstream/faults":
            self._json(404, {"error": "no such control path"})
            return
        try:
            self.server.state.faults.replace(self._body())
        except (TypeError, ValueError) as error:
            self._json(400, {"error": str(error)})
            return
        self._json(200, self.server.state.faults.as_list())

    def do_POST(self) -> None:
        if self.path != "/_upstream/tag":
            self._json(404, {"error": "no such control path"})
            return
        try:
            digest = self.server.state.content.registry.move(self._body())
        except (KeyError, ValueError, TypeError) as error:
            self._json(400, {"error": str(error)})
            return
        self._json(200, {"digest": digest})


class Listener(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 256
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], state: State, *, tls: tuple[str, str] | None = None) -> None:
        self.state = state
        self.scheme = "https" if tls else "http"
        self._tls: ssl.SSLContext | None = None
        if tls:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(*tls)
        super().__init__(address, Handler)

    def finish_request(self, request: t.Any, client_address: t.Any) -> None:
        """The handshake runs in the connection's own thread, so a silent client holds up nobody."""
        if self._tls is not None:
            request.settimeout(30)
            request = self._tls.wrap_socket(request, server_side=True)
            request.settimeout(None)
        super().finish_request(request, client_address)
        if self._tls is not None:
            self.shutdown_request(request)

    def handle_error(self, request: t.Any, client_address: t.Any) -> None:
        """A client that breaks off is no news."""


def serve(options: argparse.Namespace) -> list[Listener]:
    """Start both listeners in threads."""
    state = State(Content(options.releases, options.store, archive=options.archive, version=options.archive_version))
    listeners = [Listener((options.bind, options.http_port), state)]
    if options.tls_cert:
        listeners.append(Listener((options.bind, options.https_port), state, tls=(options.tls_cert, options.tls_key)))
    for listener in listeners:
        threading.Thread(target=listener.serve_forever, daemon=True).start()
        print(f"upstream listens on {listener.scheme}://{options.bind}:{listener.server_address[1]}", flush=True)
    return listeners


def arguments(given: t.Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--releases", type=pathlib.Path, help="folder with v<X.Y.Z>/ as pack.py writes it")
    parser.add_argument("--store", type=pathlib.Path, help="model store: manifests/ and blobs/")
    parser.add_argument("--tls-cert")
    parser.add_argument("--tls-key")
    parser.add_argument("--bind", default="0.0.0.0")
    parser.add_argument("--https-port", type=int, default=443)
    parser.add_argument("--http-port", type=int, default=80)
    parser.add_argument(
        "--archive",
        type=pathlib.Path,
        default=os.environ.get("OLLAMA_ARCHIVE") or None,
        help="a real release archive to serve instead of the packed stand-in",
    )
    parser.add_argument("--archive-version", default=os.environ.get("OLLAMA_ARCHIVE_VERSION"), help="its version, X.Y.Z")
    options = parser.parse_args(given)
    if bool(options.tls_cert) != bool(options.tls_key):
        parser.error("--tls-cert and --tls-key belong together: give both or neither")
    if options.archive and not options.archive_version:
        parser.error("--archive needs --archive-version X.Y.Z: the file does not say which release it is")
    return options


if __name__ == "__main__":
    serve(arguments())
    threading.Event().wait()
