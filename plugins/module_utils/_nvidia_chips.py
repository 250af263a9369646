# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which chip an NVIDIA GPU has, by its PCI device id. PRIVATE to the collection: it can change at any time.

The ranges are those of the PCI ID database, whose names begin with the chip; the compute capabilities are those of NVIDIA's list of CUDA GPUs.
"""

from __future__ import annotations

import dataclasses

__all__ = ("UNKNOWN", "Chip", "chip_of")


@dataclasses.dataclass(frozen=True)
class Chip:
    """A chip; what is not known is empty."""

    name: str = ""
    architecture: str = ""
    compute_capability: str = ""


UNKNOWN = Chip()

# First and last device id, chip, compute capability. The first range that holds counts, so exceptions come before what they are taken out of.
RANGES = (
    (0x06C0, 0x06DF, "GF100", "2.0"),
    (0x0DC0, 0x0DDF, "GF106", "2.1"),
    (0x0DE0, 0x0DFF, "GF108", "2.1"),
    (0x0E22, 0x0E3F, "GF104", "2.1"),
    (0x0F00, 0x0F3F, "GF108", "2.1"),
    (0x0FC0, 0x0FFF, "GK107", "3.0"),
    (0x1024, 0x1024, "GK180", "3.5"),
    (0x102D, 0x102D, "GK210", "3.7"),
    (0x1000, 0x103F, "GK110", "3.5"),
    (0x109A, 0x109B, "GF100", "2.0"),
    (0x1080, 0x109F, "GF110", "2.0"),
    (0x1040, 0x107F, "GF119", "2.1"),
    (0x10C0, 0x10DF, "GT218", "1.2"),
    (0x1140, 0x117F, "GF117", "2.1"),
    (0x1180, 0x11BF, "GK104", "3.0"),
    (0x11C0, 0x11FF, "GK106", "3.0"),
    (0x1200, 0x123F, "GF114", "2.1"),
    (0x1240, 0x127F, "GF116", "2.1"),
    (0x130B, 0x130B, "GK110", "3.5"),
    (0x1280, 0x12BF, "GK208", "3.5"),
    (0x1340, 0x137F, "GM108", "5.0"),
    (0x13AD, 0x13AE, "GM204", "5.2"),
    (0x13BE, 0x13FF, "GM204", "5.2"),
    (0x1380, 0x13BD, "GM107", "5.0"),
    (0x1400, 0x143F, "GM206", "5.2"),
    (0x1600, 0x167F, "GM204", "5.2"),
    (0x1740, 0x177F, "GM108", "5.0"),
    (0x1780, 0x17BF, "GM107", "5.0"),
    (0x17C0, 0x17FF, "GM200", "5.2"),
    (0x15C0, 0x15FF, "GP100", "6.0"),
    (0x1725, 0x172F, "GP100", "6.0"),
    (0x1B00, 0x1B7F, "GP102", "6.1"),
    (0x1B80, 0x1BFF, "GP104", "6.1"),
    (0x1C00, 0x1C7F, "GP106", "6.1"),
    (0x1C80, 0x1CFF, "GP107", "6.1"),
    (0x1D00, 0x1D7F, "GP108", "6.1"),
    (0x1D80, 0x1DFF, "GV100", "7.0"),
    (0x1E00, 0x1E7F, "TU102", "7.5"),
    (0x1E80, 0x1EFF, "TU104", "7.5"),
    (0x1F00, 0x1F7F, "TU106", "7.5"),
    (0x1F80, 0x1FFF, "TU117", "7.5"),
    (0x2180, 0x21FF, "TU116", "7.5"),
    (0x2080, 0x20FF, "GA100", "8.0"),
    (0x2200, 0x227F, "GA102", "8.6"),
    (0x2400, 0x247F, "GA103", "8.6"),
    (0x2480, 0x24FF, "GA104", "8.6"),
    (0x2500, 0x257F, "GA106", "8.6"),
    (0x2580, 0x25FF, "GA107", "8.6"),
    (0x2300, 0x23FF, "GH100", "9.0"),
    (0x2680, 0x26FF, "AD102", "8.9"),
    (0x2700, 0x277F, "AD103", "8.9"),
    (0x2780, 0x27FF, "AD104", "8.9"),
    (0x2800, 0x287F, "AD106", "8.9"),
    (0x2880, 0x28FF, "AD107", "8.9"),
    (0x2900, 0x297F, "GB100", "10.0"),
    (0x2980, 0x29FF, "GB102", "10.0"),
    (0x2B00, 0x2B7F, "GB10B", ""),
    (0x2B80, 0x2BFF, "GB202", "12.0"),
    (0x2C00, 0x2C7F, "GB203", "12.0"),
    (0x2D00, 0x2D7F, "GB206", "12.0"),
    (0x2D80, 0x2DFF, "GB207", "12.0"),
    (0x2E00, 0x2E7F, "GB20B", "12.1"),
    (0x2F00, 0x2F7F, "GB205", "12.0"),
    (0x3180, 0x31FF, "GB110", "10.3"),
    (0x3340, 0x337F, "GB120", ""),
)
ARCHITECTURES = {
    "GT": "tesla",
    "GF": "fermi",
    "GK": "kepler",
    "GM": "maxwell",
    "GP": "pascal",
    "GV": "volta",
    "TU": "turing",
    "GA": "ampere",
    "GH": "hopper",
    "AD": "ada",
    "GB": "blackwell",
}
# Below this one are the chips before Fermi, but for those of the ranges above.
FIRST_KEPLER = 0x0FC0
OLDEST = Chip(architecture="tesla")


def chip_of(device_id: int) -> Chip:
    """The chip; nothing is known of device ids that are newer than the table."""
    for first, last, name, capability in RANGES:
        if first <= device_id <= last:
            return Chip(name=name, architecture=ARCHITECTURES[name[:2]], compute_capability=capability)
    return OLDEST if device_id < FIRST_KEPLER else UNKNOWN
