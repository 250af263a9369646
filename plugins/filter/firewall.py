# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters that find, in the inventory, who may reach the Ollama instances of a host."""

from __future__ import annotations

import ipaddress
import typing as t

from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.llm.host.plugins.module_utils._bind import TAILSCALE, TAILSCALE_INTERFACE, TAILSCALE_NETWORKS, WIREGUARD, word_of
from ansible_collections.llm.host.plugins.plugin_utils._listen import ADDRESS, LOOPBACK, listens, reach
from ansible_collections.llm.host.plugins.plugin_utils._wireguard_addresses import DEFAULT_NETWORKS

Hostvars = t.Mapping[str, t.Mapping[str, t.Any]]
# What each name stands for on the host that is protected; an address stands for itself.
Addresses = t.Mapping[str, t.Sequence[str]]
Network = t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]
GATEWAY_VARIABLES = ("balancer_source", "ollama_bind", "ansible_host")


def firewall_ports(settings: t.Mapping[str, t.Any]) -> list[int]:
    """The ports at which other hosts would reach instances; none where these listen on loopback."""
    if reach(str(settings["host"]).strip("[] ")) == LOOPBACK:
        return []
    return [int(instance["port"]) for instance in settings["instances"]]


def firewall_interfaces(firewall: t.Mapping[str, t.Any]) -> list[str]:
    """The interfaces behind which everybody is let in: those of private networks, whose members somebody else declares."""
    named = {TAILSCALE: TAILSCALE_INTERFACE, WIREGUARD: str(firewall["wireguard"])}
    return sorted(named[word] for word in _member_networks(firewall)) if firewall["ports"] else []


def firewall_gateways(hosts: t.Iterable[str], hostvars: Hostvars, inventory_hostname: str) -> list[dict[str, str]]:
    """Where each of ``hosts`` comes from, and which variable says so. The host itself comes over loopback."""
    return [{"host": host, **_origin(host, hostvars[host])} for host in hosts if host != inventory_hostname]


def firewall_problems(firewall: t.Mapping[str, t.Any], addresses: Addresses) -> list[str]:
    """One sentence for each host that could not be let in."""
    if not firewall["ports"]:
        return []
    if _bound_to(firewall) in (TAILSCALE, WIREGUARD):
        return list(_allow_problems(firewall))
    return [
        *_allow_problems(firewall),
        *(problem for gateway in firewall["gateways"] for problem in _gateway_problems(gateway, firewall, addresses)),
        *_nobody(firewall),
    ]


def firewall_sources(firewall: t.Mapping[str, t.Any], addresses: Addresses) -> list[str]:
    """The addresses and networks to let in."""
    found = [address for gateway in firewall["gateways"] for address in _inside(addresses.get(gateway["address"], ()), firewall)]
    return sorted({*found, *(str(entry) for entry in firewall["allow"] if str(entry) not in (TAILSCALE, WIREGUARD))})


def firewall_members(firewall: t.Mapping[str, t.Any], addresses: Addresses, wireguard_networks: t.Iterable[str] | None = None) -> list[str]:
    """The networks from which somebody may reach an instance; none where it listens on loopback."""
    if reach(str(firewall["bind"]).strip("[] ")) == LOOPBACK:
        return []
    networks = {TAILSCALE: TAILSCALE_NETWORKS, WIREGUARD: [str(network) for network in wireguard_networks or DEFAULT_NETWORKS]}
    members = [network for word in _member_networks(firewall) for network in networks[word]]
    # Without the firewall, whoever is in a private network.
    sources = firewall_sources(firewall, addresses) if firewall["ports"] else [str(network) for network in firewall["networks"]]
    return sorted({*members, *sources})


def _bound_to(firewall: t.Mapping[str, t.Any]) -> str:
    return word_of(str(firewall["bind"]), str(firewall["wireguard"]))


