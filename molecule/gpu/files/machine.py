#!/usr/bin/env python3
# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine with GPUs, as far as a container can look like one: packages, DKMS, files and systemd are real; the kernel and the hardware are played.

machine boot              what the kernel does at boot: the newest installed kernel runs, what modules-load.d names is loaded
machine packages          what follows from the packages that are installed: nvidia-smi is there as soon as its package is
modprobe [options] NAME   loads a module that is on disk for that kernel
nvidia-smi ...            answers from what is loaded
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import sys
import typing as t
import uuid
from pathlib import Path

STATE = Path("/var/lib/lab-machine")
RUN = Path("/run/lab-machine")
PCI, DRIVER, PROC, SMI = RUN / "pci", RUN / "driver", RUN / "proc", RUN / "smi.json"
KERNEL, BOOT_ID, MODULES = PROC / "osrelease", PROC / "boot_id", PROC / "modules"
SYS_MODULE = RUN / "module"
MINOR = {"nvidiactl": (195, 255), "nvidia-uvm": (511, 0), "nvidia-uvm-tools": (511, 1)}


def cards() -> list[dict[str, str]]:
    return json.loads((STATE / "cards.json").read_text())


def newest_kernel() -> str:
    def key(name: str) -> list[int]:
        return [int(part) for part in re.findall(r"\d+", name)]

    return max((path.name.partition("-")[2] for path in Path("/boot").glob("vmlinuz-*")), key=key, default=os.uname().release)


def bind(source: Path, target: str) -> None:
    subprocess.run(["mount", "--bind", source, target], check=True)


def boot() -> None:
    for path in (PCI, DRIVER / "nvidia/gpus", PROC, SYS_MODULE):
        path.mkdir(parents=True, exist_ok=True)
    KERNEL.write_text(f"{newest_kernel()}\n")
    BOOT_ID.write_text(f"{uuid.uuid4()}\n")
    MODULES.write_text("")
    for card in cards():
        place = PCI / card["address"]
        place.mkdir(exist_ok=True)
        (place / "vendor").write_text("0x10de\n")
        (place / "device").write_text(f"{card['device']}\n")
        (place / "class").write_text("0x030200\n")
        (place / "uevent").write_text(f"PCI_ID=10DE:{card['device'][2:].upper()}\nPCI_SLOT_NAME={card['address']}\n")
    bind(PCI, "/sys/bus/pci/devices")
    bind(SYS_MODULE, "/sys/module")
    bind(DRIVER, "/proc/driver")
    bind(KERNEL, "/proc/sys/kernel/osrelease")
    bind(BOOT_ID, "/proc/sys/kernel/random/boot_id")
    # It is a machine and no container for whoever asks.
    Path("/run/systemd/container").unlink(missing_ok=True)
    Path("/.dockerenv").unlink(missing_ok=True)
    with (STATE / "boots").open("a") as boots:
        boots.write(f"{KERNEL.read_text()}")
    if (STATE / "nouveau").exists() and "nouveau" not in blacklisted():
        appear("nouveau", "")
        bound("nouveau")
    for path in sorted(Path("/etc/modules-load.d").glob("*.conf")):
        for name in path.read_text().split():
            load(name)


def blacklisted() -> list[str]:
    return re.findall(r"^blacklist\s+(\S+)", "\n".join(path.read_text() for path in Path("/etc/modprobe.d").glob("*.conf")), re.MULTILINE)


def loaded() -> list[str]:
    return [line.split()[0] for line in MODULES.read_text().splitlines()]


def appear(name: str, version: str) -> None:
    (SYS_MODULE / name).mkdir(exist_ok=True)
    (SYS_MODULE / name / "initstate").write_text("live\n")
    if version:
        (SYS_MODULE / name / "version").write_text(f"{version}\n")
    with MODULES.open("a") as modules:
        modules.write(f"{name} 16384 0 - Live 0x0000000000000000\n")


def bound(driver: str) -> None:
    for card in cards():
        (RUN / "drivers" / driver).mkdir(parents=True, exist_ok=True)
        link = PCI / card["address"] / "driver"
        link.unlink(missing_ok=True)
        link.symlink_to(RUN / "drivers" / driver)


def on_disk(name: str) -> tuple[Path, str] | None:
    """The file of a module for the kernel that runs, and its version. Debian's own packages have another name for it."""
    places = Path("/lib/modules", KERNEL.read_text().strip()).rglob("*.ko*")
    wanted = {name.replace("_", "-"), name.replace("_", "-").replace("nvidia", "nvidia-current", 1)}
    for path in places:
        if path.name.partition(".")[0].replace("_", "-") in wanted and "/kernel/" not in str(path):
            return path, subprocess.run(["modinfo", "-F", "version", path], capture_output=True, text=True, check=True).stdout.strip()
    return None


