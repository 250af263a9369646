# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that loads models when Ollama starts, against the stand-in."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest
from local import call

PROGRAM = Path(__file__).parents[2] / "roles" / "ollama_models" / "files" / "ollama_preload.py"


@pytest.fixture(name="preload")
def _preload(lab, tmp_path):
    lab.run([lab.pulled("tiny"), lab.pulled("embed")])

    def start(*models: dict[str, t.Any], instance: str = "default") -> subprocess.Popen[str]:
        config = tmp_path / "preload.json"
        config.write_text(json.dumps({"instances": {"default": lab.api}, "timeout": 20, "models": models}))
        command = [sys.executable, str(PROGRAM), str(config), instance]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return start


def loaded(lab: t.Any) -> dict[str, str]:
    return {model["name"]: model["expires_at"] for model in call("GET", f"{lab.api}/api/ps")["models"]}


def test_models_are_loaded_for_as_long_as_is_said(preload, lab):
    tiny, embed = lab.name("tiny"), lab.name("embed")
    process = preload({"name": tiny, "keep_alive": "-1"}, {"name": embed, "keep_alive": "5m"})
    assert (process.communicate(timeout=20), process.returncode) == ((f"{tiny}: loaded\n{embed}: loaded\n", ""), 0)
    assert loaded(lab)[f"{tiny}:latest"] > "2100" > loaded(lab)[f"{embed}:latest"]


def test_a_model_that_is_not_there_is_said_and_keeps_no_other_from_being_loaded(preload, lab):
    process = preload({"name": "nothing"}, {"name": lab.name("tiny")})
    output, errors = process.communicate(timeout=20)
    assert (process.returncode, output) == (1, f"{lab.name('tiny')}: loaded\n")
    assert errors.startswith("nothing: HTTP 404 ")


def test_a_server_that_starts_late_is_waited_for(preload, lab):
    lab.stop()
    process = preload({"name": lab.name("tiny")})
    time.sleep(1)
    assert process.poll() is None
    lab.start()
    assert (process.wait(20), set(loaded(lab))) == (0, {f"{lab.name('tiny')}:latest"})


def test_a_server_that_goes_away_during_a_load_is_waited_for(preload, lab):
    call("PUT", f"{lab.api}/_standin/faults", {"load_ms": 5000})
    process = preload({"name": lab.name("tiny")})
    time.sleep(1.5)
    lab.stop()
    lab.start()
    assert (process.wait(20), set(loaded(lab))) == (0, {f"{lab.name('tiny')}:latest"})


@pytest.mark.parametrize("instance", ["default", "another"])
def test_nothing_to_load_is_success(preload, instance):
    assert preload(instance=instance).wait(20) == 0
