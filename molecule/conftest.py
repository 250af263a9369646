# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of all scenarios share: the collection on the path, and hosts seen from outside."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

ROOT = Path(__file__).resolve().parent.parent
_AnsibleCollectionFinder(paths=[str(ROOT / ".collections")])._install()

from ansible_collections.llm.host.plugins.module_utils._probe import Endpoint


def address(name: str) -> str:
    return subprocess.run([ROOT / "tests/lab/lab", "address", name], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def endpoint(host) -> t.Callable[[str], Endpoint]:
    """The host's endpoint under a URL, reached at the host's address, trusted through its own authority."""

    def reach(url: str) -> Endpoint:
        ca = host.file("/etc/llm-gateway/tls/ca.crt").content_string
        return Endpoint(url, ca=ca, connect_to=address(host.backend.get_hostname()))

    return reach


@pytest.fixture
def upstream() -> str:
    """Where the lab's registry answers, as seen from the controller."""
    return f"http://{address('llm-host-upstream')}"


@dataclasses.dataclass(frozen=True)
class Run:
    """What a run of a playbook printed, and how many tasks it says changed something, by host."""

    output: str
    code: int

    @property
    def changed(self) -> dict[str, int]:
        return {host: int(count) for host, count in re.findall(r"^(\S+)\s+: ok=\d+\s+changed=(\d+)", self.output, re.MULTILINE)}

    @property
    def failures(self) -> list[str]:
        """What each failed task says."""
        return [json.loads(result)["msg"] for result in re.findall(r"^(?:fatal|failed): .*? => (\{.*\})$", self.output, re.MULTILINE)]


@pytest.fixture
def run_playbook() -> t.Callable[..., Run]:
    """Run a playbook on the hosts of the scenario."""

    def run(playbook: str, *options: str, env: t.Mapping[str, str] | None = None) -> Run:
        command = ["ansible-playbook", "-i", os.environ["MOLECULE_INVENTORY_FILE"], str(ROOT / playbook), *options]
        plain = {**os.environ, "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1", "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd=ROOT, env={**plain, **(env or {})})
        return Run(output=done.stdout + done.stderr, code=done.returncode)

    return run
