# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read of a GPU, whoever made it."""

from __future__ import annotations

import dataclasses
import typing as t

from .table import Sample

__all__ = ("Reading",)


@dataclasses.dataclass(frozen=True)
class Reading:
    """``gpu`` is its PCI address. Figures are in the units of the metrics, and None where the GPU does not tell."""

    gpu: str
    vendor: str
    name: str = ""
    driver: str = ""
    utilization: float | None = None
    used: float | None = None
    total: float | None = None
    power: float | None = None
    temperature: float | None = None
    throttled: t.Mapping[str, bool] = dataclasses.field(default_factory=dict)
    ecc: t.Mapping[str, int] = dataclasses.field(default_factory=dict)

    def samples(self) -> t.Iterator[Sample]:
        labels = (self.gpu,)
        yield "llm_gpu_info", (self.gpu, self.name, self.vendor, self.driver), 1
        for metric, value in (
            ("llm_gpu_utilization_ratio", self.utilization),
            ("llm_gpu_memory_used_bytes", self.used),
            ("llm_gpu_memory_total_bytes", self.total),
            ("llm_gpu_power_watts", self.power),
            ("llm_gpu_temperature_celsius", self.temperature),
        ):
            if value is not None:
                yield metric, labels, value
        for reason, active in self.throttled.items():
            yield "llm_gpu_throttled", (self.gpu, reason), active
        for kind, count in self.ecc.items():
            yield "llm_gpu_ecc_errors_total", (self.gpu, kind), count
