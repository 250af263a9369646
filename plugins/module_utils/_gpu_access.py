# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a unit cannot use the device nodes of GPUs that are there. PRIVATE to the collection: it can change at any time.

Sources: systemd.resource-control(5) on DeviceAllow= and DevicePolicy=, systemd.exec(5) on PrivateDevices=.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import typing as t

__all__ = ("PROPERTIES", "Unit", "blocked", "is_needed")

PROPERTIES = ("Id", "User", "Group", "SupplementaryGroups", "PrivateDevices", "DevicePolicy", "DeviceAllow")
# The name of the nodes' driver in /proc/devices, as DeviceAllow=char-… means it. The first that fits counts.
DRIVERS = (
    ("/dev/nvidia-uvm*", "nvidia-uvm"),
    ("/dev/nvidia-caps/*", "nvidia-caps"),
    ("/dev/nvidia*", "nvidia"),
    ("/dev/kfd", "kfd"),
    ("/dev/dri/*", "drm"),
)
# What each backend needs; the others of its kind are for tools and displays.
NEEDED = ("/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia[0-9]*", "/dev/kfd", "/dev/dri/renderD*")


@dataclasses.dataclass(frozen=True)
class Unit:
    """What systemd says of a unit. ``groups`` are all that its processes have."""

    name: str
    user: str = ""
    groups: frozenset[str] = frozenset()
    private_devices: bool = False
    policy: str = "auto"
    allowed: tuple[str, ...] = ()

    @classmethod
    def read(cls, text: str, groups_of: t.Callable[[str], t.Collection[str]]) -> Unit:
        """From what ``systemctl show`` prints of PROPERTIES."""
        lines = [line.partition("=") for line in text.splitlines()]
        values = {name: value for name, _equals, value in lines}
        user = values.get("User", "")
        groups = {values.get("Group", ""), *values.get("SupplementaryGroups", "").split(), *(groups_of(user) if user else ())}
        return cls(
            values.get("Id", ""),
            user,
            frozenset(groups - {""}),
            values.get("PrivateDevices") == "yes",
            values.get("DevicePolicy", "auto"),
            tuple(value.split()[0] for name, _equals, value in lines if name == "DeviceAllow" and value),
        )


def is_needed(path: str) -> bool:
    """Whether Ollama opens this node to compute."""
    return any(fnmatch.fnmatch(path, pattern) for pattern in NEEDED)


def blocked(unit: Unit, nodes: t.Iterable[t.Mapping[str, str]]) -> list[str]:
    """A sentence with the cure for each reason. ``nodes`` are those that C(gpu_info) returns."""
    needed = [node for node in nodes if is_needed(node["path"])]
    if not needed:
        return []
    if unit.private_devices:
        return [
            f"{unit.name} does not see the devices (PrivateDevices=yes): take that out of your drop-in or of ollama_hardening, and run site.yml."
        ]
    closed = [node["path"] for node in needed if not _allowed(unit, node["path"])]
    shut = [node for node in needed if not _may(unit, node)]
    found = []
    if closed:
        found.append(f"{unit.name} may not use {', '.join(closed)} (DevicePolicy, DeviceAllow): take your own out, and run site.yml.")
    if shut:
        groups = ", ".join(sorted({node["group"] for node in shut}))
        found.append(
            f"The user {unit.user} may not open {', '.join(node['path'] for node in shut)}: add it to the group {groups}, and restart {unit.name}."
        )
    return found


def _allowed(unit: Unit, path: str) -> bool:
    if unit.policy == "auto" and not unit.allowed:
        return True
    driver = next((name for pattern, name in DRIVERS if fnmatch.fnmatch(path, pattern)), "")
    return any(
        fnmatch.fnmatch(driver, entry[len("char-") :]) if entry.startswith("char-") else fnmatch.fnmatch(path, entry)
        for entry in unit.allowed
    )


def _may(unit: Unit, node: t.Mapping[str, str]) -> bool:
    mode = int(node["mode"], 8)
    if unit.user in ("", "root") or mode & 0o006 == 0o006:
        return True
    return (node["owner"] == unit.user and mode & 0o600 == 0o600) or (node["group"] in unit.groups and mode & 0o060 == 0o060)
