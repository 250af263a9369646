# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users come and go in one run: streams go on, the next request with an old key is refused, and no secret shows anywhere."""

from __future__ import annotations

import base64
import dataclasses
import json
import typing as t

import pytest
from test_streams import ask

ALICE, BOB, OPS = ("alice-has-a-key-of-enough-length", "bob-has-a-key-of-enough-length", "ops-has-a-key-of-enough-length")
NEW_ALICE, CAROL = ("alice-has-another-key-of-enough-length", "carol-has-a-key-of-enough-length")
CHANGED = [
    {"name": "alice", "key": NEW_ALICE, "password": "alice has another phrase"},
    {"name": "carol", "key": CAROL},
    {"name": "ops", "key": OPS, "password": "ops has a pass phrase", "admin": True},
]
SECRETS = (ALICE, BOB, OPS, NEW_ALICE, CAROL, "alice has a pass phrase", "ops has a pass phrase", "alice has another phrase")
PAGES = ("/", "/status", "/status.js", "/status.json")
STREAMS, TOKENS = 50, 20


@dataclasses.dataclass(frozen=True)
class Change:
    """What was seen while the users changed, by host."""

    run: t.Any
    streams: dict[str, list[dict[str, t.Any]]]
    before: dict[str, dict[str, int]]
    after: dict[str, dict[str, int]]
    commands: dict[str, list[str]]
    starts: dict[str, tuple[str, str]]
    strangers: dict[str, dict[str, int]]
    """What nobody gets of each page, once the first of them is public."""


def _statuses(agent: t.Any) -> dict[str, int]:
    """What each identity gets."""
    basic = base64.b64encode(b"alice:alice has a pass phrase").decode()
    identities = {**{key: f"Bearer {key}" for key in (ALICE, NEW_ALICE, BOB, CAROL, OPS)}, "password": f"Basic {basic}"}
    jobs = [
        {"id": name, "method": "GET", "data": f"GET /api/tags HTTP/1.1\r\nHost: llm.test\r\nAuthorization: {value}\r\n\r\n"}
        for name, value in identities.items()
    ]
    return {result["id"]: result["replies"][0]["status"] for result in agent("table", groups=[{"alone": False, "jobs": jobs}])["results"]}


def _unasked(agent: t.Any) -> dict[str, int]:
    """What each page is for who has no identity."""
    jobs = [{"id": path, "method": "GET", "data": f"GET {path} HTTP/1.1\r\nHost: llm.test\r\n\r\n"} for path in PAGES]
    return {result["id"]: result["replies"][0]["status"] for result in agent("table", groups=[{"alone": False, "jobs": jobs}])["results"]}


def _started(agent: t.Any, unit: str) -> str:
    return agent.sh(f"systemctl show -p MainPID -p ActiveEnterTimestampMonotonic {unit}")


@pytest.fixture(scope="module")
def change(hosts, engine, tmp_path_factory, run_playbook) -> t.Iterator[Change]:
    for agent in hosts.values():
        # Two slots: the last of the streams ends after about 40 seconds, and the run is over before.
        agent("backend", method="PUT", path="/_standin/faults", value={"tokens": TOKENS, "token_ms": 80})
    before = {name: _statuses(agent) for name, agent in hosts.items()}
    started = {name: _started(agent, engine.unit) for name, agent in hosts.items()}
    data = ask("/api/generate", {"model": "tiny", "prompt": "hello", "options": {"num_predict": TOKENS}})
    tasks = {name: agent.start("streams", data=data, count=STREAMS) for name, agent in hosts.items()}
    watches = {name: agent.start("watch", until="/run/llm-host-watched", seconds=150) for name, agent in hosts.items()}
    for task in (*tasks.values(), *watches.values()):
        task.wait_until_ready()
    for agent in hosts.values():
        agent.sh(f"systemctl reload {engine.unit}")
    users = tmp_path_factory.mktemp("users") / "users.json"
    users.write_text(json.dumps({"gateway_users": CHANGED, "gateway_page": "public"}))
    try:
        run = run_playbook("site.yml", "-vvv", "--diff", "--extra-vars", f"@{users}")
        after = {name: _statuses(agent) for name, agent in hosts.items()}
        strangers = {name: _unasked(agent) for name, agent in hosts.items()}
        for agent in hosts.values():
            agent.sh("touch /run/llm-host-watched")
        yield Change(
            run=run,
            streams={name: task.result()["replies"] for name, task in tasks.items()},
            before=before,
            after=after,
            commands={name: watch.result()["commands"] for name, watch in watches.items()},
            starts={name: (started[name], _started(agent, engine.unit)) for name, agent in hosts.items()},
            strangers=strangers,
        )
    finally:
        for agent in hosts.values():
            agent("backend", method="PUT", path="/_standin/faults", value={})
            agent.sh("rm -f /run/llm-host-watched")
        again = run_playbook("site.yml")
        assert again.code == 0, again.output[-3000:]


def test_the_change_is_one_run(change):
    assert change.run.code == 0, change.run.output[-3000:]
    assert all(0 < changed <= 3 for changed in change.run.changed.values()), change.run.changed


def test_the_next_request_with_an_old_key_is_refused_and_a_new_one_is_served(change, hosts):
    for name in hosts:
        assert change.before[name] == {ALICE: 200, NEW_ALICE: 401, BOB: 200, CAROL: 401, OPS: 200, "password": 200}, name
        assert change.after[name] == {ALICE: 401, NEW_ALICE: 200, BOB: 401, CAROL: 200, OPS: 200, "password": 401}, name


def test_a_public_page_does_not_make_the_status_public(change, hosts):
    assert change.strangers == {name: {"/": 200, "/status": 401, "/status.js": 401, "/status.json": 401} for name in hosts}


def test_a_reload_and_a_change_drop_no_open_stream(change, hosts):
    for name in hosts:
        assert [reply["status"] for reply in change.streams[name]] == [200] * STREAMS, name
        for reply in change.streams[name]:
            lines = [json.loads(line) for line in reply["body"].splitlines()]
            assert (len(lines), lines[-1]["done"]) == (TOKENS + 1, True), name


def test_the_web_server_is_reloaded_and_never_restarted(change, hosts):
    for name in hosts:
        first, last = change.starts[name]
        assert first == last, name


def test_no_secret_shows_in_output_and_diff(change):
    assert [secret for secret in SECRETS if secret in change.run.output] == []


def test_no_secret_shows_in_a_process_list(change, hosts):
    for name in hosts:
        commands = "\n".join(change.commands[name])
        assert "python" in commands, "the watch saw nothing"
        assert [secret for secret in SECRETS if secret in commands] == [], name


def test_no_secret_shows_in_logs_and_journal(change, hosts, engine):
    for name, agent in hosts.items():
        text = agent.sh(f"cat {engine.log} {' '.join(engine.other_logs)}; journalctl -q -o json")
        assert [secret for secret in SECRETS if secret in text] == [], name
