# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Four slots at two instances, a queue for ten: who gets one, who waits, who is refused."""

from __future__ import annotations

import collections
import csv
import http.client
import json
import socket
import ssl
import threading
import time
import typing as t

import pytest
from conftest import address

from ansible_collections.llm.host.plugins.module_utils._probe import Credentials

SLOTS = 4
PORTS = (11434, 11444)
ASK = "import sys, urllib.request as u; print(u.urlopen(u.Request(sys.argv[1], method='GET')).read().decode())"
PATHS = {"ollama": "/api/chat", "openai": "/v1/chat/completions", "anthropic": "/v1/messages"}


def body(tokens: int) -> dict[str, t.Any]:
    text = [{"role": "user", "content": "hello"}]
    return {"model": "tiny", "prompt": "hello", "messages": text, "max_tokens": tokens, "options": {"num_predict": tokens}}


def message(shape: str, reply: t.Any) -> str:
    return reply["error"] if shape == "ollama" else reply["error"]["message"]


def eventually(what: t.Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it does not come to that"
        time.sleep(0.1)


class Call(threading.Thread):
    """A request to the endpoint on its way; ``reply`` and ``end`` are there when it has ended."""

    def __init__(self, place: tuple[str, str], user: str, *, path: str = "/api/generate", tokens: int = 10, stream: bool = False) -> None:
        super().__init__(daemon=True)
        context = ssl.create_default_context(cadata=place[1])
        self.sock = context.wrap_socket(socket.create_connection((place[0], 443), timeout=60), server_hostname="ollama.example.com")
        text = json.dumps({**body(tokens), "stream": stream})
        head = f"POST {path} HTTP/1.1\r\nHost: ollama.example.com\r\nAuthorization: Bearer {user}-has-a-key-of-enough-length\r\n"
        self.sock.sendall(f"{head}Content-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode())
        self.status, self.retry_after, self.text, self.end = 0, "", "", 0.0
        self.start()

    def run(self) -> None:
        try:
            response = http.client.HTTPResponse(self.sock)
            response.begin()
            self.text = response.read().decode()
            self.status, self.retry_after = response.status, response.headers.get("Retry-After", "")
        except (OSError, ValueError, http.client.HTTPException):
            return
        self.end = time.monotonic()

    def leave(self) -> None:
        self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()


class Balancer:
    """The endpoint, and what HAProxy and the instances know."""

    def __init__(self, host: t.Any) -> None:
        self.host = host
        self.place = (address("balanced"), host.file("/etc/llm-gateway/tls/ca.crt").content_string)
        self.calls: list[Call] = []

    def call(self, user: str, **options: t.Any) -> Call:
        self.calls.append(Call(self.place, user, **options))
        return self.calls[-1]

    def fill(self, tokens: int = 100) -> list[Call]:
        """Requests in all slots."""
        calls = [self.call("greedy", tokens=tokens) for _ in range(SLOTS)]
        eventually(lambda: self.now("scur", *self.names) == SLOTS)
        return calls

    def leave(self) -> None:
        for call in self.calls:
            if call.is_alive():
                call.leave()
        eventually(lambda: self.now("qcur", "BACKEND") == 0 and self.now("scur", *self.names) == 0)

    @property
    def names(self) -> tuple[str, ...]:
        return ("balanced.default", "balanced.second")

    def admin(self, command: str) -> str:
        return self.host.check_output("echo %s | socat -t5 stdio UNIX-CONNECT:/run/haproxy/admin.sock", command)

    def stat(self, column: str, name: str) -> str:
        rows = csv.DictReader(self.admin("show stat instances -1 -1").removeprefix("# ").splitlines())
        return next(row[column] for row in rows if row["svname"] == name)

    def now(self, column: str, *names: str) -> int:
        return sum(int(self.stat(column, name)) for name in names)

    def counters(self) -> collections.Counter[str]:
        """What both instances have counted together."""
        found: collections.Counter[str] = collections.Counter()
        for port in PORTS:
            seen = json.loads(self.host.check_output("python3 -c %s %s", ASK, f"http://127.0.0.1:{port}/_standin/seen?last=0"))
            found.update({name: count for name, count in (seen.get("counters") or seen).items() if isinstance(count, int)})
        return found

    def all_up(self) -> None:
        eventually(lambda: {self.stat("status", name) for name in self.names} == {"UP"})


@pytest.fixture
def balancer(host) -> t.Iterator[Balancer]:
    balancer = Balancer(host)
    yield balancer
    balancer.leave()


def join(calls: t.Iterable[Call]) -> list[Call]:
    calls = list(calls)
    for call in calls:
        call.join(60)
    return calls


def test_a_user_with_many_requests_does_not_stand_before_one_with_few(balancer):
    """Eight more of the greedy user wait; the polite user, who comes last, is in the next round all the same."""
    balancer.fill(tokens=200)
    greedy = [balancer.call("greedy", tokens=60) for _ in range(8)]
    eventually(lambda: balancer.now("qcur", "BACKEND") == 8)
    polite = balancer.call("polite", tokens=60)
    assert {call.status for call in join([polite, *greedy])} == {200}
    assert sum(call.end > polite.end for call in greedy) >= 4


def test_batch_users_wait_for_the_others(balancer):
    balancer.fill(tokens=200)
    nightly = balancer.call("nightly")
    eventually(lambda: balancer.now("qcur", "BACKEND") == 1)
    greedy = [balancer.call("greedy", tokens=60) for _ in range(8)]
    assert {call.status for call in join([nightly, *greedy])} == {200}
    assert sum(call.end < nightly.end for call in greedy) >= 4


def test_the_queue_is_bounded_in_length_and_time_and_cheap_calls_do_not_wait(balancer, endpoint):
    balancer.fill(tokens=3000)
    waiting = [balancer.call("greedy", path=path) for path in [*PATHS.values(), *["/api/generate"] * 7]]
    eventually(lambda: balancer.now("qcur", "BACKEND") == 10)
    for shape, path in PATHS.items():
        (full,) = join([balancer.call("polite", path=path)])
        assert (full.status, full.retry_after) == (503, "5")
        assert "as many requests are waiting as may wait" in message(shape, json.loads(full.text))
    key = Credentials(key="polite-has-a-key-of-enough-length")
    assert {endpoint("https://ollama.example.com").request("GET", path, who=key).status for path in ("/api/tags", "/v1/models")} == {200}
    assert balancer.now("qcur", "BACKEND") == 10
    for shape, late in zip(PATHS, join(waiting)):
        assert (late.status, late.retry_after) == (503, "5")
        assert "in time" in message(shape, json.loads(late.text))


@pytest.mark.parametrize("shape", PATHS)
def test_who_has_too_many_requests_is_told_so(balancer, shape):
    balancer.call("few", tokens=3000)
    eventually(lambda: balancer.now("scur", *balancer.names) == 1)
    (call,) = join([balancer.call("few", path=PATHS[shape])])
    assert (call.status, call.retry_after) == (429, "5")
    assert "You have 1 requests running or waiting" in message(shape, json.loads(call.text))


def test_who_asks_too_often_is_told_when_to_come_back(balancer):
    assert [join([balancer.call("rare")])[0].status for _ in range(5)] == [200, 200, 200, 429, 429]
    assert balancer.calls[-1].retry_after == "21"


def test_who_goes_leaves_the_queue_and_is_cancelled_at_ollama(balancer):
    before = balancer.counters()
    running = balancer.fill(tokens=3000)
    waiting = [balancer.call("polite") for _ in range(2)]
    eventually(lambda: balancer.now("qcur", "BACKEND") == 2)
    for call in waiting:
        call.leave()
    eventually(lambda: balancer.now("qcur", "BACKEND") == 0)
    for call in running:
        call.leave()
    eventually(lambda: balancer.counters()["running"] == 0)
    assert (balancer.counters() - before)["started"] == SLOTS
    assert (balancer.counters() - before)["cancelled"] == SLOTS


def test_when_an_instance_stops_nobody_notices_and_it_comes_back_by_itself(balancer, host):
    host.check_output("systemctl stop ollama@second")
    try:
        assert {call.status for call in join([balancer.call("greedy") for _ in range(8)])} == {200}
        assert balancer.stat("status", "balanced.second").startswith("DOWN")
    finally:
        host.check_output("systemctl start ollama@second")
    balancer.all_up()


def test_when_all_are_down_a_client_is_told_so_at_once(balancer, host):
    host.check_output("systemctl stop ollama ollama@second")
    try:
        eventually(lambda: all(balancer.stat("status", name).startswith("DOWN") for name in balancer.names))
        for shape, path in PATHS.items():
            (call,) = join([balancer.call("polite", path=path)])
            assert (call.status, call.retry_after) == (503, "5")
            assert "No model server answers" in message(shape, json.loads(call.text))
    finally:
        host.check_output("systemctl start ollama ollama@second")
    balancer.all_up()
    assert join([balancer.call("polite")])[0].status == 200


def test_a_reload_takes_nothing_from_streams_and_queue(balancer, host):
    streams = [balancer.call("greedy", tokens=200, stream=True) for _ in range(SLOTS + 2)]
    eventually(lambda: balancer.now("qcur", "BACKEND") == 2)
    host.check_output("systemctl reload haproxy")
    for call in join(streams):
        assert call.status == 200
        assert '"done":true' in call.text.splitlines()[-1].replace(" ", "")


def test_an_instance_that_was_taken_out_stays_out(balancer, host):
    host.check_output("systemctl restart haproxy")
    balancer.admin("set server instances/balanced.second state drain")
    try:
        for verb in ("reload", "restart"):
            host.check_output(f"systemctl {verb} haproxy")
            eventually(lambda: balancer.stat("status", "balanced.second") == "DRAIN")
        assert {call.status for call in join([balancer.call("greedy") for _ in range(4)])} == {200}
        assert balancer.now("stot", "balanced.second") == 0
    finally:
        balancer.admin("set server instances/balanced.second state ready")
    balancer.all_up()


def test_metrics_and_the_admins_socket_are_for_this_host_and_root(host):
    metrics = host.check_output("python3 -c %s http://127.0.0.1:8405/metrics", ASK)
    for name in (
        'haproxy_backend_current_queue{proxy="instances"}',
        'haproxy_server_current_sessions{proxy="instances",server="balanced.second"}',
    ):
        assert name in metrics
    for port in (11400, 8405):
        assert host.check_output(f"ss -Hltn sport = {port}").split()[3] == f"127.0.0.1:{port}"
    sock = host.file("/run/haproxy/admin.sock")
    assert (sock.user, sock.group, sock.mode) == ("root", "root", 0o600)


def test_what_a_killed_run_did_not_load_is_loaded_by_the_next(host, run_playbook):
    host.check_output("rm /run/llm-balancer.loaded; echo 'polite 1/1/0' >/etc/llm-balancer/users.map; systemctl reload haproxy")
    run = run_playbook("site.yml")
    assert run.code == 0, run.output[-3000:]
    assert run.changed == {"balanced": 1}
    assert "polite" not in host.file("/etc/llm-balancer/users.map").content_string


def test_verify_yml_agrees(run_playbook):
    run = run_playbook("playbooks/verify.yml")
    assert run.code == 0, run.output[-3000:]