def load(name: str) -> int:
    name = name.replace("-", "_")
    if name in loaded():
        return 0
    found = on_disk(name)
    if not found:
        print(f"modprobe: FATAL: Module {name} not found in directory /lib/modules/{KERNEL.read_text().strip()}", file=sys.stderr)
        return 1
    if "nouveau" in loaded():
        print(f"modprobe: ERROR: could not insert '{name}': No such device", file=sys.stderr)
        return 1
    version = found[1]
    if name == "nvidia_uvm":
        load("nvidia")
        nodes("nvidia-uvm", "nvidia-uvm-tools")
    if name == "nvidia":
        kind = "Open Kernel Module for x86_64" if installed("nvidia-kernel-open-dkms") else "x86_64 Kernel Module"
        (DRIVER / "nvidia/version").write_text(f"NVRM version: NVIDIA UNIX {kind}  {version}  Release Build  (lab)\nGCC version:  gcc\n")
        for index, card in enumerate(cards()):
            (DRIVER / "nvidia/gpus" / card["address"]).mkdir(parents=True, exist_ok=True)
            nodes(f"nvidia{index}")
        nodes("nvidiactl")
        bound("nvidia")
    appear(name, version)
    return 0


def installed(package: str) -> bool:
    done = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status}", package], capture_output=True, text=True)
    return done.stdout == "installed"


def packages() -> None:
    link = Path("/usr/local/bin/nvidia-smi")
    link.unlink(missing_ok=True)
    if installed("nvidia-smi") or installed("nvidia-driver-cuda"):
        link.symlink_to("/usr/local/lib/lab-machine")


def nodes(*names: str) -> None:
    for name in names:
        path = Path("/dev", name)
        if not path.exists():
            major, minor = MINOR.get(name) or (195, int(name.removeprefix("nvidia")))
            subprocess.run(["mknod", "-m", "666", path, "c", str(major), str(minor)], check=True)


def library() -> str:
    """The version of the driver's library, as its file is called."""
    found = sorted(path.name for directory in ("/usr/lib", "/lib") for path in Path(directory).rglob("libnvidia-ml.so.*.*"))
    return found[-1].partition(".so.")[2] if found else ""


def settings(arguments: list[str]) -> dict[str, t.Any]:
    """What holds for all cards once this is set: one program after the other, as it is at a driver."""
    with SMI.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        now = json.loads(file.read() or '{"pm": "Disabled", "pl": 300.0, "c": "Default"}')
        for argument in arguments:
            name, _equals, value = argument.partition("=")
            if name == "--persistence-mode":
                now["pm"] = "Enabled" if value == "1" else "Disabled"
            if name == "--power-limit":
                now["pl"] = float(value)
            if name == "--compute-mode":
                now["c"] = {"DEFAULT": "Default", "EXCLUSIVE_PROCESS": "Exclusive_Process", "PROHIBITED": "Prohibited"}[value]
        file.truncate(0)
        file.write(json.dumps(now))
    return now


def smi(arguments: list[str]) -> int:
    if "nvidia" not in loaded():
        print(
            "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is installed and running."
        )
        return 9
    version = (SYS_MODULE / "nvidia/version").read_text().strip()
    if library() and library() != version:
        print(f"Failed to initialize NVML: Driver/library version mismatch\nNVML library version: {library()}")
        return 18
    now = settings(arguments)
    query = next((each.partition("=")[2] for each in arguments if each.startswith("--query-gpu=")), "")
    for number, card in enumerate(cards()):
        values = {
            "pci.bus_id": f"0000{card['address'].upper()}",
            "name": card["name"],
            "uuid": f"GPU-00000000-0000-0000-0000-{number:012d}",
            "memory.total": card["memory"],
            "compute_cap": card["compute"],
            "driver_version": version,
            "power.limit": f"{now['pl']:.2f}",
            "power.default_limit": "300.00",
            "power.min_limit": "100.00",
            "power.max_limit": "350.00",
            "compute_mode": now["c"],
            "persistence_mode": now["pm"],
            "mig.mode.current": "[N/A]",
        }
        if query:
            print(", ".join(values[name] for name in query.split(",")))
        elif "-L" in arguments:
            print(f"GPU {number}: {values['name']} (UUID: {values['uuid']})")
    return 0


if __name__ == "__main__":
    program, arguments = Path(sys.argv[0]).name, sys.argv[1:]
    if program == "modprobe":
        sys.exit(max([load(name) for name in arguments if not name.startswith("-")], default=0))
    if program == "nvidia-smi":
        sys.exit(smi(arguments))
    if arguments == ["packages"]:
        packages()
    else:
        boot()
