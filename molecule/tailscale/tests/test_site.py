# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ollama in a tailnet and the gateway in front of it: who reaches them, and who is known there."""

from __future__ import annotations

import json
import subprocess

import pytest
from load import ROOT, address, body, eventually

ASK = """
import json, ssl, sys, urllib.request
url, headers, data = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3].encode() or None
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
try:
    answer = urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=10, context=context)
    print(answer.status, answer.read().decode())
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode())
except OSError as error:
    print(0, error)
"""
KEY = {"Authorization": "Bearer alice-has-a-key-of-enough-length"}


def ask(host, url, headers=(), data=""):
    """Status and text; 0 where nobody answers."""
    status, _, text = host.check_output("python3 -c %s %s %s %s", ASK, url, json.dumps(dict(headers)), data).partition(" ")
    return int(status), text


def test_ollama_listens_in_the_tailnet_alone(node):
    assert [line.split()[3] for line in node.sh("ss -Hltn sport = 11434").splitlines()] == [f"{node.addresses[0]}:11434"]


def test_a_request_to_the_gateway_goes_through_the_tailnet(node, edge):
    data = json.dumps(body(3))
    assert ask(edge.host, f"https://{edge.addresses[0]}/v1/models", KEY)[0] == 200
    assert ask(node.host, f"https://{edge.addresses[0]}/api/generate", KEY, data)[0] == 200
    assert f"{node.addresses[0]}:11434" in edge.sh("cat /etc/haproxy/haproxy.cfg")


def test_the_gateway_listens_at_the_addresses_that_it_is_bound_to_and_at_no_other(edge):
    listening = {line.split()[3].rpartition(":")[0].strip("[]") for line in edge.sh("ss -Hltn sport = 443").splitlines()}
    assert {*edge.addresses, address("ts-edge")} == listening


def test_the_program_of_ollama_needs_no_key_there(node, edge):
    assert "tiny" in ask(edge.host, f"http://{node.addresses[0]}:11434/api/tags")[1]


@pytest.fixture
def neighbour(outsider, node):
    """The host outside, which sends packets for the tailnet to the LAN address of the one inside."""
    outsider.check_output(f"ip route replace {node.addresses[0]}/32 via {address('ts-01')}")
    yield outsider
    outsider.check_output(f"ip route del {node.addresses[0]}/32")


def test_a_neighbour_on_the_lan_gets_nothing_and_verify_tells_when_one_does(neighbour, node, run_playbook):
    url = f"http://{node.addresses[0]}:11434/api/tags"
    assert ask(neighbour, url)[0] == 0
    assert ask(neighbour, f"http://{address('ts-01')}:11434/api/tags")[0] == 0
    clean = run_playbook("playbooks/verify.yml")
    assert clean.code == 0, clean.output[-3000:]
    node.sh("nft delete table inet llm_host")
    assert ask(neighbour, url)[0] == 200
    failed = run_playbook("playbooks/verify.yml", "--limit", "ts-01")
    node.sh("systemctl restart llm-host-firewall")
    assert f"{node.addresses[0]} port 11434: expected no answer to ts-outsider" in str(failed.failures)
    assert ask(neighbour, url)[0] == 0


def test_people_are_known_by_their_login_and_nobody_else_is(node, edge, control):
    _serves, name = edge.ensure("--check"), edge.status["Self"]["DNSName"].rstrip(".")
    url, forged = f"https://{edge.addresses[0]}:8443/v1/models", {"Host": name, "Tailscale-User-Login": "alice@example.com"}
    # A node with tags is nobody's.
    assert ask(node.host, url, forged)[0] == 401
    control.node("ts-01", tags=[])
    try:
        eventually(lambda: ask(node.host, url, {"Host": name})[0] == 200)
    finally:
        control.node("ts-01", tags=["tag:llm"])
    eventually(lambda: ask(node.host, url, {"Host": name})[0] == 401)
    assert ask(node.host, f"https://{edge.addresses[0]}/v1/models", forged)[0] == 401


def test_at_boot_ollama_waits_for_its_address_and_takes_no_other(node, edge, control):
    """Also while the control server is away, and for as long as the tailnet is down."""
    address = node.addresses[0]
    node.sh("systemctl disable tailscaled")
    subprocess.run(["docker", "restart", "ts-01"], check=True, capture_output=True)
    eventually(lambda: node.host.run("systemctl list-jobs | grep -q 'ollama.service .*waiting'").rc == 0, 30)
    assert node.sh("systemctl show ollama --property=NRestarts --value") == "0"
    assert node.host.run("ss -Hltn sport = 11434 | grep .").rc != 0
    # The boot does not wait with it.
    eventually(lambda: node.host.run("systemctl is-active multi-user.target").rc == 0, 30)
    node.sh("systemctl enable --now tailscaled")
    eventually(lambda: f"{address}:11434" in node.host.check_output("ss -Hltn sport = 11434"), 30)
    eventually(lambda: ask(edge.host, f"http://{address}:11434/api/version")[0] == 200)


def test_a_tailnet_that_is_down_is_one_sentence_and_ollama_stays_where_it_is(node, run_playbook):
    node.sh("tailscale down")
    run = run_playbook("playbooks/models.yml", "--limit", "ts-01")
    assert "ollama_bind is tailscale, but tailscale0 has no address of a tailnet" in str(run.failures)
    assert node.sh("grep -c 'OLLAMA_HOST=100' /etc/systemd/system/ollama.service.d/10-llm-host.conf") == "1"


def test_it_cannot_leave_the_tailnet_in_which_it_listens(node, run_playbook):
    run = run_playbook(ROOT / "site.yml", "--limit", "ts-01", "-e", "tailscale_state=absent")
    assert run.code != 0
    assert run.changed["ts-01"] == 0
    assert node.state == "Running"
