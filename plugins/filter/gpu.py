# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters about GPUs."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

VENDORS = ("nvidia", "amd")


def gpu_instances(info: t.Mapping[str, t.Any], first_port: int = 11434, prefix: str = "gpu", vendor: str = "") -> list[dict[str, t.Any]]:
    """An instance of Ollama for each GPU, or for each MIG device of those that are divided."""
    if not isinstance(info, t.Mapping) or "gpus" not in info:
        raise AnsibleFilterError("gpu_instances: what it is given has no gpus: give it the result of llm.host.gpu_info.")
    if vendor not in ("", *VENDORS):
        raise AnsibleFilterError(f"gpu_instances: vendor is {vendor!r}: write nvidia or amd.")
    fit = [gpu for gpu in info["gpus"] if not gpu["integrated"] and gpu["driver"] != "vfio-pci"]
    there = [name for name in VENDORS if any(gpu["vendor"] == name for gpu in fit)]
    chosen = vendor or (there[0] if there else "")
    gpus = [gpu for gpu in fit if gpu["vendor"] == chosen]
    if not gpus:
        of = vendor or " or ".join(VENDORS)
        raise AnsibleFilterError(
            f"gpu_instances: this host has no GPU of {of} for instances of their own: leave ollama_instances as it is."
        )
    return [
        {"name": f"{prefix}{number}" if number else "default", "port": first_port + number, "gpus": [uuid]}
        for number, uuid in enumerate(uuid for gpu in sorted(gpus, key=lambda gpu: gpu["address"]) for uuid in _uuids(gpu))
    ]


def _uuids(gpu: t.Mapping[str, t.Any]) -> list[str]:
    name = f"the GPU {gpu['address']} ({gpu['name'] or gpu['pci_id']})"
    if gpu["mig"]["enabled"]:
        if not gpu["mig"]["devices"]:
            raise AnsibleFilterError(f"gpu_instances: MIG is enabled on {name}, and it has no MIG device: make them first, or disable MIG.")
        return [device["uuid"] for device in gpu["mig"]["devices"]]
    if not gpu["uuid"]:
        raise AnsibleFilterError(
            f"gpu_instances: {name} has no UUID: install its driver first, and look at problems in the result of llm.host.gpu_info."
        )
    return [gpu["uuid"]]


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"gpu_instances": gpu_instances}
