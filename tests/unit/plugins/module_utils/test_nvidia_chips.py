# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.llm.host.plugins.module_utils._nvidia_chips import RANGES, Chip, chip_of


@pytest.mark.parametrize(
    ("device_id", "chip"),
    [
        pytest.param(0x0A65, Chip("", "tesla", ""), id="GeForce-210"),
        pytest.param(0x10C3, Chip("GT218", "tesla", "1.2"), id="GeForce-8400-of-2010-among-newer-ids"),
        pytest.param(0x06D2, Chip("GF100", "fermi", "2.0"), id="M2070"),
        pytest.param(0x102D, Chip("GK210", "kepler", "3.7"), id="K80"),
        pytest.param(0x1024, Chip("GK180", "kepler", "3.5"), id="K40"),
        pytest.param(0x13AD, Chip("GM204", "maxwell", "5.2"), id="GM204-among-GM107"),
        pytest.param(0x17FD, Chip("GM200", "maxwell", "5.2"), id="M40"),
        pytest.param(0x15F8, Chip("GP100", "pascal", "6.0"), id="P100"),
        pytest.param(0x1B38, Chip("GP102", "pascal", "6.1"), id="P40"),
        pytest.param(0x1DB6, Chip("GV100", "volta", "7.0"), id="V100"),
        pytest.param(0x1EB8, Chip("TU104", "turing", "7.5"), id="T4"),
        pytest.param(0x2182, Chip("TU116", "turing", "7.5"), id="GTX-1660-Ti"),
        pytest.param(0x20B2, Chip("GA100", "ampere", "8.0"), id="A100"),
        pytest.param(0x2204, Chip("GA102", "ampere", "8.6"), id="RTX-3090"),
        pytest.param(0x2330, Chip("GH100", "hopper", "9.0"), id="H100"),
        pytest.param(0x26B9, Chip("AD102", "ada", "8.9"), id="L40S"),
        pytest.param(0x2901, Chip("GB100", "blackwell", "10.0"), id="B200"),
        pytest.param(0x2B85, Chip("GB202", "blackwell", "12.0"), id="RTX-5090"),
        pytest.param(0x2B00, Chip("GB10B", "blackwell", ""), id="Thor"),
        pytest.param(0x2E12, Chip("GB20B", "blackwell", "12.1"), id="GB10"),
        pytest.param(0x4000, Chip(), id="newer-than-the-table"),
    ],
)
def test_chip_of_a_device_id(device_id, chip):
    assert chip_of(device_id) == chip


def test_every_range_is_one_that_can_be_found():
    """Ranges within others come before them, and none is wholly hidden."""
    hidden = [hex(first) for first, last, name, _capability in RANGES if chip_of(first).name != name or chip_of(last).name != name]
    assert hidden == []
