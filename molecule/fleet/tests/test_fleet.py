# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A gateway, three hosts and their five instances, from one inventory."""

from __future__ import annotations

import concurrent.futures
import threading
import typing as t

import pytest
from load import Call, address, eventually, join

from ansible_collections.llm.host.plugins.module_utils._probe import Credentials

# One run after the other, on however busy a machine.
pytestmark = pytest.mark.timeout(900)

ALICE = Credentials(key="alice-has-a-key-of-enough-length")
INSTANCES = {"gpu-01.default", "gpu-01.second", "gpu-02.default", "gpu-02.second", "gpu-03.default"}


class Traffic(threading.Thread):
    """Somebody who asks one short question after the other, until told to stop."""

    def __init__(self, fleet: t.Any) -> None:
        super().__init__(daemon=True)
        self.fleet = fleet
        self.asked: list[Call] = []
        self.enough = threading.Event()

    def run(self) -> None:
        while not self.enough.wait(0.1):
            self.asked += join([self.fleet.call("team")])

    def leave(self) -> None:
        self.enough.set()
        self.join(60)


@pytest.fixture
def traffic(fleet) -> t.Iterator[list[Traffic]]:
    people = [Traffic(fleet) for _ in range(4)]
    for person in people:
        person.start()
    yield people
    for person in people:
        person.leave()


def test_the_gateway_serves_the_models_of_the_other_hosts(gateway):
    body = {"model": "tiny", "prompt": "hello", "options": {"num_predict": 60}}
    reply = gateway.request("POST", "/api/generate", who=ALICE, body=body)
    assert reply.status == 200
    assert len(reply.arrivals) > 4


def test_ollama_listens_on_the_private_address_only(fleet):
    for name, host in fleet.hosts.items():
        listening = {line.split()[3] for line in host.check_output("ss -Hltn").splitlines() if ":114" in line}
        assert listening == {f"{address(name)}:{port}" for port in ((11434,) if name == "gpu-03" else (11434, 11444))}


def test_the_given_certificate_is_served(gateway):
    assert dict(part[0] for part in gateway.handshake()[1]["issuer"])["commonName"] == "llm.host lab CA"


def test_all_instances_take_part(fleet):
    assert fleet.names == INSTANCES
    before = {name: fleet.count(name)["started"] for name in INSTANCES}
    assert {call.status for call in join([fleet.call("team", tokens=50) for _ in range(20)])} == {200}
    assert all(fleet.count(name)["started"] > before[name] for name in INSTANCES)


def test_a_model_of_one_host_is_asked_for_there_and_listed_with_all(fleet, gateway):
    others = fleet.names - {"gpu-03.default"}
    before = fleet.count(*others)["started"]
    asked = join([fleet.call("team", path="/api/embed", model="embed", input="hello") for _ in range(20)])
    assert {call.status for call in asked} == {200}
    assert fleet.count(*others)["started"] == before
    for _ in range(4):
        assert {entry["id"] for entry in gateway.request("GET", "/v1/models", who=ALICE).json()["data"]} == {"tiny:latest", "embed:latest"}
        assert gateway.request("GET", "/v1/models/embed", who=ALICE).status == 200


def test_verify_yml_agrees(fleet, run_playbook):
    run = run_playbook("playbooks/verify.yml")
    assert run.code == 0, run.output[-3000:]


def test_runs_on_one_host_leave_the_pool_as_it_is(fleet, run_playbook):
    with concurrent.futures.ThreadPoolExecutor() as both:
        runs = {host: both.submit(run_playbook, "site.yml", "--limit", host) for host in ("gpu-02", "fleet-edge")}
    for host, run in runs.items():
        assert run.result().code == 0, run.result().output[-3000:]
        assert run.result().changed == {host: 0}
    assert fleet.names == INSTANCES


def test_an_instance_is_added_and_removed_under_load(fleet, traffic, run_playbook, tmp_path):
    """gpu-03 gets a second one, by a line of its inventory, and loses it; nobody notices, and no other instance is started anew."""
    before, gpu = fleet.starts(), fleet.hosts["gpu-03"]
    (tmp_path / "host_vars").mkdir()
    (tmp_path / "hosts").write_text("gpu-03\n")
    (tmp_path / "host_vars" / "gpu-03.yml").write_text("ollama_instances: [{name: default, port: 11434}, {name: third, port: 11454}]\n")
    try:
        run = run_playbook("site.yml", "-i", str(tmp_path / "hosts"))
        assert run.code == 0, run.output[-3000:]
        assert {host: bool(changed) for host, changed in run.changed.items()} == {
            "gpu-01": False,
            "gpu-02": False,
            "gpu-03": True,
            "fleet-edge": True,
        }
        assert fleet.names == {*INSTANCES, "gpu-03.third"}
        # More than the four people of the traffic, who may all find an idle instance elsewhere.
        assert {call.status for call in join([fleet.call("team", tokens=50) for _ in range(24)])} == {200}
        assert fleet.count("gpu-03.third")["finished"] > 2

        long = [fleet.call("team", tokens=2500, stream=True) for _ in range(12)]
        eventually(lambda: fleet.now("scur", "gpu-03.third") > 0)
        run = run_playbook("site.yml")
        assert run.code == 0, run.output[-3000:]
        # The balancer's configuration; what is preloaded, the unit, and what is closed.
        assert run.changed == {"gpu-01": 0, "gpu-02": 0, "gpu-03": 3, "fleet-edge": 1}
        assert fleet.names == INSTANCES
        assert {call.status for call in join(long)} == {200}
        assert all(call.text.endswith("}\n") and '"done":true' in call.text.splitlines()[-1] for call in long)
        assert gpu.check_output("systemctl list-units --all --plain --no-legend 'ollama@*'") == ""
        assert gpu.run("ls -d /etc/systemd/system/ollama@* /etc/systemd/system/*.wants/ollama@*").stdout == ""
        assert "11454" not in gpu.check_output("nft list table inet llm_host")
        assert run_playbook("site.yml", "--limit", "gpu-03").changed == {"gpu-03": 0}

        for person in traffic:
            assert person.is_alive()
            person.leave()
            assert len(person.asked) > 20
            assert {call.status for call in person.asked} == {200}
    finally:
        if gpu.run("systemctl is-active ollama@third").rc == 0:
            fleet.systemctl("disable --now", "gpu-03.third")
    assert fleet.starts() == before
