# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What GPUs depend on, from recorded machines."""

from __future__ import annotations

import base64
import gzip
import lzma

import pytest
from machines import lay_out, recording

from ansible_collections.llm.host.plugins.module_utils._gpu_host import read_host
from ansible_collections.llm.host.plugins.module_utils._machine import Recorded

KERNEL = "6.12.57+deb13-amd64"
EFIVARS = "sys/firmware/efi/efivars"
MOKLIST = f"{EFIVARS}/MokListRT-605dab50-e046-4300-abb6-3dd810dd8b23"


@pytest.fixture(name="host")
def _host(tmp_path):
    def read(files, commands=None):
        return read_host(Recorded(lay_out({**files, "commands": commands or {}}, tmp_path)))

    return read


def data(content):
    return {"base64": base64.b64encode(content).decode()}


@pytest.mark.parametrize(
    ("text", "version", "kind"),
    [
        pytest.param(
            "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.163.01  Tue Apr  8 12:41:17 UTC 2025\nGCC version:  gcc version 14.2.0\n",
            "550.163.01", "proprietary", id="proprietary",
        ),
        pytest.param(
            "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build  (builder@host)\nGCC version:  14.2.0\n",
            "580.95.05", "open", id="open",
        ),
        pytest.param(
            "NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  580.95.05  Release Build  (builder@host)\n",
            "580.95.05", "open", id="open-on-arm",
        ),
        pytest.param("", "", "", id="not-loaded"),
    ],
)  # fmt: skip
def test_the_driver_that_is_loaded(host, text, version, kind):
    found = host({"proc/driver/nvidia/version": text} if text else {})["nvidia"]
    assert (found["loaded"], found["kind"]) == (version, kind)


@pytest.mark.parametrize(
    ("machine", "library"),
    [
        pytest.param("one-nvidia", "550.163.01", id="debian"),
        pytest.param("mismatch", "550.163.01", id="ubuntu"),
        pytest.param("none", "", id="none"),
    ],
)
def test_the_version_of_the_libraries(host, machine, library):
    assert host(recording(machine))["nvidia"]["library"] == library


def test_debian_has_its_libraries_over_two_links(host):
    directory = "usr/lib/x86_64-linux-gnu"
    files = {
        f"{directory}/libnvidia-ml.so.1": {"link": "/etc/alternatives/nvidia--libnvidia-ml.so.1-x86_64-linux-gnu"},
        "etc/alternatives/nvidia--libnvidia-ml.so.1-x86_64-linux-gnu": {"link": f"/{directory}/nvidia/current/libnvidia-ml.so.1"},
        f"{directory}/nvidia/current/libnvidia-ml.so.1": {"link": "libnvidia-ml.so.550.163.01"},
        f"{directory}/nvidia/current/libnvidia-ml.so.550.163.01": "",
    }
    assert host(files)["nvidia"]["library"] == "550.163.01"


def test_only_the_library_of_cuda_is_there(host):
    files = {"usr/lib64/libcuda.so.1": {"link": "libcuda.so.570.86.15"}, "usr/lib64/libcuda.so.570.86.15": ""}
    assert host(files)["nvidia"]["library"] == "570.86.15"


def test_a_link_to_a_library_that_is_gone_is_none(host):
    assert host({"usr/lib64/libnvidia-ml.so.1": {"link": "libnvidia-ml.so.570.86.15"}})["nvidia"]["library"] == ""


IN_MODULE = b"\x7fELF\0license=NVIDIA\0version=575.57.08\0srcversion=ABC\0"


@pytest.mark.parametrize(
    ("path", "content"),
    [
        pytest.param("kernel/nvidia-570srv-open/nvidia.ko", IN_MODULE, id="precompiled-by-ubuntu"),
        pytest.param("extra/nvidia.ko.xz", lzma.compress(IN_MODULE), id="enterprise-linux-xz"),
        pytest.param("weak-updates/nvidia/nvidia.ko.gz", gzip.compress(IN_MODULE), id="weak-updates-gz"),
        pytest.param("kernel/drivers/video/nvidia.ko", IN_MODULE, id="nvidias-installer"),
    ],
)
def test_the_version_of_a_module_is_in_it(host, path, content):
    assert host({f"lib/modules/{KERNEL}/{path}": data(content)})["nvidia"]["installed"] == {KERNEL: "575.57.08"}


def test_modinfo_reads_what_we_cannot(host):
    path = f"lib/modules/{KERNEL}/updates/dkms/nvidia.ko.zst"
    commands = {f"modinfo -F version /{path}": {"code": 0, "stdout": "580.95.05\n"}}
    assert host({path: ""}, commands)["nvidia"]["installed"] == {KERNEL: "580.95.05"}


def test_a_module_that_nobody_can_read_is_there_without_a_version(host):
    assert host({f"lib/modules/{KERNEL}/extra/nvidia.ko.xz": data(b"broken")})["nvidia"]["installed"] == {KERNEL: ""}


def test_dkms_knows_the_version_for_each_kernel(host):
    files = {}
    for kernel, version in (("6.1.0-40-amd64", "535.247.01"), (KERNEL, "550.163.01")):
        files[f"lib/modules/{kernel}/updates/dkms/nvidia-current.ko.xz"] = ""
        files[f"var/lib/dkms/nvidia-current/{version}/{kernel}/x86_64/module/nvidia-current.ko.xz"] = ""
    assert host(files)["nvidia"]["installed"] == {"6.1.0-40-amd64": "535.247.01", KERNEL: "550.163.01"}


def test_what_dkms_built_and_did_not_install_is_not_installed(host):
    files = {f"var/lib/dkms/nvidia/580.95.05/{KERNEL}/x86_64/module/nvidia.ko.xz": ""}
    assert host(files)["nvidia"]["installed"] == {}


