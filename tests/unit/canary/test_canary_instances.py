# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the canary is told to measure."""

from __future__ import annotations

from ansible_collections.llm.host.plugins.filter.pool import balancer_pools, canary_instances


def test_each_instance_comes_with_its_names_and_the_declared_models_of_its_host():
    hosts = {
        "gpu 1": {
            "ollama_bind": "10.0.0.1",
            "ollama_instances": [{"name": "gpu0", "port": 1}, {"name": "gpu1", "port": 2}],
            "ollama_models": [
                {"name": "llama3.2", "preload": "yes", "keep_alive": "-1"},
                {"name": "library/llama3.2:latest", "preload": True, "keep_alive": "-1"},
                {"name": "old", "state": "absent"},
                {"name": "not a name"},
                "nonsense",
            ],
        },
        "gpu-2": {"ollama_bind": "eth1"},
    }
    model = {"name": "llama3.2:latest", "preload": True, "keep_alive": "-1"}
    first = {"host": "gpu 1", "pool": "pool-gpu_1", "models": [model]}
    assert canary_instances(hosts, hosts, "edge", {"gpu-2": {"addresses": ["fd00::2"]}}) == [
        {**first, "server": "gpu0", "name": "gpu_1.gpu0", "address": "10.0.0.1:1"},
        {**first, "server": "gpu1", "name": "gpu_1.gpu1", "address": "10.0.0.1:2"},
        {"host": "gpu-2", "server": "default", "pool": "pool-gpu-2", "name": "gpu-2.default", "address": "[fd00::2]:11434", "models": []},
    ]


def test_pools_and_names_are_those_of_the_balancer():
    hosts = {"gpu-1": {"ollama_bind": "10.0.0.1"}, "gpu-2": {"ollama_bind": "10.0.0.2"}}
    pools = balancer_pools(hosts, hosts, "edge")
    servers = [(pool["name"], server["name"], server["address"]) for pool in pools for server in pool["servers"]]
    assert [(entry["pool"], entry["name"], entry["address"]) for entry in canary_instances(hosts, hosts, "edge")] == servers
