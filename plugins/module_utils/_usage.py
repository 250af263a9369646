# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each user used on each day, counted from Prometheus' samples. PRIVATE to the collection: it can change at any time.

PromQL's increase() guesses what lies before the first and behind the last sample of a window, so it is not exact. Here the differences between neighbouring
samples are added up: each belongs to the day of its later sample, a counter that begins counts from 0, and so does one that began anew. Where nothing
began anew, the difference of the last samples of two days is the same sum, so that only few samples are read.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime
import json
import math
import typing as t

from ansible_collections.llm.host.plugins.module_utils._prometheus import Prometheus

__all__ = ("COUNTED", "Row", "grown", "report", "table", "usage")

DAY = 86400
JOB = 'job="gateway"'
# What is counted, as a column, and the counter and the labels that it is.
COUNTED = {
    "requests": ("llm_gateway_requests_total", ""),
    "errors": ("llm_gateway_requests_total", 'code=~"[45].."'),
    "prompt_tokens": ("llm_gateway_prompt_tokens_total", ""),
    "completion_tokens": ("llm_gateway_completion_tokens_total", ""),
}
# How far back the last sample before the first day is looked for when nothing was read on the day before.
GAP = "30d:5m"
# For how many seconds before a day samples are read where a process started anew.
MARGIN = 3600
Key = t.Tuple[t.Tuple[str, str], ...]


@dataclasses.dataclass(frozen=True)
class Row:
    """What a user used of a model on a day; the numbers are None where nothing is known of that day.

    ``missing_minutes``: for how much of the day, as far as it is over, the metrics of a gateway were not read. ``closed``: whether the day is over.
    """

    day: str
    user: str
    model: str
    requests: int | None
    errors: int | None
    prompt_tokens: int | None
    completion_tokens: int | None
    missing_minutes: int
    closed: bool


def usage(server: Prometheus, *, days: int, now: float, interval: float) -> list[Row]:
    """The last ``days`` days in UTC, today among them; ``interval``: every how many seconds the gateways' metrics are read. Raises PrometheusError."""
    today = math.floor(now / DAY) * DAY
    before = {column: _bases(server, _selector(column), today - (days - 1) * DAY) for column in COUNTED}
    rows = []
    for begin in range(today - (days - 1) * DAY, today + 1, DAY):
        end = min(begin + DAY, now)
        counts: dict[tuple[str, str], dict[str, float]] = collections.defaultdict(lambda: dict.fromkeys(COUNTED, 0.0))
        restarted = _restarted(server, begin, end)
        for column in COUNTED:
            for labels, amount in _grown_within(server, _selector(column), before[column], begin, end, restarted):
                counts[labels.get("user", ""), labels.get("model", "")][column] += amount
        rows += _rows_of(counts, begin, end, missing=_missing(server, begin, end, interval), closed=end == begin + DAY)
    return rows


def grown(samples: t.Sequence[tuple[float, float]], starts: t.Sequence[float], before: tuple[float, float] | None) -> float:
    """How much a counter grew over its ``samples``. ``before``: its last sample before them. It also began anew between two samples when its process
    started (``starts``) between them, even where that does not show."""
    total, last = 0.0, before
    for when, value in samples:
        anew = last is None or value < last[1] or any(last[0] < start <= when for start in starts)
        total += value if anew or last is None else value - last[1]
        last = (when, value)
    return total


def report(rows: t.Sequence[Row]) -> str:
    """A table for people: a line for each row, and what is missing."""
    heads = ("day", "user", "model", "requests", "errors", "prompt tokens", "completion tokens")
    shown = [heads, *(_shown(row) for row in rows)]
    widths = [max(len(line[column]) for line in shown) for column in range(len(heads))]
    lines = ["  ".join(_aligned(text, width, column) for column, (text, width) in enumerate(zip(line, widths))).rstrip() for line in shown]
    notes = [
        f"{day}: for {missing} minutes the metrics of a gateway were not read; what was used then is missing, or counted on the next day that was read."
        for day, missing in dict.fromkeys((row.day, row.missing_minutes) for row in rows)
        if missing
    ]
    notes += [f"{day}: so far." for day in dict.fromkeys(row.day for row in rows if not row.closed)]
    return "\n".join([*lines, *([""] if notes else []), *notes])


def table(rows: t.Sequence[Row]) -> list[list[t.Any]]:
    """What a CSV file says, its first line the names of the columns; nothing where nothing is known."""
    names = [field.name for field in dataclasses.fields(Row)]
    return [names, *([_cell(getattr(row, name)) for name in names] for row in rows)]


