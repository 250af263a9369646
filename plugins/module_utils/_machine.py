# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be read of a machine: its files, its device nodes, and what its programs print. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import dataclasses
import grp
import json
import os
import pwd
import re
import shutil
import stat
import subprocess
import typing as t
from pathlib import Path

__all__ = ("RECORDING", "Machine", "Node", "Output", "Recorded", "by_version", "machine_at")

# In a tree that was laid out from a recording: the outputs of programs, and who owns the device nodes.
RECORDING = "recording.json"
PATH = os.pathsep.join(
    (os.environ.get("PATH", ""), "/usr/local/bin", "/usr/bin", "/usr/sbin", "/sbin", "/opt/rocm/bin", "/usr/lib/wsl/lib")
)
TIMEOUT = 30
LINKS = 16


@dataclasses.dataclass(frozen=True)
class Node:
    """A device node."""

    path: str
    owner: str
    group: str
    mode: str


@dataclasses.dataclass(frozen=True)
class Output:
    """What a program answered."""

    code: int
    stdout: str
    stderr: str = ""

    @property
    def error(self) -> str:
        text = "\n".join(part.strip() for part in (self.stdout, self.stderr) if part.strip())
        return text or f"It ended with status {self.code}."


class Machine:
    """The machine whose root directory is ``root``. What is not there, or not readable, is empty."""

    def __init__(self, root: Path = Path("/")) -> None:
        self.root = root

    def bytes(self, path: str) -> bytes:
        try:
            return self.real(path).read_bytes()
        except OSError:
            return b""

    def text(self, path: str) -> str:
        return self.bytes(path).decode("utf-8", "replace").strip().strip("\0")

    def link(self, path: str) -> str:
        try:
            return os.readlink(self.root / path)
        except OSError:
            return ""

    def exists(self, path: str) -> bool:
        return self.real(path).exists()

    def paths(self, pattern: str) -> list[str]:
        """What matches, relative to the root."""
        return sorted(str(path.relative_to(self.root)) for path in self.root.glob(pattern))

    def target(self, path: str) -> str:
        """Where a chain of links ends."""
        return os.path.relpath(os.path.realpath(self.root / path), self.root)

    def real(self, path: str) -> Path:
        return self.root / self.target(path)

    def node(self, path: str) -> Node | None:
        try:
            found = os.stat(self.root / path)
        except OSError:
            return None
        if not stat.S_ISCHR(found.st_mode):
            return None
        return Node(f"/{path}", _name(pwd.getpwuid, found.st_uid), _name(grp.getgrgid, found.st_gid), f"{stat.S_IMODE(found.st_mode):04o}")

    def run(self, *command: str) -> Output | None:
        """What the program answers, None where there is none."""
        program = shutil.which(command[0], path=PATH)
        if not program:
            return None
        process = subprocess.Popen(  # pylint: disable=ansible-bad-function
            [program, *command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env={**os.environ, "LC_ALL": "C"},
        )
        try:
            stdout, stderr = process.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            # One that waits for its driver cannot be killed, so its end is not waited for.
            process.kill()
            return Output(124, "", f"It did not answer within {TIMEOUT} s.")
        return Output(process.returncode, stdout, stderr)


class Recorded(Machine):
    """A machine laid out below a directory, of which nothing is run."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        try:
            recording = json.loads((root / RECORDING).read_text())
        except OSError:
            recording = {}
        self._nodes: dict[str, list[str]] = recording.get("nodes", {})
        self._commands: dict[str, dict[str, t.Any]] = recording.get("commands", {})

    def target(self, path: str) -> str:
        """The same, with the machine's root and not ours for links that begin with a slash."""
        for _number in range(LINKS):
            link = self.link(path)
            if not link:
                break
            path = os.path.normpath(link.lstrip("/") if link.startswith("/") else os.path.join(os.path.dirname(path), link))
        return path

    def node(self, path: str) -> Node | None:
        found = self._nodes.get(f"/{path}")
        return Node(f"/{path}", *found) if found else super().node(path)

    def run(self, *command: str) -> Output | None:
        answer = self._commands.get(" ".join(command))
        return Output(answer.get("code", 0), answer.get("stdout", ""), answer.get("stderr", "")) if answer else None


def machine_at(root: Path) -> Machine:
    return Machine(root) if root == Path("/") else Recorded(root)


def _name(look_up: t.Callable[[int], t.Any], number: int) -> str:
    try:
        return look_up(number)[0]
    except KeyError:
        return str(number)


def by_version(text: str) -> list[tuple[int, int, str]]:
    """For sorting: numbers count as numbers, and a tilde comes before everything, as in Debian."""
    parts = re.findall(r"\d+|\D+", text.replace("~", "\0"))
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts]
