# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The GPUs of a machine, from the PCI bus and what the vendors' tools add. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.llm.host.plugins.module_utils._gpu_tools import (
    LIST,
    QUERY,
    ROCM,
    SmiGpu,
    mig_devices,
    rocm_names,
    smi_gpus,
)
from ansible_collections.llm.host.plugins.module_utils._hardware import display_devices, platform
from ansible_collections.llm.host.plugins.module_utils._machine import Machine
from ansible_collections.llm.host.plugins.module_utils._nvidia_chips import chip_of

__all__ = ("Gpu", "read_gpus")

# Graphics of AMD's processors, by what they compute and, where no driver tells, by their PCI device ids.
AMD_INTEGRATED = (
    "gfx902", "gfx909", "gfx90c", "gfx1013", "gfx1033", "gfx1035", "gfx1036", "gfx1037", "gfx1103", "gfx1150",
    "gfx1151", "gfx1152", "gfx1153",
)  # fmt: skip
AMD_INTEGRATED_IDS = (
    "1114", "13c0", "13fe", "1435", "1506", "150e", "1586", "15bf", "15c8", "15d8", "15dd", "15e7", "1636", "1638",
    "163f", "164c", "164d", "164e", "1681", "1900", "1901",
)  # fmt: skip

# The one Jetson whose GPU is on the PCI bus.
THOR = "GB10B"


@dataclasses.dataclass
class Gpu:
    """A GPU; the fields are those that the module ``gpu_info`` returns."""

    address: str
    vendor: str
    pci_id: str = ""
    name: str = ""
    chip: str = ""
    architecture: str = ""
    compute_capability: str = ""
    integrated: bool = False
    driver: str = ""
    uuid: str = ""
    memory: int = 0
    gfx: str = ""
    power_limit: float | None = None
    power_limit_default: float | None = None
    power_limit_min: float | None = None
    power_limit_max: float | None = None
    compute_mode: str = ""
    persistence: bool | None = None
    mig: dict[str, t.Any] = dataclasses.field(default_factory=lambda: {"enabled": False, "devices": []})


def read_gpus(machine: Machine) -> tuple[list[Gpu], str | None]:
    """The GPUs by PCI address, and what is wrong with the answer of nvidia-smi: empty for nothing, None where there is no such program."""
    found = [_on_the_bus(machine, path, vendor) for path, vendor in display_devices(machine)]
    if platform(machine) == "jetson":
        _jetson(machine, found)
    error = _ask_smi(machine, found)
    _ask_rocm(machine, found)
    return sorted(found, key=lambda gpu: gpu.address), error


def _on_the_bus(machine: Machine, path: str, vendor: str) -> Gpu:
    device_id = machine.text(f"{path}/device")[2:]
    gpu = Gpu(
        address=path.rpartition("/")[2],
        vendor=vendor,
        pci_id=f"{machine.text(f'{path}/vendor')[2:]}:{device_id}",
        driver=machine.link(f"{path}/driver").rpartition("/")[2],
    )
    if vendor == "nvidia":
        chip = chip_of(int(device_id or "0", 16))
        gpu.name = gpu.chip = chip.name
        gpu.architecture, gpu.compute_capability = chip.architecture, chip.compute_capability
    elif vendor == "amd":
        _amd(machine, path, gpu, device_id)
    else:
        # Those of the processor are on the root bus; cards are behind a bridge.
        gpu.integrated = gpu.address.split(":")[1] == "00"
    return gpu


def _amd(machine: Machine, path: str, gpu: Gpu, device_id: str) -> None:
    unique = machine.text(f"{path}/unique_id").lower()
    gpu.name = machine.text(f"{path}/product_name")
    gpu.uuid = f"GPU-{unique.zfill(16)}" if unique.strip("0") else ""
    gpu.memory = int(machine.text(f"{path}/mem_info_vram_total") or 0)
    gpu.gfx = _gfx(machine).get(gpu.address, "")
    gpu.integrated = gpu.gfx in AMD_INTEGRATED if gpu.gfx else device_id in AMD_INTEGRATED_IDS


def _gfx(machine: Machine) -> dict[str, str]:
    """What AMD's GPUs compute, by PCI address."""
    found = {}
    for path in machine.paths("sys/class/kfd/kfd/topology/nodes/*/properties"):
        values = dict(line.split(None, 1) for line in machine.text(path).splitlines() if " " in line)
        version, location, domain = (int(values.get(name, "0")) for name in ("gfx_target_version", "location_id", "domain"))
        if version:
            address = f"{domain:04x}:{location >> 8 & 0xFF:02x}:{location >> 3 & 0x1F:02x}.{location & 7}"
            found[address] = f"gfx{version // 10000}{version // 100 % 100:x}{version % 100:x}"
    return found


def _jetson(machine: Machine, found: list[Gpu]) -> None:
    own = [gpu for gpu in found if gpu.chip == THOR]
    for gpu in own:
        gpu.integrated = True
    if not own:
        found.append(Gpu(address="", vendor="nvidia", name=machine.text("proc/device-tree/model"), integrated=True))


def _ask_smi(machine: Machine, found: list[Gpu]) -> str | None:
    answer = machine.run(*QUERY)
    if answer is None:
        return None
    rows, others = smi_gpus(answer.stdout)
    by_address = {gpu.address: gpu for gpu in found if gpu.address}
    own = [gpu for gpu in found if gpu.vendor == "nvidia" and gpu.integrated]
    for row in rows:
        gpu = by_address.get(row.address) or (own.pop() if own else None)
        if gpu is None:
            # WSL shows the GPU to nvidia-smi only.
            gpu = Gpu(address=row.address, vendor="nvidia")
            found.append(gpu)
        _add(gpu, row)
    if any(row.mig for row in rows):
        _add_mig(machine, found)
    if answer.code == 0 and rows and not others:
        return ""
    return "\n".join(filter(None, (others, answer.stderr.strip()))) or answer.error


def _add(gpu: Gpu, row: SmiGpu) -> None:
    gpu.name = row.name or gpu.name
    gpu.uuid, gpu.memory = row.uuid, row.memory
    gpu.compute_capability = row.compute_capability or gpu.compute_capability
    gpu.power_limit, gpu.power_limit_default, gpu.power_limit_min, gpu.power_limit_max = row.limits
    gpu.compute_mode, gpu.persistence = row.compute_mode, row.persistence
    gpu.mig = {"enabled": row.mig, "devices": []}


def _add_mig(machine: Machine, found: t.Iterable[Gpu]) -> None:
    answer = machine.run(*LIST)
    devices = mig_devices(answer.stdout) if answer else {}
    for gpu in found:
        if gpu.mig["enabled"]:
            gpu.mig["devices"] = devices.get(gpu.uuid, [])


def _ask_rocm(machine: Machine, found: t.Iterable[Gpu]) -> None:
    nameless = [gpu for gpu in found if gpu.driver == "amdgpu" and not gpu.name]
    answer = machine.run(*ROCM) if nameless else None
    names = rocm_names(answer.stdout) if answer else {}
    for gpu in nameless:
        gpu.name = names.get(gpu.address, "")
