# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may come in to a host, as a table of nftables that drops the rest.

PRIVATE to the collection: it can change at any time.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import typing as t

from ansible_collections.llm.host.plugins.module_utils._nftables import Table

__all__ = ("ANY", "TABLE", "Opening", "additions", "admits", "opening", "port_ranges", "ruleset")

ANY = "any"
HIGHEST_PORT = 65535
PORTS = re.compile(r"([0-9]+)(?:-([0-9]+))?")
TABLE = Table(
    name="inet llm_host_firewall",
    config="/etc/llm-host/ingress.nft",
    unit="llm-host-ingress.service",
    drop_in="51-llm-host-ingress.conf",
    description="What may come in to this host",
)

HEADER = "# Written by llm.host: what may come in to this host. What it forwards, as to containers, is as others say.\n"
# Of TCP only what opens a connection is dropped: those that are there go on, also where the kernel has not tracked them yet.
RULES = """\
table {table} {{
    chain input {{
        type filter hook input priority filter; policy drop;
        iif lo accept
        ct state established,related accept
        tcp flags & (fin | syn | rst | ack) != syn accept
        icmp type {{ destination-unreachable, echo-request, time-exceeded, parameter-problem }} accept
        icmpv6 type {{ destination-unreachable, packet-too-big, time-exceeded, parameter-problem, echo-request }} accept
        icmpv6 type {{ mld-listener-query, nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert }} accept
        udp sport 67 udp dport 68 accept
        ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept
{openings}        counter
    }}
}}
"""

Network = t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]
Range = t.Tuple[int, int]


@dataclasses.dataclass(frozen=True)
class Opening:
    """Ports, first and last of each range, that may be reached from these networks and through these interfaces."""

    ports: tuple[Range, ...]
    networks: tuple[Network, ...] = ()
    interfaces: tuple[str, ...] = ()
    anybody: bool = False
    protocol: str = "tcp"


def opening(ports: t.Iterable[t.Any], sources: t.Iterable[str], interfaces: t.Iterable[str] = (), protocol: str = "tcp") -> Opening:
    """From what is declared. Raises ValueError, with a part of a sentence."""
    names = [str(source) for source in sources]
    networks = tuple(ipaddress.ip_network(name, strict=False) for name in names if name != ANY)
    return Opening(tuple(port_ranges(ports)), networks, tuple(sorted(set(interfaces))), ANY in names, protocol)


def port_ranges(ports: t.Iterable[t.Any]) -> list[Range]:
    """Sorted, and those that overlap or touch as one, since nft refuses them. Raises ValueError."""
    found: list[Range] = []
    for low, high in sorted(_range(str(port)) for port in ports):
        if found and low <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(high, found[-1][1]))
        else:
            found.append((low, high))
    return found


def ruleset(openings: t.Iterable[Opening]) -> str:
    """What nft loads."""
    lines = dict.fromkeys(line for one in openings for line in _lines(one))
    return HEADER + TABLE.replaced_by(RULES.format(table=TABLE.name, openings="".join(f"        {line}\n" for line in lines)))


def additions(openings: t.Iterable[Opening]) -> str:
    """What nft loads to open this too, in the table that is there."""
    return "".join(f"add rule {TABLE.name} input {line}\n" for one in openings for line in _lines(one))


def admits(one: Opening, address: str, interface: str) -> bool:
    """Whether somebody who comes from an address through an interface gets in."""
    found = ipaddress.ip_address(address.partition("%")[0])
    found = getattr(found, "ipv4_mapped", None) or found
    return one.anybody or interface in one.interfaces or any(found in network for network in one.networks)


def _range(text: str) -> Range:
    found = PORTS.fullmatch(text.strip())
    first, last = (int(found.group(1)), int(found.group(2) or found.group(1))) if found else (0, 0)
    if not 0 < first <= last <= HIGHEST_PORT:
        raise ValueError(f"{text} is not a port")
    return first, last


def _lines(one: Opening) -> t.Iterator[str]:
    ports = f"{one.protocol} dport {{ {', '.join(_written(low, high) for low, high in one.ports)} }} accept"
    if one.anybody:
        yield ports
        return
    for version, family in ((4, "ip"), (6, "ip6")):
        networks = [str(network) for network in ipaddress.collapse_addresses(net for net in one.networks if net.version == version)]
        if any(network.endswith("/0") for network in networks):
            yield f"meta nfproto ipv{version} {ports}"
        elif networks:
            yield f"{family} saddr {{ {', '.join(networks)} }} {ports}"
    if one.interfaces:
        names = ", ".join(f'"{name}"' for name in one.interfaces)
        yield f"iifname {{ {names} }} {ports}"


def _written(low: int, high: int) -> str:
    return str(low) if low == high else f"{low}-{high}"
