# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which instances there are, what each user may have, and what the balancer says."""

from __future__ import annotations

import json

import pytest

from ansible_collections.llm.host.plugins.filter.balancer import FilterModule
from ansible_collections.llm.host.plugins.filter.pool import backend_problems, balancer_models, balancer_pools

FILTERS = FilterModule().filters()
SETTINGS = {
    "port": 11400,
    "metrics_port": 8405,
    "source": "",
    "queue": 256,
    "queue_timeout": 120,
    "concurrency": 16,
    "rate": 0,
    "fairness": 10,
    "users": [{"name": "alice"}],
    "servers": [{"name": "me.default", "address": "127.0.0.1:11434", "slots": 1}],
    "timeout": 600,
    "gateway_port": 443,
    "gateway_http_port": 80,
}
ERROR = {"openai": "api_error", "anthropic": "overloaded_error", "code": "busy", "message": "It's 100 % busy, # run."}


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        pytest.param({"me": {}}, [("me.default", "127.0.0.1:11434", 1)], id="one-slot-where-nobody-says"),
        pytest.param(
            {"me": {"ollama_num_parallel": None}}, [("me.default", "127.0.0.1:11434", 1)], id="what-is-left-to-ollama-is-one-slot"
        ),
        pytest.param(
            {"me": {"ollama_num_parallel": 4, "ollama_instances": [{"name": "gpu0", "port": 1}, {"name": "gpu1", "port": 2}]}},
            [("me.gpu0", "127.0.0.1:1", 4), ("me.gpu1", "127.0.0.1:2", 4)],
            id="each-instance-has-the-slots-of-its-host",
        ),
        pytest.param(
            {"gpu 1": {"ollama_bind": "fd00::7", "ollama_num_parallel": "2"}},
            [("gpu_1.default", "[fd00::7]:11434", 2)],
            id="names-have-only-what-haproxy-takes",
        ),
    ],
)
def test_servers(hosts, expected):
    (pool,) = balancer_pools(hosts, hosts, "me")
    assert pool["name"] == "instances"
    assert [tuple(server.values()) for server in pool["servers"]] == expected


def library(address: str, *models: str) -> dict[str, object]:
    return {"ollama_bind": address, "ollama_models": [{"name": name} for name in models]}


def test_hosts_with_the_same_models_are_one_pool_and_each_instance_is_in_one():
    hosts = {
        "gpu-1": library("10.0.0.1", "tiny", "embed"),
        "gpu-2": library("10.0.0.2", "embed:latest", "TINY"),
        "gpu-3": library("10.0.0.3", "tiny", "embed", "large:70b"),
        "gpu-4": {"ollama_bind": "10.0.0.4"},
    }
    pools = balancer_pools(hosts, hosts, "edge")
    assert [(pool["name"], [server["name"] for server in pool["servers"]]) for pool in pools] == [
        ("pool-gpu-3", ["gpu-3.default"]),
        ("pool-gpu-1", ["gpu-1.default", "gpu-2.default"]),
        ("pool-gpu-4", ["gpu-4.default"]),
    ]
    full = "registry.ollama.ai/library"
    assert balancer_models(pools).splitlines() == [
        f"{full}/embed:latest pool-gpu-3,pool-gpu-1",
        f"{full}/large:70b pool-gpu-3",
        f"{full}/tiny:latest pool-gpu-3,pool-gpu-1",
    ]


@pytest.mark.parametrize("models", [None, "tiny", [{}], ["tiny"], [{"name": "not a name"}], [{"name": "gone", "state": "absent"}]])
def test_declarations_that_the_role_ollama_models_refuses_or_removes_name_no_model(models):
    (pool,) = balancer_pools(["me"], {"me": {"ollama_models": models}}, "me")
    assert pool["models"] == []


