# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was there before a change of what serves, kept until the change has proved good: one file, so that a power cut leaves it whole.

PRIVATE to the collection: it can change at any time.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import shutil
import stat
import typing as t
from pathlib import Path

from ansible_collections.llm.host.plugins.module_utils._host_file import HostFile

__all__ = ("Undo",)

FORMAT = 1
STARTS = re.compile(r"^ExecStart=[-+!@:]*(/\S+)", re.MULTILINE)


class Undo:
    """The record of one change: it is open from ``begin``, or the first thing that is kept, until ``close``. Without a path nothing is kept.

    A path is kept as it was at first, whatever happens to it afterwards. Raises OSError.
    """

    def __init__(self, path: str = "") -> None:
        self._path = Path(path) if path else None

    @property
    def open(self) -> bool:
        return self._path is not None and self._path.exists()

    @property
    def notes(self) -> dict[str, t.Any]:
        """What else is remembered, by name."""
        return dict(self._read()["notes"])

    def begin(self) -> None:
        if self._path is not None and not self.open:
            self._write(self._read())

    def keep(self, *paths: str, backup: str = "") -> None:
        """Remember what is at these paths now. ``backup`` is where the caller keeps the content of a file that is not text."""
        record = self._read()
        fresh = [path for path in paths if path not in record["paths"]]
        if self._path is None or not fresh:
            return
        record["paths"].update({path: _as_it_is(path, backup) for path in fresh})
        self._write(record)

    def note(self, name: str, value: t.Any) -> None:
        """Remember something else, unless it is remembered already."""
        record = self._read()
        if self._path is not None and name not in record["notes"]:
            record["notes"][name] = value
            self._write(record)

    def link_targets(self, path: str) -> list[str]:
        """Where the link led to that was at this path, if there was one."""
        kept = self._read()["paths"].get(path, {})
        return [kept["target"]] if kept.get("kind") == "link" else []

    def programs(self) -> list[str]:
        """What the kept units started."""
        kept = self._read()["paths"].values()
        return [
            program
            for item in kept
            if item["kind"] == "file"
            for program in STARTS.findall(base64.b64decode(item["content"]).decode(errors="replace"))
        ]

    def restore(self) -> list[str]:
        """Put back what differs, and say what that was."""
        return [path for path, kept in self._read()["paths"].items() if _put_back(path, kept)]

    def close(self) -> None:
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _read(self) -> dict[str, t.Any]:
        empty: dict[str, t.Any] = {"format": FORMAT, "paths": {}, "notes": {}}
        if self._path is None:
            return empty
        try:
            record = json.loads(self._path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return empty
        return record if record.get("format") == FORMAT else empty

    def _write(self, record: dict[str, t.Any]) -> None:
        HostFile(str(self._path), json.dumps(record, indent=1) + "\n", mode=0o600, owner=os.geteuid(), group=os.getegid()).write()


def _as_it_is(path: str, backup: str) -> dict[str, t.Any]:
    try:
        info = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return {"kind": "absent"}
    if stat.S_ISLNK(info.st_mode):
        return {"kind": "link", "target": os.readlink(path), "mtime_ns": info.st_mtime_ns}
    if backup:
        return {"kind": "backup", "path": backup}
    content = base64.b64encode(Path(path).read_bytes()).decode()
    owner = {"mode": stat.S_IMODE(info.st_mode), "uid": info.st_uid, "gid": info.st_gid}
    return {"kind": "file", "content": content, "mtime_ns": info.st_mtime_ns, **owner}


def _put_back(path: str, kept: dict[str, t.Any]) -> bool:
    """Files and links get their time back, too: whoever runs with them since then need not be restarted."""
    kind = kept["kind"]
    if kind == "absent":
        if not os.path.lexists(path):
            return False
        os.unlink(path)
        with contextlib.suppress(OSError):
            os.rmdir(os.path.dirname(path))
        return True
    if kind == "backup":
        if not os.path.lexists(kept["path"]):
            return False
        # A copy, so that whoever is killed here begins anew.
        _replace(path, lambda fresh: shutil.copy2(kept["path"], fresh))
        return True
    if kind == "link":
        if os.path.islink(path) and os.readlink(path) == kept["target"]:
            return False
        _replace(path, lambda fresh: os.symlink(kept["target"], fresh))
    else:
        content = base64.b64decode(kept["content"]).decode("utf-8", "surrogateescape")
        file = HostFile(path, content, mode=kept["mode"], owner=kept["uid"], group=kept["gid"])
        if os.path.lexists(path) and not file.differs():
            return False
        file.write()
    os.utime(path, ns=(kept["mtime_ns"], kept["mtime_ns"]), follow_symlinks=False)
    return True


def _replace(path: str, make: t.Callable[[str], t.Any]) -> None:
    fresh = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.llm-host-new-undo")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(fresh)
    make(fresh)
    os.replace(fresh, path)
