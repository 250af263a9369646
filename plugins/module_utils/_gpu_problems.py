# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with the GPUs of a host, with the usual cause and the cure. PRIVATE to the collection: it can change at any time.

Sources: NVIDIA's README of the driver and its notes on the open kernel modules, ROCm's installation guide, Debian's wiki, and what people report to Ollama.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.llm.host.plugins.module_utils._compat import numbers

__all__ = ("Problem", "problems")

# The open kernel module needs the GSP, which came with Turing; the proprietary one ends before Blackwell.
UNFIT = {"open": ("fermi", "kepler", "maxwell", "pascal", "volta"), "proprietary": ("blackwell",)}
LOST = ("unable to determine the device handle", "gpu is lost", "fallen off the bus")
# The amdgpu that comes with ROCm 7.
OLDEST_AMDGPU = (6, 14)
CARD = re.compile(r"/dev/nvidia\d+")
# And its successor.
NOUVEAU = ("nouveau", "nova_core", "NovaCore")
AMD_GROUPS = ("render", "video")


@dataclasses.dataclass(frozen=True)
class Problem:
    """Sentences for people, and whether a reboot cures it."""

    what: str
    cause: str
    cure: str
    reboot: bool = False


def problems(info: t.Mapping[str, t.Any]) -> list[Problem]:
    """All that is wrong, by what the module ``gpu_info`` returns otherwise."""
    found = list(_passed_on(info))
    ours = [gpu for gpu in info["gpus"] if gpu["driver"] != "vfio-pci" and not gpu["integrated"]]
    nvidia = [gpu for gpu in ours if gpu["vendor"] == "nvidia"]
    amd = [gpu for gpu in ours if gpu["vendor"] == "amd"]
    if info["platform"] == "pc":
        if nvidia or info["nvidia"]["loaded"]:
            found += _nvidia_in_container(info) if info["container"] else _nvidia(info, nvidia)
        if amd:
            found += _amd_in_container(info) if info["container"] else _amd(info, amd)
    return found


def _passed_on(info: t.Mapping[str, t.Any]) -> t.Iterator[Problem]:
    addresses = [gpu["address"] for gpu in info["gpus"] if gpu["driver"] == "vfio-pci"]
    if addresses and not info["container"]:
        yield Problem(
            f"This host cannot use the GPU {_listed(addresses)}.",
            "It is bound to vfio-pci, to be passed on to a virtual machine.",
            "Run Ollama in that machine, or remove the GPU from the options of vfio-pci and from the virtual machine, and reboot.",
        )


def _nvidia(info: t.Mapping[str, t.Any], gpus: t.Sequence[t.Mapping[str, t.Any]]) -> t.Iterator[Problem]:
    driver = info["nvidia"]
    if not driver["loaded"]:
        yield _not_loaded(info, gpus)
        return
    if not gpus and not any(gpu["vendor"] == "nvidia" for gpu in info["gpus"]):
        yield Problem(
            "The NVIDIA driver is loaded, and no GPU of NVIDIA is on the PCI bus.",
            "The GPU has fallen off the bus: heat, power or a loose card.",
            "Reboot, with the power off for a moment. Should it come back, look at temperature, power supply and slot.",
            reboot=True,
        )
        return
    mismatch = _mismatch(info)
    if mismatch:
        yield mismatch
    else:
        yield from _smi(info, gpus)
    yield from _flavour(info, gpus)
    yield from _nodes(info, gpus)
    yield from _mig(gpus)


def _nvidia_in_container(info: t.Mapping[str, t.Any]) -> t.Iterator[Problem]:
    missing = [path for path in ("/dev/nvidiactl", "/dev/nvidia-uvm") if not _has(info, path)] + ["/dev/nvidia<number>"] * (
        not _cards(info)
    )
    if info["nvidia"]["loaded"] and missing:
        yield Problem(
            f"This container has no {_listed(missing)}.",
            "The GPU was not handed into it, or not all of it.",
            "Start it with the GPU: `--gpus all` of Docker with NVIDIA's container toolkit, a GPU device of Incus or LXC.",
        )


