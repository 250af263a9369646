# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what the parts know to what prometheus_client writes. It works with the versions 0.16 and later, as Debian 12 has it."""

from __future__ import annotations

import typing as t

from prometheus_client import registry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family

from .table import COUNTER, METRICS, Part

__all__ = ("Collector",)


class Collector(registry.Collector):
    """What a registry asks."""

    def __init__(self, parts: t.Sequence[Part]) -> None:
        self._parts = parts

    def collect(self) -> t.Iterator[Family]:
        values: dict[str, list[tuple[tuple[str, ...], float]]] = {}
        for part in self._parts:
            for name, labels, value in part.samples():
                values.setdefault(name, []).append((labels, value))
        for name, metric in METRICS.items():
            if name not in values:
                continue
            make = CounterMetricFamily if metric.kind == COUNTER else GaugeMetricFamily
            family = make(name, metric.help, labels=metric.labels)
            for labels, value in values[name]:
                family.add_metric(labels, value)
            yield family
