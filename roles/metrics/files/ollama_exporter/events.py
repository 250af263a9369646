# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loads and unloads, from what is in memory at one look and at the next.

What is not seen: a model that goes and comes back between two looks with the same digest, context and size. A change of size is a reload only
where the figures stood still for a while, since they grow while a model is loaded.
"""

from __future__ import annotations

import typing as t

from .ollama import Loaded

__all__ = ("SETTLED", "Events")

SETTLED = 30
Counts = t.Dict[str, int]


class Events:
    """The counts, by the name of a model. Whoever reads them has a copy of its own."""

    def __init__(self) -> None:
        self._models: dict[str, tuple[Loaded, float]] | None = None
        self.loads: Counts = {}
        self.unloads: Counts = {}

    def see(self, models: t.Mapping[str, Loaded], now: float) -> None:
        """``now`` is a clock's time in seconds. What is there at the first look was loaded before anybody counted."""
        before, after = self._models, {}
        loads, unloads = dict(self.loads), dict(self.unloads)
        for name, model in models.items():
            old = (before or {}).get(name)
            again = old is not None and _is_reload(*old, model, now)
            loads[name] = loads.get(name, 0) + (before is not None and (old is None or again))
            unloads[name] = unloads.get(name, 0) + again
            same = old is not None and (old[0].size, old[0].vram) == (model.size, model.vram)
            after[name] = (model, old[1] if old is not None and same else now)
        for name in before or ():
            if name not in models:
                unloads[name] = unloads.get(name, 0) + 1
        self._models, self.loads, self.unloads = after, loads, unloads

    def keep(self, names: t.Collection[str]) -> None:
        """Forget all models but these and those that are loaded, so that models that come and go do not pile up."""
        known = {*names, *(self._models or ())}
        self.loads = {name: self.loads.get(name, 0) for name in known}
        self.unloads = {name: self.unloads.get(name, 0) for name in known}


def _is_reload(old: Loaded, since: float, new: Loaded, now: float) -> bool:
    if old.digest != new.digest or (old.context and new.context and old.context != new.context):
        return True
    return now - since >= SETTLED and old.size > 0 and (old.size, old.vram) != (new.size, new.vram)
