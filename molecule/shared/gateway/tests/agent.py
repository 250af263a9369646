# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on the host under test: sends exactly the bytes it is told to the host's own gateway, and says what came back.

Standard library only, and never imported by a test: lab.py hands its text to the host's Python, with what is to be done as JSON on
stdin; JSON comes back on stdout. Each connection has an address of its own out of 127.0.0.0/8, so that the limits on failed logins,
which count by address, do not decide what a test sees.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import functools
import http.client
import itertools
import json
import os
import socket
import ssl
import struct
import sys
import threading
import time
import typing as t

GATEWAY = ("127.0.0.1", 443)
BACKEND = ("127.0.0.1", 11434)
TAILNET = "/run/llm-gateway/tailnet.sock"
KEPT = 2000
PATIENCE = 30.0
SENTINEL = b"GET /healthz HTTP/1.1\r\nHost: llm.test\r\nConnection: close\r\n\r\n"
_numbers = itertools.count(os.getpid() * 97)


def source() -> str:
    number = next(_numbers)
    return f"127.{1 + number // 62500 % 250}.{number // 250 % 250}.{1 + number % 250}"


@functools.cache
def _context(protocol: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([protocol])
    return context


class Connection:
    """A TLS connection from an address of its own, and a parser of replies that takes what it gets."""

    def __init__(self, *, protocol: str = "http/1.1") -> None:
        self.address = source()
        raw = socket.create_connection(GATEWAY, timeout=PATIENCE, source_address=(self.address, 0))
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = _context(protocol).wrap_socket(raw, server_hostname="llm.test")
        self._buffer = b""
        self._ended = False
        self.closing = False
        self.reads = 0

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> bool:
        """False when the other side does not take it all."""
        with contextlib.suppress(OSError):
            self.socket.sendall(data)
            return True
        return False

    def readable(self) -> bool:
        """Whether something came; a session ticket of TLS does not count."""
        self.socket.settimeout(0)
        with contextlib.suppress(ssl.SSLWantReadError, BlockingIOError):
            self.more()
        self.socket.settimeout(PATIENCE)
        return bool(self._buffer) or self._ended

    def more(self) -> bytes:
        """What the next read brings; empty at the end."""
        try:
            data = self.socket.recv(1 << 16)
        except (TimeoutError, ssl.SSLWantReadError, BlockingIOError):
            raise
        except OSError:
            data = b""
        self.reads += 1
        self._ended = self._ended or not data
        self._buffer += data
        return data

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._buffer and not self._ended:
            self.more()
        if mark not in self._buffer:
            line, self._buffer = self._buffer, b""
            return line
        line, _, self._buffer = self._buffer.partition(mark)
        return line + mark

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size and not self._ended:
            self.more()
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def head(self) -> dict[str, t.Any] | None:
        """Status and headers; None when the connection ended instead."""
        line = self._until(b"\n")
        if not line:
            return None
        if not line.startswith(b"HTTP/"):
            # What HTTP/0.9 looks like: a body and nothing else.
            while not self._ended:
                self.more()
            rest, self._buffer, self.closing = self._buffer, b"", True
            return {"status": 0, "headers": [], "body": (line + rest)[:KEPT].decode("latin-1")}
        status = int(line.split(None, 2)[1])
        headers = []
        while (header := self._until(b"\n").strip()) or not self._ended:
            if not header:
                break
            name, _, value = header.decode("latin-1").partition(":")
            headers.append([name.strip().lower(), value.strip()])
        return {"status": status, "headers": headers}

    def reply(self, method: str, *, keep: int = KEPT) -> dict[str, t.Any] | None:
        found = self.head()
        while found is not None and 100 <= found["status"] < 200:
            found = self.head()
        if found is None or "body" in found:
            return found
        headers = dict(found["headers"])
        self.closing = "close" in headers.get("connection", "").lower()
        if method == "HEAD" or found["status"] in (204, 304):
            body = b""
        elif headers.get("transfer-encoding", "").lower() == "chunked":
            body = b"".join(self.chunks())
        elif "content-length" in headers:
            body = self._exactly(int(headers["content-length"]))
        else:
            while not self._ended:
                self.more()
            body, self._buffer, self.closing = self._buffer, b"", True
        return {**found, "body": body[:keep].decode("utf-8", "replace")}

    def chunks(self) -> t.Iterator[bytes]:
        while True:
            size = int(self._until(b"\n").partition(b";")[0].strip() or b"0", 16)
            data = self._exactly(size)
            self._until(b"\n")
            if not size:
                return
            yield data


def backend(method: str, path: str, value: t.Any = None) -> t.Any:
    connection = http.client.HTTPConnection(*BACKEND, timeout=PATIENCE)
    with contextlib.closing(connection):
        connection.request(method, path, None if value is None else json.dumps(value))
        text = connection.getresponse().read()
    return json.loads(text) if text else None


def through_tailnet(requests: list[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    """Requests at the socket for Tailscale, as tailscaled would send them: how each was answered, and what the backend saw of it."""
    results = []
    for request in requests:
        seen = Seen()
        connection = http.client.HTTPConnection("localhost", timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.connect(TAILNET)
            connection.request("GET", request["path"], headers={"X-Case": "tailnet", **request["headers"]})
            reply = connection.getresponse()
            body = reply.read()[:KEPT].decode()
        seen.gather()
        found = [one for one in seen.requests.values() if one["headers"].get("x-case") == "tailnet"]
        results.append({"status": reply.status, "body": body, "seen": found})
    return results


def reach(addresses: list[str]) -> dict[str, bool]:
    """Whether somebody listens there, on both ports."""

    def answers(address: str, port: int) -> bool:
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection((address, port), timeout=PATIENCE):
            return True
        return False

    return {address: all([answers(address, port) for port in (443, 80)]) for address in addresses}


class Seen:
    """What the backend has seen since this began, by the mark that each request carries in X-Case."""

    def __init__(self) -> None:
        backend("DELETE", "/_standin/seen")
        self._lock = threading.Lock()
        self.requests: dict[int, dict[str, t.Any]] = {}

    def gather(self) -> None:
        with self._lock:
            for request in backend("GET", "/_standin/seen?last=500")["requests"]:
                self.requests[request["id"]] = {**request, "body": (request["body"] or "")[:KEPT]}


# --- A table of requests --------------------------------------------------------------------------------------------------------------


def table(groups: list[dict[str, t.Any]]) -> dict[str, t.Any]:
    """Every request of every group: those of a group on kept connections, or, when it says `alone`, each on a connection of its own."""
    seen = Seen()

    def run(group: dict[str, t.Any]) -> list[dict[str, t.Any]]:
        results = [_alone(job) for job in group["jobs"]] if group["alone"] else _kept(group["jobs"])
        seen.gather()
        return results

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        results = [result for results in pool.map(run, groups) for result in results]
    seen.gather()
    return {"results": results, "seen": list(seen.requests.values())}


def _kept(jobs: list[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    results = []
    connection = None
    for job in jobs:
        connection = connection or Connection()
        connection.send(job["data"].encode("latin-1"))
        reply = connection.reply(job["method"])
        results.append({"id": job["id"], "address": connection.address, "replies": [reply] if reply else []})
        if reply is None or connection.closing:
            connection.socket.close()
            connection = None
    if connection:
        connection.socket.close()
    return results


def _alone(job: dict[str, t.Any]) -> dict[str, t.Any]:
    """The request, then one that any gateway answers: replies in between are to what was smuggled."""
    with Connection() as connection:
        connection.send(job["data"].encode("latin-1"))
        if job.get("pour"):
            _pour(connection, job["pour"], chunked=job["chunked"])
        try:
            replies = [connection.reply(job["method"])]
        except TimeoutError:
            replies = [{"status": "silence", "headers": [], "body": ""}]
            connection.closing = True
        if replies[0] is not None and not connection.closing and not job.get("pour"):
            connection.send(SENTINEL)
            while (reply := connection.reply("GET")) is not None and not (reply["status"] == 200 and reply["body"] == '{"status":"ok"}\n'):
                replies.append(reply)
        return {"id": job["id"], "address": connection.address, "replies": [reply for reply in replies if reply is not None]}


def _pour(connection: Connection, size: int, *, chunked: bool) -> None:
    """A body, until it is all sent or an answer comes."""
    piece = b" " * (1 << 16)
    frame = b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece
    for _ in range(size // len(piece)):
        if connection.readable() or not connection.send(frame):
            return
    if chunked:
        connection.send(b"0\r\n\r\n")


# --- Streams --------------------------------------------------------------------------------------------------------------------------


def stream(data: str) -> dict[str, t.Any]:
    """One streamed answer over HTTP/1.1: each read that brought something, and when."""
    with Connection() as connection:
        connection.send(data.encode("latin-1"))
        found = connection.head()
        assert found is not None, "the gateway closed the connection"
        chunked = dict(found["headers"]).get("transfer-encoding") == "chunked"
        pieces = []
        for piece in connection.chunks() if chunked else iter(connection.more, b""):
            pieces.append([time.monotonic(), piece.decode()])
        return {**found, "pieces": pieces, "reads": connection.reads}


def stream2(headers: list[list[str]], body: str) -> dict[str, t.Any]:
    """The same over HTTP/2: just enough of it for one request."""
    with Connection(protocol="h2") as connection:
        negotiated = connection.socket.selected_alpn_protocol()
        # Literals without indexing; names and values are short.
        block = b"".join(b"\x00" + b"".join(struct.pack("B", len(part)) + part.encode() for part in pair) for pair in headers)
        data = body.encode()
        connection.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(4) + _frame(1, 4, 1, block) + _frame(0, 1, 1, data))
        status, pieces = b"", []
        while True:
            head = connection._exactly(9)
            if len(head) < 9:
                break
            size, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
            payload = connection._exactly(size)
            if kind == 4 and not flags & 1:
                connection.send(_frame(4, 1))
            elif kind == 1 and not status:
                status = payload
            elif kind == 0 and payload:
                pieces.append([time.monotonic(), payload.decode()])
            if kind in (0, 1) and flags & 1:
                break
        # 0x88 is the first entry of a block for ":status: 200".
        return {"protocol": negotiated, "ok": status[:1] == b"\x88", "pieces": pieces}


def _frame(kind: int, flags: int = 0, stream_id: int = 0, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + struct.pack(">BBI", kind, flags, stream_id) + payload


def streams(data: str, count: int) -> dict[str, t.Any]:
    """Many streamed answers at once; `ready` is written when all requests are sent."""
    ready = threading.Barrier(count + 1)

    def one() -> dict[str, t.Any]:
        with Connection() as connection:
            connection.send(data.encode("latin-1"))
            ready.wait(PATIENCE)
            # Most wait for a slot first.
            connection.socket.settimeout(180)
            reply = connection.reply("POST", keep=1 << 20)
            return {"status": reply and reply["status"], "body": reply["body"] if reply else ""}

    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        futures = [pool.submit(one) for _ in range(count)]
        ready.wait(PATIENCE)
        say_ready()
        return {"replies": [future.result() for future in futures]}


def leave(data: str) -> dict[str, t.Any]:
    """Read the beginning of an answer and go; how long the backend took to notice."""
    before = backend("GET", "/_standin/seen?last=0")["counters"]["cancelled"]
    with Connection() as connection:
        connection.send(data.encode("latin-1"))
        found = connection.head()
        first = next(connection.chunks())
    left = time.monotonic()
    while time.monotonic() - left < PATIENCE:
        if backend("GET", "/_standin/seen?last=0")["counters"]["cancelled"] > before:
            return {"status": found and found["status"], "first": first.decode(), "noticed": time.monotonic() - left}
        time.sleep(0.02)
    return {"status": found and found["status"], "first": first.decode(), "noticed": None}


def give_up(data: str) -> dict[str, t.Any]:
    """Ask, and go while nothing has come; how long until the backend runs nothing any more."""
    with Connection() as connection:
        connection.send(data.encode("latin-1"))
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and not _running():
            time.sleep(0.02)
    left = time.monotonic()
    while time.monotonic() - left < PATIENCE:
        if not _running():
            return {"noticed": time.monotonic() - left}
        time.sleep(0.02)
    return {"noticed": None}


def _running() -> bool:
    return backend("GET", "/_standin/seen?last=0")["counters"]["running"] > 0


def upload(head: str, pieces: int, size: int) -> dict[str, t.Any]:
    """A large body by pieces; when the backend knew of it, counted in pieces sent, and how it was answered."""
    seen = Seen()
    known = None
    with Connection() as connection:
        connection.send(head.encode("latin-1"))
        for number in range(pieces):
            if connection.readable() or not connection.send(b"x" * size):
                break
            if known is None and number % 4 == 3:
                deadline = time.monotonic() + (2.0 if number == 3 else 0.0)
                while known is None:
                    seen.gather()
                    known = number + 1 if seen.requests else None
                    if time.monotonic() >= deadline:
                        break
                    time.sleep(0.02)
        reply = connection.reply("POST")
    return {"known_after": known, "reply": reply}


# --- Who is slow, and who is idle -----------------------------------------------------------------------------------------------------


def crowd(idle: int, heads: int, bodies: int, seconds: float, ask: str) -> dict[str, t.Any]:
    """Idle connections, connections that send their header or their body a byte at a time, and how others fare meanwhile."""
    held: list[Connection] = []
    slow: list[Connection] = []
    try:
        for _ in range(idle):
            held.append(Connection())
        for _ in range(heads):
            slow.append(Connection())
            slow[-1].send(b"POST /api/chat HTTP/1.1\r\nHost: llm.test\r\nX-Slow: ")
        for _ in range(bodies):
            slow.append(Connection())
            slow[-1].send(ask.encode("latin-1").replace(b"Content-Length: ", b"Content-Length: 1000"))
        took = []
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for connection in slow:
                connection.send(b"x")
            began = time.monotonic()
            with Connection() as connection:
                connection.send(ask.encode("latin-1"))
                reply = connection.reply("POST")
            took.append([reply and reply["status"], time.monotonic() - began])
            time.sleep(0.1)
        return {"held": len(held) + len(slow), "took": took}
    finally:
        for connection in held + slow:
            connection.socket.close()


def outlast(data: str, seconds: float) -> dict[str, t.Any]:
    """How long a connection lives whose request never ends, though a byte comes every second."""
    with Connection() as connection:
        began = time.monotonic()
        connection.send(data.encode("latin-1"))
        while time.monotonic() - began < seconds:
            if connection.readable():
                reply = connection.reply("POST")
                return {"seconds": time.monotonic() - began, "status": reply and reply["status"]}
            connection.send(b"x")
            time.sleep(1)
        return {"seconds": None, "status": None}


def watch(until: str, seconds: float) -> dict[str, t.Any]:
    """Every command line that any process shows, until there is a certain file."""
    own = os.getpid()
    commands = set()
    end = time.monotonic() + seconds
    say_ready()
    while time.monotonic() < end and not os.path.exists(until):
        for process in os.listdir("/proc"):
            if process.isdigit() and int(process) != own:
                with contextlib.suppress(OSError), open(f"/proc/{process}/cmdline", "rb") as file:
                    commands.add(file.read().replace(b"\0", b" ").decode("utf-8", "replace"))
        time.sleep(0.05)
    return {"commands": sorted(commands)}


def say_ready() -> None:
    sys.stderr.write("ready\n")
    sys.stderr.flush()


if __name__ == "__main__":
    order = json.load(sys.stdin)
    json.dump(globals()[order.pop("do")](**order), sys.stdout)