def _member_networks(firewall: t.Mapping[str, t.Any]) -> set[str]:
    """Of the private networks those whose members are let in."""
    return {TAILSCALE, WIREGUARD} & {_bound_to(firewall), *(str(entry) for entry in firewall["allow"])}


def _origin(host: str, variables: t.Mapping[str, t.Any]) -> dict[str, str]:
    for name in GATEWAY_VARIABLES:
        # What it listens on is where it comes from, unless that is any address, or loopback.
        if name == "ollama_bind":
            value = listens(host, variables) if name in variables else ""
            value = value if reach(value) == ADDRESS else ""
        else:
            value = str(variables.get(name) or "").strip("[] ")
        if value:
            return {"variable": name, "address": value}
    return {"variable": "", "address": host}


def _allow_problems(firewall: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    for index, entry in enumerate(firewall["allow"]):
        if entry in (TAILSCALE, WIREGUARD):
            continue
        network = _network(entry)
        if network is None:
            yield (
                f"ollama_firewall_allow[{index}] is {entry!r}: write an address or a network, such as 10.20.0.9 or 10.20.5.0/24, or tailscale or wireguard "
                "for all of that network."
            )
        elif not _private(network, firewall):
            yield (
                f"ollama_firewall_allow[{index}] {entry} does not lie in ollama_private_networks of {firewall['host']}, {_list(firewall)}: "
                "add its network there, or take it out."
            )


def _gateway_problems(gateway: t.Mapping[str, str], firewall: t.Mapping[str, t.Any], addresses: Addresses) -> t.Iterator[str]:
    host, variable, address, here = gateway["host"], gateway["variable"], gateway["address"], firewall["host"]
    what = f"{variable} {address}" if variable else "name"
    found = list(addresses[address])
    if _inside(found, firewall):
        return
    advice = f"set balancer_source of {host} to the address from which it reaches {here}, in ollama_private_networks of {here}, {_list(firewall)}."
    if not found:
        yield f"The firewall of {here} cannot let in the gateway {host}, because {here} finds no address for its {what}: {advice}"
    elif found == [address]:
        yield f"The firewall of {here} cannot let in the gateway {host}, whose {what} is not in a private network: {advice}"
    else:
        yield f"The firewall of {here} cannot let in the gateway {host}, whose {what} is {', '.join(found)}, not in a private network: {advice}"


def _nobody(firewall: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    if not firewall["group"] and not firewall["allow"]:
        yield (
            f"The firewall of {firewall['host']} would let nobody reach Ollama, because the inventory has no gateway: put one into the group "
            "that ollama_firewall_group names, write who may reach it into ollama_firewall_allow, or do without it: ollama_firewall: false."
        )


def _inside(addresses: t.Iterable[str], firewall: t.Mapping[str, t.Any]) -> list[str]:
    """Those that may be let in: a name can have others besides, from which nobody comes."""
    return [address for address in addresses for network in [_network(address)] if network is not None and _private(network, firewall)]


def _private(network: Network, firewall: t.Mapping[str, t.Any]) -> bool:
    if network.is_loopback:
        return False
    if boolean(firewall["anywhere"], strict=False):
        return True
    private = [found for found in map(_network, firewall["networks"]) if found is not None and found.version == network.version]
    return any(network.subnet_of(found) for found in private)  # type: ignore[arg-type]


def _list(firewall: t.Mapping[str, t.Any]) -> str:
    return ", ".join(str(network) for network in firewall["networks"]) or "which is empty"


def _network(value: t.Any) -> Network | None:
    # Of an address of one link it is not known here, by which name the link goes.
    try:
        return ipaddress.ip_network(str(value), strict=False) if "%" not in str(value) else None
    except ValueError:
        return None


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {
            "firewall_gateways": firewall_gateways,
            "firewall_interfaces": firewall_interfaces,
            "firewall_members": firewall_members,
            "firewall_ports": firewall_ports,
            "firewall_problems": firewall_problems,
            "firewall_sources": firewall_sources,
        }