@pytest.mark.parametrize("parallel", [0, -1, "many", []])
def test_slots_that_are_no_number_are_a_mistake(parallel):
    assert backend_problems(["me"], {"me": {"ollama_num_parallel": parallel}}, "me")[0].startswith("ollama_num_parallel of me is")


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        pytest.param({}, "16/1000000/0", id="the-usual"),
        pytest.param({"concurrency": 4, "rate": 60}, "4/60/0", id="own-limits"),
        pytest.param({"concurrency": 0}, "1000000/1000000/0", id="zero-is-no-limit"),
        pytest.param({"concurrency": None, "priority": None}, "16/1000000/0", id="null-is-the-usual"),
        pytest.param({"priority": "batch"}, "16/1000000/1", id="batch-goes-behind"),
    ],
)
def test_limits(user, expected):
    assert FILTERS["balancer_limits"](user, 16, 0) == expected


def test_only_users_with_limits_of_their_own_are_in_the_map():
    users = [{"name": "alice"}, {"name": "bob", "rate": 5}, {"name": "carol", "concurrency": 16}]
    assert FILTERS["balancer_users"](users, 16, 0) == "bob 16/5/0\n"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        pytest.param({}, "", id="defaults"),
        pytest.param({"metrics_port": 0}, "", id="no-metrics"),
        pytest.param({"port": 0}, "balancer_port 0 is not a port", id="no-port"),
        pytest.param({"metrics_port": 70000}, "balancer_metrics_port 70000 is not a port", id="port-out-of-range"),
        pytest.param({"port": 443}, "balancer_port 443 is also the port of gateway_port", id="port-of-the-gateway"),
        pytest.param({"port": 11434}, "balancer_port 11434 is also the port of the instance me.default", id="port-of-an-instance"),
        pytest.param({"port": 8405}, "balancer_port and balancer_metrics_port are both 8405", id="both-ports-the-same"),
        pytest.param({"source": "edge"}, "balancer_source 'edge' is not an address", id="source-that-is-a-name"),
        pytest.param({"source": "[fd00::5]"}, "", id="source-in-brackets"),
        pytest.param({"queue": 0}, "balancer_queue 0", id="no-queue"),
        pytest.param({"queue_timeout": 301}, "balancer_queue_timeout 301 is not a wait", id="waits-too-long"),
        pytest.param({"timeout": 100}, "is not less than gateway_timeout 100", id="the-gateway-gives-up-first"),
        pytest.param({"fairness": 61}, "balancer_fairness 61", id="fairness-out-of-range"),
        pytest.param({"concurrency": -1}, "balancer_concurrency -1", id="negative-limit"),
        pytest.param({"users": [{"name": "a", "rate": -3}]}, "gateway_users[0] 'a' has rate -3", id="negative-limit-of-a-user"),
        pytest.param({"users": [{"name": "a", "priority": "high"}]}, "gateway_users[0] 'a' has priority high", id="unknown-priority"),
        pytest.param({"users": ["a"]}, "", id="what-the-gateway-says-is-not-said-twice"),
        pytest.param(
            {"servers": [*SETTINGS["servers"], *SETTINGS["servers"]]}, "2 instances would be called me.default", id="one-name-for-two"
        ),
    ],
)
def test_problems(settings, expected):
    problems = FILTERS["balancer_problems"]({**SETTINGS, **settings})
    assert len(problems) == bool(expected)
    assert expected in "".join(problems)


def test_texts_are_quoted_for_the_configuration_and_hold_what_clients_read():
    texts = FILTERS["balancer_texts"](ERROR, "var(txn.rate)")
    assert list(texts) == ["ollama", "openai", "anthropic"]
    read = {shape: json.loads(text[1:-1].replace("'\\''", "'").replace("%%", "%")) for shape, text in texts.items()}
    assert read["ollama"] == {"error": "It's 100 % busy, %[var(txn.rate)] run."}
    assert read["openai"]["error"]["code"] == "busy"
    assert read["anthropic"]["error"]["type"] == "overloaded_error"
