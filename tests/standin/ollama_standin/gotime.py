# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Go's durations and time stamps."""

from __future__ import annotations

import datetime as dt
import re
import time

__all__ = ["FOREVER", "format_duration", "parse_duration", "rfc3339", "unix"]

FOREVER = (2**63 - 1) / 1e9
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_TERM = re.compile(r"(\d+\.?\d*|\.\d+)([^.\d]*)")


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def parse_duration(text: str) -> float:
    """Seconds of a Go duration; raises ValueError with Go's text."""
    rest = text[1:] if text[:1] in ("-", "+") else text
    if rest == "0":
        return 0.0
    if not rest:
        raise ValueError(f"time: invalid duration {_quote(text)}")
    total = 0.0
    while rest:
        term = _TERM.match(rest)
        if term is None:
            raise ValueError(f"time: invalid duration {_quote(text)}")
        if not term[2]:
            raise ValueError(f"time: missing unit in duration {_quote(text)}")
        if term[2] not in _UNITS:
            raise ValueError(f"time: unknown unit {_quote(term[2])} in duration {_quote(text)}")
        total += float(term[1]) * _UNITS[term[2]]
        rest = rest[term.end() :]
    return -total if text.startswith("-") else total


def format_duration(seconds: float) -> str:
    """Like time.Duration.String: 5m0s, 1.5s, 2562047h47m16.854775807s."""
    if seconds >= FOREVER:
        return "2562047h47m16.854775807s"
    if 0 < abs(seconds) < 1:
        for unit, scale in (("ms", 1e3), ("µs", 1e6), ("ns", 1e9)):
            if abs(seconds) * scale >= 1:
                return f"{seconds * scale:.6g}{unit}"
    if not seconds:
        return "0s"
    sign, rest = ("-", -seconds) if seconds < 0 else ("", seconds)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    tail = f"{rest:.9f}".rstrip("0").rstrip(".") + "s"
    if hours:
        return f"{sign}{hours:.0f}h{minutes:.0f}m{tail}"
    return f"{sign}{minutes:.0f}m{tail}" if minutes else sign + tail


def rfc3339(nanoseconds: int | None = None) -> str:
    """RFC 3339 in UTC with nanoseconds, trailing zeros dropped."""
    whole, fraction = divmod(time.time_ns() if nanoseconds is None else nanoseconds, 10**9)
    stamp = dt.datetime(1970, 1, 1) + dt.timedelta(seconds=whole)
    tail = f".{fraction:09d}".rstrip("0").rstrip(".")
    return stamp.strftime("%Y-%m-%dT%H:%M:%S") + tail + "Z"


def unix(stamp: str) -> int:
    """The whole seconds of what rfc3339 wrote."""
    return int(dt.datetime.fromisoformat(f"{stamp[:19]}+00:00").timestamp())
