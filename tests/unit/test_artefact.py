# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection as Galaxy would deliver it."""

from __future__ import annotations

import os
import subprocess
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def artefact(tmp_path_factory) -> Path:
    target = tmp_path_factory.mktemp("artefact")
    subprocess.run(["ansible-galaxy", "collection", "build", "--output-path", target], cwd=ROOT, check=True, capture_output=True)
    return next(target.glob("llm-host-*.tar.gz"))


def test_the_artefact_holds_no_ballast(artefact):
    with tarfile.open(artefact) as archive:
        tops = {name.split("/")[0] for name in archive.getnames()}
    assert tops == {
        "CHANGELOG.rst", "CONTRIBUTING.md", "FILES.json", "LICENSE", "MANIFEST.json", "README.md",
        "changelogs", "docs", "inventory.example", "meta", "playbooks", "plugins", "roles", "site.yml",
    }  # fmt: skip


def test_the_installed_collection_runs_its_playbook_by_name(artefact, tmp_path):
    environ = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(tmp_path)}
    install = ["ansible-galaxy", "collection", "install", artefact, "--collections-path", tmp_path, "--no-deps"]
    subprocess.run(install, check=True, capture_output=True, env=environ, cwd=tmp_path)
    command = ["ansible-playbook", "llm.host.site", "--list-tasks", "--inventory", ROOT / "inventory.example"]
    listed = subprocess.run(command, check=True, capture_output=True, env=environ, text=True, cwd=tmp_path).stdout
    assert "llm.host.ollama : Install the release" in listed
    assert "llm.host.gateway : Serve" in listed
