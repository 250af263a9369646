# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import testinfra
from conftest import address

from ansible_collections.llm.host.plugins.module_utils._probe import Credentials, Endpoint

ALICE = Credentials(key="alice-has-a-key-of-enough-length")


@pytest.fixture
def gateway() -> Endpoint:
    ca = Path(os.environ["LAB_CACHE"], "ca.crt").read_text()
    return Endpoint("https://ollama.example.com", ca=ca, connect_to=address("edge"))


@pytest.fixture
def gpu():
    return testinfra.get_host("docker://gpu")


def test_the_gateway_serves_the_models_of_the_other_host(gateway):
    body = {"model": "tiny", "prompt": "hello", "options": {"num_predict": 8}}
    reply = gateway.request("POST", "/api/generate", who=ALICE, body=body)
    assert reply.status == 200
    assert len(reply.arrivals) > 4


def test_ollama_listens_on_the_private_address_only(gpu):
    for port in (11434, 11444):
        assert gpu.check_output(f"ss -Hltn sport = {port}").split()[3] == f"{address('gpu')}:{port}"


def test_the_given_certificate_is_served(gateway):
    assert dict(part[0] for part in gateway.handshake()[1]["issuer"])["commonName"] == "llm.host lab CA"


def test_when_one_instance_is_down_the_other_answers(gateway, gpu):
    gpu.check_output("systemctl stop ollama@second")
    try:
        replies = [gateway.request("GET", "/v1/models", who=ALICE) for _ in range(6)]
    finally:
        gpu.check_output("systemctl start ollama@second")
    assert {reply.status for reply in replies} == {200}


def test_when_ollama_is_down_a_client_is_told_so(gateway, gpu):
    gpu.check_output("systemctl stop ollama ollama@second")
    try:
        reply = gateway.request("POST", "/v1/chat/completions", who=ALICE, body={"model": "tiny", "messages": []})
    finally:
        gpu.check_output("systemctl start ollama ollama@second")
    assert reply.status == 503
    assert "No model server" in reply.json()["error"]["message"]
    deadline = time.monotonic() + 30
    while gateway.request("GET", "/v1/models", who=ALICE).status != 200:
        assert time.monotonic() < deadline, "nobody touches it, and it does not come back"
        time.sleep(0.5)


def test_a_run_on_the_gateway_alone_keeps_its_backends(run_playbook):
    run = run_playbook("site.yml", "--limit", "edge")
    assert run.code == 0, run.output[-3000:]
    assert run.changed == {"edge": 0}


def test_verify_yml_agrees(run_playbook):
    run = run_playbook("playbooks/verify.yml")
    assert run.code == 0, run.output[-3000:]
