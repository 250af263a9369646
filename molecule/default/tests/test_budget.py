# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "tests" / "bench"))

import models
import operations

MODELS = 30


def test_a_run_that_changes_nothing_keeps_its_budget_with_30_models(run_playbook, tmp_path: Path):
    def play(playbook: str, library: list[dict[str, str]]) -> None:
        env = operations.environment(tmp_path / "operations.jsonl")
        run = run_playbook(playbook, "--limit", "debian13", "-e", json.dumps({"ollama_models": library}), env=env)
        assert run.code == 0, run.output[-3000:]

    library = models.offer(MODELS)
    try:
        play("playbooks/models.yml", library)
        (tmp_path / "operations.jsonl").unlink()
        play("tests/bench/library.yml", library)
        verdicts = operations.budget(operations.read(tmp_path / "operations.jsonl"))
    finally:
        play("playbooks/models.yml", [{"name": model["name"], "state": "absent"} for model in library])
    assert [what for what, kept in verdicts.items() if not kept] == []
