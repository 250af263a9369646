# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of the lab's internet: each names the paths it is for and how often it strikes."""

from __future__ import annotations

import dataclasses
import re
import threading
import typing as t

__all__ = ["Fault", "FaultList"]


@dataclasses.dataclass
class Fault:
    """One fault; ``times`` 0 means for ever."""

    path: str
    status: int = 0
    text: str = ""
    truncate: int | None = None
    wrong_bytes: bool = False
    stall: float = 0.0
    bytes_per_second: int = 0
    times: int = 0


class FaultList:
    """The faults switched on; the first whose pattern matches the path strikes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def replace(self, values: t.Any) -> None:
        """A list of objects, or one object; a truncation without ``times`` strikes once."""
        items = [values] if isinstance(values, dict) and values else list(values or [])
        faults = []
        for item in items:
            fault = Fault(**item)
            re.compile(fault.path)
            if fault.truncate is not None and "times" not in item:
                fault.times = 1
            faults.append(fault)
        with self._lock:
            self._faults = faults

    def as_list(self) -> list[dict[str, t.Any]]:
        with self._lock:
            return [dataclasses.asdict(fault) for fault in self._faults]

    def take(self, path: str) -> Fault | None:
        with self._lock:
            for fault in self._faults:
                if re.search(fault.path, path):
                    struck = dataclasses.replace(fault)
                    if fault.times == 1:
                        self._faults.remove(fault)
                    elif fault.times:
                        fault.times -= 1
                    return struck
        return None
