# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A directory in which Ollama keeps models: what lies there, what is left over, and how much room there is."""

from __future__ import annotations

import typing as t

from ansible_collections.llm.host.plugins.module_utils._store import Store, StoreError

from .background import Errors, Problem, Repeated
from .config import StorePlace
from .table import Sample

__all__ = ("StoreWatch",)

# Every file is looked at for the first, none for the second; in seconds.
SURVEY = 300
ROOM = 30
# A pull writes files some time before the model that needs them.
LEFT_OVER = 3600


class Contents(t.NamedTuple):
    """Bytes, and the left over files and their bytes, None where some model cannot be read that may need them."""

    bytes: int
    orphans: int | None
    orphaned_bytes: int | None


class StoreWatch:
    """One store. ``needed`` tells what each server of this host may need for its next pull, in bytes."""

    def __init__(
        self,
        place: StorePlace,
        needed: t.Callable[[], t.Sequence[int | None]],
        *,
        errors: Errors,
        survey: float = SURVEY,
        room: float = ROOM,
    ) -> None:
        self._path = place.path
        self._store = Store(place.at)
        self._needed = needed
        self._errors = errors
        self._contents = Repeated("store", self._survey, every=survey, errors=errors, name=place.path)
        self._free = Repeated("store", self._room, every=room, errors=errors, name=f"{place.path}, its room")

    def start(self) -> None:
        self._contents.start()
        self._free.start()

    def samples(self) -> t.Iterator[Sample]:
        labels, contents, free = (self._path,), self._contents.value, self._free.value
        if contents is not None:
            yield "ollama_store_bytes", labels, contents.bytes
        if contents is not None and contents.orphans is not None and contents.orphaned_bytes is not None:
            yield "ollama_store_orphaned_bytes", labels, contents.orphaned_bytes
            yield "ollama_store_orphaned_blobs", labels, contents.orphans
        if free is not None:
            yield "ollama_store_free_bytes", labels, free
        known = [size for size in self._needed() if size is not None]
        if known:
            yield "ollama_store_needed_bytes", labels, max(known)

    def _survey(self) -> Contents:
        found = self._told(self._store.survey)
        taken = found.bytes + sum(file.size for file in found.partials)
        if found.damaged_manifests:
            self._errors.add("store")
            return Contents(taken, None, None)
        orphans = [file for file in found.orphans if file.age >= LEFT_OVER]
        return Contents(taken, len(orphans), sum(file.size for file in orphans))

    def _room(self) -> int:
        return self._told(self._store.free_bytes)

    def _told(self, ask: t.Callable[[], t.Any]) -> t.Any:
        if not self._store.exists:
            raise Problem("it is not there, or not readable")
        try:
            return ask()
        except StoreError as exc:
            raise Problem(str(exc)) from exc
