# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The archives of hosts in a directory of the controller, and where they lie on the way. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import contextlib
import re
import typing as t
from pathlib import Path

from ansible.plugins.action import ActionBase

__all__ = ("archive_name", "archives_of", "make_private", "private_folder")


def archive_name(host: str, made: str) -> str:
    return f"{_safe(host)}-{made}.tar.gz"


def archives_of(directory: Path, host: str) -> list[Path]:
    """The oldest first."""
    name = re.compile(re.escape(_safe(host)) + r"-\d{8}T\d{6}Z\.tar\.gz")
    return sorted(path for path in directory.glob("*.tar.gz") if name.fullmatch(path.name)) if directory.is_dir() else []


def make_private(directory: Path) -> None:
    """The directory, for nobody else where it is new."""
    if not directory.is_dir():
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)


@contextlib.contextmanager
def private_folder(action: ActionBase) -> t.Iterator[str]:
    """A directory on the host that only the user of the connection can read; none in check mode."""
    if action._task.check_mode:
        yield ""
        return
    folder = action._make_tmp_path()
    # The module is to have another one, which Ansible removes after it.
    action._connection._shell.tmpdir = None
    try:
        yield folder
    finally:
        action._remove_tmp_path(folder, force=True)


def _safe(host: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", host)
