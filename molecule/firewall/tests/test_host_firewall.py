# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that lets in what is declared, set up over SSH as it would be anywhere, and everything that could lock its operator out."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
import typing as t
from pathlib import Path

import pytest
from lab_hosts import PLAIN, Run, call, listen, reaches, restart, sh, throwaway
from load import ROOT, address

SSH, DECLARED, OTHER, LOCAL = 22, 8443, 9100, 8098
HOST = "guarded"
TABLE = "inet llm_host_firewall"
OPENINGS = [{"ports": ["8400-8500"], "sources": ["any"]}]
SHUT = "table inet of_somebody_else { chain input { type filter hook input priority 10; tcp dport 22 ct state new drop; }; }"
PLAY = """
- hosts: all
  become: true
  gather_facts: false
  tasks:
    - ansible.builtin.command: "{{ between | default('true') }}"
      changed_when: false
    - ansible.builtin.include_role:
        name: llm.host.firewall
        tasks_from: "{{ phase | default('main') }}"
"""


@pytest.fixture(scope="module")
def guarded() -> t.Iterator[str]:
    for name in throwaway(HOST, "debian12", "nftables", "openssh-server"):
        listen(name, DECLARED, OTHER)
        sh(name, "nft", "add table inet of_somebody_else")
        yield name


class Desk:
    """Where Ansible runs, with a key that the host knows."""

    def __init__(self, directory: Path, name: str) -> None:
        key = directory / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        sh(name, "sh", "-c", f"mkdir -p /root/.ssh && echo '{key.with_suffix('.pub').read_text().strip()}' > /root/.ssh/authorized_keys")
        self._name = name
        self._play = directory / "play.yml"
        self._play.write_text(PLAY)
        self._key = key
        self._options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-i", str(key)]

    @property
    def address(self) -> str:
        """As the host sees it."""
        return self.ssh("echo $SSH_CONNECTION").split()[0]

    def session(self) -> subprocess.Popen[str]:
        command = ["ssh", *self._options, f"root@{address(self._name)}", "cat"]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def ssh(self, command: str) -> str:
        done = ["ssh", *self._options, "-o", "ConnectTimeout=60", f"root@{address(self._name)}", command]
        return subprocess.run(done, check=True, capture_output=True, text=True).stdout

    def play(self, *options: str, **variables: t.Any) -> Run:
        wanted = {"firewall_enabled": True, "firewall_allow": [{"ports": ["8400-8500"], "from": ["any"]}], **variables}
        command = ["ansible-playbook", "-i", f"{self._name},", str(self._play), *options, "-e", json.dumps(wanted)]
        command += [
            "-e",
            f"ansible_host={address(self._name)} ansible_user=root ansible_ssh_private_key_file={self._key}",
        ]
        ssh = {"ANSIBLE_SSH_CONTROL_PATH_DIR": self._sockets, "ANSIBLE_HOST_KEY_CHECKING": "False", "ANSIBLE_TIMEOUT": "60"}
        environment = {**os.environ, **PLAIN, **ssh}
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd=ROOT, env=environment)
        return Run(done.stdout + done.stderr, done.returncode)

    def __enter__(self) -> Desk:
        self._folder = tempfile.TemporaryDirectory(prefix="cp")
        self._sockets = self._folder.name
        return self

    def __exit__(self, *_exc: object) -> None:
        for socket in Path(self._sockets).iterdir():
            subprocess.run(["ssh", "-o", f"ControlPath={socket}", "-O", "exit", "-"], capture_output=True)
        self._folder.cleanup()


@pytest.fixture(scope="module")
def desk(guarded, tmp_path_factory) -> t.Iterator[Desk]:
    with Desk(tmp_path_factory.mktemp("desk"), guarded) as desk:
        yield desk


def rules(name: str) -> str:
    return sh(name, "sh", "-c", f"nft --stateless list table {TABLE} 2>/dev/null || true")


def traces(name: str) -> str:
    found = "find /etc /run /usr/local /var/lib -path '*llm-host*' -not -name '*.crt' -not -name '*.pem'; nft list tables | grep llm"
    return sh(name, "sh", "-c", f"{found}; systemctl list-units --all --plain --no-legend 'llm-host*'")


def settled(name: str, seconds: float = 15) -> None:
    sh(name, "timeout", str(seconds), "sh", "-c", "while systemctl is-active --quiet llm-host-ingress-undo.timer; do sleep 0.1; done")


def test_an_operator_who_would_be_locked_out_is_refused_before_anything_changes(desk, guarded):
    run = desk.play(phase="preflight", firewall_ssh_from=["203.0.113.0/24", "fd00::/8"])
    assert run.code != 0
    assert run.failures == [
        f"The firewall would lock you out: this connection comes from {desk.address}, and firewall_ssh_from lets only 203.0.113.0/24, fd00::/8 "
        "reach SSH: add your address or its network."
    ]
    assert traces(guarded) == ""


def test_check_mode_shows_the_rules_and_loads_none(desk, guarded):
    run = desk.play("--check", "--diff")
    assert (run.code, run.changed) == (0, {HOST: 1}), run.output[-3000:]
    assert "tcp dport 8400-8500 accept" in run.output
    assert f"firewall_allow says nothing of {OTHER}," in run.output
    assert traces(guarded) == ""


