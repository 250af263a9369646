# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nvidia-smi and rocm-smi of several versions print."""

from __future__ import annotations

import pytest

from ansible_collections.llm.host.plugins.module_utils._gpu_tools import SmiGpu, address, mig_devices, rocm_names, smi_gpus

UUID = "GPU-8ac5ad6b-3ebb-4e22-a2a0-3f1d7ae1f3ee"
ROW = f"00000000:3B:00.0, NVIDIA L40S, {UUID}, 46068, 8.9, 575.57.08, 350.00, 350.00, 100.00, 350.00, Default, Enabled, [N/A]"


def test_a_line_is_a_gpu():
    assert smi_gpus(f"{ROW}\n") == (
        [
            SmiGpu(
                address="0000:3b:00.0",
                name="NVIDIA L40S",
                uuid=UUID,
                memory=46068 * 1024 * 1024,
                compute_capability="8.9",
                driver="575.57.08",
                limits=(350.0, 350.0, 100.0, 350.0),
                compute_mode="Default",
                persistence=True,
                mig=False,
            )
        ],
        "",
    )


@pytest.mark.parametrize("unknown", ["[N/A]", "[Not Supported]", "[Unknown Error]", "[GPU requires reset]", "N/A"])
def test_what_it_does_not_know_is_unknown(unknown):
    (gpu,), others = smi_gpus(", ".join(["00000000:3B:00.0", *[unknown] * 12]))
    assert (gpu.name, gpu.uuid, gpu.memory, gpu.limits, gpu.persistence, gpu.mig) == ("", "", 0, (None,) * 4, None, False)
    assert others == ""


def test_one_that_is_lost_does_not_hide_the_others():
    lost = "Unable to determine the device handle for GPU1: 0000:AF:00.0: Unknown Error"
    gpus, others = smi_gpus(f"{ROW}\n{lost}\n\n")
    assert [gpu.uuid for gpu in gpus] == [UUID]
    assert others == lost


@pytest.mark.parametrize(
    ("bus_id", "wanted"),
    [
        pytest.param("00000000:3B:00.0", "0000:3b:00.0", id="eight-digits"),
        pytest.param("0000:C4:00.0", "0000:c4:00.0", id="four-digits"),
        pytest.param("00010000:E1:00.0", "10000:e1:00.0", id="a-domain-above-four-digits"),
        pytest.param("0009A1B2:00:00.0", "9a1b2:00:00.0", id="a-domain-of-hyper-v"),
        pytest.param("N/A", "", id="none"),
    ],
)
def test_addresses_are_written_as_the_kernel_does(bus_id, wanted):
    assert address(bus_id) == wanted


def test_mig_devices_belong_to_the_gpu_above_them():
    other = UUID.replace("8ac5", "9bd6")
    text = (
        f"GPU 0: NVIDIA A100-SXM4-80GB (UUID: {UUID})\n"
        "  MIG 1g.10gb+me  Device  0: (UUID: MIG-fed03f85-fd95-581b-837f-d582496d0260)\n"
        "  MIG 1c.3g.40gb  Device  1: (UUID: MIG-0929581a-2be6-5dec-bf34-0954c6c529a6)\n"
        f"GPU 1: NVIDIA A100-SXM4-80GB (UUID: {other})\n"
    )
    assert mig_devices(text) == {
        UUID: [
            {"uuid": "MIG-fed03f85-fd95-581b-837f-d582496d0260", "profile": "1g.10gb+me"},
            {"uuid": "MIG-0929581a-2be6-5dec-bf34-0954c6c529a6", "profile": "1c.3g.40gb"},
        ]
    }


@pytest.mark.parametrize(
    ("text", "names"),
    [
        pytest.param(
            '{"card0": {"PCI Bus": "0000:03:00.0", "Card Series": "Radeon RX 7900 XTX"}}', {"0000:03:00.0": "Radeon RX 7900 XTX"}, id="now"
        ),
        pytest.param('{"card0": {"PCI Bus": "0000:C3:00.0", "Card series": "Arcturus"}}', {"0000:c3:00.0": "Arcturus"}, id="before-rocm-6"),
        pytest.param('{"card0": {"PCI Bus": "0000:03:00.0", "Card Series": "N/A"}}', {"0000:03:00.0": ""}, id="unknown"),
        pytest.param("WARNING: No AMD GPUs specified", {}, id="no-json"),
        pytest.param('{"card0": {"PCI Bus": "0000:03:00.0"}, "system": "4"}', {"0000:03:00.0": ""}, id="something-else-beside"),
    ],
)
def test_names_of_amd(text, names):
    assert rocm_names(text) == names
