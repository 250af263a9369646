# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A table of nftables of our own, the unit that loads it at boot, and what is to be done so that the kernel has it.

PRIVATE to the collection: it can change at any time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import typing as t

from ansible_collections.llm.host.plugins.module_utils._host_file import HostFile, read_text
from ansible_collections.llm.host.plugins.module_utils._units import UnitError, Units

__all__ = ("KeptTable", "Look", "Plan", "Table", "make_plan")

EMPTIED_BY = "nftables.service"
SYSTEMD = "/etc/systemd/system"

UNIT_TEXT = """\
# Written by llm.host.
[Unit]
Description={description}
DefaultDependencies=no
Wants=network-pre.target
After=nftables.service
Before=network-pre.target shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
StandardInput=null
ProtectSystem=full
ProtectHome=yes
ExecStart={nft} -f {config}
ExecReload={nft} -f {config}
ExecStop={nft} "table {table} {{}}; delete table {table}"

[Install]
WantedBy=sysinit.target
"""

# Not PartOf= in our unit: systemctl does not wait for what is propagated, and loses it where a reload follows a restart at once.
DROP_IN_TEXT = """\
# Written by llm.host: nftables.service empties the kernel of all tables; this puts the one of {unit} back.
[Service]
ExecStartPost=-{nft} -f {config}
ExecReload=-{nft} -f {config}
ExecStopPost=-{nft} -f {config}
"""


@dataclasses.dataclass(frozen=True)
class Table:
    """Its name with the family, the file with its rules, the unit that loads it, and the drop-in that puts it back."""

    name: str
    config: str
    unit: str
    drop_in: str
    description: str

    def replaced_by(self, rules: str) -> str:
        """One transaction, whether the table is there or not; without rules it goes."""
        return f"table {self.name} {{}}\ndelete table {self.name}\n{rules}"

    def files(self, nft: str, text: str) -> list[HostFile]:
        """The rules last: they say what is closed, also to the run after one that was killed."""
        names = {"table": self.name, "config": self.config, "unit": self.unit, "description": self.description, "nft": nft}
        return [
            HostFile(f"{SYSTEMD}/{EMPTIED_BY}.d/{self.drop_in}", DROP_IN_TEXT.format(**names)),
            HostFile(f"{SYSTEMD}/{self.unit}", UNIT_TEXT.format(**names)),
            HostFile(self.config, text),
        ]


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is to be done, in this order: ``disable`` stops the unit too, ``drop`` takes a table away that is still there."""

    write: tuple[str, ...] = ()
    enable: bool = False
    start: bool = False
    load: bool = False
    disable: bool = False
    drop: bool = False
    remove: tuple[str, ...] = ()

    @property
    def actions(self) -> list[str]:
        return [field.name for field in dataclasses.fields(self) if getattr(self, field.name)]

    @property
    def changed(self) -> bool:
        return bool(self.actions)


def make_plan(
    *, wanted: bool, differing: t.Iterable[str], existing: t.Iterable[str], enabled: bool, running: bool, table: str, wanted_table: str
) -> Plan:
    """Decide from the state alone, so that a run which was killed half-way is finished by the next one.

    ``differing`` and ``existing`` are those of our files that are not as wanted, and that are there; ``table`` is what the kernel has,
    empty for nothing, and ``wanted_table`` the same of what is wanted.
    """
    if wanted:
        return Plan(write=tuple(differing), enable=not enabled, start=not running, load=running and table != wanted_table)
    return Plan(disable=enabled or running, drop=bool(table), remove=tuple(existing))


@dataclasses.dataclass(frozen=True)
class Look:
    """What there is of a table, and what is to be done."""

    plan: Plan
    table: str
    wanted_table: str
    diff: list[dict[str, str]]

    def as_result(self) -> dict[str, t.Any]:
        return {"changed": self.plan.changed, "actions": self.plan.actions, "diff": self.diff}


class KeptTable:
    """The table in the kernel, the unit that loads it, and their files."""

    def __init__(self, table: Table, *, run: t.Callable[..., tuple[int, str, str]], nft: str | None) -> None:
        self.table = table
        self._run = run
        self._nft = nft or ""

    @property
    def installed(self) -> bool:
        return bool(self._nft)

    def look(self, text: str) -> Look:
        """What is to be done for these rules, or for none. Raises UnitError where nft refuses them."""
        files = self._files(text)
        table, wanted_table = self.loaded(), self._tried(text) if text else ""
        unit = Units(self._run).states([self.table.unit])[0]
        plan = make_plan(
            wanted=bool(text),
            differing=[file.path for file in files if text and file.differs()],
            existing=[file.path for file in files if os.path.lexists(file.path)],
            enabled=unit.enabled,
            running=unit.running,
            table=table,
            wanted_table=wanted_table,
        )
        diff = [_diff(file.path, read_text(file.path) or "", file.content) for file in files if file.path in plan.write]
        diff += [_diff(path, read_text(path) or "", "") for path in plan.remove]
        if table != wanted_table:
            diff.append(_diff(f"table {self.table.name}", table, wanted_table))
        return Look(plan, table, wanted_table, diff)

    def loaded(self) -> str:
        """The rules that the kernel has, as nft prints them; empty where there are none."""
        if not self._nft:
            return ""
        code, output = self._run([self._nft, "--stateless", "list", "table", *self.table.name.split()])[:2]
        return output if code == 0 else ""

    def apply(self, plan: Plan, text: str) -> None:
        for file in self._files(text):
            if file.path in plan.write:
                file.write()
        if plan.disable:
            self.must("systemctl", "disable", "--now", self.table.unit)
        if plan.drop and self.loaded():
            self.must(self._nft, f"delete table {self.table.name}")
        for path in plan.remove:
            os.unlink(path)
            with contextlib.suppress(OSError):
                os.rmdir(os.path.dirname(path))
        if plan.write or plan.remove or any(unit.needs_reload for unit in Units(self._run).states([self.table.unit, EMPTIED_BY])):
            self.must("systemctl", "daemon-reload")
        if plan.enable:
            self.must("systemctl", "enable", self.table.unit)
        if plan.start or plan.load:
            self.must("systemctl", "start" if plan.start else "reload", self.table.unit)

    def must(self, *command: str, data: str | None = None) -> str:
        code, output, error = self._run(list(command), data=data)
        if code != 0:
            raise UnitError(f"{' '.join(command)} failed: {error.strip() or output.strip()}")
        return str(output)

    def _files(self, text: str) -> list[HostFile]:
        return self.table.files(self._nft or "/usr/sbin/nft", text)

    def _tried(self, text: str) -> str:
        """The same of a ruleset that is loaded where nothing else is: each version of nft prints rules in its own way."""
        if not self._nft:
            return ""
        script = f"{self._nft} -f - && {self._nft} --stateless list table {self.table.name}"
        return self.must("unshare", "--net", "sh", "-c", script, data=text)


def _diff(name: str, before: str, after: str) -> dict[str, str]:
    return {"before_header": name, "after_header": name, "before": before, "after": after}
