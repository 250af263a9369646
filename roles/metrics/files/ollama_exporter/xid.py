# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors that the driver of NVIDIA wrote into the kernel's log."""

from __future__ import annotations

import re

from .background import Problem
from .programs import Program

__all__ = ("KernelLog",)

XID = re.compile(r"NVRM: Xid\b")
CURSOR = re.compile(r"-- cursor: (\S+)")


class KernelLog:
    """The journal of this boot, which is read once and then from where it ended."""

    def __init__(self, *, limit: float = 30) -> None:
        self._program = Program("journalctl", limit=limit)
        self._cursor = ""
        self._count = 0

    def xids(self) -> int | None:
        """How many there were since boot; None where the log cannot be read. Raises Problem when the journal does not answer."""
        if self._program.path is None:
            return None
        start = [f"--after-cursor={self._cursor}"] if self._cursor else []
        answer = self._program.ask("--dmesg", "--boot", "--quiet", "--no-pager", "--output=cat", "--show-cursor", *start)
        cursor = CURSOR.findall(answer.output)
        if cursor:
            self._cursor = cursor[-1]
        elif not self._cursor:
            # A kernel that boots says something: this is a log of others.
            return None
        if answer.code:
            raise Problem(f"journalctl: {answer.reason}")
        self._count += len(XID.findall(answer.output))
        return self._count
