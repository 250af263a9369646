# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part: Modelfiles are found where people put them, and templates are rendered."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import textwrap
import typing as t
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]


class Site:
    """A folder with an inventory and a playbook, as a user has it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.api = f"http://127.0.0.1:{probe.getsockname()[1]}"
        self.write(
            "inventory/hosts.yml",
            f"""
            all:
              hosts:
                here:
                  ansible_connection: local
                  ansible_python_interpreter: {sys.executable}
                  team: engineering
            """,
        )

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))

    def play(self, task: dict[str, t.Any]) -> dict[str, t.Any]:
        """Run one task in check mode where no Ollama is, which shows the plan for an empty store."""
        result = self.folder / "result.json"
        play = {
            "hosts": "all",
            "gather_facts": False,
            "module_defaults": {"group/llm.host.ollama": {"api_url": self.api}},
            "tasks": [
                {**task, "register": "result", "ignore_errors": True, "diff": True},
                {
                    "ansible.builtin.copy": {"content": "{{ result | to_json }}", "dest": str(result)},
                    "check_mode": False,
                },
            ],
        }
        self.write("playbooks/play.yml", json.dumps([play]))
        done = subprocess.run(
            ["ansible-playbook", "--check", "-i", "inventory", "playbooks/play.yml"],
            cwd=self.folder,
            env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.exists(), done.stdout + done.stderr
        return t.cast("dict[str, t.Any]", json.loads(result.read_text()))


@pytest.fixture(name="site")
def _site(tmp_path):
    return Site(tmp_path)


def test_modelfiles_are_found_in_files_in_templates_and_beside_the_inventory(site):
    site.write("playbooks/files/one.Modelfile", "FROM base\nSYSTEM one\n")
    site.write("inventory/modelfiles/two.Modelfile", "FROM base\nSYSTEM two\n")
    site.write(
        "playbooks/templates/three.Modelfile.j2",
        "FROM base\nSYSTEM The {{ team }} team's.\nTEMPLATE {% raw %}{{ .Prompt }}{% endraw %}\n",
    )
    site.write("inventory/four.Modelfile.j2", "FROM {{ 'base' }}\nSYSTEM {{ team | upper }}\n")
    result = site.play(
        {
            "llm.host.ollama_models": {
                "models": [
                    {"name": "one", "modelfile": "one.Modelfile"},
                    {"name": "two", "modelfile": "modelfiles/two.Modelfile"},
                    {"name": "three", "modelfile": "three.Modelfile.j2"},
                    {"name": "four", "modelfile": "four.Modelfile.j2"},
                    {"name": "five", "modelfile_content": "FROM base\nSYSTEM five\n"},
                ]
            }
        }
    )
    assert "failed" not in result or not result["failed"], result
    after = result["diff"]["after"]
    for line in ("one", "two", "The engineering team's.", "ENGINEERING", "five"):
        assert f"  SYSTEM {line}\n" in after
    assert "  TEMPLATE {{ .Prompt }}\n" in after
    assert [item["action"] for item in result["models"]] == ["pull", *["create"] * 5]


def test_a_modelfile_that_is_nowhere_is_said_with_the_places(site):
    result = site.play({"llm.host.ollama_models": {"models": [{"name": "x"}, {"name": "y", "modelfile": "no.Modelfile"}]}})
    assert result["failed"]
    assert "models[1]: the Modelfile 'no.Modelfile' is not on the controller" in result["msg"]
    assert str(site.folder / "inventory") in result["msg"]


def test_an_error_in_a_modelfile_names_the_file_and_the_line(site):
    site.write("inventory/bad.Modelfile", "FROM base\n\nPARAMETER num_ctx much\n")
    result = site.play({"llm.host.ollama_model": {"name": "x", "modelfile": "bad.Modelfile"}})
    assert result["failed"]
    assert result["msg"].startswith("bad.Modelfile:3: invalid int value 'much' for the parameter 'num_ctx'")


def test_text_in_a_plain_modelfile_is_never_rendered(site):
    site.write("inventory/plain.Modelfile", "FROM base\nTEMPLATE {{ .Prompt }}\nSYSTEM {{ team }}\n")
    result = site.play({"llm.host.ollama_model": {"name": "x", "modelfile": "plain.Modelfile"}})
    assert "  SYSTEM {{ team }}\n" in result["diff"]["after"]
