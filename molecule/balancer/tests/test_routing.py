# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two models, and two instances that each have memory for one."""

from __future__ import annotations

import json
import time
import typing as t

import pytest
from conftest import address
from load import Call, Place, Pool, eventually, join, leave

from ansible_collections.llm.host.plugins.module_utils._probe import Credentials

pytestmark = pytest.mark.timed

INSTANCES = ("127.0.0.1:11434", "127.0.0.1:11444")
SLOTS = 2
LOADING = 400
URL = "https://ollama.example.com"
PS = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:11400/api/ps').read().decode())"
EMBED = {"path": "/api/embed", "model": "embed", "input": "hello"}


@pytest.fixture
def pool(host) -> t.Iterator[Pool]:
    """An instance has tiny and the other one embed, and loading takes its time."""
    pool = Pool(host, Place(address("balanced"), host.file("/etc/llm-gateway/tls/ca.crt").content_string))
    pool.faults({"load_ms": LOADING}, *INSTANCES)
    for fields in ({}, EMBED):
        assert join([pool.call("polite", **fields)])[0].status == 200
    yield pool
    pool.leave()
    pool.faults({}, *INSTANCES)


def loaded(call: Call) -> bool:
    """Whether the model had to be loaded for this answer."""
    return json.loads(call.text)["load_duration"] > LOADING * 1_000_000 / 2


def test_each_model_stays_where_it_is(pool):
    asked = [join([pool.call("polite", **fields)])[0] for _ in range(10) for fields in ({}, EMBED)]
    assert {call.status for call in asked} == {200}
    assert not any(map(loaded, asked))


def test_where_it_is_is_learnt_after_a_reload(pool, host):
    host.check_output("systemctl reload haproxy")
    # The process before it may still be given requests. Both ask the instances every two seconds.
    time.sleep(3)
    asked = [join([pool.call("polite", **fields)])[0] for _ in range(5) for fields in ({}, EMBED)]
    # The connections that the gateway kept go, and with them that process, whose requests HAProxy does not tell of.
    host.check_output("systemctl reload nginx")
    eventually(lambda: host.check_output("pgrep -c haproxy") == "2")
    assert not any(map(loaded, asked))


def test_who_finds_all_slots_taken_goes_to_the_other_instance_when_it_is_idle(pool):
    running = [pool.call("greedy", tokens=3000) for _ in range(SLOTS)]
    eventually(lambda: pool.now("scur") == SLOTS)
    (spilled,) = join([pool.call("polite")])
    assert (spilled.status, loaded(spilled)) == (200, True)
    assert all(call.is_alive() for call in running)


def test_who_finds_the_other_instance_busy_waits_for_the_one_with_the_model(pool):
    join([pool.call("polite", **EMBED, keep_alive=0)])
    pool.faults({"load_ms": 3000}, *INSTANCES)
    home = [pool.call("greedy", tokens=3000) for _ in range(SLOTS)]
    eventually(lambda: pool.now("scur") == SLOTS)
    others = [pool.call("greedy", **EMBED) for _ in range(SLOTS)]
    eventually(lambda: pool.now("scur") == 2 * SLOTS)
    waited = pool.call("polite")
    eventually(lambda: pool.waiting == 1)
    leave(home)
    assert {call.status for call in join([waited, *others])} == {200}
    assert not loaded(waited)


def test_lists_show_what_all_instances_have_and_each_once(pool, host, endpoint):
    who = Credentials(key="polite-has-a-key-of-enough-length")
    both = ["embed:latest", "tiny:latest"]
    for path, field in (("/v1/models", "id"), ("/api/tags", "name")):
        (entries,) = (value for value in endpoint(URL).request("GET", path, who=who).json().values() if isinstance(value, list))
        assert sorted(entry[field] for entry in entries) == both, path
    # Only administrators may ask for this, and the gateway has none here.
    running = json.loads(host.check_output("python3 -c %s", PS))["models"]
    assert sorted(entry["name"] for entry in running) == both
