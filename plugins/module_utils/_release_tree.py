# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Installed releases on the disk: their manifests, what differs, how one takes another's place.

PRIVATE to the collection: it can change at any time.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import errno
import json
import os
import re
import secrets
import shutil
import stat
import typing as t
from pathlib import Path

from ansible_collections.llm.host.plugins.module_utils._host_file import BACKUP_SUFFIX
from ansible_collections.llm.host.plugins.module_utils._release_archive import fsync_directory
from ansible_collections.llm.host.plugins.module_utils._release_assets import VERSION
from ansible_collections.llm.host.plugins.module_utils._release_source import file_digest
from ansible_collections.llm.host.plugins.module_utils._release_values import (
    BINARY,
    Entry,
    Link,
    Manifest,
    ReleaseError,
    Source,
)
from ansible_collections.llm.host.plugins.module_utils._undo import Undo

__all__ = (
    "DOWNLOADS",
    "differences",
    "installed_versions",
    "leftovers",
    "make_directory",
    "place",
    "read_link",
    "read_manifest",
    "remove",
    "replaced",
    "scan",
    "switch",
    "version_of",
    "working_directory",
    "write_manifest",
)

MANIFEST = ".llm-host.json"
MANIFEST_FORMAT = 1
DOWNLOADS = ".download"
UNPACKING = ".unpack-"
REMOVING = ".remove-"
# Where the vendor's script puts it, by the first of these directories that is in its PATH.
VENDOR_PROGRAMS = ("/usr/local/bin/ollama", "/usr/bin/ollama", "/bin/ollama")
LINK_SUFFIX = ".llm-host-new-"
AT_FDCWD = -100
RENAME_EXCHANGE = 2
NO_EXCHANGE = (errno.ENOSYS, errno.EINVAL, errno.EXDEV, errno.EPERM)


def _entry(path: Path, name: str, info: os.stat_result) -> Entry:
    common: dict[str, t.Any] = {
        "path": name,
        "mode": stat.S_IMODE(info.st_mode),
        "uid": info.st_uid,
        "gid": info.st_gid,
    }
    if stat.S_ISLNK(info.st_mode):
        return Entry(type="link", target=os.readlink(path), **{**common, "mode": 0})
    if stat.S_ISREG(info.st_mode):
        return Entry(type="file", size=info.st_size, mtime_ns=info.st_mtime_ns, **common)
    return Entry(type="directory" if stat.S_ISDIR(info.st_mode) else "special", **common)


def scan(tree: Path) -> dict[str, Entry]:
    """Every path of the tree but the manifest, sorted, the tree itself as '.'; contents are not read."""
    found = {".": _entry(tree, ".", tree.lstat())}
    pending = [(tree, "")]
    while pending:
        directory, prefix = pending.pop()
        with os.scandir(directory) as entries:
            for item in entries:
                name = f"{prefix}{item.name}"
                if name == MANIFEST:
                    continue
                entry = _entry(Path(item.path), name, item.stat(follow_symlinks=False))
                found[name] = entry
                if entry.type == "directory":
                    pending.append((Path(item.path), f"{name}/"))
    return dict(sorted(found.items()))


def write_manifest(tree: Path, manifest: Manifest) -> None:
    path = tree / MANIFEST
    fresh = tree / f"{MANIFEST}.new"
    content = {"format": MANIFEST_FORMAT, **dataclasses.asdict(manifest)}
    with fresh.open("w", encoding="utf-8") as stream:
        json.dump(content, stream, indent=1)
        stream.write("\n")
        os.fchmod(stream.fileno(), 0o644)
        stream.flush()
        os.fsync(stream.fileno())
    fresh.rename(path)


