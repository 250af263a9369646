# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generation of the GPU x system x wanted Ollama x variables -> packages and branch, or a refusal."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.llm.host.plugins.plugin_utils._gpu_plan import plan

TABLES = Path(__file__).parents[4] / "roles/gpu/vars"
WISHES = {
    "driver_source": "distro",
    "driver_branch": "",
    "driver_modules": "auto",
    "nvidia_repository": "",
    "nvidia_key": "",
    "nvidia_key_fingerprint": "",
    "kernel_packages": [],
    "upgrade": False,
    "hold": True,
    "secure_boot": "stop",
    "mok_password": False,
    "power_limit": None,
    "compute_mode": None,
    "ollama_version": "0.32.15",
}
NOT_THERE = {"loaded": "", "kind": "", "library": "", "installed": {}, "smi": None}
SYSTEMS = {
    "debian-12": ({"id": "debian", "version": "12", "like": []}, "6.1.0-40-amd64"),
    "debian-13": ({"id": "debian", "version": "13", "like": []}, "6.12.117+deb13-amd64"),
    "ubuntu-24.04": ({"id": "ubuntu", "version": "24.04", "like": ["debian"]}, "6.8.0-60-generic"),
    "ubuntu-22.04": ({"id": "ubuntu", "version": "22.04", "like": ["debian"]}, "5.15.0-1080-aws"),
    "el-9": ({"id": "rocky", "version": "9.4", "like": ["rhel", "centos", "fedora"]}, "5.14.0-427.el9.x86_64"),
}
CHIPS = {
    "K80": "3.7",
    "GTX 750 Ti": "5.0",
    "P40": "6.1",
    "V100": "7.0",
    "T4": "7.5",
    "A100": "8.0",
    "L40S": "8.9",
    "H100": "9.0",
    "B200": "10.0",
    "RTX 5090": "12.0",
    "new": "",
}


def gpu(name: str, **values: t.Any) -> dict[str, t.Any]:
    return {
        "address": "0000:01:00.0",
        "vendor": "nvidia",
        "pci_id": "10de:1234",
        "name": name,
        "chip": "",
        "compute_capability": CHIPS.get(name, ""),
        "driver": "",
        "power_limit_min": None,
        "power_limit_max": None,
        **values,
    }


def info(system: str, *gpus: str | dict[str, t.Any], **values: t.Any) -> dict[str, t.Any]:
    release, kernel = SYSTEMS[system]
    return {
        "gpus": [gpu(each) if isinstance(each, str) else each for each in gpus],
        "nvidia": NOT_THERE,
        "os": release,
        "kernel": kernel,
        "kernels": [kernel],
        "machine": "x86_64",
        "platform": "pc",
        "container": "",
        "secure_boot": None,
        "mok_enrolled": None,
        **values,
    }


def offers(system: str) -> list[dict[str, t.Any]]:
    return yaml.safe_load((TABLES / f"{system}.yml").read_text())["__gpu_offers"]


def decide(system: str, *gpus: str | dict[str, t.Any], wishes: t.Mapping[str, t.Any] | None = None, **values: t.Any) -> dict[str, t.Any]:
    return plan(info(system, *gpus, **values), {**WISHES, **(wishes or {})}, offers(system))


