# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of a host on which something is wrong: all of it by changes of healthy ones."""

from __future__ import annotations

import copy

import pytest
from machines import lay_out, recording

from ansible_collections.llm.host.plugins.module_utils._gpu_problems import problems
from ansible_collections.llm.host.plugins.module_utils._machine import Recorded
from ansible_collections.llm.host.plugins.modules.gpu_info import look

KERNEL, OLDER, NEWER = "6.12.57+deb13-amd64", "6.12.48+deb13-amd64", "6.12.63+deb13-amd64"
GONE = {"driver": "", "uuid": ""}
UNLOADED = {"loaded": "", "kind": "", "smi": "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."}
LOST = "Unable to determine the device handle for GPU0000:AF:00.0: Unknown Error"


@pytest.fixture(name="found")
def _found(tmp_path):
    """The problems of a recorded machine after changes: of its only or its last GPU, of its drivers, and of the rest."""

    def read(machine, *, gpu=None, nvidia=None, amd=None, without_nodes=(), node=None, **rest):
        info = copy.deepcopy(look(Recorded(lay_out(recording(machine), tmp_path))))
        for last in info["gpus"][-1:]:
            last.update(gpu or {})
        info["nvidia"].update(nvidia or {})
        info["amd"].update(amd or {})
        info["nodes"] = [{**item, **(node or {})} for item in info["nodes"] if item["path"] not in without_nodes]
        info.update(rest)
        return problems(info)

    return read


