# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The GPUs of recorded machines."""

from __future__ import annotations

import pytest
from machines import lay_out, recording

from ansible_collections.llm.host.plugins.module_utils._gpu_tools import LIST, QUERY
from ansible_collections.llm.host.plugins.module_utils._gpus import read_gpus
from ansible_collections.llm.host.plugins.module_utils._machine import Recorded

DEVICE = "sys/bus/pci/devices/0000:{}/{}"


@pytest.fixture(name="gpus_of")
def _gpus_of(tmp_path):
    def read(name, **changes):
        machine = recording(name)
        machine.update(changes.get("files", {}))
        machine["commands"].update(changes.get("commands", {}))
        for path in changes.get("without", ()):
            (machine if path in machine else machine["commands"]).pop(path)
        return read_gpus(Recorded(lay_out(machine, tmp_path)))

    return read


def shown(gpus, *fields):
    return [tuple(getattr(gpu, field) for field in fields) for gpu in gpus]


def test_one_with_a_driver(gpus_of):
    (gpu,), error = gpus_of("one-nvidia")
    assert error == ""
    assert (gpu.address, gpu.vendor, gpu.pci_id, gpu.name, gpu.driver) == (
        "0000:01:00.0", "nvidia", "10de:2684", "NVIDIA GeForce RTX 4090", "nvidia",
    )  # fmt: skip
    assert (gpu.chip, gpu.architecture, gpu.compute_capability, gpu.integrated) == ("AD102", "ada", "8.9", False)
    assert (gpu.power_limit, gpu.power_limit_default, gpu.power_limit_min, gpu.power_limit_max) == (450.0, 450.0, 150.0, 600.0)
    assert (gpu.memory, gpu.compute_mode, gpu.persistence) == (24564 * 1024 * 1024, "Default", True)
    assert gpu.mig == {"enabled": False, "devices": []}


def test_one_without_a_driver_is_known_by_its_chip(gpus_of):
    (gpu,), error = gpus_of("one-nvidia", without=[" ".join(QUERY), DEVICE.format("01:00.0", "driver")])
    assert error is None
    assert (gpu.name, gpu.architecture, gpu.compute_capability, gpu.driver, gpu.uuid) == ("AD102", "ada", "8.9", "", "")


def test_one_that_is_newer_than_the_table_has_no_architecture(gpus_of):
    (gpu,), _error = gpus_of("nouveau", files={DEVICE.format("01:00.0", "device"): "0x4001\n"})
    assert (gpu.pci_id, gpu.name, gpu.architecture, gpu.compute_capability) == ("10de:4001", "", "", "")


def test_eight_are_in_the_order_of_the_bus_without_their_switches(gpus_of):
    gpus, error = gpus_of("eight-nvidia")
    assert error == ""
    assert [gpu.address[5:7] for gpu in gpus] == ["1b", "43", "52", "61", "9d", "c3", "d1", "df"]
    assert len({gpu.uuid for gpu in gpus}) == 8
    assert {gpu.architecture for gpu in gpus} == {"hopper"}


def test_generations_are_told_apart(gpus_of):
    gpus, _error = gpus_of("mixed-generations")
    assert shown(gpus, "name", "architecture", "compute_capability") == [
        ("Tesla P40", "pascal", "6.1"), ("NVIDIA L40S", "ada", "8.9"),
    ]  # fmt: skip


def test_those_of_amd_are_named_by_rocm_and_the_processors_is_told_apart(gpus_of):
    gpus, error = gpus_of("amd")
    assert error is None
    assert shown(gpus, "name", "gfx", "integrated", "uuid", "memory") == [
        ("Radeon RX 7900 XTX", "gfx1100", False, "GPU-6f2c91d4a7b3e058", 25753026560),
        ("AMD Radeon Graphics", "gfx1036", True, "", 536870912),
    ]


def test_the_processors_graphics_of_amd_are_known_without_a_driver(gpus_of):
    nodes = [path for path in recording("amd") if "/kfd/" in path]
    gpus, _error = gpus_of("amd", without=nodes)
    assert shown(gpus, "gfx", "integrated") == [("", False), ("", True)]


