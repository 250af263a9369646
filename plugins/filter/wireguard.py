# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters that make a WireGuard network of an inventory."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.llm.host.plugins.plugin_utils import _wireguard_network as of_network
from ansible_collections.llm.host.plugins.plugin_utils import _wireguard_problems as of_problems
from ansible_collections.llm.host.plugins.plugin_utils._wireguard_addresses import DEFAULT_NETWORKS, assigned

Hostvars = t.Mapping[str, t.Mapping[str, t.Any]]


def wireguard_addresses(name: str, networks: t.Sequence[str] = DEFAULT_NETWORKS, addresses: t.Sequence[str] = ()) -> list[str]:
    """The addresses of a host or a client in the tunnel."""
    try:
        return assigned(name, networks, addresses)
    except ValueError as error:
        raise AnsibleFilterError(f"wireguard_networks or wireguard_addresses of {name}: {error}.") from error


def wireguard_members(names: t.Iterable[str], hostvars: Hostvars) -> list[str]:
    """Those that do not leave."""
    return [host.name for host in of_network.network_of(names, hostvars).hosts]


def wireguard_problems(names: t.Iterable[str], hostvars: Hostvars, name: str, group: str = "wireguard") -> list[str]:
    """Why the network that is declared could not be."""
    return of_problems.problems(of_network.network_of(names, hostvars), name, group)


def wireguard_host_problems(
    names: t.Iterable[str], hostvars: Hostvars, name: str, info: t.Mapping[str, t.Any], hosts: t.Collection[str] | None = None
) -> list[str]:
    """What on the host ``name`` is in the way."""
    settings, way = of_network.settings_of(hostvars[name]), str(hostvars[name].get("ansible_host") or "")
    if settings["state"] == "absent":
        return of_problems.leave_problems(name, way, settings["networks"], info)
    return of_problems.host_problems(of_network.network_of(names, hostvars), name, info, hosts)


def wireguard_interface(names: t.Iterable[str], hostvars: Hostvars, name: str, keys: t.Mapping[str, str]) -> dict[str, t.Any]:
    """What C(wireguard_interface) is told on the host ``name``."""
    network = of_network.network_of(names, hostvars)
    host = network.host(name)
    if host is None:
        return {"state": "absent"}
    return {
        "name": host.settings["interface"],
        "addresses": of_network.interface_addresses(host),
        "port": int(host.settings["port"]),
        "mtu": host.settings["mtu"],
        "rotation": str(host.settings["key_rotation"]),
        "forward": network.hub == name,
        "peers": of_network.peers_of(network, name, keys),
    }


def wireguard_client_configs(names: t.Iterable[str], hostvars: Hostvars, keys: t.Mapping[str, str]) -> list[dict[str, t.Any]]:
    """What C(wireguard_clients) is told."""
    return of_network.client_configs(of_network.network_of(names, hostvars), keys)


def wireguard_probes(names: t.Iterable[str], hostvars: Hostvars, name: str) -> dict[str, str]:
    """The addresses of hosts that ``name`` can connect to, each with the name of its host."""
    network = of_network.network_of(names, hostvars)
    found = {host.name: host for host in network.hosts}
    peers = [found[peer["name"]] for peer in of_network.peers_of(network, name, {}) if peer["endpoint"]]
    return {host.addresses[0]: host.name for host in peers}


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {
            "wireguard_addresses": wireguard_addresses,
            "wireguard_client_configs": wireguard_client_configs,
            "wireguard_host_problems": wireguard_host_problems,
            "wireguard_interface": wireguard_interface,
            "wireguard_members": wireguard_members,
            "wireguard_probes": wireguard_probes,
            "wireguard_problems": wireguard_problems,
        }
