# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the page is told, as a value: what is asked, and how the answers are put together. Nothing in it is about a user."""

from __future__ import annotations

import datetime
import json
import typing as t
from pathlib import Path

from .prometheus import Labels, Prometheus, Sample

__all__ = ["POINTS", "STEP", "answered", "collect", "read", "unanswered"]

VERSION = 1
EVERY = 30
"""Seconds from one run of this program to the next."""
POINTS, STEP = 193, 450
"""A day, as so many points with so many seconds between them."""
MODELS, INSTANCES, LOADED_MODELS, GPUS, GPUS_WITH_HISTORY, ALERTS = 100, 200, 400, 200, 64, 50
"""How many of each are told at most, so that the file stays below a megabyte."""
NAME, SENTENCE = 200, 400
"""Letters."""

TOTALS = {
    "p50": "llm:request_seconds:all:p50",
    "p95": "llm:request_seconds:all:p95",
    "first_byte": "llm:first_byte_seconds:all:p50",
    "first_byte_p95": "llm:first_byte_seconds:all:p95",
    "tokens": "sum(llm:completion_tokens:rate5m)",
    "requests": "sum(llm:requests:rate5m)",
    "errors": 'sum(llm:requests:rate5m{code=~"5.."}) or 0 * sum(llm:requests:rate5m)',
    "waiting": "sum(llm:queue_waiting)",
    "refused": "sum(llm:queue_refused:rate5m)",
}
"""Seconds, or something for each second; waiting are requests."""
BY_MODEL = {
    "p50": "max by (model) (llm:request_seconds:p50)",
    "p95": "max by (model) (llm:request_seconds:p95)",
    "first_byte": "max by (model) (llm:first_byte_seconds:p50)",
    "tokens": "sum by (model) (llm:completion_tokens:rate5m)",
}
GPU = {
    "utilization": "llm_gpu_utilization_ratio",
    "memory": "llm:gpu_memory:ratio",
    "memory_used": "llm_gpu_memory_used_bytes",
    "memory_total": "llm_gpu_memory_total_bytes",
    "temperature": "llm_gpu_temperature_celsius",
}
GPU_HISTORY = ("utilization", "memory")
LOADED = {
    "bytes": "ollama_model_bytes",
    "vram_bytes": "ollama_model_vram_bytes",
    "on_cpu": "ollama_model_on_cpu",
    "expires": "ollama_model_expiry_timestamp_seconds",
}

HEARD = 'up{job="ollama"}'
SEVERITIES = {"critical": 0, "warning": 1}

Value = t.Dict[str, t.Any]
Key = t.Tuple[str, ...]


def collect(prometheus: Prometheus, now: float) -> Value:
    """All that the page shows of this moment and the day before it. Raises Unanswered."""
    start = int(now) // STEP * STEP - (POINTS - 1) * STEP
    return {
        "measured": round(now),
        "now": {name: _single(prometheus.now(query, now)) for name, query in TOTALS.items()},
        "history": {
            "start": start,
            "step": STEP,
            **{name: _whole(prometheus.history(query, start, STEP, POINTS)) for name, query in TOTALS.items()},
        },
        "models": _models(prometheus, now),
        "hosts": _hosts(prometheus, now, start),
        "alerts": _alerts(prometheus),
    }


def answered(measured: Value, now: float) -> Value:
    """The file after a run in which a monitor answered."""
    return {"version": VERSION, "every": EVERY, "asked": round(now), "answered": True, **measured}


def unanswered(before: Value, now: float) -> Value:
    """The file after a run in which none did: what was measured before stays, with its time."""
    return {**before, "version": VERSION, "every": EVERY, "asked": round(now), "answered": False}