def test_what_no_new_connection_comes_through_goes_by_itself(desk, guarded):
    run = desk.play("--timeout", "3", between=f"nft '{SHUT}'", firewall_confirm_within=4)
    assert run.code != 0
    assert run.failures[-1].startswith(
        f"No new connection to {HOST} came through the new rules, so the former ones come back within 4 seconds"
    )
    settled(guarded)
    sh(guarded, "journalctl", "--sync")
    assert "Started" in sh(guarded, "journalctl", "--quiet", "--unit", "llm-host-ingress-undo.service")
    assert rules(guarded) == ""
    sh(guarded, "nft", "flush table inet of_somebody_else")


def test_enabling_it_locks_nobody_out_and_breaks_no_session(desk, guarded, stranger):
    session = desk.session()
    session.stdin.write("before\n")
    assert session.stdout.readline() == "before\n"
    run = desk.play()
    assert (run.code, run.changed) == (0, {HOST: 2}), run.output[-3000:]
    session.stdin.write("after\n")
    assert session.stdout.readline() == "after\n"
    session.terminate()
    assert [reaches(stranger, guarded, port) for port in (SSH, DECLARED, OTHER)] == ["open", "open", "dropped"]
    assert reaches(guarded, guarded, OTHER) == "open"
    # Answers to what the host asks.
    assert reaches(guarded, "llm-host-upstream", 80) == "open"
    again = desk.play()
    assert (again.code, again.changed) == (0, {HOST: 0}), again.output[-3000:]
    assert set(re.findall(r"^TASK \[llm.host.firewall : (\w+) \|", again.output, re.MULTILINE)) == {"preflight", "look"}


def test_ssh_can_be_narrowed_to_where_its_operator_is_and_a_run_that_was_killed_meanwhile_is_finished(desk, guarded, stranger):
    assert call(guarded, "host_ingress", openings=[{"ports": [str(OTHER)], "sources": ["any"]}]).ok
    assert reaches(stranger, guarded, OTHER) == "open"
    run = desk.play(firewall_ssh_from=[desk.address])
    assert (run.code, run.changed) == (0, {HOST: 2}), run.output[-3000:]
    assert [reaches(stranger, guarded, port) for port in (SSH, DECLARED, OTHER)] == ["dropped", "open", "dropped"]
    assert desk.ssh("echo in") == "in\n"
    assert "timer" not in sh(guarded, "systemctl", "list-units", "--all", "--plain", "--no-legend", "llm-host*")


@pytest.mark.parametrize("command", ["reload nftables", "restart nftables", "stop nftables", "start nftables"])
def test_it_survives_what_empties_nftables(guarded, stranger, command):
    before = rules(guarded)
    sh(guarded, "systemctl", "start", "nftables")
    sh(guarded, "nft", "add table inet of_somebody_else")
    sh(guarded, "systemctl", *command.split())
    assert rules(guarded) == before
    assert reaches(stranger, guarded, SSH) == "dropped"


def test_what_is_new_is_open_before_the_rest_is_closed(guarded, stranger):
    before = rules(guarded)
    assert call(guarded, "host_ingress", step="open", openings=[{"ports": [str(OTHER)], "sources": ["any"]}]).result["actions"] == ["open"]
    assert [reaches(stranger, guarded, port) for port in (DECLARED, OTHER)] == ["open", "open"]
    sh(guarded, "systemctl", "reload", "llm-host-ingress")
    assert rules(guarded) == before


def test_a_boot_brings_what_was_confirmed_and_not_what_was_on_trial(guarded, stranger):
    confirmed = rules(guarded)
    ok, result = call(guarded, "host_ingress", openings=OPENINGS, confirm_within=600)
    assert ok and result["changed"]
    assert rules(guarded) != confirmed
    restart(guarded)
    assert rules(guarded) == confirmed
    listen(guarded, DECLARED, OTHER)
    assert [reaches(stranger, guarded, port) for port in (SSH, DECLARED, OTHER)] == ["dropped", "open", "dropped"]


def test_of_runs_that_were_killed_the_last_confirmed_rules_come_back_and_who_confirms_too_late_is_told(guarded):
    confirmed, wanted = rules(guarded), {"openings": [{"ports": ["2"], "sources": ["any"]}], "confirm_within": 2}
    assert call(guarded, "host_ingress", openings=[{"ports": ["1"], "sources": ["any"]}], confirm_within=60).ok
    assert call(guarded, "host_ingress", **wanted).ok
    settled(guarded)
    assert rules(guarded) == confirmed
    ok, result = call(guarded, "host_ingress", step="confirm", **wanted)
    assert not ok
    assert result["msg"].startswith("The rules of the firewall went, because nobody confirmed them within 2 seconds")


def test_the_ports_of_ollama_are_closed_by_the_other_table_as_before(guarded, stranger):
    assert call(guarded, "host_firewall", ports=[DECLARED], sources=[address("llm-host-upstream")]).ok
    assert reaches(stranger, guarded, DECLARED) == "refused"
    assert call(guarded, "host_firewall", ports=[], keep="none").ok
    assert reaches(stranger, guarded, DECLARED) == "open"
    assert "policy drop" in rules(guarded)


def test_it_is_removed_without_a_trace_and_other_tables_stay(desk, guarded, stranger):
    sh(guarded, "nft", "add table inet of_somebody_else")
    run = desk.play(firewall_enabled=False)
    assert (run.code, run.changed) == (0, {HOST: 1}), run.output[-3000:]
    assert call(guarded, "host_ingress", state="absent").result["actions"] == []
    assert traces(guarded) == ""
    assert "table inet of_somebody_else" in sh(guarded, "nft", "list", "tables")
    assert reaches(stranger, guarded, OTHER) == "open"