def _not_loaded(info: t.Mapping[str, t.Any], gpus: t.Sequence[t.Mapping[str, t.Any]]) -> Problem:
    installed, kernel = info["nvidia"]["installed"], info["kernel"]
    nouveau = [gpu["address"] for gpu in gpus if gpu["driver"] in NOUVEAU]
    if kernel in installed:
        return _refused(info) or _taken(nouveau) or _idle(info, gpus)
    if installed:
        return _other_kernel(info)
    if info["nvidia"]["library"]:
        return Problem(
            f"There is no NVIDIA kernel module for any kernel, but the libraries of {info['nvidia']['library']}.",
            "DKMS did not build it: the headers of the kernel are missing, or the build failed.",
            f"Install the headers of {kernel}, then run `dkms autoinstall`; its log is /var/lib/dkms/<module>/<version>/build/make.log.",
        )
    held = f" nouveau drives {_listed(nouveau)}, which cannot compute." if nouveau else ""
    return Problem(
        f"There is no NVIDIA driver for {_named(gpus)}.",
        f"None is installed.{held}",
        "Install one, as the role llm.host.gpu does.",
    )


def _refused(info: t.Mapping[str, t.Any]) -> Problem | None:
    if not info["secure_boot"] or info["mok_enrolled"]:
        return None
    return Problem(
        f"The NVIDIA kernel module is built for {info['kernel']} and not loaded.",
        "Secure Boot refuses it: "
        + ("its key is not enrolled." if info["mok_enrolled"] is False else "the firmware knows no key that it could be signed with."),
        "Run `mokutil --import /var/lib/dkms/mok.pub` (Ubuntu: /var/lib/shim-signed/mok/MOK.der), reboot, and enrol the key at the console; "
        "or switch Secure Boot off in the firmware.",
    )


def _taken(addresses: t.Sequence[str]) -> Problem | None:
    if not addresses:
        return None
    return Problem(
        f"nouveau drives {_listed(addresses)}, so the NVIDIA driver cannot.",
        "nouveau was loaded first, and leaves a GPU at a reboot only.",
        "Reboot, with `blacklist nouveau` and `options nouveau modeset=0` in a file of /etc/modprobe.d and an initramfs that was made after it.",
        reboot=True,
    )


def _idle(info: t.Mapping[str, t.Any], gpus: t.Sequence[t.Mapping[str, t.Any]]) -> Problem:
    by_architecture = {architecture: kind for kind, others in UNFIT.items() for architecture in others}
    unfit = {gpu["name"]: by_architecture[gpu["architecture"]] for gpu in gpus if gpu["architecture"] in by_architecture}
    flavour = "".join(f" The {kind} kernel module does not drive {name}." for name, kind in unfit.items())
    return Problem(
        f"The NVIDIA kernel module is built for {info['kernel']} and not loaded.",
        f"It was installed after the start of the system, or does not take these GPUs.{flavour}",
        "Run `modprobe nvidia`; when that fails, `dmesg` says why.",
    )


def _other_kernel(info: t.Mapping[str, t.Any]) -> Problem:
    installed, kernel = info["nvidia"]["installed"], info["kernel"]
    newest = (info["kernels"] or list(installed))[-1]
    return Problem(
        f"There is no NVIDIA kernel module for the kernel that runs, {kernel}, but for {_listed(list(installed))}.",
        "The kernel was upgraded and not started yet."
        if newest in installed
        else "DKMS did not build it: the headers of the kernel are missing, or the build failed.",
        f"Reboot into {newest}."
        if newest in installed
        else f"Install the headers of {kernel}, then run `dkms autoinstall -k {kernel}`; or boot {list(installed)[-1]}.",
        reboot=newest in installed,
    )


def _mismatch(info: t.Mapping[str, t.Any]) -> Problem | None:
    driver, error = info["nvidia"], info["nvidia"]["smi"] or ""
    differ = driver["library"] not in ("", driver["loaded"])
    if not differ and "version mismatch" not in error:
        return None
    other = f"those of {driver['library']}" if differ else "others"
    built = list(driver["installed"].values())
    reboot = not differ or not built or driver["library"] in built
    return Problem(
        f"The NVIDIA driver that runs is {driver['loaded']}, and the libraries are {other}.",
        "The driver was upgraded while it was in use.",
        "Reboot." if reboot else f"No kernel has the module {driver['library']}: install it, or have DKMS build it, and reboot.",
        reboot=reboot,
    )


