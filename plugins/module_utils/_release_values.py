# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The values that the parts of ollama_release hand to each other.

PRIVATE to the collection: it can change at any time.
"""

from __future__ import annotations

import dataclasses
import re

__all__ = ("BASE", "BINARY", "Entry", "Link", "Manifest", "ReleaseError", "Source", "shown_url")

BASE = "base"
BINARY = "bin/ollama"
CREDENTIALS = re.compile(r"(?<=://)[^/]*@")


class ReleaseError(Exception):
    """A sentence for the user: what is wrong, where, what to do instead."""


@dataclasses.dataclass(frozen=True)
class Source:
    """The archive that a tree, or a part of it, came from."""

    part: str
    name: str
    url: str
    sha256: str = ""
    bytes: int = 0


@dataclasses.dataclass(frozen=True)
class Entry:
    """One path of a tree, as it was when the tree was installed."""

    path: str
    type: str
    mode: int
    uid: int
    gid: int
    size: int = 0
    mtime_ns: int = 0
    target: str = ""
    sha256: str = ""


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What is in a tree, and where it came from."""

    version: str
    architecture: str
    overlays: tuple[str, ...]
    sources: tuple[Source, ...]
    files: tuple[Entry, ...]


@dataclasses.dataclass(frozen=True)
class Link:
    """What is at the path of the link: ``kind`` is absent, link, file or other."""

    kind: str = "absent"
    target: str = ""
    version: str = ""


def shown_url(url: str) -> str:
    """A URL without the credentials in it."""
    return CREDENTIALS.sub("", url)
