# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel, the drivers and the device nodes that GPUs of a machine depend on. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import dataclasses
import lzma
import re
import typing as t
import zlib

from ansible_collections.llm.host.plugins.module_utils._compat import driver_in
from ansible_collections.llm.host.plugins.module_utils._hardware import platform
from ansible_collections.llm.host.plugins.module_utils._machine import Machine, Node, by_version

__all__ = ("device_nodes", "read_host")

MODULES = ("nvidia", "nvidia_uvm", "nvidia_modeset", "nvidia_drm", "nouveau", "nova_core", "amdgpu", "i915", "xe")
NODES = ("dev/nvidia*", "dev/nvidia-caps/*", "dev/kfd", "dev/dri/*", "dev/dxg", "dev/nvmap")
ON_DISK = (
    "updates/dkms",
    "updates",
    "extra",
    "extra/*",
    "extra/drivers/video/*",
    "weak-updates",
    "weak-updates/*",
    "kernel/nvidia-*",
    "kernel/drivers/video",
    "kernel/drivers/video/nvidia",
)
# Debian has several under names of their own, such as nvidia-current-open.ko; others, such as nvidia-uvm.ko, belong to them.
MODULE = re.compile(r"nvidia(-current|-open|-tesla|-legacy|-server|-\d+\w*)*\.ko(\.\w+)?")
IN_MODULE = re.compile(rb"(?:^|\0)version=([0-9][0-9.]*)(?:\0|$)")
LIBRARY = re.compile(r"\.so\.(\d+\.\d+(?:\.\d+)?)$")
LIBRARIES = tuple(
    f"{directory}/{library}"
    for library in ("libnvidia-ml.so.1", "libcuda.so.1")
    for directory in ("usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/lib64", "usr/lib", "usr/lib/aarch64-linux-gnu/nvidia")
)
EFI_GLOBAL = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
SHIM = "605dab50-e046-4300-abb6-3dd810dd8b23"
CERTIFICATES = ("var/lib/dkms/mok.pub", "var/lib/shim-signed/mok/MOK.der")
# By the words of the firmware about maker and product.
VIRTUAL = (
    ("VirtualBox", "virtualbox"),
    ("VMware", "vmware"),
    ("Microsoft Corporation Virtual Machine", "hyperv"),
    ("Xen", "xen"),
    ("HVM domU", "xen"),
    ("Parallels", "parallels"),
    ("QEMU", "kvm"),
    ("KVM", "kvm"),
    ("OpenStack", "kvm"),
    ("Google Compute Engine", "kvm"),
    ("Droplet", "kvm"),
    ("vServer", "kvm"),
    ("Amazon EC2", "kvm"),
)


def device_nodes(machine: Machine) -> list[Node]:
    """Those of GPUs."""
    return [node for pattern in NODES for path in machine.paths(pattern) if (node := machine.node(path))]


def read_host(machine: Machine) -> dict[str, t.Any]:
    """All that the module ``gpu_info`` returns, but for the GPUs and what nvidia-smi says."""
    modules = [name for name in MODULES if _loaded(machine, name)]
    amdgpu = machine.text("sys/module/amdgpu/version")
    return {
        "nvidia": _nvidia(machine),
        "amd": {
            "loaded": amdgpu,
            "in_tree": "amdgpu" in modules and not amdgpu,
            "kfd": machine.node("dev/kfd") is not None,
        },
        "modules": modules,
        "nodes": [dataclasses.asdict(node) for node in device_nodes(machine)],
        "kernel": machine.text("proc/sys/kernel/osrelease"),
        "machine": "aarch64" if machine.exists("lib/ld-linux-aarch64.so.1") or platform(machine) == "jetson" else "x86_64",
        "kernels": _kernels(machine),
        "secure_boot": _secure_boot(machine),
        "lockdown": _lockdown(machine),
        "mok_enrolled": _mok_enrolled(machine),
        "container": _container(machine),
        "virtual_machine": _virtual_machine(machine),
        "platform": platform(machine),
        "os": _os(machine),
    }


def _loaded(machine: Machine, name: str) -> bool:
    return machine.text(f"sys/module/{name}/initstate") == "live"


