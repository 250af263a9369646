# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the units of Ollama on a host keep their models, whoever wrote them, and what else sets that. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import dataclasses
import os
import pwd
import re
import shlex
import typing as t
from pathlib import Path

from ansible_collections.llm.host.plugins.module_utils._retire import SETTINGS, own_units
from ansible_collections.llm.host.plugins.module_utils._units import DIRECTORY, RunCommand, UnitError, process_environment

__all__ = ("UnitStore", "kept_stores", "known_units", "models_dir_of", "read_words", "set_after_ours", "unit_stores")

VARIABLE = "OLLAMA_MODELS"
PROPERTIES = ("Id", "ActiveState", "MainPID", "User", "Environment", "EnvironmentFiles", "FragmentPath", "DropInPaths")
ASSIGNS = re.compile(r"^\s*Environment\s*=(.*)$", re.MULTILINE)
FROM_FILE = re.compile(rf"^\s*{VARIABLE}\s*=(.*)$", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class UnitStore:
    """A directory in which a unit keeps its models. ``set_by`` is a file that sets this and that our own settings cannot outdo."""

    unit: str
    path: str
    running: bool = False
    set_by: str = ""


def known_units(declared: t.Iterable[str] = (), directory: str = DIRECTORY) -> list[str]:
    """The units of Ollama that may be there: the vendor's, ours, and those that start at boot."""
    started = (link.name for link in Path(directory).glob("*.wants/ollama@*.service"))
    return sorted({"ollama.service", *own_units(Path(directory)), *started, *declared})


def unit_stores(run: RunCommand, units: t.Sequence[str], directory: str = DIRECTORY) -> list[UnitStore]:
    """The stores of those units that exist. A unit that runs with older settings has two."""
    code, output, error = run(["systemctl", "show", f"--property={','.join(PROPERTIES)}", *units])
    if code != 0:
        raise UnitError(f"systemctl show failed: {error.strip() or output.strip()}")
    found = []
    for unit, block in zip(units, output.strip().split("\n\n")):
        values = _properties(block)
        files = [*values["FragmentPath"], *_drop_ins(unit, values, directory)]
        set_by, told = set_after_ours({path: _text(path) for path in files}, {path: _text(path) for path in _environment_files(values)})
        if not (values["FragmentPath"] and values["FragmentPath"][0]):
            # Nobody starts it yet, but what somebody laid down for it will hold.
            found += [UnitStore(unit, told, set_by=set_by)] if set_by else []
            continue
        environment = read_words(" ".join(values["Environment"]))
        home = _home("".join(values["User"]))
        path = told if set_by else models_dir_of(environment, home=home)
        running = "".join(values["ActiveState"]) in ("active", "reloading")
        found.append(UnitStore(unit, path, running=running, set_by=set_by))
        used = models_dir_of(process_environment(int("".join(values["MainPID"]) or 0)), home="")
        if running and used and used != path:
            found.append(UnitStore(unit, used, running=True))
    return found


def kept_stores(stores: t.Iterable[UnitStore], wanted: str) -> dict[str, list[str]]:
    """The units by directory, for directories that are not the wanted one, whatever links lead where."""
    target = os.path.realpath(wanted)
    kept: dict[str, list[str]] = {}
    for store in stores:
        if os.path.realpath(store.path) != target:
            kept.setdefault(store.path, []).append(store.unit)
    return kept


def models_dir_of(environment: t.Mapping[str, str], *, home: str) -> str:
    """What Ollama makes of its environment; empty where that says nothing."""
    if environment.get(VARIABLE):
        return environment[VARIABLE]
    home = environment.get("HOME") or home
    return f"{home.rstrip('/')}/.ollama/models" if home else ""


def read_words(text: str) -> dict[str, str]:
    """Assignments as systemd writes and reads them; later ones win."""
    try:
        words = shlex.split(text)
    except ValueError:
        words = text.split()
    return dict(word.split("=", 1) for word in words if "=" in word)


def set_after_ours(units: t.Mapping[str, str], environment_files: t.Mapping[str, str]) -> tuple[str, str]:
    """The last file that sets the directory and wins over our settings, and what it says; two empty texts where none does.

    Drop-ins are read in the order of their names, and environment files after all of them.
    """
    file = value = ""
    for path, text in sorted(units.items(), key=lambda item: os.path.basename(item[0])):
        if ".d/" in path and os.path.basename(path) > SETTINGS:
            for line in ASSIGNS.findall(text):
                said = read_words(line).get(VARIABLE)
                file, value = (path, said) if said else (file, value)
    for path, text in environment_files.items():
        for said in FROM_FILE.findall(text):
            file, value = path, said.strip().strip("\"'")
    return file, value


def _properties(block: str) -> dict[str, list[str]]:
    """systemctl repeats the name for each environment file."""
    values: dict[str, list[str]] = {name: [] for name in PROPERTIES}
    for line in block.splitlines():
        name, equals, value = line.partition("=")
        if equals and name in values:
            values[name].append(value)
    return values


def _environment_files(values: t.Mapping[str, list[str]]) -> list[str]:
    return [path for line in values["EnvironmentFiles"] for path in re.findall(r"^(/.+) \(ignore_errors=", line)]


def _drop_ins(unit: str, values: t.Mapping[str, list[str]], directory: str) -> list[str]:
    """Those that systemd has read, and those that lie there for the next time."""
    folders = [Path(directory, f"{name}.d") for name in (unit, re.sub(r"@[^.]*\.", "@.", unit))]
    lying = [str(path) for folder in folders for path in folder.glob("*.conf")]
    return list(dict.fromkeys([*" ".join(values["DropInPaths"]).split(), *lying]))


def _home(user: str) -> str:
    try:
        return pwd.getpwnam(user or "root").pw_dir
    except KeyError:
        return ""


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""
