# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A GPU of AMD, as its driver shows it in sysfs: Linux' Documentation/gpu/amdgpu/{thermal,driver-misc,ras}.rst."""

from __future__ import annotations

import re

from ansible_collections.llm.host.plugins.module_utils._gpus import Gpu
from ansible_collections.llm.host.plugins.module_utils._machine import Machine

from .reading import Reading

__all__ = ("read_amd",)

MICRO = 1e-6
MILLI = 1e-3
ECC = {"corrected": re.compile(r"^ce:\s*(\d+)", re.MULTILINE), "uncorrected": re.compile(r"^ue:\s*(\d+)", re.MULTILINE)}


def read_amd(machine: Machine, gpu: Gpu) -> Reading:
    place = f"sys/bus/pci/devices/{gpu.address}"
    hwmon = next(iter(machine.paths(f"{place}/hwmon/hwmon*")), f"{place}/hwmon/hwmon0")
    # Newer GPUs have the power of the moment, older ones a mean.
    power = _number(machine, f"{hwmon}/power1_average", MICRO)
    return Reading(
        gpu=gpu.address,
        vendor="amd",
        name=gpu.name or gpu.gfx,
        driver=machine.text("sys/module/amdgpu/version") or gpu.driver,
        utilization=_number(machine, f"{place}/gpu_busy_percent", 0.01),
        used=_number(machine, f"{place}/mem_info_vram_used"),
        total=_number(machine, f"{place}/mem_info_vram_total"),
        power=_number(machine, f"{hwmon}/power1_input", MICRO) if power is None else power,
        temperature=_number(machine, f"{hwmon}/temp1_input", MILLI),
        ecc=_ecc(machine, place),
    )


def _ecc(machine: Machine, place: str) -> dict[str, int]:
    texts = [machine.text(path) for path in machine.paths(f"{place}/ras/*_err_count")]
    counts = {kind: [int(found.group(1)) for text in texts if (found := pattern.search(text))] for kind, pattern in ECC.items()}
    return {kind: sum(numbers) for kind, numbers in counts.items() if numbers}


def _number(machine: Machine, path: str, unit: float = 1) -> float | None:
    text = machine.text(path)
    return int(text) * unit if re.fullmatch(r"\d+", text) else None
