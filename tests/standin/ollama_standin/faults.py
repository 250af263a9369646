# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults that a test can switch on, and what the server has seen: the only additions to the real API."""

from __future__ import annotations

import collections
import json
import re
import threading
import time
import typing as t

__all__ = ["Counters", "Faults", "Seen"]

FAULT_TYPES: dict[str, tuple[type, ...]] = {
    "start_delay": (int, float),
    "refuse_start": (bool, str),
    "crash_after": (int, float),
    "ignore_sigterm": (bool,),
    "version": (str,),
    "version_500": (bool,),
    "hang": (bool, str),
    "status": (dict,),
    "unauthorized": (bool,),
    "unlisted": (str,),
    "gpu": (int, float),
    "generate_500": (bool, str),
    "busy_503": (bool,),
    "tokens": (int,),
    "token_ms": (int, float),
    "prompt_ms": (int, float),
    "load_ms": (int, float),
    "load_error": (str,),
    "error_after": (int,),
    "cut_after": (int,),
    "stall_after": (int,),
    "split": (int,),
    "pull_error": (str,),
    "pull_cut": (bool,),
    "pull_retries": (int,),
    "create_error": (str,),
}


class Faults:
    """A checked set of switches; unknown names are refused so that a typo does not pass a test."""

    def __init__(self, text: str = "") -> None:
        self._values: dict[str, t.Any] = {}
        if text.strip():
            self.replace(json.loads(text))

    def replace(self, values: t.Any) -> None:
        if not isinstance(values, dict):
            raise ValueError("faults must be a JSON object")
        for name, value in values.items():
            if name not in FAULT_TYPES:
                raise ValueError(f"unknown fault {name!r}; known: {', '.join(FAULT_TYPES)}")
            if value is not None and not isinstance(value, FAULT_TYPES[name]):
                raise ValueError(f"fault {name!r} has the wrong type")
        self._values = {name: value for name, value in values.items() if value not in (None, False)}

    def get(self, name: str, default: t.Any = None) -> t.Any:
        assert name in FAULT_TYPES, name
        return self._values.get(name, default)

    def as_dict(self) -> dict[str, t.Any]:
        return dict(self._values)

    def hangs(self, path: str) -> bool:
        value = self.get("hang")
        return value is True or (isinstance(value, str) and re.search(value, path) is not None)

    def status_for(self, path: str) -> int | None:
        for pattern, status in self.get("status", {}).items():
            if re.search(pattern, path):
                return int(status)
        return 401 if self.get("unauthorized") else None


class Counters:
    """How many generations began, ended, were cancelled by the client, and run now; how often a model was loaded."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values = dict.fromkeys(("started", "finished", "cancelled", "running", "peak", "waiting", "tokens", "loads"), 0)

    def add(self, **changes: int) -> None:
        with self._lock:
            for name, change in changes.items():
                self._values[name] += change
            self._values["peak"] = max(self._values["peak"], self._values["running"])

    def reset(self) -> None:
        """Begin to count anew; what runs and waits now stays counted."""
        with self._lock:
            self._values |= dict.fromkeys(("started", "finished", "cancelled", "tokens", "loads"), 0)
            self._values["peak"] = self._values["running"]

    def as_dict(self) -> dict[str, int]:
        with self._lock:
            return dict(self._values)


class Seen:
    """The last requests, newest last."""

    def __init__(self, limit: int = 500) -> None:
        self._lock = threading.Lock()
        self._requests: collections.deque[dict[str, t.Any]] = collections.deque(maxlen=limit)
        self._count = 0

    def add(self, *, method: str, path: str, headers: t.Mapping[str, str]) -> dict[str, t.Any]:
        with self._lock:
            self._count += 1
            entry = {
                "id": self._count,
                "time": time.time(),
                "method": method,
                "path": path,
                "headers": {name.lower(): value for name, value in headers.items()},
                "body": None,
                "status": None,
            }
            self._requests.append(entry)
            return entry

    def last(self, count: int) -> list[dict[str, t.Any]]:
        with self._lock:
            return [dict(entry) for entry in list(self._requests)[-count:]] if count > 0 else []

    def clear(self) -> None:
        with self._lock:
            self._requests.clear()