@pytest.mark.parametrize(
    ("changes", "what", "advice", "reboot"),
    [
        pytest.param(
            {"gpu": GONE, "nvidia": {**UNLOADED, "library": "", "installed": {}, "smi": None}, "modules": []},
            "There is no NVIDIA driver for NVIDIA GeForce RTX 4090.", "Install one", False, id="no-driver",
        ),
        pytest.param(
            {"gpu": {**GONE, "driver": "nouveau"}, "nvidia": {**UNLOADED, "library": "", "installed": {}, "smi": None}, "modules": ["nouveau"]},
            "There is no NVIDIA driver for NVIDIA GeForce RTX 4090.", "nouveau drives 0000:01:00.0, which cannot compute", False,
            id="no-driver-but-nouveau",
        ),
        pytest.param(
            {"gpu": {**GONE, "driver": "nouveau"}, "nvidia": UNLOADED, "modules": ["nouveau"]},
            "nouveau drives 0000:01:00.0, so the NVIDIA driver cannot.", "blacklist nouveau", True, id="nouveau",
        ),
        pytest.param(
            {"gpu": GONE, "nvidia": UNLOADED, "modules": []},
            f"The NVIDIA kernel module is built for {KERNEL} and not loaded.", "modprobe nvidia", False, id="built-and-not-loaded",
        ),
        pytest.param(
            {"gpu": {**GONE, "architecture": "blackwell"}, "nvidia": UNLOADED, "modules": []},
            f"The NVIDIA kernel module is built for {KERNEL} and not loaded.", "proprietary kernel module does not drive NVIDIA GeForce RTX 4090",
            False, id="built-and-does-not-take-it",
        ),
        pytest.param(
            {"gpu": GONE, "nvidia": UNLOADED, "modules": [], "secure_boot": True, "mok_enrolled": False},
            f"The NVIDIA kernel module is built for {KERNEL} and not loaded.", "its key is not enrolled. Run `mokutil --import", False,
            id="secure-boot-without-the-key",
        ),
        pytest.param(
            {"gpu": GONE, "nvidia": UNLOADED, "modules": [], "secure_boot": True},
            f"The NVIDIA kernel module is built for {KERNEL} and not loaded.", "Secure Boot refuses it", False, id="secure-boot-without-any-key",
        ),
        pytest.param(
            {"gpu": GONE, "nvidia": UNLOADED, "modules": [], "secure_boot": True, "mok_enrolled": True},
            f"The NVIDIA kernel module is built for {KERNEL} and not loaded.", "modprobe nvidia", False, id="secure-boot-with-the-key",
        ),
        pytest.param(
            {"gpu": GONE, "nvidia": {**UNLOADED, "installed": {NEWER: "550.163.01"}}, "modules": [], "kernels": [KERNEL, NEWER]},
            f"There is no NVIDIA kernel module for the kernel that runs, {KERNEL}, but for {NEWER}.", f"Reboot into {NEWER}.", True,
            id="a-newer-kernel-has-it",
        ),
        pytest.param(
            {"gpu": GONE, "nvidia": {**UNLOADED, "installed": {OLDER: "550.163.01"}}, "modules": []},
            f"There is no NVIDIA kernel module for the kernel that runs, {KERNEL}, but for {OLDER}.",
            f"DKMS did not build it: the headers of the kernel are missing, or the build failed. Install the headers of {KERNEL}", False,
            id="dkms-did-not-build-it",
        ),
        pytest.param(
            {"gpu": GONE, "nvidia": {**UNLOADED, "installed": {}}, "modules": []},
            "There is no NVIDIA kernel module for any kernel, but the libraries of 550.163.01.", "dkms autoinstall", False, id="dkms-never-built-it",
        ),
        pytest.param(
            {"nvidia": {"library": "550.200.01", "installed": {KERNEL: "550.200.01"}, "smi": "Driver/library version mismatch"}},
            "The NVIDIA driver that runs is 550.163.01, and the libraries are those of 550.200.01.", "Reboot.", True, id="upgraded-while-in-use",
        ),
        pytest.param(
            {"nvidia": {"library": "550.200.01", "installed": {KERNEL: "550.163.01"}}},
            "The NVIDIA driver that runs is 550.163.01, and the libraries are those of 550.200.01.", "No kernel has the module 550.200.01", False,
            id="upgraded-without-its-module",
        ),
        pytest.param(
            {"nvidia": {"smi": "Failed to initialize NVML: Driver/library version mismatch"}},
            "The NVIDIA driver that runs is 550.163.01, and the libraries are others.", "Reboot.", True, id="libraries-that-we-do-not-find",
        ),
        pytest.param(
            {"nvidia": {"smi": "It did not answer within 30 s."}}, "nvidia-smi hangs.", "Reboot", True, id="nvidia-smi-hangs",
        ),
        pytest.param(
            {"nvidia": {"smi": 'Field "compute_cap" is not a valid field to query.'}},
            'nvidia-smi does not know what it is asked (Field "compute_cap" is not a valid field to query.).', "is too old", False, id="too-old",
        ),
        pytest.param(
            {"gpu": {"uuid": ""}, "nvidia": {"smi": "No devices were found"}}, "nvidia-smi fails: No devices were found", "dmesg", False,
            id="nvidia-smi-fails",
        ),
        pytest.param({"nvidia": {"smi": None}}, "There is no nvidia-smi.", "nvidia-utils-<branch>", False, id="no-nvidia-smi"),
        pytest.param(
            {"modules": ["nvidia"], "without_nodes": ["/dev/nvidia-uvm"]}, "CUDA finds no GPU: the module nvidia_uvm is not loaded.",
            "nvidia-modprobe -u -c 0", False, id="no-uvm",
        ),
        pytest.param(
            {"without_nodes": ["/dev/nvidia-uvm"]}, "CUDA finds no GPU: /dev/nvidia-uvm is missing.", "nvidia-modprobe -u -c 0", False,
            id="uvm-without-its-node",
        ),
        pytest.param(
            {"without_nodes": ["/dev/nvidia0"]}, "0 of 1 GPUs have their device node /dev/nvidia<number>.", "nvidia-modprobe -c 0", False, id="no-node",
        ),
        pytest.param(
            {"without_nodes": ["/dev/nvidiactl"]}, "The NVIDIA driver is loaded, and /dev/nvidiactl is missing.", "nvidia-modprobe -c 0", False, id="no-nvidiactl",
        ),
        pytest.param(
            {"gpu": {"driver": "vfio-pci"}, "nvidia": {"loaded": ""}}, "This host cannot use the GPU 0000:01:00.0.",
            "passed on to a virtual machine", False, id="passed-on",
        ),
        pytest.param(
            {"gpu": {"architecture": "blackwell", "driver": ""}}, "The proprietary kernel module of NVIDIA does not drive NVIDIA GeForce RTX 4090.",
            "Install the open kernel module", False, id="proprietary-for-blackwell",
        ),
        pytest.param(
            {"gpu": {"architecture": "pascal", "driver": ""}, "nvidia": {"kind": "open"}},
            "The open kernel module of NVIDIA does not drive NVIDIA GeForce RTX 4090.", "Install the proprietary kernel module", False,
            id="open-for-pascal",
        ),
        pytest.param(
            {"gpu": {"architecture": "kepler", "driver": ""}}, "The NVIDIA driver 550.163.01 does not drive NVIDIA GeForce RTX 4090.",
            "too old or too new", False, id="a-branch-that-does-not-know-it",
        ),
        pytest.param(
            {"gpu": {"mig": {"enabled": True, "devices": []}}},
            "Nobody can compute on 0000:01:00.0: MIG is enabled, and there is no MIG device.", "nvidia-smi -mig 0", False, id="mig-without-devices",
        ),
        pytest.param(
            {"gpus": []}, "The NVIDIA driver is loaded, and no GPU of NVIDIA is on the PCI bus.", "Reboot", True, id="off-the-bus",
        ),
    ],
)  # fmt: skip
def test_problems_with_nvidia(found, changes, what, advice, reboot):
    (problem,) = found("one-nvidia", **changes)
    assert problem.what == what
    assert advice in f"{problem.cause} {problem.cure}"
    assert problem.reboot is reboot


