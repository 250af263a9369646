# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Four slots at two instances, a queue for ten: who gets one, who waits, who is refused."""

from __future__ import annotations

import json
import re
import typing as t

import pytest
from conftest import address
from load import Call, Place, Pool, eventually, join, leave

from ansible_collections.llm.host.plugins.module_utils._probe import Credentials

SLOTS = 4
INSTANCES = ("127.0.0.1:11434", "127.0.0.1:11444")
ASK = "import sys, urllib.request as u; print(u.urlopen(u.Request(sys.argv[1], method='GET')).read().decode())"
PATHS = {"ollama": "/api/chat", "openai": "/v1/chat/completions", "anthropic": "/v1/messages"}


def message(shape: str, reply: t.Any) -> str:
    return reply["error"] if shape == "ollama" else reply["error"]["message"]


class Balancer(Pool):
    def fill(self, tokens: int = 100) -> list[Call]:
        """Requests in all slots, of which an instance that came back has few at first."""
        self.all_slots()
        calls = [self.call("greedy", tokens=tokens) for _ in range(SLOTS)]
        eventually(lambda: self.now("scur") == SLOTS)
        return calls


@pytest.fixture
def balancer(host) -> t.Iterator[Balancer]:
    balancer = Balancer(host, Place(address("balanced"), host.file("/etc/llm-gateway/tls/ca.crt").content_string))
    yield balancer
    balancer.leave()


@pytest.mark.timed
def test_a_user_with_many_requests_does_not_stand_before_one_with_few(balancer):
    """Eight more of the greedy user wait; the polite user, who comes last, is in the next round all the same."""
    running = balancer.fill(tokens=3000)
    greedy = [balancer.call("greedy", tokens=60) for _ in range(8)]
    eventually(lambda: balancer.waiting == 8)
    polite = balancer.call("polite", tokens=60)
    eventually(lambda: balancer.waiting == 9)
    leave(running)
    assert {call.status for call in join([polite, *greedy])} == {200}
    assert sum(call.end > polite.end for call in greedy) >= 4


@pytest.mark.timed
def test_batch_users_wait_for_the_others(balancer):
    running = balancer.fill(tokens=3000)
    nightly = balancer.call("nightly")
    eventually(lambda: balancer.waiting == 1)
    greedy = [balancer.call("greedy", tokens=60) for _ in range(8)]
    eventually(lambda: balancer.waiting == 9)
    leave(running)
    assert {call.status for call in join([nightly, *greedy])} == {200}
    assert sum(call.end < nightly.end for call in greedy) >= 4


@pytest.mark.timed
def test_the_queue_is_bounded_in_length_and_time_and_cheap_calls_do_not_wait(balancer, endpoint):
    gateway = endpoint("https://ollama.example.com")
    balancer.fill(tokens=3000)
    waiting = [balancer.call("greedy", path=path) for path in [*PATHS.values(), *["/api/generate"] * 7]]
    eventually(lambda: balancer.waiting == 10)
    for shape, path in PATHS.items():
        (full,) = join([balancer.call("polite", path=path)])
        assert (full.status, full.retry_after) == (503, "5")
        assert "as many requests are waiting as may wait" in message(shape, json.loads(full.text))
    key = Credentials(key="polite-has-a-key-of-enough-length")
    assert {gateway.request("GET", path, who=key).status for path in ("/api/tags", "/v1/models")} == {200}
    assert balancer.waiting == 10
    for shape, late in zip(PATHS, join(waiting)):
        assert (late.status, late.retry_after) == (503, "5")
        assert "in time" in message(shape, json.loads(late.text))


@pytest.mark.timed
@pytest.mark.parametrize("shape", PATHS)
def test_who_has_too_many_requests_is_told_so(balancer, shape):
    balancer.call("few", tokens=3000)
    eventually(lambda: balancer.now("scur") == 1)
    (call,) = join([balancer.call("few", path=PATHS[shape])])
    assert (call.status, call.retry_after) == (429, "5")
    assert "You have 1 requests running or waiting" in message(shape, json.loads(call.text))


@pytest.mark.timed
def test_who_asks_too_often_is_told_when_to_come_back(balancer):
    assert [join([balancer.call("rare")])[0].status for _ in range(5)] == [200, 200, 200, 429, 429]
    assert balancer.calls[-1].retry_after == "21"


