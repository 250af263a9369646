# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much room there is. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import os

__all__ = ("free_bytes", "nearest")


def nearest(path: str | os.PathLike[str]) -> str:
    """The directory, or the closest one above it that is there."""
    place = os.path.realpath(path)
    while not os.path.isdir(place):
        place = os.path.dirname(place)
    return place


def free_bytes(path: str | os.PathLike[str]) -> int:
    """What an ordinary user can still write on the file system of a directory, which need not be there. Raises OSError."""
    found = os.statvfs(nearest(path))
    return found.f_bavail * found.f_frsize