@pytest.mark.parametrize("error", ["", LOST], ids=["silently", "with-words"])
def test_one_of_several_that_does_not_answer_has_fallen_off_the_bus(found, error):
    (problem,) = found("mixed-generations", gpu={"uuid": ""}, nvidia={"smi": error})
    assert problem.what.startswith("The GPU 0000:af:00.0 does not answer")
    assert error in problem.what
    assert problem.reboot


@pytest.mark.parametrize(
    ("changes", "what", "advice"),
    [
        pytest.param(
            {"modules": [], "gpu": {"driver": ""}, "amd": {"loaded": "", "kfd": False}},
            "There is no AMD driver for AMD INSTINCT MI210 MCM: the module amdgpu is not loaded.", "modprobe amdgpu", id="no-driver",
        ),
        pytest.param(
            {"gpu": {"driver": ""}, "amd": {"loaded": "", "kfd": False}}, "The driver amdgpu does not drive 0000:63:00.0.", "firmware-amd-graphics",
            id="no-firmware",
        ),
        pytest.param({"amd": {"loaded": "", "kfd": False}}, "ROCm finds no GPU: /dev/kfd is missing.", "PCIe atomics", id="no-kfd"),
        pytest.param({"amd": {"loaded": "6.12.12"}}, "The driver amdgpu 6.12.12 is older than ROCm 7, which Ollama is built with.", "ROCm 7", id="old"),
        pytest.param(
            {"amd": {"loaded": "6.14.14"}, "node": {"group": "root"}},
            "Ollama cannot open /dev/kfd: it belongs to root:root with mode 0660.", "udevadm trigger", id="a-group-that-nobody-is-in",
        ),
        pytest.param(
            {"amd": {"loaded": "6.14.14"}, "node": {"mode": "0600"}},
            "Ollama cannot open /dev/kfd: it belongs to root:render with mode 0600.", "udevadm trigger", id="closed-for-its-group",
        ),
    ],
)  # fmt: skip
def test_problems_with_amd(found, changes, what, advice):
    (problem,) = found("amd-old-driver", **changes)
    assert problem.what == what
    assert advice in f"{problem.cause} {problem.cure}"
    assert not problem.reboot


@pytest.mark.parametrize(
    ("machine", "changes"),
    [
        pytest.param("amd-old-driver", {"amd": {"loaded": "6.14.14"}}, id="the-driver-of-rocm-7"),
        pytest.param("amd-old-driver", {"amd": {"loaded": ""}}, id="the-kernels-own-driver"),
        pytest.param("amd-old-driver", {"amd": {"loaded": ""}, "node": {"group": "root", "mode": "0666"}}, id="kfd-open-for-all"),
        pytest.param("amd-old-driver", {"amd": {"loaded": ""}, "node": {"group": "video"}}, id="kfd-of-video"),
        pytest.param("jetson", {"nvidia": {"smi": None}}, id="a-jetson-has-other-nodes"),
        pytest.param("none", {"nvidia": {"smi": "No devices were found", "library": "550.1.1"}, "gpus": []}, id="a-driver-without-a-gpu"),
        pytest.param("one-nvidia", {"gpu": {"architecture": "", "chip": ""}}, id="newer-than-the-table"),
        pytest.param("igpu-dgpu", {"gpus": [], "nvidia": {"loaded": ""}}, id="no-gpu-any-more"),
        pytest.param(
            "one-nvidia", {"container": "lxc", "modules": [], "kernel": OLDER, "secure_boot": True},
            id="the-kernel-of-a-container-is-not-its-own",
        ),
        pytest.param("one-nvidia", {"container": "docker", "gpu": GONE, "nvidia": UNLOADED, "modules": []}, id="nor-is-the-driver"),
    ],
)  # fmt: skip
def test_nothing_is_said_where_nothing_is_wrong(found, machine, changes):
    assert found(machine, **changes) == []


@pytest.mark.parametrize(
    ("machine", "nodes", "what"),
    [
        pytest.param(
            "one-nvidia", ["/dev/nvidiactl", "/dev/nvidia0", "/dev/nvidia-uvm"],
            "This container has no /dev/nvidiactl, /dev/nvidia-uvm and /dev/nvidia<number>.", id="nvidia",
        ),
        pytest.param("one-nvidia", ["/dev/nvidia-uvm"], "This container has no /dev/nvidia-uvm.", id="nvidia-without-uvm"),
        pytest.param("amd", ["/dev/kfd"], "This container has no /dev/kfd.", id="amd"),
    ],
)  # fmt: skip
def test_a_container_without_its_nodes(found, machine, nodes, what):
    (problem,) = found(machine, container="docker", amd={"kfd": False}, without_nodes=nodes)
    assert problem.what == what
    assert not problem.reboot
