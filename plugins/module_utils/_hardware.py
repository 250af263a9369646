# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which GPUs a host has, driver or not. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

from pathlib import Path

__all__ = ("gpus",)

DISPLAY = "0x03"
ACCELERATOR = "0x12"
VENDORS = {"0x10de": "nvidia", "0x1002": "amd", "0x8086": "intel"}
NODES = {"dev/nvidiactl": "nvidia", "dev/kfd": "amd", "dev/dxg": "wsl", "dev/nvmap": "jetson", "etc/nv_tegra_release": "jetson"}


def gpus(root: Path = Path("/")) -> list[str]:
    """The vendors, by what is plugged in and by the device nodes of drivers."""
    found = {vendor for path, vendor in NODES.items() if (root / path).exists()}
    for device in (root / "sys/bus/pci/devices").glob("*"):
        kind, vendor = _read(device / "class"), _read(device / "vendor")
        if kind.startswith((DISPLAY, ACCELERATOR)) and vendor in VENDORS:
            found.add(VENDORS[vendor])
    return sorted(found)


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
