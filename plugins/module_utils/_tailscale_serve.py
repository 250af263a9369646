# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``tailscale serve`` answers for, and whose that is. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import dataclasses
import json
import typing as t

__all__ = ("ServePlan", "Served", "command", "make_serve_plan", "parse_config")


@dataclasses.dataclass(frozen=True)
class Served:
    """``target`` is empty for what is no plain proxy for a whole port: a path, a file, a text, TCP."""

    port: int
    https: bool
    target: str

    def __str__(self) -> str:
        return f"{'https' if self.https else 'http'}:{self.port} -> {self.target or 'something else'}"


@dataclasses.dataclass(frozen=True)
class ServePlan:
    remove: tuple[Served, ...] = ()
    add: tuple[Served, ...] = ()
    # What others have set, which stays.
    foreign: tuple[Served, ...] = ()

    @property
    def changed(self) -> bool:
        return bool(self.remove or self.add)


def parse_config(output: str) -> tuple[Served, ...]:
    """What ``tailscale serve status --json`` says. What lives only as long as somebody's terminal is left out."""
    config = json.loads(output or "null") or {}
    web: dict[int, t.Mapping[str, t.Any]] = {}
    for name, server in (config.get("Web") or {}).items():
        web[int(name.rpartition(":")[2])] = server.get("Handlers") or {}
    found = []
    for port, handler in (config.get("TCP") or {}).items():
        handlers = web.get(int(port), {})
        whole = (handlers.get("/") or {}).get("Proxy", "") if list(handlers) == ["/"] else ""
        found.append(Served(int(port), bool(handler.get("HTTPS")), whole))
    return tuple(sorted(found, key=lambda served: served.port))


def make_serve_plan(wanted: t.Sequence[Served], found: t.Sequence[Served], ours: t.Collection[Served]) -> ServePlan:
    """``ours`` is what an earlier run has set. What has taken its place since is somebody else's, unless the port is declared."""
    ports = {served.port for served in wanted}
    return ServePlan(
        # A port goes from HTTPS to HTTP only when it is free in between.
        remove=tuple(served for served in found if (served in ours and served.port not in ports) or _other_kind(served, wanted)),
        add=tuple(served for served in wanted if served not in found),
        foreign=tuple(served for served in found if served not in ours and served.port not in ports),
    )


def command(served: Served, *, off: bool = False) -> list[str]:
    flag = f"--{'https' if served.https else 'http'}={served.port}"
    return ["serve", flag, "off"] if off else ["serve", "--bg", "--yes", flag, served.target]


def _other_kind(served: Served, wanted: t.Sequence[Served]) -> bool:
    return any(other.port == served.port and other.https != served.https for other in wanted)
