# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a declared WireGuard network could not be, one sentence each. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
import typing as t

from ansible_collections.llm.host.plugins.module_utils._bind import PRIVATE, is_private
from ansible_collections.llm.host.plugins.plugin_utils._wireguard_network import GENERAL, Host, Network

__all__ = ("host_problems", "leave_problems", "problems")

INTERFACE = re.compile(r"[A-Za-z][A-Za-z0-9_=+.-]{0,14}\Z")
CLIENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}\Z")
ENDPOINT = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):(\d{1,5})\Z")
Net = t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]


def problems(network: Network, name: str, group: str) -> list[str]:
    """Of the whole network, since no host may change while another one is declared wrongly. ``name``: the host that looks."""
    if not network.hosts:
        return []
    found = [*_general(network), *_networks(network.settings["networks"])]
    if found:
        # Whatever else would be said follows from these.
        return found
    return [
        *(problem for host in network.hosts for problem in _host(host)),
        *_members(network),
        *_clients(network),
        *_topology(network, group),
        *_outside(network, name, group),
    ]


def host_problems(network: Network, name: str, info: t.Mapping[str, t.Any], in_run: t.Collection[str] | None = None) -> list[str]:
    """Of one host, by what C(wireguard_info) sees there."""
    host = network.host(name)
    if host is None:
        return []
    found = []
    interface = host.settings["interface"]
    if info["taken"]:
        found.append(
            f"wireguard_interface of {name} is {interface}, and {info['taken']} is there, which this role did not make: "
            "set wireguard_interface to another name, or remove it."
        )
    if not info["tunnels"]:
        found.append(
            f"{name} can have no WireGuard: its kernel has no module for it, and wireguard-go has no /dev/net/tun. "
            "Install a kernel with WireGuard, or give the container /dev/net/tun."
        )
    found += [
        f"wireguard_networks has {net}, and IPv6 is switched off on {name}: set net.ipv6.conf.all.disable_ipv6 and "
        "net.ipv6.conf.default.disable_ipv6 to 0 there, or leave that network out."
        for net in _parsed(network.settings["networks"])
        if net.version == 6 and not info["ipv6"]
    ]
    for entry in info["routes"]:
        for net in _parsed(network.settings["networks"]):
            route = _network(entry["network"])
            if route is not None and route.version == net.version and route.overlaps(net):
                found.append(
                    f"wireguard_networks has {net}, which overlaps with {route} that {name} reaches through {entry['device']}: "
                    "choose another network that is used nowhere."
                )
    rotated = info["public_key"] and info["public_key"] != info["wanted_key"]
    if rotated and _in_networks(host.ansible_host, network):
        found.append(
            f"wireguard_key_rotation of {name} asks for a new key while this run reaches it through the tunnel ({host.ansible_host}), "
            "which would cut it off: run with an ansible_host outside of the tunnel, or set wireguard_key_rotation back."
        )
    deaf = [other.name for other in network.hosts if in_run is not None and other.name not in in_run]
    if rotated and deaf:
        found.append(
            f"wireguard_key_rotation of {name} asks for a new key, and {', '.join(deaf)} would not hear of it in this run: "
            "run for the whole group, without --limit."
        )
    return found


def leave_problems(name: str, ansible_host: str, networks: t.Sequence[str], info: t.Mapping[str, t.Any]) -> list[str]:
    """Of one host that leaves."""
    if not info["interfaces"] or not _in(ansible_host, networks):
        return []
    return [
        f"wireguard_state of {name} is absent while this run reaches it through the tunnel ({ansible_host}), which would cut it off: "
        "run with an ansible_host outside of the tunnel."
    ]


def _general(network: Network) -> t.Iterator[str]:
    first = network.hosts[0]
    for variable in GENERAL:
        for host in network.hosts[1:]:
            if host.settings[variable] != first.settings[variable]:
                yield (
                    f"wireguard_{variable} of {first.name} and of {host.name} differ, although they are in one network: "
                    "set it once, for the whole group."
                )
                break
    if first.settings["topology"] not in ("mesh", "hub"):
        yield f"wireguard_topology is {first.settings['topology']!r}: write mesh or hub."