def _selector(column: str) -> str:
    name, labels = COUNTED[column]
    return f"{name}{{{','.join(part for part in (JOB, labels) if part)}}}"


def _bases(server: Prometheus, selector: str, begin: float) -> dict[Key, float]:
    """The last sample of each counter before ``begin``."""
    found = server.query(f"last_over_time({selector}[1d])", begin)
    if not found and not server.query(f"last_over_time(up{{{JOB}}}[1d])", begin):
        found = server.query(f"last_over_time({selector}[{GAP}])", begin)
    return {_key(series.labels): series.value for series in found}


def _grown_within(
    server: Prometheus,
    selector: str,
    before: dict[Key, float],
    begin: float,
    end: float,
    restarted: t.Mapping[str, t.Sequence[float]],
) -> t.Iterator[tuple[t.Mapping[str, str], float]]:
    """How much each counter grew; ``before`` is brought to what is before the next day."""
    window = f"[{_seconds(begin, end)}s]"
    last = server.query(f"last_over_time({selector}{window})", end)
    first = {_key(series.labels): series.value for series in server.query(f"min_over_time({selector}{window})", end)}
    anew = {_key(series.labels) for series in server.query(f"resets({selector}{window}) > 0", end)}
    for series in last:
        key = _key(series.labels)
        starts, base = restarted.get(series.labels.get("instance", ""), ()), before.get(key)
        if key in anew or starts:
            found = server.query(f"{_exactly(selector, series.labels)}[{_seconds(begin - MARGIN, end)}s]", end)
            samples = [sample for one in found for sample in one.samples]
            # When the last one before was is only known where it is among them.
            known = [sample for sample in samples if sample[0] <= begin][-1:] or ([(begin - MARGIN, base)] if base is not None else [])
            amount = grown([sample for sample in samples if sample[0] > begin], starts, known[0] if known else None)
        else:
            amount = grown([(begin, first[key]), (end, series.value)], (), None if base is None else (begin, base))
        before[key] = series.value
        yield series.labels, amount


def _restarted(server: Prometheus, begin: float, end: float) -> dict[str, list[float]]:
    """When the process that counts started, for each gateway where it did so within the day or shortly before."""
    found = server.query(f"process_start_time_seconds{{{JOB}}}[{_seconds(begin, end)}s]", end)
    times: dict[str, list[float]] = {}
    for series in found:
        starts = sorted({value for _when, value in series.samples if value > begin - MARGIN})
        if starts:
            times.setdefault(series.labels.get("instance", ""), []).extend(starts)
    return times


def _missing(server: Prometheus, begin: float, end: float, interval: float) -> float:
    """For how many seconds the worst gateway was not read; all of it where none was."""
    read = server.query(f"sum_over_time(up{{{JOB}}}[{_seconds(begin, end)}s])", end)
    covered = min((series.value * interval for series in read), default=0.0)
    lacking = end - begin - covered
    # The window is cut anywhere between two samples.
    return lacking if lacking > 2 * interval else 0.0


def _rows_of(
    counts: t.Mapping[tuple[str, str], t.Mapping[str, float]], begin: float, end: float, *, missing: float, closed: bool
) -> list[Row]:
    day = datetime.datetime.fromtimestamp(begin, datetime.timezone.utc).date().isoformat()
    minutes = math.ceil(missing / 60)
    used = [(user, model, amounts) for (user, model), amounts in sorted(counts.items()) if any(amounts.values())]
    if not used:
        nothing = None if missing >= end - begin else 0
        return [Row(day, "", "", nothing, nothing, nothing, nothing, minutes, closed)]
    return [
        Row(day, user, model, *(round(amounts[column]) for column in COUNTED), missing_minutes=minutes, closed=closed)
        for user, model, amounts in used
    ]


def _exactly(selector: str, labels: t.Mapping[str, str]) -> str:
    """A selector for one series."""
    name = selector.partition("{")[0]
    return f"{name}{{{','.join(f'{label}={json.dumps(value)}' for label, value in sorted(labels.items()) if label != '__name__')}}}"


def _key(labels: t.Mapping[str, str]) -> Key:
    return tuple(sorted((name, value) for name, value in labels.items() if name != "__name__"))


def _seconds(begin: float, end: float) -> int:
    return max(1, math.ceil(end - begin))


def _shown(row: Row) -> tuple[str, ...]:
    numbers = (row.requests, row.errors, row.prompt_tokens, row.completion_tokens)
    return (row.day, row.user or "-", row.model or "-", *("?" if number is None else str(number) for number in numbers))


def _aligned(text: str, width: int, column: int) -> str:
    return text.ljust(width) if column < 3 else text.rjust(width)


def _cell(value: t.Any) -> t.Any:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else value