@pytest.mark.timed
def test_who_goes_leaves_the_queue_and_is_cancelled_at_ollama(balancer):
    before = balancer.counters(*INSTANCES)
    running = balancer.fill(tokens=3000)
    waiting = [balancer.call("polite") for _ in range(2)]
    eventually(lambda: balancer.waiting == 2)
    leave(waiting)
    eventually(lambda: balancer.waiting == 0)
    eventually(lambda: balancer.counters(*INSTANCES)["running"] == SLOTS)
    leave(running)
    eventually(lambda: balancer.counters(*INSTANCES)["running"] == 0)
    assert (balancer.counters(*INSTANCES) - before)["started"] == SLOTS
    assert (balancer.counters(*INSTANCES) - before)["cancelled"] == SLOTS


@pytest.mark.timed
def test_when_an_instance_stops_nobody_notices_and_it_comes_back_by_itself(balancer, host):
    host.check_output("systemctl stop ollama@second")
    try:
        assert {call.status for call in join([balancer.call("greedy") for _ in range(8)])} == {200}
        # Known by a request that it refused, or else by its health check.
        eventually(lambda: balancer.status("balanced.second").startswith("DOWN"))
    finally:
        host.check_output("systemctl start ollama@second")
    balancer.all_up()


@pytest.mark.timed
def test_when_all_are_down_a_client_is_told_so_at_once(balancer, host):
    host.check_output("systemctl stop ollama ollama@second")
    try:
        eventually(lambda: all(balancer.status(name).startswith("DOWN") for name in balancer.names))
        for shape, path in PATHS.items():
            (call,) = join([balancer.call("polite", path=path)])
            assert (call.status, call.retry_after) == (503, "5")
            assert "No model server answers" in message(shape, json.loads(call.text))
    finally:
        host.check_output("systemctl start ollama ollama@second")
    balancer.all_up()
    assert join([balancer.call("polite")])[0].status == 200


@pytest.mark.timed
def test_a_reload_takes_nothing_from_streams_and_queue(balancer, host):
    balancer.all_slots()
    streams = [balancer.call("greedy", tokens=400, stream=True) for _ in range(SLOTS + 2)]
    eventually(lambda: balancer.waiting == 2)
    host.check_output("systemctl reload haproxy")
    for call in join(streams):
        assert call.status == 200
        assert '"done":true' in call.text.splitlines()[-1].replace(" ", "")


@pytest.mark.timed
def test_an_instance_is_taken_out_when_it_has_finished_and_stays_out(balancer, host, run_playbook):
    host.check_output("systemctl restart haproxy")
    balancer.put("balanced.default", "drain")
    running = balancer.call("greedy", tokens=600)
    eventually(lambda: balancer.now("scur", "balanced.second") == 1)
    balancer.put("balanced.default", "ready")
    drain = ("playbooks/drain.yml", "-e", "instance=balanced.second")
    run = run_playbook(*drain)
    try:
        assert (run.code, run.changed) == (0, {"balanced": 1}), run.output[-3000:]
        assert balancer.now("scur", "balanced.second") == 0
        assert {call.status for call in join([running])} == {200}
        for verb in ("reload", "restart"):
            host.check_output(f"systemctl {verb} haproxy")
            eventually(lambda: balancer.status("balanced.second") == "DRAIN")
        assert run_playbook(*drain).changed == {"balanced": 0}
        assert {call.status for call in join([balancer.call("greedy") for _ in range(4)])} == {200}
        assert balancer.now("stot", "balanced.second") == 0
    finally:
        run = run_playbook(*drain, "-e", "state=ready")
    assert run.changed == {"balanced": 1}
    balancer.all_up()


def test_status_and_metrics_name_who_was_refused(balancer, host, run_playbook):
    balancer.call("few", tokens=30000)
    eventually(lambda: balancer.now("scur") == 1)
    assert {call.status for call in join([balancer.call("few"), balancer.call("few")])} == {429}
    metrics = host.check_output("python3 -c %s http://127.0.0.1:8405/metrics/users", ASK)
    assert 'llm_balancer_user_requests{user="few"} 1' in metrics
    refused = re.search(r'llm_balancer_user_refused_total\{user="few",reason="concurrency"\} (\d+)', metrics)
    assert int(refused[1]) >= 2
    run = run_playbook("playbooks/status.yml")
    assert re.search(rf"\bfew +1 +\d+ +{refused[1]}\b", run.output), run.output[-3000:]
    assert re.search(r"\bbalanced\.default +ready +[01] +0 +2 +\d+", run.output)


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
