# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of others, which may hang."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess

from .background import Problem

__all__ = ("Answer", "Program")

PLACES = ("/usr/local/bin", "/usr/bin", "/usr/sbin", "/usr/lib/wsl/lib")


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a program said."""

    code: int
    output: str
    errors: str = ""

    @property
    def reason(self) -> str:
        """The first line of why it failed."""
        lines = f"{self.errors}\n{self.output}".strip().splitlines()
        return lines[0].strip() if lines else f"it ended with status {self.code}"


class Program:
    """One of which there is never more than one process. ``limit`` is how many seconds it may take."""

    def __init__(self, name: str, *, limit: float = 10) -> None:
        self._name = name
        self._limit = limit
        self._process: subprocess.Popen[str] | None = None

    @property
    def path(self) -> str | None:
        return shutil.which(self._name, path=os.pathsep.join((os.environ.get("PATH", ""), *PLACES)))

    def ask(self, *arguments: str) -> Answer:
        """Raises Problem when it is not there, or gives no answer."""
        if self._process is not None and self._process.poll() is None:
            # One that waits for its driver cannot be killed.
            raise Problem(f"{self._name} still hangs")
        if not self.path:
            raise Problem(f"{self._name} is not installed")
        self._process = subprocess.Popen(
            [self.path, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, "LC_ALL": "C"},
        )
        try:
            output, errors = self._process.communicate(timeout=self._limit)
        except subprocess.TimeoutExpired as exc:
            self._process.kill()
            raise Problem(f"{self._name} did not answer within {self._limit:g} s") from exc
        return Answer(self._process.returncode, output, errors)
