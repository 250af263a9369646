# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How units come to be enabled, running, and running since their files last changed. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import dataclasses
import os
import re
import time
import typing as t

from ansible_collections.llm.host.plugins.module_utils._http import Transport, TransportError
from ansible_collections.llm.host.plugins.module_utils._units import DIRECTORY, UnitError, Units, UnitState, of_unit

__all__ = ("Due", "Services", "Wanted", "changes", "decide")

# Seconds by which the kernel's time of a file may lag behind the clock: a tick at 100 Hz, twice.
TICK = 0.02
# Seconds after which a program that cannot run has ended.
SETTLES = 1.0


@dataclasses.dataclass(frozen=True)
class Wanted:
    """How one unit is to be. ``files`` are paths that it reads, of directories what lies in them; ``url`` must answer with 200."""

    name: str
    files: tuple[str, ...] = ()
    reload: bool = False
    started: bool = True
    enabled: bool = True
    url: str = ""


@dataclasses.dataclass(frozen=True)
class Due:
    """What is to be done to one unit, and why it is restarted or reloaded."""

    name: str
    manager: bool = False
    stop: bool = False
    disable: bool = False
    enable: bool = False
    start: bool = False
    restart: bool = False
    reload: bool = False
    reasons: tuple[str, ...] = ()

    @property
    def actions(self) -> list[str]:
        return [action for action in ("stop", "disable", "enable", "start", "restart", "reload") if getattr(self, action)]


def decide(wanted: Wanted, state: UnitState, changed_at: t.Mapping[str, float], written: t.Collection[str] = ()) -> Due:
    """From the state of the host alone, so that a run that was killed half-way is finished by the next one.

    ``changed_at``: when files last changed, in seconds since the epoch. ``written``: what a check run would have written.
    """
    enable = wanted.enabled and (not state.enabled or state.misplaced)
    disable = not wanted.enabled and state.enabled
    if not wanted.started:
        return Due(wanted.name, stop=state.active not in ("inactive", "failed"), enable=enable, disable=disable)
    own = [*state.files, *_drop_in_folders(wanted.name)]
    restarts, reloads = _newer(own, changed_at, state.started or state.entered), _newer(wanted.files, changed_at, _loaded_at(wanted, state))
    restarts += [f"{path} changed" for path in of_unit(state, written)]
    reloads += [f"{path} changed" for path in written if any(path == file or path.startswith(f"{file}/") for file in wanted.files)]
    if state.needs_reload:
        restarts.append("systemd has not read its unit again")
    reasons = tuple(dict.fromkeys(restarts + reloads)) if state.running else ()
    restart = bool(reasons) and (bool(restarts) or not wanted.reload)
    return Due(
        wanted.name,
        manager=state.needs_reload or not state.loaded,
        enable=enable,
        disable=disable,
        start=not state.running,
        restart=restart,
        reload=bool(reasons) and not restart,
        reasons=reasons,
    )


def changes(paths: t.Iterable[str]) -> dict[str, float]:
    """When each file, or the latest in each directory, came to be what it is; nothing of what is not there."""
    found = {}
    for path in paths:
        try:
            # Not the time of the content, which copies and packages bring along.
            inside = [entry.stat(follow_symlinks=False).st_ctime for entry in os.scandir(path)] if os.path.isdir(path) else []
            found[path] = max([os.lstat(path).st_ctime, *inside])
        except OSError:
            continue
    return found


