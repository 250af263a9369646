# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be removed from a host, found on the disk. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import contextlib
import dataclasses
import glob
import os
import shutil
import typing as t

__all__ = ("REMOVING", "Removal", "Target", "UnsafePath", "everything_in", "find_removal", "remove")

# What a directory is called that is found by a file in it, while it goes.
REMOVING = ".remove-"
# With fewer names in it a path is a part of the system, whatever a variable says.
FEWEST_NAMES = 2
SYSTEM = frozenset(
    f"/{path}"
    for path in ("etc/systemd", "usr/bin", "usr/lib", "usr/local", "usr/sbin", "usr/share", "var/cache", "var/lib", "var/log", "var/tmp")
)


class UnsafePath(ValueError):
    """A path that no uninstallation may remove; the text is a sentence."""


@dataclasses.dataclass(frozen=True)
class Target:
    """A path, or a pattern of paths.

    ``leads_into``: only a link to something below this directory. ``holding``: only a directory with a file of this name.
    """

    path: str
    leads_into: str = ""
    holding: str = ""


@dataclasses.dataclass(frozen=True)
class Removal:
    """``paths`` go whatever is in them, then ``directories`` that are empty by then, the deepest first.

    ``known_by`` are those of the paths that are found by a file in them.
    """

    paths: tuple[str, ...] = ()
    directories: tuple[str, ...] = ()
    known_by: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        return (*self.paths, *self.directories)


def find_removal(targets: t.Iterable[Target], directories: t.Iterable[str]) -> Removal:
    """What of it is there."""
    found = {path: target for target in targets for path in _found(target)}
    paths = tuple(found)
    emptied: dict[str, None] = {}
    for directory in sorted({_safe(directory) for directory in directories}, key=lambda path: (-path.count("/"), path)):
        if _is_directory(directory) and not _left_in(directory, {*paths, *emptied}):
            emptied[directory] = None
    return Removal(paths, tuple(emptied), tuple(path for path, target in found.items() if target.holding))


def everything_in(paths: t.Iterable[str]) -> list[str]:
    """The paths and all that lies below them, as a diff shows it."""
    found: list[str] = []
    for path in paths:
        found.append(path)
        for place, folders, files in os.walk(path) if _is_directory(path) else ():
            folders.sort()
            found += sorted(os.path.join(place, name) for name in (*folders, *files))
    return found


def remove(removal: Removal) -> None:
    for path in removal.paths:
        if path in removal.known_by:
            # The file by which it is known may go first, and a run may be killed after that.
            going = os.path.join(os.path.dirname(path), f"{REMOVING}{os.path.basename(path)}")
            os.rename(path, going)
            shutil.rmtree(going)
        elif _is_directory(path):
            shutil.rmtree(path)
        else:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
    for path in removal.directories:
        # Somebody may have put something there meanwhile.
        with contextlib.suppress(OSError):
            os.rmdir(path)


def _found(target: Target) -> t.Iterator[str]:
    for path in sorted(glob.glob(_safe(target.path))) if glob.has_magic(target.path) else [_safe(target.path)]:
        if not os.path.lexists(path):
            continue
        if target.leads_into and not _leads_into(path, target.leads_into):
            continue
        if target.holding and not os.path.lexists(os.path.join(path, target.holding)):
            continue
        yield path


def _safe(path: str) -> str:
    normal = os.path.normpath(path)
    names = [name for name in normal.split("/") if name]
    if not path.startswith("/") or len(names) < FEWEST_NAMES or normal in SYSTEM or glob.has_magic("/".join(names[:FEWEST_NAMES])):
        raise UnsafePath(f"{path} is not removed, since it is a part of the system: is a variable that names a directory wrong?")
    return normal


def _leads_into(path: str, directory: str) -> bool:
    if not os.path.islink(path):
        return False
    target = os.path.normpath(os.path.join(os.path.dirname(path), os.readlink(path)))
    return target.startswith(f"{os.path.normpath(directory)}/")


def _is_directory(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)


def _left_in(directory: str, gone: t.Collection[str]) -> list[str]:
    return [name for name in os.listdir(directory) if os.path.join(directory, name) not in gone]
