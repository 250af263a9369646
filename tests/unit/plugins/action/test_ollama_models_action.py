# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part: Modelfiles are found where people put them, and templates are rendered."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import textwrap
import threading
import time
import typing as t
from pathlib import Path

import pytest
from local import GGUF, call

ROOT = Path(__file__).parents[4]


class Site:
    """A folder with an inventory and a playbook, as a user has it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = self.errors = ""
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

    def play(self, task: dict[str, t.Any], *arguments: str) -> dict[str, t.Any]:
        """Run one task in check mode, which where no Ollama is shows the plan for an empty store."""
        return self.run(task, "--check", *arguments)

    def run(self, task: dict[str, t.Any], *arguments: str) -> dict[str, t.Any]:
        """Run one task; returns its result. What was printed is in ``output``."""
        result = self.folder / "result.json"
        play = {
            "hosts": "all",
            "gather_facts": False,
            "module_defaults": {"group/llm.host.ollama": {"api_url": self.api, "state_dir": str(self.folder / "state")}},
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
            ["ansible-playbook", *arguments, "-i", "inventory", "playbooks/play.yml"],
            cwd=self.folder,
            env={
                **os.environ,
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
                "ANSIBLE_HOME": str(self.folder / "ansible-home"),
                "ANSIBLE_REMOTE_TEMP": str(self.folder / "tmp"),
                "ANSIBLE_ASYNC_DIR": str(self.folder / "async"),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        self.output, self.errors = done.stdout, done.stderr
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


BESIDE = {"llm.host.ollama_models": {"models": [{"name": "mine", "modelfile": "modelfiles/mine.Modelfile"}]}}


@pytest.fixture(name="served")
def _served(site, lab):
    """A site whose Ollama runs, with weights beside a Modelfile."""
    site.api = lab.api
    site.write("inventory/modelfiles/mine.Modelfile", "FROM ./weights/tiny.gguf\nSYSTEM hi\n")
    weights = site.folder / "inventory" / "modelfiles" / "weights"
    weights.mkdir()
    shutil.copy(GGUF, weights)
    return site


def test_weights_beside_a_modelfile_are_sent_once(served, lab):
    foreseen = served.play(BESIDE)
    assert (foreseen["changed"], lab.tags()) == (True, {})
    done = served.run(BESIDE)
    assert [item["action"] for item in done["models"]] == ["create"]
    assert "here  sending tiny.gguf, 240 kB" in served.errors
    assert not {"ansible_job_id", "finished", "results_file", "pending", "needs_files"} & set(done)
    assert (foreseen["diff"], foreseen["changed"]) == (done["diff"], done["changed"])
    again = served.run(BESIDE)
    assert (again["changed"], "sending" in served.errors) == (False, False)
    served.write("inventory/modelfiles/mine.Modelfile", "FROM ./weights/tiny.gguf\nSYSTEM ho\n")
    assert served.run(BESIDE)["changed"]
    assert "sending" not in served.errors
    assert list((served.folder / "async").iterdir()) == []


def test_weights_named_without_a_modelfile_are_searched_for_like_one(served):
    task = {"llm.host.ollama_model": {"name": "mine", "from": "modelfiles/weights/tiny.gguf"}}
    assert served.run(task)["changed"]
    assert not served.run(task)["changed"]


def test_weights_that_are_nowhere_are_said_before_the_host_is_asked(served, lab):
    served.write("inventory/modelfiles/mine.Modelfile", "FROM ./weights/no.gguf\n")
    call("DELETE", f"{lab.api}/_standin/seen")
    result = served.run(BESIDE)
    assert "models[0]: on the controller, " in result["msg"]
    assert "/inventory/modelfiles/weights/no.gguf cannot be read: no such file or directory" in result["msg"]
    assert call("GET", f"{lab.api}/_standin/seen")["requests"] == []


def test_a_failure_in_the_background_is_the_task_s_failure(served, lab):
    call("PUT", f"{lab.api}/_standin/faults", {"create_error": "no space left on device"})
    result = served.run(BESIDE)
    assert (result["failed"], result["msg"]) == (True, "mine:latest: the build failed: no space left on device")


def test_a_long_pull_is_seen_and_a_short_look_is_not(served, lab):
    call("PUT", f"{lab.upstream}/_upstream/faults", [{"path": "/blobs/", "bytes_per_second": 40_000}])
    task = {"llm.host.ollama_models": {"models": [lab.pulled("tiny")]}}
    assert served.run(task)["changed"]
    lines = [line for line in served.errors.splitlines() if line.startswith("here  ")]
    assert 1 <= len(lines) <= 3
    assert re.match(rf"here  {re.escape(lab.name('tiny'))}:latest  [0-9]+ %  [0-9]+/24[0-9] kB", lines[0])
    assert not served.run(task)["changed"]
    assert "here  " not in served.errors


def test_a_task_with_no_log_shows_no_progress(served):
    assert served.run({**BESIDE, "no_log": True})["changed"]
    assert "here  " not in served.errors


def test_a_job_that_is_killed_is_one_sentence_and_the_next_run_finishes(served, lab):
    call("PUT", f"{lab.upstream}/_upstream/faults", [{"path": "/blobs/", "bytes_per_second": 20_000}])
    task = {"llm.host.ollama_models": {"models": [lab.pulled("tiny")]}}

    def kill() -> None:
        while not any(item["path"] == "/api/pull" for item in call("GET", f"{lab.api}/_standin/seen")["requests"]):
            time.sleep(0.1)
        subprocess.run(["pkill", "-9", "-f", str(served.folder / "tmp")], check=True)

    killer = threading.Thread(target=kill)
    killer.start()
    result = served.run(task)
    killer.join()
    assert result["msg"].startswith("The work on the models of this host was killed before it ended")
    call("DELETE", f"{lab.upstream}/_upstream/faults")
    assert served.run(task)["changed"]
    assert len(lab.tags()) == 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        pytest.param({"models": [{"name": "x", "digest": "sha256:1"}]}, "models[0] 'x': digest 'sha256:1' is not one", id="digest"),
        pytest.param({"models": [{"name": "x", "colour": "red"}]}, "Unsupported parameters: models.colour", id="unknown-field"),
        pytest.param({"models": [{"name": "x"}, {"name": "X:latest"}]}, "are the same model", id="twice"),
        pytest.param({"models": [], "exclusive": True}, "would remove every model from the host", id="empty"),
        pytest.param({"models": [{"name": "x", "modelfile": "bad.Modelfile"}]}, "bad.Modelfile:2: unknown parameter", id="modelfile"),
        pytest.param({"models": [{"name": "x", "from": "./no.gguf"}]}, "the file './no.gguf' is not on the controller", id="file"),
    ],
)
def test_a_declaration_can_be_checked_without_a_host(site, options, says):
    site.write("inventory/bad.Modelfile", "FROM base\nPARAMETER colour red\n")
    result = site.run({"llm.host.ollama_models": {**options, "validate_only": True}})
    assert result["failed"]
    assert says in result["msg"]


def test_a_declaration_without_mistakes_is_no_change(site):
    result = site.run({"llm.host.ollama_models": {"models": [{"name": "x", "preload": True}], "validate_only": True}})
    assert (result["failed"], result["changed"]) == (False, False)
