# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is being worked on right now, in a file that others can read meanwhile.

PRIVATE to the collection: it can change at any time without notice.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
import typing as t
from pathlib import Path

__all__ = ["Progress"]

_INTERVAL = 1.0


class Progress:
    """Models and how far they are. Safe for threads; a file that cannot be written is no failure."""

    def __init__(self, path: Path | None = None, *, clock: t.Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._models: dict[str, dict[str, t.Any]] = {}
        self._written = 0.0

    def tell(self, name: str, phase: str, completed: int = 0, total: int = 0) -> None:
        """What a model is at, in bytes where there are any."""
        with self._lock:
            self._models[name] = {"name": name, "phase": phase, "completed": completed, "total": total}
            now = self._clock()
            if now - self._written >= _INTERVAL:
                self._written = now
                self._write(now)

    def done(self, name: str) -> None:
        """A model is no longer worked on."""
        with self._lock:
            self._models.pop(name, None)

    def close(self) -> None:
        """Nothing is worked on any more."""
        if self._path:
            with contextlib.suppress(OSError):
                self._path.unlink()

    def _write(self, now: float) -> None:
        if self._path is None:
            return
        text = json.dumps({"time": now, "models": list(self._models.values())})
        temporary = self._path.with_name(f".{self._path.name}")
        with contextlib.suppress(OSError):
            temporary.write_text(text, encoding="utf-8")
            os.replace(temporary, self._path)
