# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The GPUs of this host: what they do, and how many of them work."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible_collections.llm.host.plugins.module_utils._gpus import Gpu, read_gpus
from ansible_collections.llm.host.plugins.module_utils._machine import Machine, Output

from .amd import read_amd
from .background import Errors, Repeated
from .nvidia import Nvidia
from .reading import Reading
from .table import Sample
from .xid import KernelLog

__all__ = ("GpuWatch",)

# How often, in seconds.
FIGURES = 15
LOG = 60


class Bus(Machine):
    """What is plugged in, without a word of a program."""

    def run(self, *command: str) -> Output | None:
        return None


class GpuWatch:
    """All GPUs. ``root`` is where the machine's files are."""

    def __init__(self, expected: int | None, *, errors: Errors, root: Path = Path("/"), every: float = FIGURES, log: float = LOG) -> None:
        self._expected = expected
        self._machine = Bus(root)
        self._smi = Nvidia()
        self._nvidia = Repeated("gpus", self._of_nvidia, every=every, errors=errors, name="of NVIDIA")
        self._others = Repeated("gpus", self._of_others, every=every, errors=errors)
        self._xids = Repeated("xid", KernelLog().xids, every=log, errors=errors)

    def start(self) -> None:
        self._nvidia.start()
        self._others.start()
        if any(gpu.vendor == "nvidia" for gpu in self._plugged_in()):
            self._xids.start()

    def samples(self) -> t.Iterator[Sample]:
        if self._expected is not None:
            yield "llm_gpus_expected", (), self._expected
        if self._nvidia.tried and self._others.tried:
            # None of those works of which nothing is known.
            readings = [*(self._nvidia.value or ()), *(self._others.value or ())]
            yield "llm_gpus", (), len(readings)
            for reading in readings:
                yield from reading.samples()
        xids = self._xids.value
        if xids is not None:
            yield "llm_gpu_xid_errors_total", (), xids

    def _of_nvidia(self) -> list[Reading]:
        return self._smi.read() if self._smi.is_there else []

    def _of_others(self) -> list[Reading]:
        return [self._reading(gpu) for gpu in self._plugged_in() if gpu.vendor != "nvidia" and gpu.driver and not gpu.integrated]

    def _plugged_in(self) -> list[Gpu]:
        return read_gpus(self._machine)[0]

    def _reading(self, gpu: Gpu) -> Reading:
        if gpu.driver == "amdgpu":
            return read_amd(self._machine, gpu)
        return Reading(gpu.address, gpu.vendor, gpu.name, gpu.driver)
