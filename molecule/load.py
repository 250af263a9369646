# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many requests at once to an endpoint, and what HAProxy and the instances know of them."""

from __future__ import annotations

import collections
import csv
import functools
import http.client
import itertools
import json
import socket
import ssl
import subprocess
import threading
import time
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

COUNT = """
import json, sys, urllib.request
print(json.dumps([json.load(urllib.request.urlopen(f"http://{place}/_standin/seen?last=0", timeout=10))["counters"] for place in sys.argv[1:]]))
"""
FAULTS = """
import sys, urllib.request
for place in sys.argv[2:]:
    urllib.request.urlopen(urllib.request.Request(f"http://{place}/_standin/faults", sys.argv[1].encode(), method="PUT"), timeout=10)
"""


def address(name: str) -> str:
    return subprocess.run([ROOT / "tests/lab/lab", "address", name], check=True, capture_output=True, text=True).stdout.strip()


def body(tokens: int) -> dict[str, t.Any]:
    text = [{"role": "user", "content": "hello"}]
    return {"model": "tiny", "prompt": "hello", "messages": text, "max_tokens": tokens, "options": {"num_predict": tokens}}


def eventually(what: t.Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it does not come to that"
        time.sleep(0.1)


@functools.lru_cache
def trusting(ca: str) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=ca)


class Place(t.NamedTuple):
    """Where an endpoint is: address, and the authority to trust."""

    address: str
    ca: str

    def connect(self, timeout: float = 60) -> ssl.SSLSocket:
        return trusting(self.ca).wrap_socket(
            socket.create_connection((self.address, 443), timeout=timeout), server_hostname="ollama.example.com"
        )


class Call(threading.Thread):
    """A request on its way. ``text`` is what has come of the answer, ``status`` is there when that is all of it; ``first`` is when it began to come."""

    def __init__(
        self, place: Place, user: str, *, path: str = "/api/generate", tokens: int = 10, timeout: float = 60, **fields: t.Any
    ) -> None:
        super().__init__(daemon=True)
        self.status, self.retry_after, self.text, self.begin, self.end = 0, "", "", time.monotonic(), 0.0
        self.first = 0.0
        self.sock = place.connect(timeout)
        text = json.dumps({**body(tokens), "stream": False, **fields})
        head = f"POST {path} HTTP/1.1\r\nHost: ollama.example.com\r\nAuthorization: Bearer {user}-has-a-key-of-enough-length\r\n"
        self.sock.sendall(f"{head}Content-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode())
        self.start()

    def run(self) -> None:
        try:
            response = http.client.HTTPResponse(self.sock)
            response.begin()
            self.first = time.monotonic()
            while piece := response.read1(65536):
                self.text += piece.decode()
        except (OSError, ValueError, http.client.HTTPException):
            return
        finally:
            self.end = time.monotonic()
        self.status, self.retry_after = response.status, response.headers.get("Retry-After", "")

    def leave(self) -> None:
        self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()


def join(calls: t.Iterable[Call], seconds: float = 60) -> list[Call]:
    calls = list(calls)
    deadline = time.monotonic() + seconds
    for call in calls:
        call.join(max(0.0, deadline - time.monotonic()))
    return calls


def leave(calls: t.Iterable[Call]) -> None:
    for call in calls:
        call.leave()


class Client:
    """Asks every 100 ms whether the last one was answered or not, and counts what was not answered as it should."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._stop = threading.Event()
        self._calls: list[Call] = []
        self._refused = 0
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def __enter__(self) -> Client:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stop.set()
        self._thread.join()
        join(self._calls)

    def _ask(self) -> None:
        while not self._stop.wait(0.1):
            try:
                self._calls.append(Call(self._place, "alice", tokens=5))
            except OSError:
                self._refused += 1

    @property
    def answers(self) -> collections.Counter[int]:
        """How many got which status; 0 where the connection was refused or broke."""
        return collections.Counter([*(call.status for call in self._calls), *[0] * self._refused])

    @property
    def longest_gap(self) -> float:
        """Seconds between two requests that were answered well."""
        ends = sorted(call.end for call in self._calls if call.status == 200)
        return max(later - earlier for earlier, later in itertools.pairwise(ends))


class Pool:
    """The endpoint on a host of testinfra, the requests on their way there, and what HAProxy and the instances know of them."""

    def __init__(self, host: t.Any, place: Place) -> None:
        self.host = host
        self.place = place
        self.calls: list[Call] = []
        # Those that outlive a test.
        self.staying: list[Call] = []

    def call(self, user: str, **options: t.Any) -> Call:
        self.calls.append(Call(self.place, user, **options))
        return self.calls[-1]

    def leave(self) -> None:
        """Ends all requests, and waits until that has come to everybody."""
        for call in self.calls:
            if call.is_alive():
                call.leave()
        eventually(lambda: self.waiting == 0 and self.now("scur") <= sum(call.is_alive() for call in self.staying))
        self.calls.clear()

    def admin(self, command: str) -> str:
        return self.host.check_output("echo %s | socat -t5 stdio UNIX-CONNECT:/run/haproxy/admin.sock", command)

    @property
    def rows(self) -> list[dict[str, str]]:
        """What HAProxy tells of the instances, and of the queues in front of them."""
        rows = csv.DictReader(self.admin("show stat").removeprefix("# ").splitlines())
        return [row for row in rows if not row["pxname"].startswith("unqueued") and row["svname"] != "FRONTEND"]

    @property
    def names(self) -> set[str]:
        return {row["svname"] for row in self.rows} - {"BACKEND"}

    @property
    def waiting(self) -> int:
        """Those in the queues of pools, and of single instances."""
        return self.now("qcur") + self.now("qcur", "BACKEND")

    def now(self, column: str, *names: str) -> int:
        """The sum over these instances, over all when none is named."""
        return sum(int(row[column]) for row in self.rows if row["svname"] in names or (not names and row["svname"] != "BACKEND"))

    def status(self, name: str) -> str:
        return next(row["status"] for row in self.rows if row["svname"] == name)

    def put(self, name: str, state: str) -> None:
        for row in self.rows:
            if row["svname"] == name:
                self.admin(f"set server {row['pxname']}/{name} state {state}")

    def all_up(self, seconds: float = 15) -> None:
        eventually(lambda: {row["status"] for row in self.rows if row["svname"] != "BACKEND"} == {"UP"}, seconds)

    def all_slots(self) -> None:
        """Waits for those that came back until they have all their slots again."""

        def running() -> bool:
            lines = self.admin("show servers state").removeprefix("1\n# ").splitlines()
            return {row["srv_op_state"] for row in csv.DictReader(lines, delimiter=" ")} == {"2"}

        eventually(running)

    def counters(self, *places: str) -> collections.Counter[str]:
        """What the instances at these addresses have counted together."""
        told = json.loads(self.host.check_output(f"python3 -c %s {' '.join(places)}", COUNT))
        return sum((collections.Counter(counters) for counters in told), collections.Counter())

    def faults(self, faults: dict[str, t.Any], *places: str) -> None:
        self.host.check_output(f"python3 -c %s %s {' '.join(places)}", FAULTS, json.dumps(faults))
