# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is set at every boot for NVIDIA's GPUs. PRIVATE to the collection: it can change at any time.

Sources: nvidia-smi(1) on -pm, -pl and -c; modprobe.d(5), modules-load.d(5).
"""

from __future__ import annotations

import typing as t

__all__ = ("UNIT", "settings_due", "settings_files")

UNIT = "llm-host-gpu-settings.service"
NO_NOUVEAU = """# NVIDIA's own driver takes care of its GPUs.
blacklist nouveau
options nouveau modeset=0
"""
Wishes = t.Mapping[str, t.Any]


def settings_files(plan: t.Mapping[str, t.Any], wishes: Wishes) -> list[dict[str, t.Any]]:
    """As C(host_files) takes them."""
    if "nvidia" not in plan["vendors"] or plan["action"] == "none":
        return []
    modules = ["nvidia", *(["nvidia_uvm"] if wishes["uvm_at_boot"] else [])]
    return [
        {"path": "/etc/modprobe.d/llm-host-gpu.conf", "content": NO_NOUVEAU},
        {"path": "/etc/modules-load.d/llm-host-gpu.conf", "content": "".join(f"{name}\n" for name in modules)},
        {"path": f"/etc/systemd/system/{UNIT}", "template": f"{UNIT}.j2", "variables": {"__gpu_commands": _commands(wishes)}},
        {"path": "/etc/systemd/system/multi-user.target.d/50-llm-host-gpu.conf", "content": f"[Unit]\nWants={UNIT}\n"},
    ]


def _commands(wishes: Wishes) -> list[str]:
    """What the unit runs."""
    found = []
    if wishes["persistence"] is not None:
        found.append(f"nvidia-smi --persistence-mode={int(wishes['persistence'])}")
    if wishes["power_limit"] is not None:
        found.append(f"nvidia-smi --power-limit={int(wishes['power_limit'])}")
    if wishes["compute_mode"] is not None:
        found.append(f"nvidia-smi --compute-mode={str(wishes['compute_mode']).upper()}")
    return found or ["true"]


def settings_due(info: t.Mapping[str, t.Any], wishes: Wishes) -> list[str]:
    """What differs from the wish at one GPU at least, as far as nvidia-smi told."""
    found = []
    for gpu in info["gpus"]:
        if gpu["vendor"] != "nvidia" or gpu["persistence"] is None:
            continue
        if wishes["persistence"] is not None and gpu["persistence"] != bool(wishes["persistence"]):
            found.append("persistence")
        if wishes["power_limit"] is not None and gpu["power_limit"] is not None and round(gpu["power_limit"]) != int(wishes["power_limit"]):
            found.append("power_limit")
        if wishes["compute_mode"] is not None and gpu["compute_mode"].lower() != str(wishes["compute_mode"]).lower():
            found.append("compute_mode")
    return list(dict.fromkeys(found))
