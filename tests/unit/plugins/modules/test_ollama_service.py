# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import types

import pytest

from ansible_collections.llm.host.plugins.modules import ollama_service

UNIT = "ollama.service"
# Where nobody answers.
URL = "http://127.0.0.1:9"
SHOW = f"Id={UNIT}\nLoadState=loaded\nActiveState=active\nUnitFileState=enabled\nNeedDaemonReload=no\nMainPID=812\n"


class Ended(Exception):
    """How the module ends."""


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run the module on a host with one instance that serves; its result, and what systemctl was told to do."""
    monkeypatch.setattr(ollama_service, "LOCK", tmp_path / "lock")
    monkeypatch.setattr(ollama_service, "api_url", lambda pid: URL)

    def run(**given):
        options = {"watch": [], "pending": [], "written": [], "version": "", "undo": "", "timeout": 1, "begin_only": False}
        gate = {"models": [], "timeout": 1, "less_gpu": False}
        result, told = {}, []

        def run_command(command):
            told.extend([] if command[1] == "show" else [command[1]])
            return 0, SHOW if command[1] == "show" else "", ""

        def exit_json(**values):
            result.update(values)
            raise Ended

        params = {"instances": [{"unit": UNIT, "url": URL}], "gate": gate, **options, **given}
        module = types.SimpleNamespace(params=params, check_mode=False, run_command=run_command, exit_json=exit_json)
        monkeypatch.setattr(ollama_service, "AnsibleModule", lambda **_: module)
        with pytest.raises(Ended):
            ollama_service.main()
        return result, told

    return run


def test_what_is_about_to_be_restarted_leaves_a_trace_before_anything_happens_to_it(run, tmp_path):
    undo = tmp_path / "state" / "undo.json"
    result, told = run(begin_only=True, undo=str(undo), pending=["the release changed"])
    assert (result["changed"], result["instances"][0]["due"], told) == (False, "restart", [])
    # What it can do is asked when nobody waits for it any more: until then its models may change.
    assert json.loads(undo.read_text())["notes"] == {}


def test_what_is_not_to_be_restarted_leaves_none(run, tmp_path):
    undo = tmp_path / "undo.json"
    result, told = run(begin_only=True, undo=str(undo))
    assert (result["changed"], result["instances"][0]["actions"], told) == (False, [], [])
    assert not undo.exists()
