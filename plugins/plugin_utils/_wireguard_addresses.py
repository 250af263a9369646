# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The addresses that a host or a client has in the WireGuard network, from the inventory alone. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import hashlib
import ipaddress
import typing as t

from ansible.errors import AnsibleFilterError

__all__ = ("DEFAULT_INTERFACE", "DEFAULT_NETWORKS", "assigned", "member_addresses")

# What the role wireguard uses where a host says nothing; the defaults of a role are not among the variables of other hosts.
DEFAULT_INTERFACE = "wg0"
DEFAULT_NETWORKS = ("10.86.0.0/16",)


def assigned(name: str, networks: t.Sequence[str], addresses: t.Sequence[str] = ()) -> list[str]:
    """One address for each of ``networks``: that of ``addresses`` that lies in it, else one that follows from ``name`` alone.

    Who joins or leaves moves nobody. Raises ValueError for a network or an address that is none.
    """
    given = [ipaddress.ip_address(address) for address in addresses]
    found = []
    for network in (ipaddress.ip_network(entry) for entry in networks):
        declared = [address for address in given if address in network]
        found.append(str(declared[0] if declared else _of_name(name, network)))
    return found


def member_addresses(host: str, variables: t.Mapping[str, t.Any]) -> list[str]:
    """The same of a host with these variables in the inventory. Raises AnsibleFilterError, one sentence."""
    try:
        return assigned(host, variables.get("wireguard_networks", DEFAULT_NETWORKS), variables.get("wireguard_addresses") or ())
    except ValueError as error:
        raise AnsibleFilterError(f"wireguard_networks or wireguard_addresses of {host} are wrong: {error}.") from error


def _of_name(name: str, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    # Neither the network's own address nor the last one, which is broadcast.
    usable = max(network.num_addresses - 2, 1)
    return network[1 + int.from_bytes(hashlib.sha256(name.encode()).digest(), "big") % usable] if network.num_addresses > 2 else network[0]