@pytest.mark.parametrize(
    ("system", "gpus", "version", "source", "branch", "modules", "dkms"),
    [
        ("debian-13", ["V100"], "0.32.15", "distro", "550", "proprietary", "nvidia-kernel-dkms"),
        ("debian-13", ["T4"], "0.32.15", "distro", "550", "proprietary", "nvidia-kernel-dkms"),
        ("debian-13", ["A100"], "0.32.15", "distro", "550", "proprietary", "nvidia-kernel-dkms"),
        ("debian-13", ["H100", "H100"], "0.32.15", "distro", "550", "proprietary", "nvidia-kernel-dkms"),
        ("debian-13", ["RTX 5090"], "0.32.15", "nvidia", "590", "open", "nvidia-kernel-open-dkms"),
        ("debian-13", ["B200"], "0.32.15", "nvidia", "590", "open", "nvidia-kernel-open-dkms"),
        ("debian-13", ["new"], "0.32.15", "nvidia", "590", "open", "nvidia-kernel-open-dkms"),
        ("debian-13", ["L40S", "RTX 5090"], "0.32.15", "nvidia", "590", "open", "nvidia-kernel-open-dkms"),
        ("debian-13", ["P40"], "0.30.10", "distro", "550", "proprietary", "nvidia-kernel-dkms"),
        ("debian-13", ["K80", "A100"], "0.32.15", "distro", "550", "proprietary", "nvidia-kernel-dkms"),
        ("debian-12", ["A100"], "0.30.10", "distro", "535", "proprietary", "nvidia-kernel-dkms"),
        ("debian-12", ["A100"], "0.32.15", "nvidia", "580", "open", "nvidia-kernel-open-dkms"),
        ("debian-12", ["A100"], "", "nvidia", "580", "open", "nvidia-kernel-open-dkms"),
        ("debian-12", ["GTX 750 Ti"], "0.32.15", "nvidia", "580", "proprietary", "nvidia-kernel-dkms"),
        ("debian-12", ["P40", "L40S"], "0.32.15", "nvidia", "580", "proprietary", "nvidia-kernel-dkms"),
        ("ubuntu-24.04", ["A100"], "0.32.15", "distro", "580", "open", ""),
        ("ubuntu-24.04", ["P40"], "0.32.15", "distro", "580", "proprietary", ""),
        ("ubuntu-24.04", ["RTX 5090"], "0.32.15", "distro", "580", "open", ""),
        ("el-9", ["A100"], "0.32.15", "nvidia", "580", "open", "kmod-nvidia-open-dkms"),
    ],
)
def test_the_driver_suits_the_generation_the_system_and_the_wanted_ollama(system, gpus, version, source, branch, modules, dkms):
    found = decide(system, *gpus, wishes={"ollama_version": version})
    assert found["problems"] == []
    assert (found["action"], found["source"], found["branch"], found["modules"]) == ("install", source, branch, modules)
    assert found["driver"]["dkms"] == dkms
    assert dkms in [*found["driver"]["packages"], ""]


def test_debian_12_says_why_it_takes_the_vendors_driver():
    found = decide("debian-12", "A100")
    assert found["note"] == (
        "A100: driver 580 from NVIDIA's repository, open kernel module, held with the kernel. Debian 12 has 535, and Ollama needs 550 or newer."
    )


@pytest.mark.parametrize(
    ("system", "gpus", "wishes", "sentence"),
    [
        ("debian-13", ["P40"], {}, "There is no driver for Debian 13 that Ollama can use, 570 or newer and 580 or older for P40"),
        ("debian-13", ["P40", "RTX 5090"], {}, "P40 needs NVIDIA's proprietary kernel module and RTX 5090 the open one"),
        ("debian-13", ["A100"], {"driver_branch": "535"}, "gpu_driver_branch is 535, and Ollama needs 550 or newer"),
        (
            "debian-13",
            ["V100"],
            {"driver_branch": "590"},
            "gpu_driver_branch is 590, and Ollama needs 550 or newer and 580 or older for V100",
        ),
        (
            "debian-13",
            ["RTX 5090"],
            {"driver_modules": "proprietary"},
            "gpu_driver_modules is proprietary, and open is the only kernel module for RTX 5090",
        ),
        ("debian-13", ["A100"], {"driver_branch": "stable"}, "gpu_driver_branch is 'stable': write a branch"),
        ("debian-13", ["A100"], {"driver_branch": "550", "driver_source": "none"}, "take one of them away"),
        ("debian-13", ["A100"], {"power_limit": "much"}, "gpu_power_limit is much: write watts"),
        ("debian-13", ["A100"], {"compute_mode": "shared"}, "gpu_compute_mode is 'shared'"),
        ("debian-13", ["A100"], {"secure_boot": "enrol"}, "gpu_mok_password is empty"),
    ],
)
def test_what_cannot_work_ends_in_a_sentence(system, gpus, wishes, sentence):
    found = decide(system, *gpus, wishes=wishes)
    assert found["driver"] == {}
    assert sentence in " ".join(found["problems"])


