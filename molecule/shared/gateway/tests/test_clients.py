# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The clients that people use: they work, and when something is wrong, their users read what it is."""

from __future__ import annotations

import html
import re

import pytest
import yaml
from outside import CHAT, KEY, NAME, URL, Outside

from ansible_collections.llm.host.plugins.module_utils._probe import Credentials

# What they are told is the same on both Debians, by test_conformance.
testinfra_hosts = ["ansible://*-12"]
REFUSED = "Give a valid API key"


@pytest.mark.parametrize("client", ["openai", "ollama", "anthropic", "litellm", "langchain_openai", "langchain_ollama"])
def test_a_client_works_and_its_user_reads_what_is_wrong(outside: Outside, client: str):
    seen = outside.client(f"use_{client}")
    words = {name: text for name, text in seen.items() if name in ("chat", "response", "bearer", "as_ollama", "as_anthropic")}
    assert words["chat"].strip()
    assert [name for name, text in words.items() if not text.strip()] == []
    assert len([piece for piece in seen["stream"] if piece]) >= 8
    if not client.startswith("langchain"):
        assert {name.removesuffix(":latest") for name in seen["models"]} >= {"embed", "team-assistant", "tiny"}
    if client == "openai":
        (counters,) = seen["counters"]
        assert counters["completion_tokens"] > 0
        assert seen["uncounted"] == []
    if client != "anthropic":
        assert len(seen["embedding"]) == 32
    problems = {name: text for name, text in seen.items() if name.startswith(("wrong_key", "unknown"))}
    assert {"wrong_key_chat", "unknown_model"} <= set(problems)
    for name, text in problems.items():
        said = REFUSED in text if name.startswith("wrong_key") else re.search("model .no-such-model. not found", text)
        assert said, f"{name}: {text}"
    assert "Only admins" in seen.get("not_an_admin", "Only admins")


@pytest.fixture
def examples(endpoint) -> dict[str, str]:
    """What the page says about how to use the endpoint, by headline."""
    page = html.unescape(endpoint(URL).request("GET", "/", who=Credentials(key=KEY)).body.decode())
    found = re.findall(r"<summary>(.*?)</summary>\n<pre[^>]*><code>(.*?)</code></pre>", page, re.DOTALL)
    return {re.sub("<[^>]*>", "", title): text for title, text in found}


def test_curl_as_the_page_says_it(outside: Outside, examples):
    # The authority as the page's link saves it.
    saved = ("-v", f"{outside.authority}:/tmp/{NAME}.crt:ro", "-w", "/tmp", "-e", f"LLM_KEY={KEY}")
    assert '"choices"' in outside.image("sh", "-c", f"{examples['curl']} --silent --show-error --fail-with-body", options=saved)
    wrong = (*saved[:-1], "LLM_KEY=wrong-key-of-enough-length")
    assert REFUSED in outside.image("sh", "-c", f"{examples['curl']} --silent --show-error", options=wrong)


def test_litellm_as_the_page_says_it(outside: Outside, examples):
    seen = outside.client("use_litellm_config", examples["LiteLLM: config.yaml"])
    assert seen["models"] == [CHAT]
    assert seen["chat"].strip()


def test_continue_as_the_page_says_it(examples):
    config = yaml.safe_load(examples["Continue (VS Code, JetBrains): config.yaml"])
    assert {"name", "version", "schema", "models"} == set(config)
    (model,) = config["models"]
    assert (model["provider"], model["model"], model["apiBase"]) == ("openai", CHAT, f"{URL}/v1")
    assert model["apiKey"] == "${{ secrets.LLM_KEY }}"