def _networks(networks: t.Sequence[t.Any]) -> t.Iterator[str]:
    if not networks:
        yield "wireguard_networks is empty: write at least one, such as 10.86.0.0/16."
    seen: list[Net] = []
    for index, text in enumerate(networks):
        where, net = f"wireguard_networks[{index}] is {text!r}", _network(text)
        if net is None:
            yield f"{where}: write a network without bits behind its length, such as 10.86.0.0/16 or fd86::/64."
        elif not is_private(net):
            yield f"{where}, which is not private: write one in {', '.join(PRIVATE)}."
        elif any(net.version == other.version and net.overlaps(other) for other in seen):
            yield f"{where}, which overlaps with another one of them: leave one out."
        else:
            seen.append(net)


def _host(host: Host) -> t.Iterator[str]:
    name, settings = host.name, host.settings
    if settings["state"] != "present":
        yield f"wireguard_state of {name} is {settings['state']!r}: write present or absent."
    if not INTERFACE.match(str(settings["interface"])):
        yield f"wireguard_interface of {name} is {settings['interface']!r}: write at most 15 letters, digits and ._=+-, such as wg0."
    port = list(_number(f"wireguard_port of {name}", settings["port"], 1, 65535))
    yield from port or _endpoint(host)
    yield from _number(f"wireguard_keepalive of {name}", settings["keepalive"], 0, 65535)
    if settings["mtu"] is not None:
        yield from _number(f"wireguard_mtu of {name}", settings["mtu"], 1280, 9000)
    yield from _given(f"wireguard_addresses of {name}", settings["addresses"], settings["networks"])
    if host.ansible_host and _in(host.ansible_host, settings["networks"]) and host.ansible_host not in host.addresses:
        yield (
            f"ansible_host of {name} is {host.ansible_host}, in wireguard_networks and not its address there ({', '.join(host.addresses)}): "
            "choose networks that are used nowhere, or set wireguard_addresses."
        )


def _endpoint(host: Host) -> t.Iterator[str]:
    if not host.endpoint:
        return
    match, advice = ENDPOINT.match(host.endpoint), "set it to where others reach this host outside of the tunnel, or to '' if they cannot"
    if not match or not 1 <= int(match[1]) <= 65535:
        yield f"wireguard_endpoint of {host.name} is {host.endpoint!r}: write an address or a name, with a port if it is not wireguard_port."
        return
    bare = host.endpoint.rpartition(":")[0].strip("[]")
    address = _address(bare)
    if bare == "localhost" or (address is not None and (address.is_loopback or address.is_unspecified)):
        yield f"wireguard_endpoint of {host.name} is {bare}, which is every host itself: {advice}."
    elif _in(bare, host.settings["networks"]):
        yield f"wireguard_endpoint of {host.name} is {bare}, an address in the tunnel itself: {advice}."


def _given(variable: str, addresses: t.Sequence[t.Any], networks: t.Sequence[str]) -> t.Iterator[str]:
    seen: list[Net] = []
    for text in addresses:
        address = _address(text)
        if address is None:
            yield f"{variable} has {text!r}: write addresses without a length, such as 10.86.0.7."
            continue
        homes = [net for net in _parsed(networks) if address in net]
        if not homes:
            yield f"{variable} has {address}, which lies in none of wireguard_networks ({', '.join(networks)}): write one that does."
        elif homes[0] in seen:
            yield f"{variable} has two addresses in {homes[0]}: write one for each network."
        elif homes[0].num_addresses > 2 and address in (homes[0][0], homes[0][-1]):
            yield f"{variable} has {address}, the first or the last address of {homes[0]}, which no host can have: write another one."
        seen += homes


def _members(network: Network) -> t.Iterator[str]:
    members = [(host.name, host.addresses, "wireguard_addresses") for host in network.hosts]
    members += [
        (f"the client {client.name}", client.addresses, "its addresses in wireguard_clients")
        for client in network.clients
        if client.present
    ]
    for net in _parsed(network.settings["networks"]):
        room = net.num_addresses - (2 if net.num_addresses > 2 else 0)
        if room < len(members):
            yield f"wireguard_networks has {net} with {room} addresses for {len(members)} hosts and clients: write a larger one."
            return
    owners: dict[str, str] = {}
    for member, addresses, variable in members:
        for address in addresses:
            if address in owners:
                yield f"{owners[address]} and {member} both have the address {address}: set {variable} of {member} to another one."
            owners.setdefault(address, member)


