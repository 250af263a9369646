# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters of the role ollama: settings in, checked environment and unit text out."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.llm.host.plugins.module_utils._retire import OURS
from ansible_collections.llm.host.plugins.plugin_utils._bind import wait_file
from ansible_collections.llm.host.plugins.plugin_utils._sandbox import check_hardening, check_limits, limits, order, restart, sandbox
from ansible_collections.llm.host.plugins.plugin_utils._settings import (
    Environment,
    SettingsError,
    check_instances,
    instance_environment,
)
from ansible_collections.llm.host.plugins.plugin_utils._systemd import environment_file, environment_lines

ADVICE = "stop it, or give the instance another port in ollama_instances"


def ollama_settings(settings: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    """One dictionary per instance: its unit, its URL, and its environment as text for systemd."""
    units = []
    for instance, environment in _environments(settings):
        unit = "ollama.service" if instance["name"] == "default" else f"ollama@{instance['name']}.service"
        units.append(
            {
                "name": instance["name"],
                "unit": unit,
                "service": {"unit": unit, "url": f"http://{_reachable(environment.public['OLLAMA_HOST'])}"},
                "socket": {"unit": unit, "port": int(instance["port"]), "advice": ADVICE},
                "environment": environment_lines(environment.public),
                "secrets": bool(environment.secret),
            }
        )
    return units


UNIT_DIRECTORY = "/etc/systemd/system"
WHY = "/usr/local/lib/llm-host/ollama-why"
RESUME = (
    f"{UNIT_DIRECTORY}/llm-host-resume.service",
    f"{UNIT_DIRECTORY}/sleep.target.d/50-llm-host.conf",
    "/usr/local/lib/llm-host/ollama-resume",
)


def ollama_files(settings: t.Mapping[str, t.Any], host: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    """The unit files and drop-ins of all instances on a host as llm.host.host_preflight saw it, as llm.host.host_files takes them."""
    units = ollama_settings(settings)
    gpus = host["gpus"]
    unit_of_the_host = {
        "order": order(settings, gpus=gpus, interface=host["bound"]["interface"]),
        "restart": restart(systemd=host["systemd"]),
        "limits": limits(settings),
        "sandbox": sandbox(settings, gpus=gpus),
    }
    kinds = dict.fromkeys("ollama@.service" if "@" in unit["unit"] else unit["unit"] for unit in units)
    return [
        *(
            {
                "path": f"{UNIT_DIRECTORY}/{kind}",
                "template": "ollama.service.j2",
                "variables": {"__ollama_item": kind},
                "backup_unless": OURS,
            }
            for kind in kinds
        ),
        *(
            {
                "path": f"{UNIT_DIRECTORY}/{unit['unit']}.d/10-llm-host.conf",
                "template": "drop-in.conf.j2",
                "variables": {"__ollama_item": {**unit, **unit_of_the_host}},
            }
            for unit in units
        ),
        {"path": WHY, "template": "ollama-why.j2", "mode": "0755"},
        wait_file("ollama"),
        *([{"path": f"{UNIT_DIRECTORY}/llm-host-gpu.service", "template": "llm-host-gpu.service.j2"}] if "nvidia" in gpus else []),
        *(resume_files([unit["unit"] for unit in units]) if boolean(settings["resume"], strict=False) and "nvidia" in gpus else []),
    ]


def resume_files(units: t.Sequence[str]) -> list[dict[str, t.Any]]:
    """What brings the GPU back to these units after the host has slept."""
    return [
        {"path": RESUME[0], "template": "llm-host-resume.service.j2", "variables": {"__ollama_item": " ".join(units)}},
        {"path": RESUME[1], "content": "[Unit]\nWants=llm-host-resume.service\n"},
        {"path": RESUME[2], "template": "ollama-resume.j2", "mode": "0755"},
    ]


def ollama_secret_files(settings: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    """What only root may read of each instance's environment, as llm.host.host_files takes it; empty files where there is nothing."""
    return [
        {"path": f"{UNIT_DIRECTORY}/{unit['unit']}.d/secret.env", "content": environment_file(environment.secret)}
        for unit, (_instance, environment) in zip(ollama_settings(settings), _environments(settings))
    ]


def ollama_problems(settings: t.Mapping[str, t.Any]) -> list[str]:
    """What is wrong with the settings, a sentence each; the first problem hides others."""
    try:
        _environments(settings)
    except AnsibleFilterError as exc:
        return [str(exc)]
    return []


def ollama_turns(hosts: t.Iterable[str], hostvars: t.Mapping[str, t.Any], looked: str, at_once: int) -> list[dict[str, str]]:
    """Who is restarted when: turns one after the other, each with the unit of every host whose turn it is.

    ``looked`` names the variable of each host in which C(ollama_service) said in check mode what is due.
    """
    due = {host: _due(hostvars[host].get(looked)) for host in hosts}
    waiting = [host for host in due if due[host]]
    turns = []
    for start in range(0, len(waiting), max(1, at_once)):
        group = waiting[start : start + max(1, at_once)]
        for number in range(max(len(due[host]) for host in group)):
            turns.append({host: due[host][number] for host in group if number < len(due[host])})
    return turns


def _due(looked: t.Any) -> list[str]:
    return [entry["unit"] for entry in (looked or {}).get("instances") or [] if entry["due"] == "restart"]


def _environments(settings: t.Mapping[str, t.Any]) -> list[tuple[t.Mapping[str, t.Any], Environment]]:
    try:
        check_instances(settings["instances"])
        check_limits(settings)
        check_hardening(settings["hardening"])
        return [
            (instance, instance_environment(settings, instance=instance, first=index == 0))
            for index, instance in enumerate(settings["instances"])
        ]
    except SettingsError as exc:
        raise AnsibleFilterError(str(exc)) from None


def _reachable(listen: str) -> str:
    """The address at which the host itself reaches a server that listens on ``listen``."""
    return listen.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:")


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {
            "ollama_files": ollama_files,
            "ollama_problems": ollama_problems,
            "ollama_secret_files": ollama_secret_files,
            "ollama_settings": ollama_settings,
            "ollama_turns": ollama_turns,
        }
