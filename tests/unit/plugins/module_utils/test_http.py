# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The transport against a real socket: what a server and a network can do to it."""

from __future__ import annotations

import errno
import http.server
import os
import socket
import threading
import tracemalloc

import pytest

from ansible_collections.llm.host.plugins.module_utils._http import OpenUrlTransport, TransportError, words_for

MEGABYTE = 1024 * 1024


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    uploaded = 0
    seen: dict[str, str] = {}

    def log_message(self, *_arguments: object) -> None:
        pass

    def do_GET(self) -> None:
        type(self).seen = {name.lower(): value for name, value in self.headers.items()}
        if self.path == "/teapot":
            self._send(418, b'{"error": "no coffee"}')
        elif self.path == "/silent":
            self.server.hold.wait(10)
        elif self.path == "/cut":
            self._chunks([b'{"status": "one"}\n', b'{"sta'])
            self.wfile.write(b"ff\r\nhalf a chunk")
            self.close_connection = True
        elif self.path == "/slow":
            self._chunks([b'{"status": "one"}\n'])
            self.server.hold.wait(10)
        elif self.path == "/chunks":
            self._chunks([b'{"status": "one"}\n', b'{"status": "two"}\n'])
            self.wfile.write(b"0\r\n\r\n")
        elif self.path == "/moved":
            self.send_response(307)
            self.send_header("Location", "/plain")
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self._send(200, b"plain")

    def do_POST(self) -> None:
        left = int(self.headers["Content-Length"])
        while left:
            piece = self.rfile.read(min(left, MEGABYTE))
            left -= len(piece)
            type(self).uploaded += len(piece)
        self._send(201, b"")

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _chunks(self, pieces: list[bytes]) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in pieces:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()


@pytest.fixture(name="url", scope="module")
def _url():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.hold = threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.hold.set()
    server.shutdown()


@pytest.fixture(name="transport")
def _transport():
    return OpenUrlTransport(use_proxy=False)


def test_an_error_status_is_a_reply_with_its_body(transport, url):
    with transport.open("GET", f"{url}/teapot", timeout=5) as reply:
        assert (reply.status, reply.read()) == (418, b'{"error": "no coffee"}')


def test_a_stream_arrives_while_it_is_sent(transport, url):
    with transport.open("GET", f"{url}/slow", timeout=1) as reply:
        chunks = reply.chunks()
        assert next(chunks) == b'{"status": "one"}\n'
        with pytest.raises(TransportError, match="no data arrived in time"):
            next(chunks)


def test_a_stream_that_is_cut_within_a_chunk_is_an_error_after_what_came(transport, url):
    with transport.open("GET", f"{url}/cut", timeout=5) as reply:
        chunks = reply.chunks()
        assert next(chunks) == b'{"status": "one"}\n'
        with pytest.raises(TransportError, match="closed before the reply was complete"):
            list(chunks)


def test_a_whole_stream_is_read_to_its_end(transport, url):
    with transport.open("GET", f"{url}/chunks", timeout=5) as reply:
        assert reply.read() == b'{"status": "one"}\n{"status": "two"}\n'


def test_silence_is_given_up_and_says_after_how_long(transport, url):
    with pytest.raises(TransportError, match=r"no answer within 0\.5 s"):
        transport.open("GET", f"{url}/silent", timeout=0.5)


def test_a_port_where_nothing_listens_is_refused(transport):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(TransportError) as caught:
        transport.open("GET", f"http://127.0.0.1:{port}", timeout=5)
    assert (caught.value.reason, caught.value.refused) == ("connection refused", True)


@pytest.mark.parametrize(("number", "refused"), [(errno.ENETUNREACH, True), (errno.EHOSTUNREACH, True), (errno.EPIPE, False)])
def test_where_no_way_leads_nothing_listens(number, refused):
    assert words_for(OSError(number, os.strerror(number))).refused is refused


def test_something_that_does_not_speak_tls_is_said(transport, url):
    with pytest.raises(TransportError, match="TLS failed"):
        transport.open("GET", url.replace("http:", "https:"), timeout=5)


@pytest.mark.parametrize("address", ["ftp:", "no address", "http://"])
def test_an_address_that_is_none_is_an_error_of_the_same_kind(transport, address):
    with pytest.raises(TransportError):
        transport.open("GET", address, timeout=5)


def test_redirects_of_reads_are_followed(transport, url):
    with transport.open("GET", f"{url}/moved", timeout=5) as reply:
        assert reply.read() == b"plain"


def test_bytes_come_as_they_were_sent_and_never_compressed(transport, url):
    with transport.open("GET", f"{url}/plain", headers={"Accept": "x/y"}, timeout=5) as reply:
        reply.read()
    assert Handler.seen["accept"] == "x/y"
    assert Handler.seen.get("accept-encoding", "identity") == "identity"
    assert Handler.seen["user-agent"] == "llm.host"


def test_a_proxy_is_used_where_it_is_wanted_only(url, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with OpenUrlTransport(use_proxy=False).open("GET", url, timeout=5) as reply:
        assert reply.status == 200
    with pytest.raises(TransportError):
        OpenUrlTransport(use_proxy=True).open("GET", url, timeout=5)


def test_a_large_file_is_sent_without_ever_being_in_memory(transport, url, tmp_path):
    path = tmp_path / "large"
    with path.open("wb") as stream:
        stream.truncate(64 * MEGABYTE)
    Handler.uploaded = 0
    tracemalloc.start()
    try:
        with path.open("rb") as stream:
            headers = {"Content-Length": str(64 * MEGABYTE), "Content-Type": "application/octet-stream"}
            with transport.open("POST", f"{url}/", body=stream, headers=headers, timeout=30) as reply:
                assert reply.status == 201
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert Handler.uploaded == 64 * MEGABYTE
    assert peak < 16 * MEGABYTE
