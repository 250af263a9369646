# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.llm.host.plugins.module_utils._hardware import gpus


@pytest.mark.parametrize(
    ("devices", "nodes", "wanted"),
    [
        pytest.param([], [], [], id="none"),
        pytest.param([("0x030200", "0x10de")], [], ["nvidia"], id="plugged-in-without-a-driver"),
        pytest.param([("0x038000", "0x1002"), ("0x120000", "0x1002")], [], ["amd"], id="two-of-one-vendor"),
        pytest.param([("0x030000", "0x1a03")], [], [], id="the-screen-of-a-server-is-none"),
        pytest.param([("0x020000", "0x8086")], [], [], id="nor-is-a-network-card"),
        pytest.param([], ["dev/nvidiactl"], ["nvidia"], id="handed-into-a-container"),
        pytest.param([], ["dev/nvmap", "dev/nvidiactl"], ["jetson", "nvidia"], id="jetson"),
    ],
)
def test_vendors_of_gpus(tmp_path, devices, nodes, wanted):
    for number, (kind, vendor) in enumerate(devices):
        device = tmp_path / f"sys/bus/pci/devices/{number}"
        device.mkdir(parents=True)
        (device / "class").write_text(f"{kind}\n")
        (device / "vendor").write_text(f"{vendor}\n")
    for node in nodes:
        (tmp_path / node).parent.mkdir(exist_ok=True)
        (tmp_path / node).touch()
    assert gpus(tmp_path) == wanted
