# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A resolver with TXT records that are written by HTTP (PUT or DELETE /name/value on port 8053); all else it asks Docker's."""

from __future__ import annotations

import collections
import http.server
import socket
import struct
import threading

UPSTREAM = ("127.0.0.11", 53)
RECORDS: dict[str, set[str]] = collections.defaultdict(set)
TXT = 16


def question(query: bytes) -> tuple[str, int, int]:
    """The name, its type, and where the question ends."""
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode().lower())
        at += 1 + query[at]
    return ".".join(labels), struct.unpack("!H", query[at + 1 : at + 3])[0], at + 5


def answer(query: bytes) -> bytes:
    name, kind, end = question(query)
    if kind == TXT and name.startswith("_acme-challenge."):
        values = sorted(RECORDS[name])
        records = b"".join(b"\xc0\x0c" + struct.pack("!HHIHB", TXT, 1, 0, len(value) + 1, len(value)) + value.encode() for value in values)
        return query[:2] + struct.pack("!HHHHH", 0x8180, 1, len(values), 0, 0) + query[12:end] + records
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as upstream:
        upstream.settimeout(5)
        upstream.sendto(query, UPSTREAM)
        return upstream.recv(4096)


class Handler(http.server.BaseHTTPRequestHandler):
    """Writes and removes records."""

    def do_PUT(self) -> None:
        self._change(set.add)

    def do_DELETE(self) -> None:
        self._change(set.discard)

    def _change(self, how) -> None:
        _, name, value = self.path.split("/")
        how(RECORDS[name.lower()], value)
        self.send_response(204)
        self.end_headers()


def main() -> None:
    threading.Thread(target=http.server.ThreadingHTTPServer(("", 8053), Handler).serve_forever, daemon=True).start()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 53))
        while True:
            query, client = server.recvfrom(4096)
            try:
                server.sendto(answer(query), client)
            except (OSError, IndexError, struct.error):
                continue


if __name__ == "__main__":
    main()
