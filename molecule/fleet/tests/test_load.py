# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many requests, many at once, and a large one."""

from __future__ import annotations

import collections
import http.client
import json
import threading
import time
import typing as t

import pytest
from load import Place, eventually, join

from ansible_collections.llm.host.plugins.module_utils._probe import Credentials

pytestmark = pytest.mark.timed

ALICE = Credentials(key="alice-has-a-key-of-enough-length")


class Regular(threading.Thread):
    """Somebody who makes all requests on one connection: lists, and now and then one token."""

    def __init__(self, place: Place, requests: int) -> None:
        super().__init__(daemon=True)
        self.place, self.requests = place, requests
        self.seen: collections.Counter[t.Any] = collections.Counter()
        self.start()

    def run(self) -> None:
        connection = http.client.HTTPConnection(self.place.address)
        connection.sock = sock = self.place.connect()
        headers = {"Host": "ollama.example.com", **ALICE.headers()}
        body = json.dumps({"model": "tiny", "prompt": "hello", "stream": False, "options": {"num_predict": 1}})
        for number in range(self.requests):
            method, path, text = ("POST", "/api/generate", body) if number % 10 == 0 else ("GET", "/v1/models", None)
            connection.request(method, path, body=text, headers=headers)
            response = connection.getresponse()
            response.read()
            self.seen[response.status] += 1
        self.seen["same connection"] += connection.sock is sock
        connection.close()


def test_a_reload_of_both_takes_nothing_from_200_streams(fleet):
    """As many as there are slots; each goes on for some seconds after the reload."""
    fleet.all_slots()
    fleet.fault({"token_ms": 200}, *fleet.names)
    streams = [fleet.call("team", tokens=90, stream=True) for _ in range(200)]
    eventually(lambda: fleet.count(*fleet.names)["running"] == 200)
    fleet.host.check_output("systemctl reload caddy haproxy")
    reloaded = time.monotonic()
    fleet.fault({}, *fleet.names)
    assert [call.status for call in join(streams)] == [200] * 200
    assert all('"done":true' in call.text.splitlines()[-1] for call in streams)
    assert all(call.end > reloaded for call in streams)


def test_500_requests_of_one_user_are_all_answered_and_another_is_served_at_once(fleet):
    """Sixteen run, which is what a user may have at once; the others are told so, without waiting."""
    before = fleet.count(*fleet.names)
    # None of the sixteen ends before the last has asked, on a machine that needs 30 ms for each.
    fleet.fault({"token_ms": 30}, *fleet.names)
    calls = [fleet.call("script", tokens=500) for _ in range(500)]
    (other,) = join([fleet.call("alice")])
    assert other.status == 200
    assert other.end - other.begin < 2
    assert collections.Counter(call.status for call in join(calls)) == {200: 16, 429: 484}
    assert all(call.retry_after for call in calls if call.status == 429)
    assert (fleet.count(*fleet.names) - before)["started"] == 17


def test_500_requests_of_one_who_has_no_limit_wait_in_a_queue_that_has_one(fleet):
    """All slots are taken, 256 wait, and the rest is told so at once."""
    fleet.fault({"token_ms": 200}, *fleet.names)
    calls = [fleet.call("team", tokens=200) for _ in range(500)]
    eventually(lambda: fleet.waiting == 256 and not all(call.is_alive() for call in calls))
    assert {call.status for call in calls if not call.is_alive()} == {503}


def test_many_requests_in_a_row(fleet):
    """On four connections that stay, and nothing is left of them."""
    people = [Regular(fleet.place, 500) for _ in range(4)]
    for person in people:
        person.join(120)
    assert sum((person.seen for person in people), collections.Counter()) == {200: 2000, "same connection": 4}


def test_a_body_of_20_megabytes_arrives_whole(fleet):
    text = ("x" * 1023 + " ") * 20 * 1024
    (call,) = join([fleet.call("alice", prompt=text, raw=True)])
    assert call.status == 200
    assert json.loads(call.text)["prompt_eval_count"] == len(text) // 4