def _nvidia(machine: Machine) -> dict[str, t.Any]:
    text = machine.text("proc/driver/nvidia/version")
    loaded = machine.text("sys/module/nvidia/version") or driver_in(text)
    kind = "open" if "Open Kernel" in text else "proprietary"
    return {"loaded": loaded, "kind": kind if text else "", "library": _library(machine), "installed": _installed(machine)}


def _library(machine: Machine) -> str:
    for path in LIBRARIES:
        found = LIBRARY.search(machine.target(path))
        if found and machine.exists(path):
            return found.group(1)
    return ""


def _installed(machine: Machine) -> dict[str, str]:
    built = _built(machine)
    found: dict[str, str] = {}
    for directory in ON_DISK:
        for path in machine.paths(f"lib/modules/*/{directory}/nvidia*.ko*"):
            kernel, name = path.split("/")[2], path.rpartition("/")[2]
            if MODULE.fullmatch(name) and kernel not in found:
                found[kernel] = built.get(kernel) or _module_version(machine, path)
    return {kernel: found[kernel] for kernel in sorted(found, key=by_version)}


def _built(machine: Machine) -> dict[str, str]:
    """The version that DKMS built for each kernel, where it is one."""
    versions: dict[str, set[str]] = {}
    for path in machine.paths("var/lib/dkms/nvidia*/*/*/*/module/nvidia*.ko*"):
        version, kernel, name = path.split("/")[4], path.split("/")[5], path.rpartition("/")[2]
        if MODULE.fullmatch(name):
            versions.setdefault(kernel, set()).add(version)
    return {kernel: found.pop() for kernel, found in versions.items() if len(found) == 1}


def _module_version(machine: Machine, path: str) -> str:
    answer = machine.run("modinfo", "-F", "version", f"/{path}")
    if answer and answer.code == 0:
        return answer.stdout.strip()
    content = machine.bytes(path)
    try:
        if path.endswith(".xz"):
            content = lzma.decompress(content)
        elif path.endswith(".gz"):
            content = zlib.decompress(content, zlib.MAX_WBITS | 16)
    except (lzma.LZMAError, zlib.error):
        return ""
    version = IN_MODULE.search(content)
    return version.group(1).decode() if version else ""


def _kernels(machine: Machine) -> list[str]:
    releases = [path.rpartition("/")[2] for path in machine.paths("lib/modules/*")]
    bootable = [name for name in releases if machine.exists(f"boot/vmlinuz-{name}") or machine.exists(f"lib/modules/{name}/vmlinuz")]
    return sorted(bootable, key=by_version)


def _secure_boot(machine: Machine) -> bool | None:
    if not machine.exists("sys/firmware/efi"):
        return None
    return machine.bytes(f"sys/firmware/efi/efivars/SecureBoot-{EFI_GLOBAL}")[4:5] == b"\1"


def _lockdown(machine: Machine) -> str:
    found = re.search(r"\[(\w+)\]", machine.text("sys/kernel/security/lockdown"))
    return found.group(1) if found else ""


def _mok_enrolled(machine: Machine) -> bool | None:
    certificates = [content for content in map(machine.bytes, CERTIFICATES) if content]
    variables = [machine.bytes(path) for path in machine.paths(f"sys/firmware/efi/efivars/MokListRT*-{SHIM}")]
    if not certificates or not machine.exists("sys/firmware/efi/efivars"):
        return None
    return any(certificate in variable for certificate in certificates for variable in variables)


def _container(machine: Machine) -> str:
    marks = {".dockerenv": "docker", "run/.containerenv": "podman"}
    return machine.text("run/systemd/container") or next((kind for path, kind in marks.items() if machine.exists(path)), "")


def _virtual_machine(machine: Machine) -> str:
    words = f"{machine.text('sys/class/dmi/id/sys_vendor')} {machine.text('sys/class/dmi/id/product_name')}"
    if ".metal" in words:
        return ""
    return machine.text("sys/hypervisor/type") or next((kind for word, kind in VIRTUAL if word in words), "")


def _os(machine: Machine) -> dict[str, t.Any]:
    lines = machine.text("etc/os-release").splitlines()
    values = {name: value.strip("\"'") for name, _equals, value in (line.partition("=") for line in lines)}
    return {"id": values.get("ID", ""), "version": values.get("VERSION_ID", ""), "like": values.get("ID_LIKE", "").split()}