def test_one_of_amd_that_the_kernel_names_needs_no_tool(gpus_of):
    (gpu,), _error = gpus_of("amd-old-driver")
    assert (gpu.name, gpu.gfx) == ("AMD INSTINCT MI210 MCM", "gfx90a")


def test_intels_graphics_are_the_processors_and_its_cards_are_not(gpus_of):
    card = {DEVICE.format("07:00.0", name): text for name, text in {"class": "0x030000", "vendor": "0x8086", "device": "0xe20b"}.items()}
    gpus, _error = gpus_of("igpu-dgpu", files=card)
    assert shown(gpus, "vendor", "integrated", "driver") == [("intel", True, "i915"), ("nvidia", False, "nvidia"), ("intel", False, "")]


def test_that_of_a_jetson_is_on_no_bus(gpus_of):
    (gpu,), error = gpus_of("jetson")
    assert error == ""
    assert (gpu.address, gpu.name, gpu.integrated, gpu.compute_capability) == ("", "Orin (nvgpu)", True, "8.7")


def test_that_of_a_jetson_without_nvidia_smi_has_the_name_of_the_board(gpus_of):
    (gpu,), error = gpus_of("jetson", without=[" ".join(QUERY)])
    assert (gpu.name, error) == ("NVIDIA Jetson AGX Orin Developer Kit", None)


@pytest.mark.parametrize(
    ("device", "integrated"),
    [pytest.param("0x2b00", [True], id="thor"), pytest.param("0x2230", [True, False], id="a-card-beside-its-own")],
)
def test_what_a_jetson_has_on_the_bus(gpus_of, device, integrated):
    files = {"class": "0x030200", "vendor": "0x10de", "device": device}
    gpus, _error = gpus_of("jetson", files={DEVICE.format("01:00.0", name): text for name, text in files.items()})
    assert [gpu.integrated for gpu in gpus] == integrated


def test_wsl_shows_its_gpu_to_nvidia_smi_only(gpus_of):
    answer = recording("one-nvidia")["commands"][" ".join(QUERY)]
    (gpu,), error = gpus_of("none", files={"dev/dxg": {"node": ["root", "root", "0666"]}}, commands={" ".join(QUERY): answer})
    assert (gpu.address, gpu.pci_id, gpu.name, error) == ("0000:01:00.0", "", "NVIDIA GeForce RTX 4090", "")


def test_parts_are_asked_for_where_a_gpu_is_divided(gpus_of):
    gpus, _error = gpus_of("mig")
    assert [(gpu.mig["enabled"], [part["profile"] for part in gpu.mig["devices"]]) for gpu in gpus] == [
        (True, ["3g.40gb", "4g.40gb"]),
        (False, []),
    ]


def test_a_divided_gpu_without_parts(gpus_of):
    gpus, _error = gpus_of("mig", without=[" ".join(LIST)])
    assert gpus[0].mig == {"enabled": True, "devices": []}


@pytest.mark.parametrize(
    ("machine", "error"),
    [
        pytest.param(
            "mismatch", "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 550.163", id="mismatch"
        ),
        pytest.param("none", None, id="no-such-program"),
    ],
)
def test_what_is_wrong_with_nvidia_smi(gpus_of, machine, error):
    assert gpus_of(machine)[1] == error


def test_a_gpu_that_is_lost_is_told_and_the_others_are_read(gpus_of):
    answer = recording("mixed-generations")["commands"][" ".join(QUERY)]
    first, _second = answer["stdout"].splitlines()
    lost = "Unable to determine the device handle for GPU0000:AF:00.0: Unknown Error"
    gpus, error = gpus_of("mixed-generations", commands={" ".join(QUERY): {"code": 0, "stdout": f"{first}\n{lost}\n"}})
    assert error == lost
    assert [bool(gpu.uuid) for gpu in gpus] == [True, False]


def test_a_failure_without_words_is_one(gpus_of):
    assert gpus_of("one-nvidia", commands={" ".join(QUERY): {"code": 255}})[1] == "It ended with status 255."