def _smi(info: t.Mapping[str, t.Any], gpus: t.Sequence[t.Mapping[str, t.Any]]) -> t.Iterator[Problem]:
    error = info["nvidia"]["smi"]
    if error is None:
        yield Problem(
            "There is no nvidia-smi.",
            "The driver is installed without its tools.",
            "Install the package with nvidia-smi of the same version: nvidia-smi on Debian, nvidia-utils-<branch> on Ubuntu.",
        )
        return
    lost = [gpu["address"] for gpu in gpus if gpu["driver"] == "nvidia" and not gpu["uuid"]]
    if any(word in error.lower() for word in LOST) or (lost and len(lost) < len(gpus)):
        yield Problem(
            f"The GPU {_listed(lost or [gpu['address'] for gpu in gpus])} does not answer{f' ({error})' if error else ''}.",
            "It has fallen off the bus: heat, power, a loose card or a fault of the card.",
            "Reboot, with the power off for a moment. Should it come back, look at temperature, power supply and slot; `dmesg` has the Xid.",
            reboot=True,
        )
    elif "is not a valid field" in error:
        yield Problem(
            f"nvidia-smi does not know what it is asked ({error}).",
            f"The driver {info['nvidia']['loaded']} is too old for today's Ollama, which needs 550 or newer.",
            "Install a newer driver, as the role llm.host.gpu does.",
        )
    elif "did not answer" in error:
        yield Problem(
            "nvidia-smi hangs.",
            "The driver waits for a GPU that does not answer.",
            "Reboot; `dmesg` has the Xid of the GPU.",
            reboot=True,
        )
    elif error:
        yield Problem(f"nvidia-smi fails: {error}", "The driver does not work.", "Look into `dmesg` for what the driver (NVRM) says.")


def _flavour(info: t.Mapping[str, t.Any], gpus: t.Sequence[t.Mapping[str, t.Any]]) -> t.Iterator[Problem]:
    kind = info["nvidia"]["kind"]
    unfit = [gpu for gpu in gpus if gpu["architecture"] in UNFIT.get(kind, ())]
    others = [gpu for gpu in gpus if gpu["driver"] != "nvidia" and gpu not in unfit]
    if unfit:
        yield Problem(
            f"The {kind} kernel module of NVIDIA does not drive {_named(unfit)}.",
            "The open one drives Turing and newer, the proprietary one what is older than Blackwell.",
            f"Install the {'proprietary' if kind == 'open' else 'open'} kernel module, as the role llm.host.gpu does.",
        )
    if others:
        yield Problem(
            f"The NVIDIA driver {info['nvidia']['loaded']} does not drive {_named(others)}.",
            "This branch of the driver is too old or too new for it, or another driver has it.",
            "`dmesg` has the words of the driver (NVRM); install a branch that knows the GPU.",
        )


def _nodes(info: t.Mapping[str, t.Any], gpus: t.Sequence[t.Mapping[str, t.Any]]) -> t.Iterator[Problem]:
    bound = [gpu for gpu in gpus if gpu["driver"] == "nvidia"]
    cards = _cards(info)
    if bound and (not _has(info, "/dev/nvidiactl") or len(cards) < len(bound)):
        yield Problem(
            f"{len(cards)} of {len(bound)} GPUs have their device node /dev/nvidia<number>."
            if len(cards) < len(bound)
            else "The NVIDIA driver is loaded, and /dev/nvidiactl is missing.",
            "The nodes are made when root first uses the GPU, and nobody did.",
            "Run `nvidia-smi` or `nvidia-modprobe -c 0` as root, and at every start, as nvidia-persistenced does.",
        )
    if "nvidia_uvm" not in info["modules"]:
        yield Problem(
            "CUDA finds no GPU: the module nvidia_uvm is not loaded.",
            "It is loaded when root first uses CUDA, and Ollama is not root.",
            "Run `nvidia-modprobe -u -c 0` as root, and at every start, as the roles llm.host.gpu and llm.host.ollama do.",
        )
    elif not _has(info, "/dev/nvidia-uvm"):
        yield Problem(
            "CUDA finds no GPU: /dev/nvidia-uvm is missing.",
            "The module nvidia_uvm is loaded, and nobody made its node.",
            "Run `nvidia-modprobe -u -c 0` as root, and at every start, as the roles llm.host.gpu and llm.host.ollama do.",
        )


