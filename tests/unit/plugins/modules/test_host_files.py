# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import getpass
import grp
import json
import os
import subprocess
import typing as t
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
SECRET = "TOKEN=of-the-test\n"


@pytest.fixture
def call(tmp_path) -> t.Callable[..., dict[str, t.Any]]:
    """Run the module on this machine, through Ansible, and return its result together with all that was printed."""

    def run(*flags: str, **arguments: t.Any) -> dict[str, t.Any]:
        arguments |= {"owner": getpass.getuser(), "group": grp.getgrgid(os.getgid()).gr_name}
        environment = {**os.environ, "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1", "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}
        command = ["ansible", "localhost", "-m", "llm.host.host_files", "-a", json.dumps(arguments), "--diff", *flags]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
        start = done.stdout.rindex("=> {") + 3
        return {**json.loads(done.stdout[start : done.stdout.rindex("}") + 1]), "output": done.stdout + done.stderr}

    return run


def test_files_and_their_directories_are_written_once(call, tmp_path):
    wanted = {"path": str(tmp_path / "a" / "b" / "unit"), "content": "[Unit]\n", "mode": "0640"}
    foreseen = call("--check", files=[wanted])
    assert foreseen["changed_paths"] == [wanted["path"]]
    assert not (tmp_path / "a").exists()
    first = call(files=[wanted])
    assert first["changed_paths"] == [wanted["path"]]
    assert Path(wanted["path"]).read_text() == "[Unit]\n"
    assert Path(wanted["path"]).stat().st_mode & 0o777 == 0o640
    assert call(files=[wanted])["changed"] is False


def test_secrets_are_written_and_never_shown(call, tmp_path):
    wanted = {"path": str(tmp_path / "secret.env"), "content": SECRET}
    result = call("-vvv", secret_files=[wanted])
    assert Path(wanted["path"]).read_text() == SECRET
    assert Path(wanted["path"]).stat().st_mode & 0o777 == 0o600
    assert "of-the-test" not in result["output"].replace(json.dumps(wanted), "")


def test_templates_are_rendered_on_the_controller(call, tmp_path):
    template = tmp_path / "unit.j2"
    template.write_text("{{ ansible_managed | comment }}\nUser={{ name }}\n")
    path = tmp_path / "unit"
    call(files=[{"path": str(path), "template": str(template), "variables": {"name": "ollama"}}])
    assert path.read_text().endswith("User=ollama\n")


def test_a_wrong_mode_is_a_sentence(call, tmp_path):
    result = call(files=[{"path": str(tmp_path / "x"), "content": "", "mode": "rw"}])
    assert "mode is 'rw': write four octal digits" in result["msg"]


def test_a_file_with_another_mode_is_corrected(call, tmp_path):
    path = tmp_path / "unit"
    path.write_text("same")
    path.chmod(0o666)
    assert call(files=[{"path": str(path), "content": "same"}])["changed"] is True
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_diff_of_a_program_is_one_line(call, tmp_path):
    path = tmp_path / "program.py"
    result = call("-vvv", files=[{"path": str(path), "content": "print(1)\n" * 1000, "shown": False}])
    assert path.read_text() == "print(1)\n" * 1000
    assert result["diff"][0]["after"] == "(not shown)\n"
    path.write_text("print(2)\n")
    assert call("-vvv", files=[{"path": str(path), "content": "print(1)\n", "shown": False}])["diff"][0]["before"] == "(not shown)\n"