class Services:
    """The units of one host."""

    def __init__(self, units: Units, transport: Transport, *, wait: float, pause: float = 0.2, settles: float = SETTLES) -> None:
        self._units = units
        self._transport = transport
        self._wait = wait
        self._pause = pause
        self._settles = settles

    def due(self, services: t.Sequence[Wanted], written: t.Collection[str] = ()) -> tuple[list[UnitState], list[Due]]:
        """How the units are, and what is to be done to each."""
        states = self._units.states([wanted.name for wanted in services])
        paths = {path for wanted, state in zip(services, states) for path in (*wanted.files, *state.files, *_drop_in_folders(wanted.name))}
        changed_at = changes(paths)
        return states, [decide(wanted, state, changed_at, written) for wanted, state in zip(services, states)]

    def apply(self, dues: t.Sequence[Due]) -> None:
        """Do what is to be done. Raises UnitError, with the last lines of the journals of what does not run then."""
        if any(due.manager for due in dues):
            self._units.do("daemon-reload")
        self._refuse_static([due.name for due in dues if due.enable])
        started = [due.name for due in dues if due.start]
        if started:
            self._units.forget(started)
        for verb, names in (
            ("stop", [due.name for due in dues if due.stop]),
            ("disable", [due.name for due in dues if due.disable]),
            ("reenable", [due.name for due in dues if due.enable]),
            ("restart", [due.name for due in dues if due.start or due.restart]),
            ("reload-or-restart", [due.name for due in dues if due.reload]),
        ):
            for name in names:
                self._do(verb, name)

    def prove(self, services: t.Sequence[Wanted], dues: t.Sequence[Due]) -> None:
        """That all of them run, and answer where they should. Raises UnitError."""
        expected = [wanted for wanted in services if wanted.started]
        before = {state.name: state for state in self._units.states([wanted.name for wanted in expected])} if expected else {}
        for wanted in expected:
            if wanted.url:
                self._answered(wanted, before[wanted.name])
        fresh = [due.name for due in dues if due.start or due.restart]
        if fresh:
            time.sleep(self._settles)
            for state in self._units.states(fresh):
                self._alive(state, before[state.name])

    def answers(self, url: str) -> str:
        """Why ``url`` does not answer with 200; empty when it does."""
        try:
            with self._transport.open("GET", url, timeout=5) as response:
                # To the end, since servers complain of clients that go.
                response.read()
                return "" if response.status == 200 else f"status {response.status}"
        except TransportError as error:
            return error.reason

    def _answered(self, wanted: Wanted, before: UnitState) -> None:
        deadline = time.monotonic() + self._wait
        while True:
            seen = self.answers(wanted.url)
            if not seen:
                return
            self._alive(self._units.states([wanted.name])[0], before)
            if time.monotonic() > deadline:
                raise UnitError(
                    f"{wanted.name} runs, but {wanted.url} did not answer within {self._wait:g} s, the last try ended with: {seen}. "
                    + self._last_words(wanted.name)
                )
            time.sleep(self._pause)

    def _alive(self, state: UnitState, before: UnitState) -> None:
        if not state.running or state.restarts > before.restarts:
            raise UnitError(f"{state.name} does not stay up, it is {state.active}. {self._last_words(state.name)}")

    def _refuse_static(self, names: t.Sequence[str]) -> None:
        for state in self._units.states(names) if names else []:
            if state.static:
                raise UnitError(
                    f"{state.name} has no section [Install], so that nothing can start it at boot: add one, or say enabled: false."
                )

    def _do(self, verb: str, name: str) -> None:
        try:
            self._units.do(verb, name)
        except UnitError as error:
            words = "" if self._units.states([name])[0].running else f" {self._last_words(name)}"
            raise UnitError(_sentence(str(error)) + words) from None

    def _last_words(self, name: str) -> str:
        lines = self._units.journal(name, lines=10).strip()
        return f"The last lines of {name}:\n{lines}" if lines else f"The journal says nothing of {name}."


def _loaded_at(wanted: Wanted, state: UnitState) -> float | None:
    """When it last read its files: at its start, or at the end of a later reload."""
    reloaded = wanted.reload and state.entered is not None and state.settled is not None and state.settled > state.entered
    return state.settled if reloaded else state.started or state.entered


def _newer(paths: t.Iterable[str], changed_at: t.Mapping[str, float], since: float | None) -> list[str]:
    found = [path for path in dict.fromkeys(paths) if since is not None and path in changed_at and changed_at[path] > since - TICK]
    return [f"{path} changed after the start" for path in found]


def _drop_in_folders(name: str) -> list[str]:
    """Where a drop-in may have gone from."""
    return [f"{DIRECTORY}/{unit}.d" for unit in dict.fromkeys([name, re.sub(r"@[^.]*\.", "@.", name)])]


def _sentence(text: str) -> str:
    return text.rstrip(".") + "."