def _mig(gpus: t.Iterable[t.Mapping[str, t.Any]]) -> t.Iterator[Problem]:
    empty = [gpu["address"] for gpu in gpus if gpu["mig"]["enabled"] and not gpu["mig"]["devices"]]
    if empty:
        yield Problem(
            f"Nobody can compute on {_listed(empty)}: MIG is enabled, and there is no MIG device.",
            "MIG devices are lost at every reboot unless something makes them again.",
            "Make them, such as with `nvidia-smi mig -cgi 19,19 -C`, at every start; or disable MIG with `nvidia-smi -mig 0`.",
        )


def _amd(info: t.Mapping[str, t.Any], gpus: t.Sequence[t.Mapping[str, t.Any]]) -> t.Iterator[Problem]:
    driver = info["amd"]
    if "amdgpu" not in info["modules"]:
        yield Problem(
            f"There is no AMD driver for {_named(gpus)}: the module amdgpu is not loaded.",
            "It is on a blacklist, `nomodeset` is on the kernel's command line, or the kernel is older than the GPU.",
            "Run `modprobe amdgpu`; when that fails, `dmesg` says why.",
        )
        return
    unbound = [gpu["address"] for gpu in gpus if gpu["driver"] != "amdgpu"]
    if unbound:
        yield Problem(
            f"The driver amdgpu does not drive {_listed(unbound)}.",
            "Its firmware is missing, or the kernel is older than the GPU.",
            "Install the firmware (firmware-amd-graphics on Debian, linux-firmware elsewhere) and reboot; `dmesg` names the file.",
        )
    if driver["loaded"] and numbers(driver["loaded"]) < OLDEST_AMDGPU:
        yield Problem(
            f"The driver amdgpu {driver['loaded']} is older than ROCm 7, which Ollama is built with.",
            "It came with an older ROCm.",
            "Install amdgpu-dkms of ROCm 7, or remove it and use the kernel's own driver.",
        )
    if not driver["kfd"] and len(unbound) < len(gpus):
        yield Problem(
            "ROCm finds no GPU: /dev/kfd is missing.",
            "The kernel does not let this GPU compute: it is too old for that, or the virtual machine or slot has no PCIe atomics.",
            "`dmesg | grep kfd` says why.",
        )
    yield from _closed(info)


def _amd_in_container(info: t.Mapping[str, t.Any]) -> t.Iterator[Problem]:
    if "amdgpu" in info["modules"] and not info["amd"]["kfd"]:
        yield Problem(
            "This container has no /dev/kfd.",
            "The GPU was not handed into it.",
            "Start it with `--device /dev/kfd --device /dev/dri`, or a GPU device of Incus or LXC.",
        )


def _closed(info: t.Mapping[str, t.Any]) -> t.Iterator[Problem]:
    for node in info["nodes"]:
        mode = int(node["mode"], 8)
        by_group = node["group"] in AMD_GROUPS and mode & 0o060 == 0o060
        if node["path"] == "/dev/kfd" and not by_group and mode & 0o006 != 0o006:
            yield Problem(
                f"Ollama cannot open /dev/kfd: it belongs to {node['owner']}:{node['group']} with mode {node['mode']}.",
                "A rule of udev is missing.",
                'Write `SUBSYSTEM=="kfd", GROUP="render", MODE="0660"` into /etc/udev/rules.d/70-kfd.rules and run `udevadm trigger`.',
            )


def _cards(info: t.Mapping[str, t.Any]) -> list[str]:
    return [node["path"] for node in info["nodes"] if CARD.fullmatch(node["path"])]


def _has(info: t.Mapping[str, t.Any], path: str) -> bool:
    return any(node["path"] == path for node in info["nodes"])


def _named(gpus: t.Iterable[t.Mapping[str, t.Any]]) -> str:
    return _listed([gpu["name"] or gpu["pci_id"] for gpu in gpus])


def _listed(names: t.Sequence[str]) -> str:
    counted = [f"{names.count(name)} x {name}" if names.count(name) > 1 else name for name in dict.fromkeys(names)]
    return " and ".join(filter(None, (", ".join(counted[:-1]), counted[-1]))) if counted else ""