def _clients(network: Network) -> t.Iterator[str]:
    names: dict[str, int] = {}
    keys: dict[str, str] = {}
    for index, client in enumerate(network.clients):
        where = f"wireguard_clients[{index}]"
        if not CLIENT.match(client.name):
            yield f"{where} has the name {client.name!r}: write letters, digits and ._-, since it becomes the name of a file."
            continue
        if client.name in names:
            yield f"{where} and wireguard_clients[{names[client.name]}] are both named {client.name}: give each its own name."
            continue
        if network.host(client.name):
            yield f"{where} has the name {client.name}, which is a host of the network: give it another one."
        names[client.name] = index
        if not client.present:
            continue
        yield from _given(f"{where} {client.name}", network_addresses(network, index), network.settings["networks"])
        if client.public_key:
            if not _is_key(client.public_key):
                yield f"{where} {client.name} has a public_key that is none: write the 44 characters that `wg pubkey` prints."
            elif client.public_key in keys:
                yield f"{where} {client.name} and {keys[client.public_key]} have the same public_key: each device needs a key of its own."
            keys.setdefault(client.public_key, client.name)
        elif not network.settings["clients_dest"]:
            yield (
                f"{where} {client.name} has no public_key, and there is no place for a key that is made here: "
                "write its public_key, or set wireguard_clients_dest to a directory on the controller."
            )


def network_addresses(network: Network, index: int) -> list[t.Any]:
    return list(network.settings["clients"][index].get("addresses") or [])


def _topology(network: Network, group: str) -> t.Iterator[str]:
    silent = [host.name for host in network.hosts if not host.endpoint]
    present = [client for client in network.clients if client.present]
    if network.settings["topology"] == "mesh":
        if len(silent) > 1:
            yield (
                f"{' and '.join(silent[:2])} have no wireguard_endpoint, so they can never reach each other in a mesh: "
                "give one of them an endpoint, or set wireguard_topology: hub."
            )
        if present and len(silent) == len(network.hosts):
            yield "wireguard_clients can connect to nobody, since no host has a wireguard_endpoint: give one of them an endpoint."
        return
    hub = network.host(network.hub)
    if not network.hub:
        yield "wireguard_topology is hub, and wireguard_hub is empty: set it to the inventory name of the host that all others connect to."
    elif hub is None:
        yield f"wireguard_hub is {network.hub}, which is not in the group {group}, or leaves it: set it to the inventory name of a member."
    elif not hub.endpoint:
        yield f"wireguard_hub is {network.hub}, which has no wireguard_endpoint, so nobody could connect to it: give it one."


def _outside(network: Network, name: str, group: str) -> t.Iterator[str]:
    if network.host(name) is None:
        yield f"{name} is not in the group {group}, so that no other host would know it: put it there, or set wireguard_group."


def _number(variable: str, value: t.Any, low: int, high: int) -> t.Iterator[str]:
    if not re.fullmatch(r"\d+", str(value)) or not low <= int(value) <= high:
        yield f"{variable} is {value!r}: write a number from {low} to {high}."


def _is_key(text: str) -> bool:
    try:
        return len(text) == 44 and len(base64.b64decode(text, validate=True)) == 32
    except binascii.Error:
        return False


def _address(value: t.Any) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(str(value))
    except ValueError:
        return None


def _network(value: t.Any) -> Net | None:
    try:
        return ipaddress.ip_network(str(value))
    except ValueError:
        return None


def _parsed(networks: t.Iterable[t.Any]) -> list[Net]:
    return [net for net in map(_network, networks) if net is not None]


def _in(text: str, networks: t.Iterable[t.Any]) -> bool:
    address = _address(text)
    return address is not None and any(address in net for net in _parsed(networks))


def _in_networks(text: str, network: Network) -> bool:
    return _in(text, network.settings["networks"])
