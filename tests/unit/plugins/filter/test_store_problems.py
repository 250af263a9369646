# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What preflight says of models that would be left behind."""

from __future__ import annotations

from ansible_collections.llm.host.plugins.filter.store import ollama_store_problems

OLD = {"path": "/old", "units": ["ollama.service"], "missing": ["tiny:latest"]}
MINE = {"file": "/etc/systemd/system/ollama.service.d/override.conf", "unit": "ollama.service", "path": "/data"}


def test_models_that_would_be_left_behind_are_named_with_both_ways_out():
    assert ollama_store_problems({"stores": [OLD], "overrides": []}, "/new") == [
        "ollama_models_dir is /new, but ollama.service keeps its models in /old, and tiny:latest is only there: write /old into ollama_models_dir, "
        "or move them with `ansible-playbook llm.host.move_models`."
    ]


def test_a_long_list_is_cut():
    many = {**OLD, "units": ["a", "b"], "missing": [f"m{number}" for number in range(9)]}
    (sentence,) = ollama_store_problems({"stores": [many], "overrides": []}, "/new")
    assert "a, b keep their models in /old, and m0, m1, m2, m3, m4 and 4 more are only there" in sentence


def test_while_they_are_moved_they_need_not_be_there_but_a_file_that_wins_is_still_a_problem():
    assert ollama_store_problems({"stores": [OLD], "overrides": [MINE]}, "/new", True) == [
        "/etc/systemd/system/ollama.service.d/override.conf sets OLLAMA_MODELS=/data for ollama.service, which wins over ollama_models_dir (/new): "
        "write /data into ollama_models_dir, or remove that line and leave the rest to the next run."
    ]
