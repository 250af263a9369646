# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The units of Ollama that the role ollama wrote, and what is to be done so that some of them leave nothing behind.

PRIVATE to the collection: it can change at any time.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t
from pathlib import Path

__all__ = ("DIRECTORY", "OURS", "Retirement", "Waiting", "busy_message", "kinds_to_remove", "own_units", "plan_retirement")

DIRECTORY = Path("/etc/systemd/system")
SETTINGS = "10-llm-host.conf"
SECRETS = "secret.env"
UNIT = re.compile(r"ollama(@[^/]+)?\.service")
LISTENS = re.compile(r'^Environment="OLLAMA_HOST=.*:(\d+)"$', re.MULTILINE)
# A line of our unit files.
OURS = "every setting is in its drop-ins"


@dataclasses.dataclass(frozen=True)
class Retirement:
    """What is to be done to one unit. ``port`` is 0 where it is not known, ``remove`` has the settings last."""

    unit: str
    port: int = 0
    stop: bool = False
    disable: bool = False
    remove: tuple[Path, ...] = ()

    @property
    def actions(self) -> list[str]:
        return [name for name in ("stop", "disable", "remove") if getattr(self, name)]


def own_units(directory: Path = DIRECTORY) -> dict[str, int]:
    """The port of each unit that has settings of ours."""
    found = {path.parent.name[: -len(".d")]: path for path in sorted(directory.glob(f"ollama*.service.d/{SETTINGS}"))}
    return {unit: _port(path) for unit, path in found.items() if UNIT.fullmatch(unit)}


def plan_retirement(unit: str, *, port: int, active: str, enabled: bool, directory: Path = DIRECTORY) -> Retirement:
    """Decide from the state alone, so that a run which was killed half-way is finished by the next one."""
    files = (directory / f"{unit}.d" / name for name in (SECRETS, SETTINGS))
    return Retirement(
        unit=unit,
        port=port,
        stop=active not in ("inactive", "failed"),
        disable=enabled,
        remove=tuple(path for path in files if path.exists()),
    )


def kinds_to_remove(leaving: t.Collection[str], *, staying: t.Iterable[str], directory: Path = DIRECTORY) -> list[Path]:
    """The unit files of ours that no unit needs any more. ``staying`` may name units of somebody else."""
    needed = {_kind(unit) for unit in staying}
    links = (link for folder in ("wants", "requires") for link in directory.glob(f"*.{folder}/ollama*.service"))
    needed |= {_kind(link.name) for link in links if link.name not in leaving}
    files = [directory / kind for kind in sorted({_kind(unit) for unit in leaving} - needed)]
    return [path for path in files if path.is_file() and OURS in path.read_text(errors="replace")]


@dataclasses.dataclass
class Waiting:
    """Who was connected to a unit's port, in looks one after the other."""

    seen: list[str] = dataclasses.field(default_factory=list)
    quiet: int = 0

    def look(self, peers: list[str]) -> int:
        """How many looks in a row have found nobody. A queue may fill a free slot between two looks."""
        self.seen = peers or self.seen
        self.quiet = 0 if peers else self.quiet + 1
        return self.quiet


def busy_message(plan: Retirement, seen: t.Sequence[str], timeout: int) -> str:
    return (
        f"{plan.unit} is to go, but {' and '.join(seen)} did not leave its port {plan.port} in {timeout} s. "
        "It goes on serving, and the next run stops it. Does a gateway still send requests there, which --limit left out? "
        "Else end what runs there, or set ollama_retire_timeout to 0, which breaks it off."
    )


def _port(path: Path) -> int:
    ports = LISTENS.findall(path.read_text(errors="replace"))
    return int(ports[-1]) if ports else 0


def _kind(unit: str) -> str:
    return re.sub(r"@[^/]*\.service", "@.service", unit)
