# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A text file of the host: whether it is as wanted, and how it becomes so in one step. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import stat
import tempfile

__all__ = ("BACKUP_SUFFIX", "HostFile", "read_text")

# Behind the name of what somebody else had put where we put something.
BACKUP_SUFFIX = ".before-llm-host"


def read_text(path: str) -> str | None:
    """The content of a file, ``None`` where there is none. Bytes that are no text survive being written again."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None


@dataclasses.dataclass(frozen=True)
class HostFile:
    """A file with its wanted content, mode, owner and group (numbers; root by default)."""

    path: str
    content: str = dataclasses.field(repr=False)
    mode: int = 0o644
    owner: int = 0
    group: int = 0

    def differs(self) -> bool:
        return read_text(self.path) != self.content or not self.protected()

    def protected(self) -> bool:
        """Whether it is a regular file with the wanted mode, owner and group. Raises OSError where there is none."""
        status = os.lstat(self.path)
        wanted = (self.mode, self.owner, self.group)
        return stat.S_ISREG(status.st_mode) and (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == wanted

    def write(self, beside: str = "") -> None:
        """Replace the file: nobody sees half of it, nor sees it with a wider mode. ``beside`` names another place for the same content."""
        path = beside or self.path
        self._make_directory(os.path.dirname(path))
        handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=f".{os.path.basename(path)}-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
                file.write(self.content)
                file.flush()
                os.fchown(file.fileno(), self.owner, self.group)
                os.fchmod(file.fileno(), self.mode)
                os.fsync(file.fileno())
            # Not atomic_move, which gives the new file the mode of the old one.
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise

    def _make_directory(self, path: str) -> None:
        if os.path.isdir(path):
            return
        self._make_directory(os.path.dirname(path))
        os.mkdir(path)
        os.chmod(path, 0o755)
        os.chown(path, self.owner, self.group)
