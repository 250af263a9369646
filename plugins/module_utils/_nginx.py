# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether nginx runs with the configuration that lies on the disk, and what is to be done so that it does.

PRIVATE to the collection: it can change at any time.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
import typing as t

__all__ = ("Loaded", "Plan", "Service", "digest_of", "files_of", "is_loaded", "make_plan", "parse_service", "refusals")

PROPERTIES = ("ActiveState", "UnitFileState", "MainPID", "ExecMainStartTimestampMonotonic")
REFUSAL = re.compile(r"\[(?:emerg|crit|alert|error)\] (?:\d+#\d+: )?(.*)")


@dataclasses.dataclass(frozen=True)
class Service:
    """What systemd says of the unit. ``started`` is seconds since the epoch, 0 while it does not run."""

    active: bool = False
    enabled: bool = False
    pid: int = 0
    started: float = 0.0


@dataclasses.dataclass(frozen=True)
class Loaded:
    """What the process ``pid`` is known to have loaded."""

    pid: int = 0
    digest: str = ""


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is to be done, in this order."""

    protect: tuple[str, ...] = ()
    disable: tuple[str, ...] = ()
    write: bool = False
    enable: bool = False
    start: bool = False
    reload: bool = False

    @property
    def changed(self) -> bool:
        return bool(self.protect or self.disable or self.write or self.enable or self.start or self.reload)


def make_plan(*, service: Service, loaded: bool, write: bool, disable: t.Iterable[str], protect: t.Iterable[str] = ()) -> Plan:
    """Decide from the state alone, so that a run which was killed half-way is finished by the next one."""
    links = tuple(disable)
    stale = write or bool(links) or not loaded
    return Plan(
        protect=tuple(protect),
        disable=links,
        write=write,
        enable=not service.enabled,
        start=not service.active,
        reload=service.active and stale,
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


def refusals(output: str) -> str:
    """What nginx complains about, without time stamps and process ids."""
    found = [match.group(1).strip() for match in map(REFUSAL.search, output.splitlines()) if match]
    return "; ".join(dict.fromkeys(found))
