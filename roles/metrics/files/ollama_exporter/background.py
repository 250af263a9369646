# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks that are repeated in the background, so that nobody who asks for metrics waits for one."""

from __future__ import annotations

import sys
import threading
import time
import typing as t

from .table import Sample

__all__ = ("LOOKS", "Errors", "Problem", "Repeated")

LOOKS = ("gpus", "ps", "store", "tags", "tailscale", "version", "xid")
T = t.TypeVar("T")


class Problem(Exception):
    """Why there is no answer, in a few words."""


class Errors:
    """How many looks failed, by what was looked at."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = dict.fromkeys(LOOKS, 0)

    def add(self, what: str) -> None:
        with self._lock:
            self._counts[what] += 1

    def samples(self) -> t.Iterator[Sample]:
        for what, count in list(self._counts.items()):
            yield "ollama_exporter_errors_total", (what,), count


class Repeated(t.Generic[T]):
    """A look, every so many seconds, in a thread of its own.

    ``lasting`` is for how many seconds what was seen may be told: when a look fails, or hangs for that long, there is nothing to tell.
    A failure is counted, and said once until it is over.
    """

    def __init__(
        self,
        what: str,
        look: t.Callable[[], T],
        *,
        every: float,
        errors: Errors,
        lasting: float | None = None,
        name: str = "",
        clock: t.Callable[[], float] = time.monotonic,
    ) -> None:
        self._what = what
        self._look = look
        self._every = every
        self._lasting = 3 * every if lasting is None else lasting
        self._errors = errors
        self._title = f"{what} {name}".strip()
        self._clock = clock
        self._again = threading.Event()
        self._seen: tuple[float, T] | None = None
        self._said = ""
        self.tried = False

    @property
    def value(self) -> T | None:
        seen = self._seen
        return seen[1] if seen and self._clock() - seen[0] <= self._lasting else None

    def start(self) -> None:
        threading.Thread(target=self._run, daemon=True).start()

    def again(self) -> None:
        """Forget what was seen, and look at once."""
        self._seen = None
        self._again.set()

    def once(self) -> None:
        try:
            self._seen = (self._clock(), self._look())
            self._say("")
        except Problem as exc:
            self._fail(str(exc))
        except Exception as exc:
            # A thread that ends would be noticed by nobody.
            self._fail(f"{type(exc).__name__}: {exc}")
        self.tried = True

    def _run(self) -> None:
        while True:
            self._again.clear()
            self.once()
            self._again.wait(self._every)

    def _fail(self, reason: str) -> None:
        self._seen = None
        self._errors.add(self._what)
        self._say(reason)

    def _say(self, reason: str) -> None:
        if bool(reason) != bool(self._said):
            print(f"{self._title}: {reason or 'answers again'}", file=sys.stderr, flush=True)
        self._said = reason
