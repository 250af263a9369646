# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an instance of Ollama can do, before a change and after it, and what it has lost. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.llm.host.plugins.module_utils._names import InvalidName, ModelName
from ansible_collections.llm.host.plugins.module_utils._server import ApiError, Loaded, OllamaServer, Present

__all__ = ("Ability", "ability_of", "losses", "same_version")

# Versions estimate a model's memory differently: a smaller loss of the GPU's share than this is none.
TOLERANCE = 0.05


@dataclasses.dataclass(frozen=True)
class Ability:
    """What an instance can do. ``share`` is the part of ``model`` in the memory of GPUs, ``fault`` says why it does not answer."""

    version: str = ""
    models: tuple[str, ...] = ()
    model: str = ""
    share: float = 0.0
    fault: str = ""

    @classmethod
    def of(cls, values: t.Mapping[str, t.Any]) -> Ability:
        """From what ``dataclasses.asdict`` made of one, by way of JSON."""
        return cls(**{**values, "models": tuple(values["models"])})


def ability_of(server: OllamaServer, *, prefer: t.Sequence[str] = (), again: str = "", loaded_is_enough: bool = False) -> Ability:
    """Ask an instance. It answers with ``again`` when it has that, else with the smallest of those that are loaded, of ``prefer``, or of all.

    ``loaded_is_enough``: what is in memory need not answer to prove that it can. Raises ApiError while the instance does not answer at all.
    """
    version, present, running = server.version(), server.tags(), server.running()
    found = Ability(version=version, models=tuple(sorted(item.name.short for item in present)))
    chosen = _chosen(present, running, prefer=prefer, again=again)
    if chosen is None:
        return found
    found = dataclasses.replace(found, model=chosen.name.short)
    if not (loaded_is_enough and _share(running, chosen) is not None):
        try:
            server.answer(chosen.name)
            running = server.running()
        except ApiError as exc:
            return dataclasses.replace(found, fault=exc.message)
    return dataclasses.replace(found, share=_share(running, chosen) or 0.0)


def losses(before: Ability | None, after: Ability, *, less_gpu: bool = False) -> list[str]:
    """Why the change is no good, a sentence each. ``before`` is None where nothing answered."""
    found = []
    if before is not None:
        missing = [name for name in before.models if name not in after.models]
        if missing:
            found.append(f"it does not list {', '.join(missing)} any more.")
    if after.fault:
        also = " (nor did it before)" if before is not None and before.model == after.model and before.fault else ""
        found.append(f"{after.model} does not answer{also}: {after.fault}.".replace("..", "."))
    elif before is not None and before.model == after.model and not less_gpu and after.share < before.share - TOLERANCE:
        found.append(f"{after.model} has {after.share:.0%} of its memory on GPUs, and had {before.share:.0%}.")
    return found


def same_version(left: str, right: str) -> bool:
    """Whether two versions are the same but for build metadata."""
    return left.partition("+")[0] == right.partition("+")[0]


def _chosen(present: t.Sequence[Present], running: t.Sequence[Loaded], *, prefer: t.Sequence[str], again: str) -> Present | None:
    by_size = sorted(present, key=lambda item: (item.size, item.name.key))
    wanted = (_keys([again]), {item.name.key for item in running}, _keys(prefer), {item.name.key for item in present})
    for keys in wanted:
        for item in by_size:
            if item.name.key in keys:
                return item
    return None


def _keys(names: t.Iterable[str]) -> set[str]:
    keys = set()
    for name in names:
        try:
            keys.add(ModelName.parse(name).key)
        except InvalidName:
            continue
    return keys


def _share(running: t.Sequence[Loaded], model: Present) -> float | None:
    for item in running:
        if item.name.key == model.name.key:
            return item.size_vram / item.size if item.size else 0.0
    return None
