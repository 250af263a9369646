# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters that read, in the variables of the role firewall, what may come in to a host."""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.llm.host.plugins.module_utils._ingress import ANY, port_ranges

Settings = t.Mapping[str, t.Any]
SAMPLE = "a network such as 10.20.0.0/16"


def ingress_problems(settings: Settings) -> list[str]:
    """One sentence for each thing that cannot be carried out."""
    found = [
        problem for index, entry in enumerate(settings["allow"]) for problem in _entry_problems(f"firewall_allow[{index}]", entry, settings)
    ]
    for index, source in enumerate(settings["ssh_from"]):
        where = f"firewall_ssh_from[{index}]"
        if source == ANY:
            found.append(f"{where} is any: leave firewall_ssh_from empty, which opens SSH to everybody.")
        else:
            found += _source_problems(where, source, settings)
    if int(settings["confirm_within"]) < 1:
        found.append(f"firewall_confirm_within is {settings['confirm_within']}: write a number of seconds, such as 60.")
    return found


def ingress_options(settings: Settings) -> dict[str, t.Any]:
    """The options of the module host_ingress."""
    openings = [
        {"ports": [str(port) for port in entry["ports"]], "protocol": entry.get("protocol") or "tcp", **_split(entry["from"], settings)}
        for entry in settings["allow"]
    ]
    for name, port in settings["tunnels"].items():
        if name in settings["interfaces"]:
            openings.append({"ports": [str(port)], "protocol": "udp", "sources": [ANY], "interfaces": []})
    ssh = _split(settings["ssh_from"], settings)
    return {
        "openings": openings,
        "ssh_sources": ssh["sources"],
        "ssh_interfaces": ssh["interfaces"],
        "confirm_within": int(settings["confirm_within"]),
    }


def _split(sources: t.Iterable[t.Any], settings: Settings) -> dict[str, list[str]]:
    interfaces = settings["interfaces"]
    return {
        "sources": [str(source) for source in sources if source not in interfaces],
        "interfaces": [interfaces[source] for source in sources if source in interfaces],
    }


def _entry_problems(where: str, entry: Settings, settings: Settings) -> t.Iterator[str]:
    if not entry["ports"]:
        yield f"{where}.ports is empty: write ports, such as [443], or remove the entry."
    for port in entry["ports"]:
        try:
            port_ranges([port])
        except ValueError:
            yield f"{where}.ports has {port!r}: write a port from 1 to 65535, or a range such as 11434-11436."
    if not entry["from"]:
        yield f"{where}.from is empty, so nobody would be let in: write {SAMPLE}, or any, or remove the entry."
    for source in entry["from"]:
        if source != ANY:
            yield from _source_problems(f"{where}.from", source, settings)


def _source_problems(where: str, source: t.Any, settings: Settings) -> t.Iterator[str]:
    if source in settings["tunnels"]:
        if source not in settings["interfaces"]:
            yield (
                f"{where} has {source}, but {settings['host']} is not in the group {source}: put it into that group, "
                "or say something else for this host."
            )
    elif not _is_network(source):
        yield f"{where} has {source!r}: write {SAMPLE}, tailscale or wireguard{', or any' if where.endswith('.from') else ''}."


def _is_network(value: t.Any) -> bool:
    try:
        return bool(ipaddress.ip_network(str(value), strict=False)) and "%" not in str(value)
    except ValueError:
        return False


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"ingress_options": ingress_options, "ingress_problems": ingress_problems}
