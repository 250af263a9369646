# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Killing the play at any task, and running it again, finishes the work."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from lab_hosts import DEADLY

from ansible_collections.llm.host.plugins.module_utils._probe import Credentials

testinfra_hosts = ["ansible://interrupted"]
pytestmark = pytest.mark.timeout(1200)

ROOT = Path(__file__).resolve().parents[3]
ENOUGH = 60
SITE = "site.yml"
ROLE = "molecule/shared/role.yml"


@dataclasses.dataclass(frozen=True)
class Interrupted:
    """Runs of site.yml on the bare host, with nothing but its own inventory."""

    log: Path

    def run(self, *playbooks: str, deadly: bool = False, **variables: object) -> subprocess.CompletedProcess[str]:
        command = ["ansible-playbook", "-i", "molecule/faults/inventory/interrupted.yml", *playbooks, "--extra-vars", json.dumps(variables)]
        environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0", "DIE_AFTER_CHANGE_LOG": str(self.log)}
        if deadly:
            environment |= DEADLY
        return subprocess.run(
            command, capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd=ROOT, env=environment, start_new_session=True
        )

    def run_until_it_ends(self, **variables: object) -> list[str]:
        """Run, be killed after the first change, run again, until a run of site.yml finds nothing to do; what each was killed after.

        The role in which it was killed is run alone until it finds nothing to do: those before it have nothing to do any more, as the last run shows.
        """
        self.log.write_text("")
        start = time.monotonic()
        role = ""
        for _ in range(ENOUGH):
            run = self.run(ROLE if role else SITE, deadly=True, alone=role, **variables)
            killed_after = self.log.read_text().splitlines()
            if run.returncode == -signal.SIGKILL:
                role = killed_after[-1].rpartition(" : ")[0]
                continue
            assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-1000:]
            if not role:
                break
            role = ""
        assert not role
        assert " changed=0 " in run.stdout, run.stdout[-3000:]
        print(f"{len(killed_after)} kills, {time.monotonic() - start:.0f} s; killed after {', '.join(killed_after)}")
        return killed_after


@pytest.fixture
def interrupted(tmp_path) -> Interrupted:
    return Interrupted(tmp_path / "killed-after")


def agreed(interrupted, **variables):
    """What was declared is there."""
    verified = interrupted.run("playbooks/verify.yml", **variables)
    assert verified.returncode == 0, verified.stdout[-3000:]


def test_runs_that_are_killed_after_every_change_provision_a_bare_host(interrupted):
    killed_after = interrupted.run_until_it_ends()
    assert len(killed_after) > 10
    agreed(interrupted)


def test_runs_that_are_killed_after_every_change_bring_new_settings_into_effect(host, endpoint, interrupted):
    variables = {
        "ollama_version": "0.32.14",
        "ollama_keep_alive": "5m",
        "ollama_secret_environment": {"LLM_HOST_SECRET": "of the test"},
        "gateway_users": [
            {"name": "carol", "key": "carol-has-a-key-of-enough-length"},
            {"name": "ops", "password": "ops has a pass phrase", "admin": True},
        ],
        "gateway_timeout": 120,
        "gateway_tls_alt_names": ["other.test"],
    }
    killed_after = interrupted.run_until_it_ends(**variables)
    assert len(killed_after) > 4
    environ = host.check_output("cat /proc/$(systemctl show -P MainPID ollama)/environ").split("\0")
    assert {"OLLAMA_KEEP_ALIVE=5m", "LLM_HOST_SECRET=of the test"} <= set(environ)
    gateway = endpoint("https://other.test")
    carol, alice = Credentials(key="carol-has-a-key-of-enough-length"), Credentials(key="alice-has-a-key-of-enough-length")
    assert gateway.request("GET", "/api/version", who=carol).json()["version"].startswith("0.32.14")
    assert gateway.request("GET", "/api/version", who=alice).status == 401
    agreed(interrupted, **variables)
