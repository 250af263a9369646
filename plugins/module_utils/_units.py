# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of systemd units, and what is to be done so that each runs with its present configuration.

PRIVATE to the collection: it can change at any time.
"""

from __future__ import annotations

import dataclasses
import datetime
import os
import re
import typing as t

__all__ = ("Plan", "UnitError", "UnitState", "Units", "api_url", "make_plan", "modification_times", "of_unit", "process_environment")

PROPERTIES = (
    "Id", "LoadState", "ActiveState", "SubState", "UnitFileState", "NeedDaemonReload", "FragmentPath", "DropInPaths",
    "EnvironmentFiles", "ExecMainStartTimestamp", "ActiveEnterTimestamp", "StateChangeTimestamp", "NRestarts", "MainPID", "User",
)  # fmt: skip
DIRECTORY = "/etc/systemd/system"
RunCommand = t.Callable[[t.List[str]], t.Tuple[int, str, str]]


class UnitError(Exception):
    """systemctl failed; the text says which command and what it said."""


@dataclasses.dataclass(frozen=True)
class UnitState:
    """What systemd says of a unit. ``started`` is seconds since the epoch, None while it has no main process.

    ``entered`` is when it became active, ``settled`` when its state changed last, as it does at the end of a reload.
    ``static``: its file does not say what starts it at boot. ``misplaced``: what starts it at boot is not what its file says,
    as after another file has taken its place.
    """

    name: str
    loaded: bool = False
    active: str = "inactive"
    enabled: bool = False
    needs_reload: bool = False
    files: tuple[str, ...] = ()
    started: float | None = None
    entered: float | None = None
    settled: float | None = None
    restarts: int = 0
    pid: int = 0
    user: str = ""
    static: bool = False
    misplaced: bool = False

    @property
    def running(self) -> bool:
        return self.active in ("active", "reloading")


@dataclasses.dataclass(frozen=True)
class Plan:
    """What to do to one unit, and why it is restarted. ``prove``: an earlier run changed it and did not live to see that it is good."""

    unit: str
    reload_manager: bool = False
    enable: bool = False
    start: bool = False
    restart: bool = False
    prove: bool = False
    reasons: tuple[str, ...] = ()

    @property
    def actions(self) -> list[str]:
        return [name for name in ("enable", "start", "restart", "prove") if getattr(self, name)]

    @property
    def changed(self) -> bool:
        return self.enable or self.start or self.restart


def make_plan(state: UnitState, *, pending: t.Sequence[str], changed_at: t.Mapping[str, float], unproved: bool = False) -> Plan:
    """Decide from the state alone, so that a run which was killed half-way is finished by the next one.

    ``pending``: what this run changed or, in check mode, would change. ``changed_at``: when each file that the running process
    was started from last changed.
    """
    reasons = list(pending)
    if state.running and state.started is not None:
        reasons += [f"{path} changed after the start" for path, when in sorted(changed_at.items()) if when > state.started]
    # A drop-in came or went, or it was started between the change and the reload.
    if state.needs_reload and not reasons:
        reasons.append("systemd has not read its unit again")
    restart = state.running and bool(reasons)
    return Plan(
        unit=state.name,
        reload_manager=state.needs_reload or not state.loaded,
        enable=not state.enabled or state.misplaced,
        start=not state.running,
        restart=restart,
        prove=unproved and not restart,
        reasons=tuple(reasons) if restart else (),
    )


def of_unit(state: UnitState, paths: t.Iterable[str]) -> list[str]:
    """Those of ``paths`` that are this unit's, of which systemd may not know yet."""
    template = re.sub(r"@[^.]*\.", "@.", state.name)
    own = {*state.files, f"{DIRECTORY}/{state.name}", f"{DIRECTORY}/{template}"}
    folders = tuple(f"{DIRECTORY}/{name}.d/" for name in (state.name, template))
    return [path for path in paths if path in own or path.startswith(folders)]


