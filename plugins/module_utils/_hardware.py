# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which GPUs a host has, driver or not. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible_collections.llm.host.plugins.module_utils._machine import Machine

__all__ = ("display_devices", "gpus", "platform")

DISPLAY = "0x03"
ACCELERATOR = "0x12"
VENDORS = {"0x10de": "nvidia", "0x1002": "amd", "0x8086": "intel"}
NODES = {"dev/nvidiactl": "nvidia", "dev/kfd": "amd", "dev/dxg": "wsl", "dev/nvmap": "jetson", "etc/nv_tegra_release": "jetson"}


def gpus(root: Path = Path("/")) -> list[str]:
    """The vendors, by what is plugged in and by the device nodes of drivers."""
    machine = Machine(root)
    found = {vendor for path, vendor in NODES.items() if machine.exists(path)}
    return sorted(found | {vendor for _path, vendor in display_devices(machine)})


def display_devices(machine: Machine) -> t.Iterator[tuple[str, str]]:
    """Where each GPU and accelerator on the PCI bus is, and its vendor."""
    for path in machine.paths("sys/bus/pci/devices/*"):
        vendor = VENDORS.get(machine.text(f"{path}/vendor"))
        if vendor and machine.text(f"{path}/class").startswith((DISPLAY, ACCELERATOR)):
            yield path, vendor


def platform(machine: Machine) -> str:
    """``pc``, or what has its GPU elsewhere than on the bus."""
    if machine.exists("dev/dxg"):
        return "wsl"
    return "jetson" if any(machine.exists(path) for path, vendor in NODES.items() if vendor == "jetson") else "pc"
