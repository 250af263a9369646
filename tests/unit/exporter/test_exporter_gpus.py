# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of GPUs, from played answers of nvidia-smi and played files of the kernel."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from machines import lay_out, recording
from ollama_exporter.background import Errors
from ollama_exporter.gpus import GpuWatch
from ollama_exporter.nvidia import FIELDS, readings_in
from ollama_exporter.programs import Program
from strange import install, values

GIB = 1024**3
# As a driver 550 writes it: an RTX 4090 that its power limit holds back, and an H100 that is hot.
TWO = """\
00000000:01:00.0, NVIDIA GeForce RTX 4090, 550.163.01, 97, 20480, 24564, 448.31, 71, [N/A], [N/A], 0x0000000000000004
00000000:C1:00.0, NVIDIA H100 80GB HBM3, 550.163.01, 3, 0, 81559, 71.50, 88, 2, 1, 0x0000000000000060
"""
ERRORS = ("ollama_exporter_errors_total", "gpus")


@pytest.fixture(name="programs")
def _programs(tmp_path, monkeypatch):
    """A directory that comes first in the PATH."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")
    return directory


def smi(directory: Path, text: str, *, code: int = 0, events: bool = True) -> Path:
    """One that knows the newer name of the field for throttling, or only the older one."""
    (directory / "answer").write_text(text)
    unknown = "clocks_throttle_reasons" if events else "clocks_event_reasons"
    script = f"""case "$*" in *{unknown}*) echo 'Field "x" is not a valid field to query.'; exit 2;; esac\ncat '{directory}/answer'; exit {code}"""
    return install(directory, "nvidia-smi", script)


def look(watch: GpuWatch) -> None:
    watch._nvidia.once()
    watch._others.once()
    watch._xids.once()


def machine(tmp_path: Path, name: str) -> Path:
    (tmp_path / "machine").mkdir()
    return lay_out(recording(name), tmp_path / "machine")


def test_figures_of_nvidia(programs, tmp_path):
    calls = smi(programs, TWO)
    watch = GpuWatch(2, errors=Errors(), root=tmp_path)
    look(watch)
    found = values(watch)
    one, two = "0000:01:00.0", "0000:c1:00.0"
    assert found["llm_gpus",] == found["llm_gpus_expected",] == 2
    assert found["llm_gpu_info", one, "NVIDIA GeForce RTX 4090", "nvidia", "550.163.01"] == 1
    assert found["llm_gpu_utilization_ratio", one] == pytest.approx(0.97)
    assert (found["llm_gpu_memory_used_bytes", one], found["llm_gpu_memory_total_bytes", two]) == (20 * GIB, 81559 * 1024**2)
    assert (found["llm_gpu_power_watts", one], found["llm_gpu_temperature_celsius", two]) == (448.31, 88)
    assert {key[1:]: value for key, value in values(watch, "llm_gpu_throttled").items() if value} == {
        (one, "sw_power_cap"): 1,
        (two, "sw_thermal_slowdown"): 1,
        (two, "hw_thermal_slowdown"): 1,
    }
    assert values(watch, "llm_gpu_ecc_errors_total") == {
        ("llm_gpu_ecc_errors_total", two, "corrected"): 2,
        ("llm_gpu_ecc_errors_total", two, "uncorrected"): 1,
    }
    assert len(calls.read_text().splitlines()) == 1


def test_an_older_driver_is_asked_by_the_older_name_from_then_on(programs, tmp_path):
    calls = smi(programs, TWO, events=False)
    watch = GpuWatch(None, errors=Errors(), root=tmp_path)
    look(watch)
    assert values(watch, "llm_gpus") == {("llm_gpus",): 2}
    look(watch)
    assert ["event" in line for line in calls.read_text().splitlines()] == [True, False, False]


def test_what_a_gpu_does_not_tell_is_left_out():
    fields = ["00000000:07:00.0", "NVIDIA A100-SXM4-80GB", "535.274.02", *["[N/A]"] * (len(FIELDS) - 2)]
    (reading,) = readings_in(", ".join(fields))
    assert [name for name, _labels, _value in reading.samples()] == ["llm_gpu_info"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n", 9, id="no-driver"),
        pytest.param("Failed to initialize NVML: Driver/library version mismatch\n", 18, id="mismatch"),
        pytest.param("", 0, id="nothing"),
        pytest.param("a, b, c\n\n\x00\x01,,,,,,,,,,\n", 0, id="garbage"),
    ],
)
def test_gpus_of_which_nvidia_smi_says_nothing_do_not_count_and_the_error_does(programs, tmp_path, text, code):
    smi(programs, TWO)
    errors = Errors()
    watch = GpuWatch(2, errors=errors, root=tmp_path)
    look(watch)
    smi(programs, text, code=code)
    look(watch)
    assert values(watch) == {("llm_gpus_expected",): 2, ("llm_gpus",): 0}
    assert values(errors)[ERRORS] == 1


def test_a_gpu_that_fell_off_the_bus_is_missing_in_the_count(programs, tmp_path):
    lost = "Unable to determine the device handle for GPU0000:01:00.0: GPU is lost.  Reboot the system to recover this GPU\n"
    smi(programs, lost + TWO.splitlines(keepends=True)[1], code=15)
    watch = GpuWatch(2, errors=Errors(), root=tmp_path)
    look(watch)
    assert values(watch, "llm_gpus", "llm_gpus_expected") == {("llm_gpus_expected",): 2, ("llm_gpus",): 1}


def test_a_program_that_hangs_is_left_alone_after_its_time_and_has_no_second_process(programs):
    calls = install(programs, "slow", "trap '' TERM; exec sleep 30")
    program = Program("slow", limit=0.3)
    began = time.monotonic()
    with pytest.raises(Exception, match="slow did not answer"):
        program.ask()
    assert time.monotonic() - began < 5
    # As if it could not be killed.
    program._process = type("Stuck", (), {"poll": lambda self: None})()
    with pytest.raises(Exception, match="slow still hangs"):
        program.ask()
    assert len(calls.read_text().splitlines()) == 1


def test_figures_of_amd_and_that_the_graphics_of_the_processor_do_not_count(programs, tmp_path):
    root = machine(tmp_path, "amd")
    card = root / "sys/bus/pci/devices/0000:03:00.0"
    for name, text in {
        "gpu_busy_percent": "42",
        "mem_info_vram_used": str(3 * GIB),
        "hwmon/hwmon3/power1_average": "211000000",
        "hwmon/hwmon3/temp1_input": "64000",
        "ras/umc_err_count": "ue: 1\nce: 7",
        "ras/gfx_err_count": "ue: 0\nce: 2",
    }.items():
        (card / name).parent.mkdir(parents=True, exist_ok=True)
        (card / name).write_text(f"{text}\n")
    watch = GpuWatch(None, errors=Errors(), root=root)
    look(watch)
    gpu = "0000:03:00.0"
    assert {key: value for key, value in values(watch).items() if key[0] != "llm_gpu_info"} == {
        ("llm_gpus",): 1,
        ("llm_gpu_utilization_ratio", gpu): pytest.approx(0.42),
        ("llm_gpu_memory_used_bytes", gpu): 3 * GIB,
        ("llm_gpu_memory_total_bytes", gpu): 25753026560,
        ("llm_gpu_power_watts", gpu): pytest.approx(211),
        ("llm_gpu_temperature_celsius", gpu): pytest.approx(64),
        ("llm_gpu_ecc_errors_total", gpu, "corrected"): 9,
        ("llm_gpu_ecc_errors_total", gpu, "uncorrected"): 1,
    }
    assert [key[1:4:2] for key in values(watch, "llm_gpu_info")] == [(gpu, "amd")]


def test_a_newer_gpu_of_amd_tells_the_power_of_the_moment(programs, tmp_path):
    root = machine(tmp_path, "amd")
    hwmon = root / "sys/bus/pci/devices/0000:03:00.0/hwmon/hwmon0"
    hwmon.mkdir(parents=True)
    (hwmon / "power1_input").write_text("99000000\n")
    (root / "sys/bus/pci/devices/0000:03:00.0/gpu_busy_percent").write_text("garbage\n")
    watch = GpuWatch(None, errors=Errors(), root=root)
    look(watch)
    assert values(watch, "llm_gpu_power_watts", "llm_gpu_utilization_ratio") == {("llm_gpu_power_watts", "0000:03:00.0"): pytest.approx(99)}


def test_a_host_without_gpus_has_none(programs, tmp_path):
    errors = Errors()
    watch = GpuWatch(None, errors=errors, root=machine(tmp_path, "none"))
    look(watch)
    assert values(watch, "llm_gpus", "llm_gpus_expected") == {("llm_gpus",): 0}
    assert values(errors)[ERRORS] == 0


def test_xids_are_counted_since_boot_and_read_once(programs, tmp_path):
    line = "NVRM: Xid (PCI:0000:01:00): 79, pid=1, name=ollama, GPU has fallen off the bus."
    (programs / "first").write_text(f"Linux version 6.12\n{line}\nnothing\n-- cursor: s=abc;i=1\n")
    (programs / "second").write_text(f"{line}\n{line}\n-- cursor: s=abc;i=9\n")
    script = f"""case "$*" in *after-cursor=s=abc\\;i=1*) cat '{programs}/second';; *after-cursor*) ;; *) cat '{programs}/first';; esac"""
    install(programs, "journalctl", script)
    watch = GpuWatch(None, errors=Errors(), root=tmp_path)
    counts = []
    for _number in range(3):
        look(watch)
        counts.append(values(watch)["llm_gpu_xid_errors_total",])
    assert counts == [1, 3, 3]


@pytest.mark.parametrize("script", [pytest.param("exit 0", id="empty"), pytest.param("exit 1", id="refused")])
def test_no_xids_are_told_where_the_kernels_log_cannot_be_read(programs, tmp_path, script):
    install(programs, "journalctl", script)
    watch = GpuWatch(None, errors=Errors(), root=tmp_path)
    look(watch)
    assert values(watch, "llm_gpu_xid_errors_total") == {}
