# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the gateway's page says of the models."""

from __future__ import annotations

from ansible_collections.llm.host.plugins.plugin_utils._gateway_page import page_example, page_models

A, B = "a" * 64, "b" * 64
DESCRIBED = [
    {"name": "chat:latest", "size": 4_900_000_000, "capabilities": ["completion", "tools"]},
    {"name": "team:latest", "size": 4_900_000_100, "capabilities": ["completion"]},
    {"name": "an-embedder:latest", "size": 274_000_000, "capabilities": ["embedding"]},
    {"name": "by-hand:latest", "size": 5, "capabilities": []},
]
HOSTS = {
    "one": {
        "ollama_models": [
            {"name": "Chat", "description": "Talks", "digest": A},
            {"name": "team", "from": "chat", "parameters": {"num_ctx": 16384}},
            {"name": "an-embedder"},
            {"name": "gone", "state": "absent"},
        ],
        "ollama_models_lock": {"an-embedder:latest": f"sha256:{B}", "team": B},
        "ollama_context_length": 8192,
    },
    "two": {"ollama_models": [{"name": "chat:latest"}, {"name": "other"}]},
    "three": {},
}


def test_each_declared_model_is_there_once_with_what_is_known_of_it():
    models = {model["name"]: model for model in page_models(HOSTS, HOSTS, DESCRIBED)}
    assert list(models) == ["Chat", "team", "an-embedder", "other"]
    assert models["Chat"] == {
        "name": "Chat",
        "description": "Talks",
        "capabilities": ["completion", "tools"],
        "size": "4.9 GB",
        "context": 8192,
        "pin": f"sha256:{A}",
        "built": False,
    }
    assert (models["team"]["context"], models["team"]["pin"], models["team"]["built"]) == (16384, "", True)
    assert (models["an-embedder"]["size"], models["an-embedder"]["pin"]) == ("274 MB", f"sha256:{B}")
    assert (models["other"]["size"], models["other"]["context"], models["other"]["capabilities"]) == ("", None, [])


def test_examples_name_a_model_to_chat_with():
    assert page_example(page_models(HOSTS, HOSTS, DESCRIBED)) == "Chat"
    assert page_example(page_models(["two"], HOSTS, [])) == "chat:latest"
    assert page_example([]) == "llama3.2"
