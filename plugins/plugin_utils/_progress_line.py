# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people see while the models of a host are worked on.

PRIVATE to the collection: it can change at any time without notice.
"""

from __future__ import annotations

import dataclasses
import json
import typing as t

__all__ = ["Report", "progress_line", "read_report", "readable_bytes"]

_UNITS = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
_QUIET = 30.0


@dataclasses.dataclass(frozen=True)
class Report:
    """What a host told: which model is how far, in bytes, and when by the host's clock. ``more`` are worked on besides."""

    name: str
    phase: str
    completed: int = 0
    total: int = 0
    more: int = 0
    time: float = 0.0


def read_report(text: str) -> Report | None:
    """The content of C(models.progress); None when there is none or it cannot be understood."""
    try:
        content = json.loads(text)
        first, *others = content["models"]
        return Report(
            name=str(first["name"]),
            phase=str(first["phase"]),
            completed=int(first["completed"]),
            total=int(first["total"]),
            more=len(others),
            time=float(content["time"]),
        )
    except (ValueError, KeyError, TypeError):
        return None


def progress_line(report: Report, earlier: Report | None = None, *, quiet: float = 0.0) -> str:
    """One line for people: how far, how fast since ``earlier``, how long still.

    ``quiet`` are the seconds for which the report has not changed.
    """
    parts = [report.name]
    if report.total > 0:
        completed = min(report.completed, report.total)
        parts.append(f"{100 * completed // report.total} %")
        parts.append(readable_bytes(completed, report.total))
        if quiet < _QUIET:
            parts += _speed(report, earlier)
    else:
        parts.append(report.phase)
    if quiet >= _QUIET:
        parts.append(f"no progress for {_duration(quiet)}")
    if report.more:
        parts.append(f"(+{report.more} more)")
    return "  ".join(parts)


def _speed(report: Report, earlier: Report | None) -> t.Sequence[str]:
    if earlier is None or (earlier.name, earlier.total) != (report.name, report.total):
        return ()
    seconds, fetched = report.time - earlier.time, report.completed - earlier.completed
    if seconds <= 0 or fetched <= 0:
        return ()
    rate = fetched / seconds
    return (f"{readable_bytes(rate)}/s", f"eta {_duration((report.total - report.completed) / rate)}")


def readable_bytes(*counts: float) -> str:
    """Bytes in the unit of the last, C(2.1/4.9 GB); several are parts of a whole."""
    divisor, unit = next(((divisor, unit) for divisor, unit in _UNITS if counts[-1] >= divisor), (1.0, "B"))
    digits = 1 if divisor >= 1e9 else 0
    return "/".join(f"{count / divisor:.{digits}f}" for count in counts) + f" {unit}"


def _duration(seconds: float) -> str:
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