class Units:
    """systemctl and journalctl, through a function that runs a command."""

    def __init__(self, run: RunCommand) -> None:
        self._run = run

    def states(self, names: t.Sequence[str]) -> list[UnitState]:
        output = self._systemctl("show", "--timestamp=us", f"--property={','.join(PROPERTIES)}", *names)
        blocks = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in output.strip().split("\n\n")]
        return [_state(name, block) for name, block in zip(names, blocks)]

    def apply(self, plans: t.Sequence[Plan]) -> None:
        if any(plan.reload_manager for plan in plans):
            self._systemctl("daemon-reload")
        for verb, chosen in (
            # Also removes what another file of that name had wanted.
            ("reenable", [plan.unit for plan in plans if plan.enable]),
            ("restart", [plan.unit for plan in plans if plan.restart or plan.start]),
        ):
            if chosen:
                self._systemctl(verb, *chosen)

    def do(self, verb: str, *names: str) -> None:
        self._systemctl(verb, *names)

    def present(self, pattern: str) -> list[str]:
        """The units of a pattern that run, fail or are about to."""
        return [line.split()[0] for line in self._systemctl("list-units", "--plain", "--no-legend", pattern).splitlines() if line.strip()]

    def begin_anew(self, names: t.Sequence[str]) -> None:
        """Run them with what is on the disk now, however often they have failed."""
        self._systemctl("daemon-reload")
        self.forget(names)
        self._systemctl("restart", *names)

    def forget(self, names: t.Sequence[str]) -> None:
        """That units which are gone have failed."""
        self._run(["systemctl", "reset-failed", *names])

    def journal(self, name: str, *, lines: int = 15) -> str:
        """The unit's last lines, without those in which Ollama prints its whole environment."""
        code, output = self._run(["journalctl", "--unit", name, "--lines", str(lines), "--no-pager", "--output", "cat"])[:2]
        return "\n".join(line for line in output.splitlines() if 'env="map[' not in line) if code == 0 else ""

    def _systemctl(self, *arguments: str) -> str:
        code, output, error = self._run(["systemctl", *arguments])
        if code != 0:
            raise UnitError(f"systemctl {' '.join(arguments[:1] + arguments[-1:])} failed: {error.strip() or output.strip()}")
        return output


def _state(name: str, block: t.Mapping[str, str]) -> UnitState:
    files = [block.get("FragmentPath", ""), *block.get("DropInPaths", "").split()]
    files += re.findall(r"(/\S+) \(ignore_errors=", block.get("EnvironmentFiles", ""))
    return UnitState(
        name=name,
        loaded=block.get("LoadState") == "loaded",
        active=block.get("ActiveState", "inactive"),
        enabled=block.get("UnitFileState") == "enabled",
        needs_reload=block.get("NeedDaemonReload") == "yes",
        files=tuple(path for path in files if path),
        started=_timestamp(block.get("ExecMainStartTimestamp", "")),
        entered=_timestamp(block.get("ActiveEnterTimestamp", "")),
        settled=_timestamp(block.get("StateChangeTimestamp", "")),
        restarts=int(block.get("NRestarts", "0") or 0),
        pid=int(block.get("MainPID", "0") or 0),
        user=block.get("User", ""),
        static=block.get("UnitFileState") == "static",
        misplaced=os.path.lexists(f"{DIRECTORY}/default.target.wants/{name}"),
    )


def _timestamp(text: str) -> float | None:
    """``Mon 2026-11-23 08:37:11.123456 UTC``, which is in the host's own time zone."""
    match = re.search(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?)", text)
    if not match:
        return None
    form = "%Y-%m-%d %H:%M:%S.%f" if "." in match.group(1) else "%Y-%m-%d %H:%M:%S"
    return datetime.datetime.strptime(match.group(1), form).timestamp()


def modification_times(paths: t.Iterable[str]) -> dict[str, float]:
    """When each path changed; of a link the link itself, since switching a version replaces the link."""
    times = {}
    for path in paths:
        try:
            times[path] = os.lstat(path).st_mtime
        except OSError:
            continue
    return times


def process_environment(pid: int, proc: str = "/proc") -> dict[str, str]:
    """What a running process was started with; nothing where that cannot be read."""
    try:
        with open(f"{proc}/{pid}/environ", encoding="utf-8", errors="surrogateescape") as stream:
            return dict(entry.split("=", 1) for entry in stream.read().split("\0") if "=" in entry)
    except OSError:
        return {}


def api_url(pid: int, proc: str = "/proc") -> str:
    """Where a running Ollama answers, by its environment; Ollama's default where that says nothing or cannot be read."""
    host = re.sub(r"^https?://", "", process_environment(pid, proc).get("OLLAMA_HOST", "").strip(" \"'")).rstrip("/")
    name, _colon, port = host.rpartition(":") if re.search(r":\d+$", host) else (host, "", "11434")
    name = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "[::]": "[::1]", "::": "[::1]"}.get(name, name)
    return f"http://{name}:{port}"