def test_a_power_limit_that_a_gpu_does_not_take_is_refused():
    card = gpu("A100", power_limit_min=100.0, power_limit_max=300.0)
    assert decide("debian-13", card, wishes={"power_limit": 400})["problems"] == [
        "gpu_power_limit is 400, and A100 takes 100 to 300 W: write a number between."
    ]
    assert decide("debian-13", card, wishes={"power_limit": 250})["problems"] == []


@pytest.mark.parametrize(
    ("values", "note"),
    [
        ({}, "No GPU: nothing to do."),
        ({"gpus": [gpu("A100")], "container": "docker"}, "A container (docker)"),
        ({"gpus": [gpu("Orin")], "platform": "jetson"}, "A Jetson"),
        ({"gpus": [gpu("A100")], "platform": "wsl"}, "WSL"),
        ({"gpus": [gpu("K80")]}, "K80: no GPU that Ollama uses"),
        ({"gpus": [gpu("A100", driver="vfio-pci")]}, "A100: no GPU that Ollama uses"),
        ({"gpus": [gpu("UHD 770", vendor="intel")]}, "UHD 770: no GPU that Ollama uses"),
    ],
)
def test_where_there_is_nothing_to_do_one_line_says_why(values, note):
    found = decide("debian-13", **values)
    assert (found["action"], found["driver"], found["problems"]) == ("none", {}, [])
    assert found["note"].startswith(note)


def test_the_driver_can_be_left_to_others():
    found = decide("debian-13", "A100", wishes={"driver_source": "none"})
    assert (found["action"], found["driver"], found["vendors"]) == ("none", {}, ["nvidia"])


def loaded(version: str, kind: str = "proprietary") -> dict[str, t.Any]:
    return {"loaded": version, "kind": kind, "library": version, "installed": {"6.12.117+deb13-amd64": version}, "smi": ""}


@pytest.mark.parametrize(
    ("there", "wishes", "action", "branch"),
    [
        ("550.163.01", {}, "keep", "550"),
        ("580.95.05", {}, "keep", "580"),
        ("580.95.05", {"driver_branch": "580"}, "keep", "580"),
        ("580.95.05", {"driver_branch": "580.95.05"}, "keep", "580"),
        ("580.95.05", {"driver_branch": "590", "driver_source": "nvidia", "driver_modules": "open"}, "install", "590"),
        ("535.247.01", {}, "install", "550"),
        ("535.247.01", {"ollama_version": "0.30.10"}, "keep", "535"),
        ("580.95.05", {"upgrade": True}, "keep", "580"),
    ],
)
def test_a_driver_that_is_good_stays_unless_another_is_asked_for(there, wishes, action, branch):
    found = decide("debian-13", "A100", wishes=wishes, nvidia=loaded(there))
    assert (found["action"], found["branch"], found["problems"]) == (action, branch, [])
    assert found["driver"]["leave"] == (action == "keep")


def test_a_module_of_the_wrong_kind_does_not_stay():
    assert decide("debian-13", "RTX 5090", nvidia=loaded("580.95.05"))["action"] == "install"
    assert decide("debian-13", "RTX 5090", nvidia=loaded("580.95.05", "open"))["action"] == "keep"


@pytest.mark.parametrize(
    ("system", "card", "version", "wishes", "dkms"),
    [
        ("debian-13", "A100", "580.95.05", {"driver_branch": "580"}, "nvidia-kernel-dkms"),
        ("debian-13", "A100", "575.51.02", {}, "nvidia-kernel-dkms"),
        ("debian-12", "P40", "580.95.05", {}, "nvidia-kernel-dkms"),
        ("debian-12", "A100", "580.95.05", {}, "nvidia-kernel-open-dkms"),
        ("debian-12", "A100", "580.95.05", {"driver_modules": "proprietary"}, "nvidia-kernel-dkms"),
    ],
)
def test_what_stays_is_asked_for_in_its_own_branch_and_kind_also_before_it_is_loaded(system, card, version, wishes, dkms):
    kind = "proprietary" if system == "debian-13" else ""
    found = decide(system, card, wishes=wishes, nvidia={**loaded(version, kind), "loaded": ""})
    assert (found["action"], found["driver"]["dkms"], found["driver"]["leave"]) == ("keep", dkms, True)
    assert found["driver"]["version"] == version.partition(".")[0]
    assert found["driver"]["repository"]["suite"] == "/"


