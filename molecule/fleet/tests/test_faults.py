# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances and hosts that fail: who notices, for how long, and that nothing is asked twice."""

from __future__ import annotations

import json
import re
import typing as t

import pytest
from load import Call, eventually, join

pytestmark = pytest.mark.timed

KILLED, HUNG, SLOW = "gpu-01.second", "gpu-02.default", "gpu-03.default"
SILENCE = 35


def walk(value: t.Any) -> t.Iterator[tuple[str, t.Any]]:
    """All members of all objects in a JSON value."""
    for name, part in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield str(name), part
        yield from walk(part)


@pytest.fixture(scope="module")
def slow(site) -> t.Iterator[Call]:
    """A request whose model loads longer than all timeouts but those for an answer, while other tests run."""
    site.all_up()
    others = site.names - {SLOW}
    try:
        for name in others:
            site.put(name, "drain")
        embedding = {"path": "/api/embed", "model": "embed", "input": "hello", "timeout": SILENCE + 60}
        calls = [Call(site.place, "alice"), Call(site.place, "alice", keep_alive=0, **embedding)]
        assert {call.status for call in join(calls)} == {200}
        site.fault({"load_ms": SILENCE * 1000}, SLOW)
        call = Call(site.place, "alice", **embedding)
        eventually(lambda: site.now("scur", SLOW) == 1)
        site.staying.append(call)
    finally:
        for name in others:
            site.put(name, "ready")
    yield call
    join([call])
    site.staying.clear()


def whole(call: Call) -> bool:
    """Caddy before 2.8 ends a stream that broke off as if it were whole; the mark of its end tells."""
    return call.status == 200 and '"done":true' in call.text


def answered(calls: t.Iterable[Call], *, within: float) -> bool:
    return all(call.status == 200 and call.end - call.begin < within for call in join(calls))


def test_an_instance_is_killed_under_its_requests(fleet, slow):
    """Streams break off, who waits for a first byte is told so; the next go elsewhere, and nothing is asked twice."""
    others = fleet.names - {KILLED}
    # HAProxy explains itself on a connection's first request; on one that was used before it closes without a word, and Caddy answers in its own.
    fleet.host.check_output("systemctl reload caddy")
    fleet.all_slots()
    # None ends before the kill, however long it takes to ask for all.
    fleet.fault({"token_ms": 25}, *fleet.names)
    # One kind after the other, so that each instance has both.
    streams = [fleet.call("team", tokens=400, stream=True) for _ in range(20)]
    eventually(lambda: fleet.count(*fleet.names)["running"] == 20)
    answers = [fleet.call("team", tokens=400) for _ in range(20)]
    eventually(lambda: fleet.count(*fleet.names)["running"] == 40)
    there, before = fleet.now("scur", KILLED), fleet.count(*others)["started"]
    fleet.systemctl("kill --signal KILL", KILLED)
    assert answered([fleet.call("alice") for _ in range(8)], within=2)

    broken = [call for call in join(streams) if not whole(call)]
    failed = [call for call in join(answers) if call.status != 200]
    assert broken and failed
    assert len(broken) + len(failed) == there
    assert {call.status for call in failed} == {502}
    assert all("broke off before it answered" in json.loads(call.text)["error"] for call in failed)
    fleet.all_up()
    assert fleet.count(*fleet.names)["started"] == before + 8


def test_an_instance_hangs(fleet, slow):
    """It accepts and says nothing: out within seconds, back by itself, and what it had accepted is answered then."""
    asked = []

    def is_out() -> bool:
        asked.append(fleet.call("team"))
        return fleet.status(HUNG).startswith("DOWN")

    fleet.systemctl("kill --signal STOP", HUNG)
    try:
        eventually(is_out)
        assert answered([fleet.call("alice") for _ in range(8)], within=2)
        waiting = [call for call in asked if call.is_alive()]
    finally:
        fleet.systemctl("kill --signal CONT", HUNG)
    fleet.all_up(5)
    assert waiting
    assert {call.status for call in join(asked)} == {200}


def test_a_host_is_unreachable(fleet, slow):
    """Its packets are dropped: who is sent there goes elsewhere, those whose streams ran there are told, and it comes back by itself."""
    gone = {name for name in fleet.names if name.startswith("gpu-02.")}
    streams = [fleet.call("team", tokens=9000, stream=True) for _ in range(10)]
    eventually(lambda: fleet.count(*fleet.names)["running"] == 10)
    there = fleet.now("scur", *gone)
    fleet.hosts["gpu-02"].check_output("tc qdisc add dev eth0 root blackhole")
    try:
        assert answered([fleet.call("alice") for _ in range(8)], within=8)
        eventually(lambda: all(fleet.status(name).startswith("DOWN") for name in gone))
        assert answered([fleet.call("alice") for _ in range(8)], within=2)
        eventually(lambda: sum(not call.is_alive() for call in streams) == there, 40)
        assert there
        assert not any(whole(call) for call in streams if not call.is_alive())
        assert fleet.count(*fleet.names - gone)["running"] == 10 - there
    finally:
        fleet.hosts["gpu-02"].check_output("tc qdisc del dev eth0 root")
    fleet.all_up()


def test_a_model_may_load_for_long(slow):
    """300 seconds without a byte are legal; here they are few, and more than every timeout but those that are told below."""
    (call,) = join([slow])
    assert call.status == 200
    assert call.end - call.begin > SILENCE


def test_the_timeouts_for_an_answer_allow_minutes(fleet):
    ask = "printf 'GET /config/ HTTP/1.0\\r\\n\\r\\n' | socat -t5 stdio UNIX-CONNECT:/run/caddy/admin.sock"
    caddy = json.loads(fleet.host.check_output(ask).split("\r\n\r\n")[1])
    seconds = {name: value / 1e9 for name, value in walk(caddy) if re.fullmatch("(response_header|read|write)_timeout", name)}
    assert len(seconds) == 3
    haproxy = re.findall(r"^\s*timeout (server|client) (\d+)s$", fleet.host.file("/etc/haproxy/haproxy.cfg").content_string, re.MULTILINE)
    assert {name for name, value in haproxy} == {"server", "client"}
    assert min(*seconds.values(), *(int(value) for name, value in haproxy)) > 300


def test_when_all_are_down_a_client_is_told_so_at_once(fleet):
    fleet.systemctl("stop", *fleet.names)
    try:
        # Until it knows them all HAProxy tries one after the other, with pauses of a second.
        eventually(lambda: all(fleet.status(name).startswith("DOWN") for name in fleet.names))
        (call,) = join([fleet.call("alice", path="/v1/chat/completions")])
        assert (call.status, call.retry_after) == (503, "5")
        assert "No model server" in json.loads(call.text)["error"]["message"]
        assert call.end - call.begin < 2
    finally:
        fleet.systemctl("start", *fleet.names)
    fleet.all_up()
    assert answered([fleet.call("alice")], within=2)