@pytest.mark.parametrize("name", ["nvidia-uvm", "nvidia-current-uvm", "nvidia-peermem", "nvidia-fs", "nvidiafb"])
def test_modules_that_belong_to_it_are_not_it(host, name):
    assert host({f"lib/modules/{KERNEL}/updates/dkms/{name}.ko": data(IN_MODULE)})["nvidia"]["installed"] == {}


def test_kernels_are_those_that_can_be_booted_the_oldest_first(host):
    releases = ["6.12.9+deb13-amd64", KERNEL, "6.12.48+deb13-amd64"]
    files = {f"boot/vmlinuz-{release}": "" for release in releases[:2]}
    files |= {f"lib/modules/{release}/modules.dep": "" for release in releases}
    files |= {"lib/modules/6.17.1-300.fc43.x86_64/vmlinuz": ""}
    assert host(files)["kernels"] == ["6.12.9+deb13-amd64", KERNEL, "6.17.1-300.fc43.x86_64"]


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        pytest.param({}, None, id="no-efi"),
        pytest.param({f"{EFIVARS}/other": ""}, False, id="efi-that-does-not-know-it"),
        pytest.param({f"{EFIVARS}/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c": data(b"\6\0\0\0\0")}, False, id="off"),
        pytest.param({f"{EFIVARS}/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c": data(b"\6\0\0\0\1")}, True, id="on"),
    ],
)
def test_secure_boot(host, files, wanted):
    assert host(files)["secure_boot"] is wanted


DKMS, UBUNTU = {"var/lib/dkms/mok.pub": "certificate"}, {"var/lib/shim-signed/mok/MOK.der": "another"}


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        pytest.param({MOKLIST: data(b"\6\0\0\0 list")}, None, id="no-key-of-ours"),
        pytest.param(DKMS, None, id="no-efi"),
        pytest.param({**DKMS, f"{EFIVARS}/other": ""}, False, id="nothing-enrolled"),
        pytest.param({**DKMS, MOKLIST: data(b"\6\0\0\0 list of others")}, False, id="others-enrolled"),
        pytest.param({**DKMS, MOKLIST: data(b"\6\0\0\0 head certificate tail")}, True, id="the-key-of-dkms"),
        pytest.param({**UBUNTU, MOKLIST: data(b"\6\0\0\0 head another tail")}, True, id="the-key-of-ubuntu"),
    ],
)
def test_the_key_that_modules_are_signed_with(host, files, wanted):
    assert host(files)["mok_enrolled"] is wanted


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        pytest.param({}, "", id="none"),
        pytest.param({"run/systemd/container": "lxc\n", ".dockerenv": ""}, "lxc", id="as-systemd-says"),
        pytest.param({".dockerenv": ""}, "docker", id="docker"),
        pytest.param({"run/.containerenv": ""}, "podman", id="podman"),
    ],
)
def test_containers(host, files, wanted):
    assert host(files)["container"] == wanted


@pytest.mark.parametrize(
    ("vendor", "product", "wanted"),
    [
        ("QEMU", "Standard PC (Q35 + ICH9, 2009)", "kvm"),
        ("VMware, Inc.", "VMware7,1", "vmware"),
        ("Microsoft Corporation", "Virtual Machine", "hyperv"),
        ("Microsoft Corporation", "Surface Laptop", ""),
        ("innotek GmbH", "VirtualBox", "virtualbox"),
        ("Amazon EC2", "g5.xlarge", "kvm"),
        ("Amazon EC2", "g5.metal", ""),
        ("Google", "Google Compute Engine", "kvm"),
        ("Dell Inc.", "PowerEdge R750", ""),
    ],
)
def test_virtual_machines(host, vendor, product, wanted):
    assert host({"sys/class/dmi/id/sys_vendor": vendor, "sys/class/dmi/id/product_name": product})["virtual_machine"] == wanted


@pytest.mark.parametrize(
    ("machine", "fields"),
    [
        pytest.param("amd", {"amd": {"loaded": "6.16.6", "in_tree": False, "kfd": True}, "modules": ["amdgpu"]}, id="amds-own-driver"),
        pytest.param("jetson", {"platform": "jetson", "kernel": "5.15.148-tegra"}, id="jetson"),
        pytest.param("eight-nvidia", {"os": {"id": "ubuntu", "version": "24.04", "like": ["debian"]}, "lockdown": "none"}, id="ubuntu"),
        pytest.param("igpu-dgpu", {"secure_boot": True, "mok_enrolled": True, "lockdown": "integrity"}, id="secure-boot"),
        pytest.param("nouveau", {"modules": ["nouveau"]}, id="nouveau"),
    ],
)
def test_recorded_machines(host, machine, fields):
    found = host(recording(machine))
    assert {name: found[name] for name in fields} == fields


def test_the_kernels_own_driver_of_amd_has_no_version(host):
    assert host({"sys/module/amdgpu/initstate": "live\n"})["amd"] == {"loaded": "", "in_tree": True, "kfd": False}


def test_a_module_that_goes_is_not_loaded(host):
    assert host({"sys/module/nvidia/initstate": "going\n"})["modules"] == []


def test_nodes_have_their_owners(host):
    nodes = {node["path"]: (node["owner"], node["group"], node["mode"]) for node in host(recording("mig"))["nodes"]}
    assert nodes["/dev/nvidia1"] == ("root", "root", "0666")
    assert nodes["/dev/nvidia-caps/nvidia-cap1"] == ("root", "root", "0400")
    assert nodes["/dev/dri/renderD128"] == ("root", "render", "0660")
