# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run at a time. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
import typing as t
from pathlib import Path

__all__ = ("Busy", "locked")

POLL = 0.2


class Busy(Exception):
    """Another run did not finish in time; the text is a sentence."""


@contextlib.contextmanager
def locked(path: Path, *, doing: str, wait: float, sleep: t.Callable[[float], None] = time.sleep) -> t.Iterator[None]:
    """Hold off other runs; the lock ends with the process, whatever ends it. Raises Busy, and OSError."""
    deadline = time.monotonic() + wait
    # Readable for its owner only: who can open a file can lock it.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "rb+") as stream:
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise Busy(
                        f"Another run has been {doing} for more than {wait:.0f} seconds (it holds {path}): let it finish, then run again."
                    ) from None
                sleep(POLL)
        yield
