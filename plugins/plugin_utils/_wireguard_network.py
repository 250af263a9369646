# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is in the WireGuard network and who connects to whom, from the inventory alone. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import dataclasses
import ipaddress
import typing as t

from ansible_collections.llm.host.plugins.plugin_utils._wireguard_addresses import DEFAULT_INTERFACE, DEFAULT_NETWORKS, assigned

__all__ = ("DEFAULTS", "GENERAL", "KEEPALIVE_BEHIND_NAT", "Client", "Host", "Network", "client_configs", "network_of", "peers_of")

DEFAULTS: dict[str, t.Any] = {
    "state": "present",
    "interface": DEFAULT_INTERFACE,
    "networks": list(DEFAULT_NETWORKS),
    "addresses": [],
    "port": 51820,
    "topology": "mesh",
    "hub": "",
    "keepalive": 0,
    "mtu": None,
    "clients": [],
    "clients_dest": "",
    "key_rotation": "",
}
# What belongs to the network and not to a host.
GENERAL = ("networks", "topology", "hub", "clients", "clients_dest")
# Routers forget who is behind them within half a minute or more.
KEEPALIVE_BEHIND_NAT = 25
Hostvars = t.Mapping[str, t.Mapping[str, t.Any]]


@dataclasses.dataclass(frozen=True)
class Host:
    """A member; ``settings`` are its variables without their prefix. ``endpoint`` has its port, or is empty."""

    name: str
    settings: t.Mapping[str, t.Any]
    addresses: tuple[str, ...]
    endpoint: str
    ansible_host: str


@dataclasses.dataclass(frozen=True)
class Client:
    name: str
    public_key: str
    addresses: tuple[str, ...]
    present: bool


@dataclasses.dataclass(frozen=True)
class Network:
    """``settings`` are those of GENERAL, as the first host has them."""

    settings: t.Mapping[str, t.Any]
    hosts: tuple[Host, ...]
    clients: tuple[Client, ...]

    @property
    def hub(self) -> str:
        return str(self.settings["hub"]) if self.settings["topology"] == "hub" else ""

    def host(self, name: str) -> Host | None:
        return next((host for host in self.hosts if host.name == name), None)


def network_of(names: t.Iterable[str], hostvars: Hostvars) -> Network:
    """Those of the hosts that are to be in it. What is no address is left as it is for whoever checks it."""
    # Looking a host up takes milliseconds, in which Ansible puts all its variables together.
    hosts = [_host(name, hostvars[name]) for name in names]
    present = [host for host in hosts if host.settings["state"] != "absent"]
    first = present[0].settings if present else DEFAULTS
    general = {name: first[name] for name in GENERAL}
    clients = [
        Client(
            name=str(entry.get("name") or ""),
            public_key=str(entry.get("public_key") or ""),
            addresses=_addresses(str(entry.get("name") or ""), general["networks"], entry.get("addresses") or []),
            present=entry.get("state", "present") != "absent",
        )
        for entry in general["clients"]
    ]
    return Network(general, tuple(present), tuple(clients))


def _host(name: str, variables: t.Mapping[str, t.Any]) -> Host:
    settings = settings_of(variables)
    return Host(
        name=name,
        settings=settings,
        addresses=_addresses(name, settings["networks"], settings["addresses"]),
        endpoint=with_port(_endpoint(name, variables), settings["port"]),
        ansible_host=str(variables.get("ansible_host") or ""),
    )


def settings_of(variables: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """A host's variables of the role, without their prefix; the defaults of a role are not among the variables of other hosts."""
    return {name: variables.get(f"wireguard_{name}", default) for name, default in DEFAULTS.items()}


def _addresses(name: str, networks: t.Sequence[str], addresses: t.Sequence[str]) -> tuple[str, ...]:
    try:
        return tuple(assigned(name, networks, addresses))
    except (ValueError, TypeError):
        return ()


def _endpoint(name: str, variables: t.Mapping[str, t.Any]) -> str:
    found = variables.get("wireguard_endpoint")
    return str(variables.get("ansible_host") or name) if found is None else str(found).strip()


def with_port(endpoint: str, port: t.Any) -> str:
    """An address or a name, with a port if it has none; IPv6 in brackets."""
    if not endpoint:
        return ""
    try:
        return f"[{ipaddress.IPv6Address(endpoint.strip('[]'))}]:{port}"
    except ValueError:
        return endpoint if ":" in endpoint else f"{endpoint}:{port}"


def peers_of(network: Network, name: str, keys: t.Mapping[str, str]) -> list[dict[str, t.Any]]:
    """The peers of a host, as C(wireguard_interface) takes them. ``keys``: the public keys of hosts and clients that are known."""
    own = network.host(name)
    if own is None:
        return []
    hub = network.hub
    others = [host for host in network.hosts if host.name != name and (not hub or hub in (name, host.name))]
    peers = [
        {
            "name": other.name,
            "public_key": keys.get(other.name, ""),
            # Everything but itself is behind the hub.
            "allowed": [str(ipaddress.ip_network(net)) for net in network.settings["networks"]]
            if other.name == hub
            else [single(address) for address in other.addresses],
            "endpoint": other.endpoint,
            "keepalive": int(own.settings["keepalive"]) or (0 if own.endpoint or not other.endpoint else KEEPALIVE_BEHIND_NAT),
        }
        for other in others
    ]
    if own.endpoint and hub in ("", name):
        peers += [
            {
                "name": client.name,
                "public_key": keys.get(client.name, ""),
                "allowed": [single(address) for address in client.addresses],
                "endpoint": "",
                "keepalive": 0,
            }
            for client in network.clients
            if client.present
        ]
    return peers


def client_configs(network: Network, keys: t.Mapping[str, str]) -> list[dict[str, t.Any]]:
    """What the configuration of each client says, as C(wireguard_clients) takes it."""
    hub = network.hub
    peers = [
        {
            "name": host.name,
            "public_key": keys.get(host.name, ""),
            "allowed": [str(ipaddress.ip_network(net)) for net in network.settings["networks"]]
            if hub
            else [single(address) for address in host.addresses],
            "endpoint": host.endpoint,
        }
        for host in network.hosts
        if host.endpoint and hub in ("", host.name)
    ]
    return [
        {
            "name": client.name,
            "public_key": client.public_key,
            "addresses": [single(address) for address in client.addresses],
            "peers": peers,
            "state": "present" if client.present else "absent",
        }
        for client in network.clients
    ]


def interface_addresses(host: Host) -> list[str]:
    """With the length of their networks, so that one route leads to all peers."""
    return [
        f"{address}/{ipaddress.ip_network(net).prefixlen}" for address, net in zip(host.addresses, host.settings["networks"], strict=True)
    ]


def single(address: str) -> str:
    return f"{address}/{ipaddress.ip_address(address).max_prefixlen}"