def test_a_driver_that_nobody_offers_is_only_held():
    found = decide("ubuntu-24.04", "A100", nvidia=loaded("575.51.02"))
    assert (found["action"], found["driver"]["packages"]) == ("keep", [])
    assert "*nvidia*" in found["driver"]["driver"]


def test_a_mirror_takes_the_vendors_place_with_its_own_branches():
    mirror = {
        "nvidia_repository": "http://mirror.example.com/debian13/{machine}",
        "driver_branch": "580",
        "nvidia_key_fingerprint": "aa bb",
    }
    found = decide("debian-13", "P40", wishes=mirror)
    assert (found["source"], found["branch"], found["modules"]) == ("nvidia", "580", "proprietary")
    assert found["driver"]["repository"] == {
        "uri": "http://mirror.example.com/debian13/x86_64",
        "suite": "/",
        "key": "http://mirror.example.com/debian13/x86_64/8793F200.pub",
        "fingerprint": "AABB",
    }


@pytest.mark.parametrize(
    ("system", "kernel", "packages"),
    [
        ("debian-13", "6.12.117+deb13-amd64", ["linux-image-amd64", "linux-headers-amd64"]),
        ("debian-13", "6.12.117+deb13-cloud-amd64", ["linux-image-cloud-amd64", "linux-headers-cloud-amd64"]),
        ("debian-12", "6.1.0-40-amd64", ["linux-image-amd64", "linux-headers-amd64"]),
        ("debian-13", "6.14.0-custom", ["linux-image-amd64", "linux-headers-amd64"]),
        ("ubuntu-22.04", "5.15.0-1080-aws", ["linux-aws", "linux-image-aws", "linux-headers-aws"]),
    ],
)
def test_the_kernel_that_is_held_is_of_the_kind_that_runs(system, kernel, packages):
    assert decide(system, "A100", kernel=kernel)["driver"]["kernel_packages"] == packages


def test_other_kernels_can_be_named():
    found = decide("debian-13", "A100", wishes={"kernel_packages": ["proxmox-default-kernel", "proxmox-default-headers"]})
    assert found["driver"]["kernel_packages"] == ["proxmox-default-kernel", "proxmox-default-headers"]


def test_secure_boot_stops_what_would_be_refused_by_the_kernel():
    assert "Secure Boot is on" in decide("debian-13", "A100", secure_boot=True, mok_enrolled=False)["problems"][0]
    assert decide("debian-13", "A100", secure_boot=True, mok_enrolled=True)["problems"] == []
    assert decide("ubuntu-24.04", "A100", secure_boot=True, mok_enrolled=None)["problems"] == []
    asked = decide("debian-13", "A100", wishes={"secure_boot": "enrol", "mok_password": True}, secure_boot=True, mok_enrolled=False)
    assert asked["problems"] == []


def test_amd_has_its_firmware_and_both_vendors_may_be_in_one_host():
    radeon = gpu("RX 7900 XTX", vendor="amd")
    alone = decide("debian-13", radeon)
    assert (alone["action"], alone["driver"]["packages"], alone["driver"]["dkms"]) == ("install", ["firmware-amd-graphics"], "")
    both = decide("debian-13", radeon, "A100")
    assert both["vendors"] == ["amd", "nvidia"]
    assert {"firmware-amd-graphics", "nvidia-kernel-dkms"} <= set(both["driver"]["packages"])


def test_an_unknown_system_is_told_what_to_do():
    found = plan(info("debian-13", "A100"), WISHES, [])
    assert "The role knows no NVIDIA driver for Debian 13" in found["problems"][0]


@pytest.mark.parametrize("system", [path.stem for path in sorted(TABLES.glob("*-*.yml"))])
def test_every_offer_says_what_it_consists_of(system):
    for offer in offers(system):
        assert {"vendor", "source", "packages", "driver"} <= set(offer)
        if offer["vendor"] == "nvidia":
            assert {"branches", "modules"} <= set(offer)
            assert offer["source"] == "distro" or {"uri", "key", "fingerprint"} <= set(offer["repository"])
