# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a user gets as far as a directory. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import grp
import os
import pwd
import stat

__all__ = ("closed_to",)


def closed_to(user: str, path: str) -> str:
    """The first directory on the way to ``path`` that ``user`` cannot pass, empty when there is none. One who does not exist yet is a stranger."""
    way = os.path.realpath(os.path.dirname(path.rstrip("/")))
    uid, groups = _identity(user)
    parts = way.strip("/").split("/")
    for directory in ["/", *("/" + "/".join(parts[: count + 1]) for count in range(len(parts)) if parts[0])]:
        try:
            status = os.stat(directory)
        except OSError:
            return ""
        if not stat.S_ISDIR(status.st_mode):
            return directory
        if uid != 0 and not _lets_pass(directory, status, uid, groups):
            return directory
    return ""


def _lets_pass(directory: str, status: os.stat_result, uid: int, groups: set[int]) -> bool:
    if uid == status.st_uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if "system.posix_acl_access" in _attributes(directory):
        return True
    if status.st_gid in groups:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def _attributes(directory: str) -> list[str]:
    try:
        return os.listxattr(directory)
    except OSError:
        return []


def _identity(user: str) -> tuple[int, set[int]]:
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        return -1, set()
    return entry.pw_uid, {entry.pw_gid, *(group.gr_gid for group in grp.getgrall() if user in group.gr_mem)}