def read_manifest(tree: Path) -> Manifest | None:
    """The manifest of a tree; None where there is none that can be read."""
    try:
        content = json.loads((tree / MANIFEST).read_text(encoding="utf-8"))
        if content.pop("format") != MANIFEST_FORMAT:
            return None
        return Manifest(
            **{
                **content,
                "overlays": tuple(content["overlays"]),
                "sources": tuple(Source(**source) for source in content["sources"]),
                "files": tuple(Entry(**entry) for entry in content["files"]),
            }
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def differences(tree: Path, manifest: Manifest, *, content: bool) -> tuple[str, ...]:
    """What is not as it was installed, one text for each path, such as 'lib/ollama/libggml.so: missing'.

    A file with another time and the same size is read before it counts as altered: a restore from a backup, or a
    ``touch``, is no reason to install again.
    """
    actual = scan(tree)
    recorded = {entry.path: entry for entry in manifest.files}
    found: dict[str, str] = {}
    for path, want in recorded.items():
        have = actual.get(path)
        reason = "missing" if have is None else _difference(want, have, tree / path, content=content)
        if reason:
            found[path] = reason
    found.update({path: "not part of the release" for path in actual if path not in recorded})
    return tuple(f"{path}: {reason}" for path, reason in sorted(found.items()))


def _difference(want: Entry, have: Entry, path: Path, *, content: bool) -> str:
    if want.type != have.type:
        return f"a {have.type}, was a {want.type}"
    if want.target != have.target:
        return f"points to {have.target}, was {want.target}"
    if want.size != have.size:
        return f"{have.size} bytes, was {want.size}"
    if want.mode != have.mode:
        return f"mode {have.mode:04o}, was {want.mode:04o}"
    if (want.uid, want.gid) != (have.uid, have.gid):
        return f"owner {have.uid}:{have.gid}, was {want.uid}:{want.gid}"
    if want.type == "file" and (content or want.mtime_ns != have.mtime_ns) and file_digest(path) != want.sha256:
        return "other content"
    return ""


def installed_versions(root: Path) -> tuple[str, ...]:
    """The versions that were installed here, latest installation first; a directory without a manifest is not ours."""
    found: list[tuple[int, str]] = []
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(root) as entries:
        for item in entries:
            if VERSION.fullmatch(item.name) and item.is_dir(follow_symlinks=False):
                with contextlib.suppress(OSError):
                    found.append(((Path(item.path) / MANIFEST).stat().st_mtime_ns, item.name))
    return tuple(name for _installed, name in sorted(found, reverse=True))


def leftovers(root: Path, link: Path) -> tuple[str, ...]:
    """What runs that were interrupted left behind, but for downloads that can go on."""
    found: list[str] = []
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        found += [str(path) for path in root.iterdir() if path.name.startswith((UNPACKING, REMOVING))]
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        found += [str(path) for path in link.parent.iterdir() if path.name.startswith(f".{link.name}{LINK_SUFFIX}")]
    return tuple(sorted(found))


def read_link(link: Path, *, root: Path) -> Link:
    """What the link is, and the version it makes active when it leads to one below ``root``."""
    try:
        info = link.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return Link()
    if not stat.S_ISLNK(info.st_mode):
        return Link("file" if stat.S_ISREG(info.st_mode) else "other")
    target = os.readlink(link)
    return Link("link", target, version_of(target, link=link, root=root))


def make_directory(path: Path, *, mode: int = 0o755) -> None:
    """Make a directory, and those above it, with modes that do not depend on the umask."""
    if path.is_dir():
        return
    if path.exists() or path.is_symlink():
        raise ReleaseError(f"{path} is needed as a directory and is something else: move it away.")
    make_directory(path.parent)
    try:
        path.mkdir()
    except FileExistsError:
        # Another run was faster; what is there is judged once more.
        make_directory(path, mode=mode)
        return
    path.chmod(mode)


def working_directory(root: Path, version: str) -> Path:
    path = root / f"{UNPACKING}{version}-{secrets.token_hex(4)}"
    path.mkdir()
    path.chmod(0o755)
    return path


def place(fresh: Path, tree: Path) -> Path | None:
    """Put ``fresh`` where ``tree`` is; returns where the old one went.

    There is no moment without a tree where the file system can exchange two names (ext4, xfs, btrfs, tmpfs, overlay).
    Elsewhere the old one is moved aside first, and a run that is killed between leaves it for the next run to replace.
    """
    if not os.path.lexists(tree):
        fresh.rename(tree)
        old = None
    elif _exchange(fresh, tree):
        old = fresh
    else:
        old = tree.with_name(f"{REMOVING}{tree.name}-{secrets.token_hex(4)}")
        tree.rename(old)
        try:
            fresh.rename(tree)
        except BaseException:
            old.rename(tree)
            raise
    fsync_directory(tree.parent)
    return old


def _exchange(one: Path, other: Path) -> bool:
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return False
    if renameat2(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in NO_EXCHANGE:
        return False
    raise OSError(code, os.strerror(code), str(other))


def version_of(target: str, *, link: Path, root: Path) -> str:
    """The version below ``root`` to whose program the target of a link leads; nothing when it leads elsewhere."""
    absolute = os.path.normpath(os.path.join(link.parent, target))
    match = re.fullmatch(rf"{re.escape(str(root))}/([^/]+)/{re.escape(BINARY)}", absolute)
    return match.group(1) if match and VERSION.fullmatch(match.group(1)) else ""


def replaced(link: Path, *, programs: t.Iterable[str] = ()) -> tuple[str, ...]:
    """What the vendor's script installed and nothing uses once ``link`` is one, the backup of its program last.

    ``programs`` are others that it started.
    """
    backup = link.with_name(f"{link.name}{BACKUP_SUFFIX}")
    found = [Path(program) for program in programs if program in VENDOR_PROGRAMS and Path(program) != link and os.path.isfile(program)]
    if os.path.lexists(backup) or read_link(link, root=link.parent).kind == "file":
        found.append(backup)
    # The libraries of a program lie beside the directory that it is in.
    libraries = [path for path in (program.parent.parent / "lib" / "ollama" for program in found) if path.is_dir()]
    return tuple(dict.fromkeys(map(str, (*libraries, *found))))


def switch(link: Path, target: str, undo: Undo = Undo()) -> None:
    """Make ``link`` point to ``target`` by one rename; a program that is no link is kept beside as a backup."""
    make_directory(link.parent)
    if read_link(link, root=link.parent).kind == "file":
        _keep_copy(link)
    undo.keep(str(link), backup=f"{link}{BACKUP_SUFFIX}")
    fresh = link.with_name(f".{link.name}{LINK_SUFFIX}{secrets.token_hex(4)}")
    os.symlink(target, fresh)
    fresh.rename(link)
    fsync_directory(link.parent)


def _keep_copy(program: Path) -> None:
    backup = program.with_name(f"{program.name}{BACKUP_SUFFIX}")
    fresh = program.with_name(f".{program.name}{LINK_SUFFIX}{secrets.token_hex(4)}")
    try:
        os.link(program, fresh)
    except OSError:
        shutil.copy2(program, fresh)
    fresh.rename(backup)
    # Renaming one name of a file to another of its names does nothing, and leaves the first.
    fresh.unlink(missing_ok=True)


def remove(path: Path, *, aside: bool = True) -> None:
    """Remove a tree or a file; ``aside``: a tree gets a name first under which the next run removes what is left of it."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    if aside and not path.name.startswith((UNPACKING, REMOVING)) and path.name != DOWNLOADS:
        aside = path.with_name(f"{REMOVING}{path.name}-{secrets.token_hex(4)}")
        path.rename(aside)
        path = aside
    shutil.rmtree(path)
