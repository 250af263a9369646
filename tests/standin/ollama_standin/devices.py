# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the server says it computes on: the GPUs whose device nodes are there, or else the processor."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

__all__ = ["devices", "on_gpu"]


def on_gpu() -> bool:
    return bool(_cards()) and Path("/dev/nvidia-uvm").exists() and os.environ.get("CUDA_VISIBLE_DEVICES") != "-1"


def devices() -> list[dict[str, t.Any]]:
    """The words of each line ``inference compute``."""
    if on_gpu():
        return [_device("CUDA", f"CUDA{number}", "NVIDIA lab GPU", "13.0", "discrete", "80.0 GiB") for number, _card in enumerate(_cards())]
    memory = f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB"
    return [{**_device("cpu", "cpu", "cpu", "", "", memory), "id": "cpu", "libdirs": "ollama"}]


def _cards() -> list[Path]:
    return sorted(Path("/dev").glob("nvidia[0-9]*"))


def _device(library: str, name: str, description: str, driver: str, kind: str, memory: str) -> dict[str, t.Any]:
    return {
        "id": f"GPU-{name}",
        "library": library,
        "compute": "9.0" if driver else "",
        "name": name,
        "description": description,
        "libdirs": "ollama,cuda_v13",
        "driver": driver,
        "pci_id": "",
        "type": kind,
        "total": memory,
        "available": memory,
    }
