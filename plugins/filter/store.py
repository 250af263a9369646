# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters about where Ollama keeps its models."""

from __future__ import annotations

import typing as t

SHOWN = 5


def ollama_store_problems(looked: t.Mapping[str, t.Any], models_dir: str, moving: bool = False) -> list[str]:
    """A sentence for each directory whose models would be left behind, and for each file that would win over the declared directory."""
    left_behind = [
        f"ollama_models_dir is {models_dir}, but {_listed(store['units'])} {_keep(store['units'])} models in {store['path']}, and "
        f"{_listed(store['missing'])} {'is' if len(store['missing']) == 1 else 'are'} only there: write {store['path']} into ollama_models_dir, "
        "or move them with `ansible-playbook llm.host.move_models`."
        for store in ([] if moving else looked["stores"])
    ]
    overridden = [
        f"{item['file']} sets OLLAMA_MODELS={item['path']} for {item['unit']}, which wins over ollama_models_dir ({models_dir}): "
        f"write {item['path']} into ollama_models_dir, or remove that line and leave the rest to the next run."
        for item in looked["overrides"]
    ]
    return left_behind + overridden


def _keep(units: t.Sequence[str]) -> str:
    return "keeps its" if len(units) == 1 else "keep their"


def _listed(names: t.Sequence[str]) -> str:
    shown = list(names[:SHOWN])
    return ", ".join(shown) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"ollama_store_problems": ollama_store_problems}
