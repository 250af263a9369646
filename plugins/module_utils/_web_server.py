# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a web server runs with the configuration that lies on the disk, and what is to be done so that it does.

PRIVATE to the collection: it can change at any time.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import typing as t

__all__ = ("Loaded", "Plan", "Service", "digest_of", "files_of", "is_loaded", "make_plan", "parse_service")

PROPERTIES = ("ActiveState", "UnitFileState", "MainPID", "ExecMainStartTimestampMonotonic", "NeedDaemonReload")


@dataclasses.dataclass(frozen=True)
class Service:
    """What systemd says of the unit. ``started`` is seconds since the epoch, 0 while it does not run.

    ``stale`` says that the unit's files changed since systemd read them.
    """

    active: bool = False
    enabled: bool = False
    pid: int = 0
    started: float = 0.0
    stale: bool = False


@dataclasses.dataclass(frozen=True)
class Loaded:
    """What the process ``pid`` is known to have loaded."""

    pid: int = 0
    digest: str = ""


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is to be done, in this order. ``retire`` takes the other web server away before this one starts."""

    protect: tuple[str, ...] = ()
    disable: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    enable: bool = False
    retire: bool = False
    start: bool = False
    restart: bool = False
    reload: bool = False

    @property
    def changed(self) -> bool:
        return any(getattr(self, field.name) for field in dataclasses.fields(self))


def make_plan(
    *,
    service: Service,
    loaded: bool,
    write: t.Iterable[str],
    remove: t.Iterable[str] = (),
    ours: bool = True,
    moves: bool = False,
    disable: t.Iterable[str] = (),
    protect: t.Iterable[str] = (),
    retire: bool = False,
) -> Plan:
    """Decide from the state alone, so that a run which was killed half-way is finished by the next one.

    ``ours`` says whether what runs was started with the unit files that are wanted; only a restart brings new ones. ``moves`` says whether what is to be
    loaded listens where a reload cannot lead.
    """
    files, links, gone = tuple(write), tuple(disable), tuple(remove)
    stale = bool(files or links or gone) or not loaded
    restart = service.active and (not ours or (stale and moves))
    return Plan(
        protect=tuple(protect),
        disable=links,
        write=files,
        remove=gone,
        enable=not service.enabled,
        retire=retire,
        start=not service.active,
        restart=restart,
        reload=service.active and stale and not restart,
    )


def is_loaded(*, service: Service, known: Loaded, digest: str, changed_at: float) -> bool:
    """Whether the running process has loaded the files of ``digest``, the latest of which changed at ``changed_at``.

    What was noted after the last reload decides; of a process that was started since then (a boot, an upgrade of the package)
    nothing is noted, but it read its files when it started.
    """
    if not service.active:
        return False
    if known.pid == service.pid:
        return known.digest == digest
    return service.started > changed_at


def parse_service(output: str, *, offset: float) -> Service:
    """From ``systemctl show``; ``offset`` is what the monotonic clock lacks to the time of day."""
    values = dict(line.split("=", 1) for line in output.splitlines() if "=" in line)
    active = values.get("ActiveState") in ("active", "reloading")
    return Service(
        active=active,
        enabled=values.get("UnitFileState") == "enabled",
        pid=int(values.get("MainPID") or 0) if active else 0,
        started=int(values.get("ExecMainStartTimestampMonotonic") or 0) / 1e6 + offset if active else 0.0,
        stale=values.get("NeedDaemonReload") == "yes",
    )


def files_of(paths: t.Iterable[str]) -> list[str]:
    """The files among ``paths``, and those directly inside directories among them."""
    found = []
    for path in paths:
        found += [os.path.join(path, name) for name in sorted(os.listdir(path))] if os.path.isdir(path) else [path]
    return [path for path in found if os.path.isfile(path)]


def digest_of(contents: t.Mapping[str, bytes]) -> str:
    """One digest for names and contents of files."""
    total = hashlib.sha256()
    for path in sorted(contents):
        total.update(f"{path}\0{hashlib.sha256(contents[path]).hexdigest()}\n".encode())
    return total.hexdigest()
