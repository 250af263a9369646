# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a backup a host lacks, and how it gets there. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import contextlib
import dataclasses
import grp
import hashlib
import os
import pwd
import stat
import tarfile
import typing as t

from ansible_collections.llm.host.plugins.module_utils._backup import (
    DIRECTORY,
    FILE,
    LINK,
    SYSTEM,
    BackupError,
    Description,
    Entry,
    Places,
)
from ansible_collections.llm.host.plugins.module_utils._plan import Record

__all__ = ("Identity", "Plan", "Restorer", "make_plan", "record_of")

PIECE = 1024 * 1024
NOLOGIN = "/usr/sbin/nologin"
Run = t.Callable[[t.List[str]], t.Tuple[int, str, str]]


@dataclasses.dataclass(frozen=True)
class Identity:
    """Who owns what lies in the home of Ollama's user and in its store."""

    user: str
    group: str
    home: str


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is put there. ``different`` is there and not what the backup has."""

    entries: tuple[Entry, ...] = ()
    records: tuple[str, ...] = ()
    different: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        return bool(self.entries or self.records)

    @property
    def size(self) -> int:
        return sum(entry.size for entry in self.entries)


def make_plan(description: Description, places: Places, records: t.Mapping[str, Record]) -> Plan:
    """Decide from what is there, so that a run which was killed half-way is finished by the next one."""
    entries: list[Entry] = []
    different: list[str] = []
    for entry in description.entries:
        path = places.path(entry)
        there = _is_there(entry, path)
        if there is not None and not there:
            different.append(path)
        if not there:
            entries.append(entry)
    changed = [key for key, record in description.records.items() if records.get(key) != record_of(record)]
    different += [f"the record of how {key} was built" for key in changed if key in records]
    return Plan(tuple(entries), tuple(changed), tuple(different))


def record_of(values: t.Mapping[str, t.Any]) -> Record:
    return Record(**{**values, "lines": tuple(values["lines"])})


def _is_there(entry: Entry, path: str) -> bool | None:
    """None where nothing is, False where it is something else."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None
    if entry.kind == LINK:
        return stat.S_ISLNK(status.st_mode) and os.readlink(path) == entry.target
    if entry.kind == DIRECTORY:
        return os.path.isdir(path)
    if not os.path.isfile(path):
        return False
    if entry.is_blob:
        # Its name is its digest; one of another size is damaged, and nobody's work.
        return True if os.path.getsize(path) == entry.size else None
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest() == entry.digest


class Restorer:
    """Takes from an archive what a plan says. ``created`` are the paths in the order in which they came to be."""

    def __init__(self, places: Places, identity: Identity, description: Description, run: Run) -> None:
        self._places = places
        self._identity = identity
        self._description = description
        self._run = run
        self.created: list[str] = []

    def missing_users(self, plan: Plan) -> dict[str, dict[str, str]]:
        """Those who will own something and are not on the host yet, with home and group."""
        known = self._description.owners
        wanted = {entry.owner: dict(known[entry.owner]) for entry in plan.entries if entry.place == SYSTEM and entry.owner in known}
        if any(entry.place != SYSTEM for entry in plan.entries):
            wanted[self._identity.user] = {"home": self._identity.home, "group": self._identity.group}
        return {name: user for name, user in sorted(wanted.items()) if not _exists(pwd.getpwnam, name)}

    def apply(self, plan: Plan, archive: str) -> None:
        """Manifests come last in an archive, so that no model is there before all that it needs."""
        for name, user in self.missing_users(plan).items():
            if not _exists(grp.getgrnam, user["group"]):
                self._must("groupadd", "--system", user["group"])
            self._must(
                "useradd", "--system", "--gid", user["group"], "--home-dir", user["home"], "--no-create-home", "--shell", NOLOGIN, name
            )
        wanted = {entry.name: entry for entry in plan.entries if entry.kind == FILE}
        for entry in plan.entries:
            if entry.kind == DIRECTORY:
                self._make_directory(self._places.path(entry), entry)
        try:
            with tarfile.open(archive, "r|gz") as members:
                for member in members:
                    entry = wanted.pop(member.name, None)
                    file = members.extractfile(member) if entry and member.isfile() else None
                    if entry and file:
                        self._write(entry, file)
        except (tarfile.TarError, EOFError) as exc:
            raise BackupError(f"The archive is damaged ({exc}): name another one.") from exc
        if wanted:
            raise BackupError(f"The archive is damaged, it lacks {', '.join(sorted(wanted))}: name another one.")
        for entry in plan.entries:
            if entry.kind == LINK:
                self._link(entry)

    def _write(self, entry: Entry, content: t.IO[bytes]) -> None:
        path = self._places.path(entry)
        self._make_parents(path, entry)
        # The same name in every run, so that one that was killed leaves nothing behind. Ollama knows it for the part of a blob.
        temporary = f"{path}-partial" if entry.is_blob else os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.restored")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        digest = hashlib.sha256()
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
            for piece in iter(lambda: content.read(PIECE), b""):
                digest.update(piece)
                file.write(piece)
            if digest.hexdigest() != entry.digest:
                os.unlink(temporary)
                raise BackupError(f"The archive is damaged at {entry.name}: name another one.")
            os.fchown(file.fileno(), *self._owner(entry))
            os.fchmod(file.fileno(), entry.mode)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        self.created.append(path)

    def _link(self, entry: Entry) -> None:
        path = self._places.path(entry)
        self._make_parents(path, entry)
        temporary = f"{path}.restored"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        os.symlink(entry.target, temporary)
        os.replace(temporary, path)
        self.created.append(path)

    def _make_parents(self, path: str, entry: Entry) -> None:
        parent = os.path.dirname(path)
        if not os.path.isdir(parent):
            self._make_parents(parent, entry)
            roots = () if entry.place == SYSTEM else (self._identity.home, self._places.models)
            below = any(parent == root or parent.startswith(f"{root}/") for root in roots)
            self._make(parent, 0o755, self._owner(entry) if below else (0, 0))

    def _make_directory(self, path: str, entry: Entry) -> None:
        self._make_parents(path, entry)
        self._make(path, entry.mode, self._owner(entry))

    def _make(self, path: str, mode: int, owner: tuple[int, int]) -> None:
        if not os.path.isdir(path):
            os.mkdir(path, 0o700)
            os.chown(path, *owner)
            os.chmod(path, mode)
            self.created.append(path)

    def _owner(self, entry: Entry) -> tuple[int, int]:
        user, group = (entry.owner, entry.group) if entry.place == SYSTEM else (self._identity.user, self._identity.group)
        return _number(pwd.getpwnam, user, "pw_uid"), _number(grp.getgrnam, group, "gr_gid")

    def _must(self, *command: str) -> None:
        code, output, error = self._run(list(command))
        if code != 0:
            raise BackupError(f"{command[0]} failed: {error.strip() or output.strip()}")


def _exists(look_up: t.Callable[[str], t.Any], name: str) -> bool:
    try:
        look_up(name)
    except KeyError:
        return False
    return True


def _number(look_up: t.Callable[[str], t.Any], name: str, field: str) -> int:
    """Of a user or group; what nobody here is called belongs to root."""
    return int(getattr(look_up(name), field)) if _exists(look_up, name) else 0
