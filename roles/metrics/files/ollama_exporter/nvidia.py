# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The GPUs of NVIDIA, in one call of nvidia-smi."""

from __future__ import annotations

import csv
import math

from ansible_collections.llm.host.plugins.module_utils._gpu_tools import address

from .background import Problem
from .programs import Program
from .reading import Reading

__all__ = ("FIELDS", "Nvidia", "readings_in")

FIELDS = (
    "pci.bus_id",
    "name",
    "driver_version",
    "utilization.gpu",
    "memory.used",
    "memory.total",
    "power.draw",
    "temperature.gpu",
    "ecc.errors.corrected.volatile.total",
    "ecc.errors.uncorrected.volatile.total",
)
# What they are called since the driver 535, and before.
THROTTLES = ("clocks_event_reasons.active", "clocks_throttle_reasons.active")
# nvml.h: nvmlClocksEventReasons. The others are no trouble: idle, or set so by somebody.
REASONS = {
    "sw_power_cap": 0x4,
    "hw_slowdown": 0x8,
    "sync_boost": 0x10,
    "sw_thermal_slowdown": 0x20,
    "hw_thermal_slowdown": 0x40,
    "hw_power_brake_slowdown": 0x80,
}
MIB = 1024 * 1024
# Of a GPU that is on no bus, as that of a Jetson.
NO_ADDRESS = "integrated"


class Nvidia:
    """The program, which may not be there."""

    def __init__(self, *, limit: float = 10) -> None:
        self._program = Program("nvidia-smi", limit=limit)
        self._throttles: tuple[str, ...] = THROTTLES

    @property
    def is_there(self) -> bool:
        return self._program.path is not None

    def read(self) -> list[Reading]:
        """The GPUs that answer. Raises Problem when none does."""
        for name in self._throttles:
            answer = self._program.ask(f"--query-gpu={','.join((*FIELDS, name))}", "--format=csv,noheader,nounits")
            if "is not a valid field" not in answer.output + answer.errors:
                self._throttles = (name,)
                break
        found = readings_in(answer.output)
        if not found:
            raise Problem(f"nvidia-smi: {answer.reason}")
        return found


def readings_in(text: str) -> list[Reading]:
    """The lines of the answer that are about a GPU."""
    found = []
    for line in text.splitlines():
        fields = [field.strip() for field in next(csv.reader([line], skipinitialspace=True), [])]
        if len(fields) == len(FIELDS) + 1 and (address(fields[0]) or fields[0].startswith(("[", "N/A"))):
            found.append(_reading(*fields))
    return found


def _reading(
    bus: str,
    name: str,
    driver: str,
    busy: str,
    used: str,
    total: str,
    power: str,
    heat: str,
    corrected: str,
    uncorrected: str,
    reasons: str,
) -> Reading:
    errors = {"corrected": _number(corrected), "uncorrected": _number(uncorrected)}
    return Reading(
        gpu=address(bus) or NO_ADDRESS,
        vendor="nvidia",
        name=name,
        driver=driver,
        utilization=_number(busy, 0.01),
        used=_number(used, MIB),
        total=_number(total, MIB),
        power=_number(power),
        temperature=_number(heat),
        throttled=_throttled(reasons),
        ecc={kind: int(count) for kind, count in errors.items() if count is not None},
    )


def _throttled(text: str) -> dict[str, bool]:
    try:
        mask = int(text, 16)
    except ValueError:
        return {}
    return {reason: bool(mask & bit) for reason, bit in REASONS.items()}


def _number(text: str, unit: float = 1) -> float | None:
    """None for ``[N/A]`` and the like."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value * unit if math.isfinite(value) else None
