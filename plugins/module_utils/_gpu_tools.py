# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the vendors' tools print about GPUs. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import csv
import dataclasses
import json
import re
import typing as t

__all__ = ("LIST", "QUERY", "ROCM", "SmiGpu", "address", "mig_devices", "rocm_names", "smi_gpus")

FIELDS = (
    "pci.bus_id",
    "name",
    "uuid",
    "memory.total",
    "compute_cap",
    "driver_version",
    "power.limit",
    "power.default_limit",
    "power.min_limit",
    "power.max_limit",
    "compute_mode",
    "persistence_mode",
    "mig.mode.current",
)
QUERY = ("nvidia-smi", f"--query-gpu={','.join(FIELDS)}", "--format=csv,noheader,nounits")
LIST = ("nvidia-smi", "-L")
ROCM = ("rocm-smi", "--showbus", "--showproductname", "--json")
MIB = 1024 * 1024
BUS_ID = re.compile(r"([0-9A-Fa-f]{4,8}):([0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\.[0-7])")


@dataclasses.dataclass(frozen=True)
class SmiGpu:
    """A line of the answer to QUERY."""

    address: str
    name: str
    uuid: str
    memory: int
    compute_capability: str
    driver: str
    limits: tuple[float | None, ...]
    compute_mode: str
    persistence: bool | None
    mig: bool


def smi_gpus(text: str) -> tuple[list[SmiGpu], str]:
    """The GPUs of the answer to QUERY, and the lines that are none."""
    found, others = [], []
    for line in text.splitlines():
        fields = next(csv.reader([line], skipinitialspace=True), [])
        fields = [_known(field) for field in fields]
        # That of a Jetson is on no bus.
        if len(fields) == len(FIELDS) and (not fields[0] or BUS_ID.fullmatch(fields[0])):
            found.append(_smi_gpu(fields))
        elif line.strip():
            others.append(line.strip())
    return found, "\n".join(others)


def _smi_gpu(fields: t.Sequence[str]) -> SmiGpu:
    bus_id, name, uuid, memory, capability, driver, *limits, mode, persistence, mig = fields
    return SmiGpu(
        address=address(bus_id),
        name=name,
        uuid=uuid,
        memory=int(_number(memory) or 0) * MIB,
        compute_capability=capability,
        driver=driver,
        limits=tuple(_number(limit) for limit in limits),
        compute_mode=mode,
        persistence={"Enabled": True, "Disabled": False}.get(persistence),
        mig=mig == "Enabled",
    )


def address(bus_id: str) -> str:
    """A PCI address as the kernel writes it."""
    found = BUS_ID.fullmatch(bus_id)
    return f"{int(found.group(1), 16):04x}:{found.group(2).lower()}" if found else ""


def mig_devices(text: str) -> dict[str, list[dict[str, str]]]:
    """The MIG devices in the answer to LIST, by the UUID of their GPU."""
    found: dict[str, list[dict[str, str]]] = {}
    gpu = ""
    for line in text.splitlines():
        whole = re.match(r"GPU \d+: .*\(UUID: (GPU-[0-9a-f-]+)\)", line)
        part = re.match(r"\s+MIG (\S+)\s+Device\s+\d+: \(UUID: (MIG-[^)]+)\)", line)
        if whole:
            gpu = whole.group(1)
        elif part and gpu:
            found.setdefault(gpu, []).append({"uuid": part.group(2), "profile": part.group(1)})
    return found


def rocm_names(text: str) -> dict[str, str]:
    """The names in the answer to ROCM, by PCI address."""
    try:
        cards = json.loads(text)
    except ValueError:
        return {}
    found = {}
    for card in cards.values() if isinstance(cards, dict) else ():
        if not isinstance(card, dict):
            continue
        fields = {key.lower(): str(value) for key, value in card.items()}
        found[address(fields.get("pci bus", ""))] = _known(fields.get("card series", ""))
    return found


def _known(text: str) -> str:
    """``[N/A]``, ``[Not Supported]`` and the like are empty."""
    text = text.strip()
    return "" if text == "N/A" or (text.startswith("[") and text.endswith("]")) else text


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