def read(path: Path) -> Value:
    """What a run before has written; nothing where there is nothing that can be read."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) and value.get("version") == VERSION else {}


def _models(prometheus: Prometheus, now: float) -> list[Value]:
    rows = _table(prometheus, now, BY_MODEL, ("model",), MODELS)
    busiest = sorted(rows.items(), key=lambda row: -(row[1]["tokens"] or 0))
    return [{"name": name, **row} for (name,), row in busiest if name]


def _hosts(prometheus: Prometheus, now: float, start: int) -> list[Value]:
    instances = _table(prometheus, now, {"up": "ollama_up"}, ("instance", "server"), INSTANCES)
    loaded = _table(prometheus, now, LOADED, ("instance", "server", "model"), LOADED_MODELS)
    gpus = _table(prometheus, now, GPU, ("instance", "gpu"), GPUS)
    names = {_key(sample.labels, ("instance", "gpu")): sample.labels.get("name", "") for sample in prometheus.now("llm_gpu_info", now)}
    histories = _histories(prometheus, start, list(gpus)[:GPUS_WITH_HISTORY])
    heard = {host: row["up"] == 1 for (host,), row in _table(prometheus, now, {"up": HEARD}, ("instance",), INSTANCES).items()}
    # A gateway reports too, and has nothing to show.
    named = {key[0] for key in (*instances, *gpus)} | {host for host in heard if not heard[host]}
    hosts: dict[str, Value] = {name: {"name": name, "reports": heard.get(name, False), "servers": [], "gpus": []} for name in sorted(named)}
    for (host, server), one in instances.items():
        models = [{"name": key[2], **model} for key, model in loaded.items() if key[:2] == (host, server)]
        hosts[host]["servers"].append({"name": server, "up": one["up"] == 1, "models": models})
    for key, one in gpus.items():
        hosts[key[0]]["gpus"].append({"gpu": key[1], "name": names.get(key, "")[:NAME], **one, "history": histories.get(key, {})})
    return list(hosts.values())


def _table(prometheus: Prometheus, now: float, queries: t.Mapping[str, str], labels: Key, most: int) -> dict[Key, Value]:
    """The answers to several queries, joined by the labels that they have in common and sorted by them."""
    rows: dict[Key, Value] = {}
    for what, query in queries.items():
        for sample in prometheus.now(query, now):
            rows.setdefault(_key(sample.labels, labels), dict.fromkeys(queries))[what] = _rounded(sample.value)
    return {key: rows[key] for key in sorted(rows)[:most]}


def _histories(prometheus: Prometheus, start: int, keys: t.Collection[Key]) -> dict[Key, Value]:
    found: dict[Key, Value] = {key: {} for key in keys}
    for what in GPU_HISTORY:
        for labels, values in prometheus.history(GPU[what], start, STEP, POINTS):
            key = _key(labels, ("instance", "gpu"))
            if key in found:
                found[key][what] = [_rounded(value) for value in values]
    return found


def _key(labels: Labels, names: Key) -> Key:
    return tuple(labels.get(name, "")[:NAME] for name in names)


def _alerts(prometheus: Prometheus) -> list[Value]:
    alerts = [
        {
            "name": alert.labels.get("alertname", "")[:NAME],
            "severity": alert.labels.get("severity", "")[:NAME],
            "text": alert.annotations.get("summary", "")[:SENTENCE],
            "since": _moment(alert.since),
        }
        for alert in prometheus.alerts()
    ]
    return sorted(alerts, key=lambda alert: (SEVERITIES.get(alert["severity"], 2), alert["name"], alert["text"]))[:ALERTS]


def _moment(text: str) -> int | None:
    """Seconds since 1970, of a time as Go writes it, with up to nine digits behind the second."""
    try:
        return round(datetime.datetime.strptime(text[:19] + "+0000", "%Y-%m-%dT%H:%M:%S%z").timestamp())
    except ValueError:
        return None


def _single(samples: t.Sequence[Sample]) -> float | None:
    return _rounded(samples[0].value) if samples else None


def _whole(series: t.Sequence[tuple[Labels, list[float | None]]]) -> list[float | None]:
    return [_rounded(value) for value in series[0][1]] if series else [None] * POINTS


def _rounded(value: float | None) -> float | None:
    """Short in the file, and exact enough for a screen and for a count of bytes or a time."""
    if value is None:
        return None
    return round(value) if abs(value) >= 1000 else round(value, 4)
