# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a monitor of a small fleet could say, for the status page: the program that asks it is the real one, its answers are played."""

from __future__ import annotations

import dataclasses
import math
import sys
import typing as t
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "roles/metrics/files"))

from llm_status import status
from llm_status.prometheus import Alert, Sample

__all__ = ["LONG", "PlayedMonitor", "figures", "lasting"]

GIB = 2**30
LONG = "registry.example.com/a-team-with-a-long-name/a-model-whose-name-has-no-end-and-no-place-to-break:q4_K_M-2026-11-28"


def _day(at: float) -> float:
    """How busy people are, from 0 to 1, at a time of day in UTC."""
    hour = at / 3600 % 24
    work = math.exp(-((hour - 10.5) ** 2) / 9) + 0.8 * math.exp(-((hour - 15) ** 2) / 6)
    return min(1.0, 0.03 + work * (0.9 + 0.1 * math.sin(at / 700) + 0.08 * math.sin(at / 173)))


def _curve(low: float, high: float) -> t.Callable[[float], float]:
    return lambda at: low + (high - low) * _day(at)


TOTALS: dict[str, t.Callable[[float], float]] = {
    "p50": _curve(0.9, 2.6),
    "p95": _curve(2.1, 11.5),
    "first_byte": _curve(0.09, 0.32),
    "first_byte_p95": _curve(0.2, 2.4),
    "tokens": _curve(0, 412),
    "requests": _curve(0, 3.4),
    "errors": _curve(0, 0.02),
    "waiting": lambda at: float(max(0, round(14 * _day(at) - 9))),
    "refused": lambda at: max(0.0, _day(at) - 0.97),
}

SHARES = (0.62, 0.36, 0.02)
"""Of each model in the whole."""


@dataclasses.dataclass
class PlayedMonitor:
    """Answers the program's queries. It had been off for a while."""

    models: t.Sequence[str] = ("llama3.3:70b", "qwen3-coder:30b", "nomic-embed-text")
    hosts: t.Sequence[str] = ("gpu-a", "gpu-b")
    alerting: bool = True
    idle: bool = False
    dark: tuple[float, float] = (13.0, 14.25)
    """Between so many hours before the end of a history and so many, nothing was measured."""

    def now(self, query: str, time: float) -> list[Sample]:
        values = [(labels, value(time)) for labels, value in self._series(query)]
        return [Sample(labels, value if math.isfinite(value) else None) for labels, value in values]

    def history(self, query: str, start: int, step: int, points: int) -> list[tuple[dict[str, str], list[float | None]]]:
        times = [start + step * place for place in range(points)]
        night = [self.dark[0] <= (times[-1] - at) / 3600 < self.dark[1] for at in times]
        return [(labels, [None if dark else value(at) for dark, at in zip(night, times)]) for labels, value in self._series(query)]

    def alerts(self) -> list[Alert]:
        if not self.alerting:
            return []
        gpu = f"A GPU of {self.hosts[0]} is almost full: 93 % of its memory is in use. Another model may not fit."
        slow = "Answers take longer than usual: 95 of 100 within 11 s, and in the hour before within 4 s."
        return [
            Alert({"alertname": "VramAlmostFull", "severity": "warning"}, {"summary": gpu}, "2026-11-28T10:41:07.123456789Z"),
            Alert({"alertname": "LatencyClimbing", "severity": "critical"}, {"summary": slow}, "2026-11-28T11:52:30Z"),
        ]

    def _series(self, query: str) -> list[tuple[dict[str, str], t.Callable[[float], float]]]:
        for name, total in status.TOTALS.items():
            if query == total:
                return [] if self.idle else [({}, TOTALS[name])]
        for name, by_model in status.BY_MODEL.items():
            if query == by_model:
                share = [({"model": model}, _scaled(TOTALS[name], SHARES[place % 3])) for place, model in enumerate(self.models)]
                return [] if self.idle else share
        return [] if self.idle and query not in ("ollama_up", status.HEARD) else self._fleet(query)

    def _fleet(self, query: str) -> list[tuple[dict[str, str], t.Callable[[float], float]]]:
        gpus = [(host, gpu, 0.82 + 0.06 * place) for place, host in enumerate(self.hosts) for gpu in ("0", "1")]
        by_gpu: dict[str, t.Callable[[float], t.Callable[[float], float]]] = {
            "llm_gpu_utilization_ratio": lambda _: _curve(0.02, 0.97),
            "llm:gpu_memory:ratio": lambda full: _curve(full - 0.1, full + 0.05),
            "llm_gpu_memory_used_bytes": lambda full: _scaled(_curve(full - 0.1, full + 0.05), 80 * GIB),
            "llm_gpu_memory_total_bytes": lambda _: lambda at: 80.0 * GIB,
            "llm_gpu_temperature_celsius": lambda _: _curve(38, 71),
            "llm_gpu_info": lambda _: lambda at: 1.0,
        }
        if query in by_gpu:
            return [({"instance": host, "gpu": gpu, "name": "NVIDIA H100 80GB HBM3"}, by_gpu[query](full)) for host, gpu, full in gpus]
        if query == status.HEARD:
            return [({"instance": host, "job": "ollama"}, lambda at: 1.0) for host in (*self.hosts, "gateway")]
        if query == "ollama_up":
            return [({"instance": host, "server": "default"}, lambda at: 1.0) for host in self.hosts]
        loaded = []
        for place, model in enumerate(self.models):
            size = SHARES[place % 3] * 68 * GIB
            value = {
                "ollama_model_bytes": size,
                "ollama_model_vram_bytes": size * (0.7 if place == 1 else 1),
                "ollama_model_on_cpu": float(place == 1),
                "ollama_model_expiry_timestamp_seconds": math.inf,
            }[query]
            loaded += [({"instance": host, "server": "default", "model": model}, _steady(value)) for host in self.hosts]
        return loaded


def _steady(value: float) -> t.Callable[[float], float]:
    return lambda at: value


def _scaled(curve: t.Callable[[float], float], by: float) -> t.Callable[[float], float]:
    return lambda at: by * curve(at)


def figures(monitor: PlayedMonitor, now: float) -> dict[str, t.Any]:
    """The file that the program would write."""
    return status.answered(status.collect(monitor, now), now)  # type: ignore[arg-type]


def lasting(monitor: PlayedMonitor, now: float) -> dict[str, t.Any]:
    """The same, were the program run every five minutes: they are not yet old when a slow browser comes to them."""
    return {**figures(monitor, now), "every": 300}
