# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a team says where a server listens to the addresses of this host. PRIVATE to the collection: it can change at any time.

Sources: ip-address(8); RFC 1918, 4193, 6598 on private networks; https://tailscale.com/kb/1015 on the addresses of a tailnet.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import typing as t

__all__ = (
    "ALL", "LOOPBACK", "OPTIONS", "PRIVATE", "TAILSCALE", "TAILSCALE_INTERFACE", "TAILSCALE_NETWORKS", "WIREGUARD", "WORDS",
    "BindError", "Bound", "host_addresses", "in_tailnet", "is_private", "literal", "public_addresses", "resolve", "word_of",
)  # fmt: skip

ALL, LOOPBACK, TAILSCALE, WIREGUARD = WORDS = ("all", "loopback", "tailscale", "wireguard")
TAILSCALE_INTERFACE = "tailscale0"
TAILSCALE_NETWORKS = ("100.64.0.0/10", "fd7a:115c:a1e0::/48")
PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")

# Flags of an address that is not proved to be ours yet, or that the kernel soon replaces, as those of IPv6 for privacy.
PASSING = ("tentative", "dadfailed", "temporary", "deprecated")

Address = t.Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
Network = t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]


class BindError(ValueError):
    """One sentence: what is wrong with the address, what to write or do instead."""


@dataclasses.dataclass(frozen=True)
class Bound:
    """Where to listen: addresses of this host, IPv4 first, and the interface that has them, empty where that is not known.

    ``pending``: the host does not have them yet, and of a tailnet nobody knows them.
    """

    addresses: tuple[str, ...]
    interface: str
    pending: bool = False


def word_of(bind: str, wireguard: str) -> str:
    """What is written, but for the name of a private network's interface the word for that network. ``wireguard``: the interface of WireGuard."""
    written = bind.strip()
    return {"localhost": LOOPBACK, wireguard: WIREGUARD, TAILSCALE_INTERFACE: TAILSCALE}.get(written, written)


def literal(text: str) -> Address | None:
    """The address that somebody wrote, with or without brackets."""
    try:
        return ipaddress.ip_address(text.strip("[] "))
    except ValueError:
        return None


def is_private(address: Address | Network) -> bool:
    """Whether nobody reaches it from the internet."""
    inside = ipaddress.ip_network(address)
    return any(inside.version == network.version and inside.subnet_of(network) for network in map(ipaddress.ip_network, PRIVATE))  # type: ignore[arg-type]


def in_tailnet(address: Address) -> bool:
    """Whether Tailscale gives such addresses to hosts."""
    return any(address in ipaddress.ip_network(network) for network in TAILSCALE_NETWORKS)


def host_addresses(output: str) -> dict[str, list[str]]:
    """The addresses of each interface, from C(ip -json address show), that can be bound to: none of one link, none that comes or goes by itself."""
    return {
        str(interface["ifname"]): [
            str(entry["local"])
            for entry in interface.get("addr_info") or ()
            if "local" in entry and entry.get("scope") != "link" and not any(entry.get(flag) for flag in PASSING)
        ]
        for interface in json.loads(output or "[]")
        if interface.get("ifname")
    }


def public_addresses(found: t.Mapping[str, t.Sequence[str]]) -> list[str]:
    """Those that are neither loopback nor private."""
    parsed = [ipaddress.ip_address(address) for addresses in found.values() for address in addresses]
    return [str(address) for address in parsed if not address.is_loopback and not is_private(address)]


# The options that say where to listen, as modules take them and the filter bind_options makes them.
OPTIONS: dict[str, t.Any] = {
    **{name: {"type": "str", "required": True} for name in ("bind", "variable")},
    **{name: {"type": "list", "elements": "str", "default": []} for name in ("networks", "addresses")},
    "named": {"type": "bool", "default": True},
    "interface": {"type": "str", "default": "wg0"},
    "follows": {"type": "bool", "default": False},
    "leaves": {"type": "bool", "default": False},
}


def resolve(options: t.Mapping[str, t.Any], found: t.Mapping[str, t.Sequence[str]]) -> Bound:
    """The addresses that ``options`` lead to among those that were ``found`` on the host. Raises BindError. Never answers with all addresses."""
    bind, variable, follows = word_of(options["bind"], options["interface"]), options["variable"], options["follows"]
    if options["leaves"]:
        raise BindError(
            f"{variable} is {bind}, and this host is to leave that network: let it listen elsewhere first, such as on loopback."
        )
    if bind == LOOPBACK:
        return Bound(("127.0.0.1", "::1") if "::1" in found.get("lo", ()) else ("127.0.0.1",), "lo")
    if bind == WIREGUARD:
        return _wireguard(variable, found, options["interface"], options["addresses"], follows)
    if bind == TAILSCALE:
        return _tailscale(variable, found, follows)
    address = literal(bind)
    if address is not None:
        return _literal(variable, address, found, follows)
    return _interface(variable, bind, found, options["networks"] if options["named"] else None)


def _wireguard(variable: str, found: t.Mapping[str, t.Sequence[str]], interface: str, addresses: t.Sequence[str], follows: bool) -> Bound:
    wanted = tuple(str(address) for address in addresses)
    if not wanted:
        raise BindError(f"{variable} is wireguard, but the host has no address there: put it into the inventory's group wireguard.")
    missing = [address for address in wanted if address not in found.get(interface, ())]
    if missing and not follows:
        raise BindError(
            f"{variable} is wireguard, but {interface} does not have {' and '.join(missing)}: put the host into the group wireguard and run site.yml, "
            f"and look at systemctl status wg-quick@{interface}."
        )
    return Bound(wanted, interface, pending=bool(missing))


def _tailscale(variable: str, found: t.Mapping[str, t.Sequence[str]], follows: bool) -> Bound:
    there = _inside(found.get(TAILSCALE_INTERFACE, ()), TAILSCALE_NETWORKS)
    if not there and not follows:
        raise BindError(
            f"{variable} is tailscale, but {TAILSCALE_INTERFACE} has no address of a tailnet: put the host into the group tailscale and run site.yml, "
            "and look at tailscale status."
        )
    return Bound(there, TAILSCALE_INTERFACE, pending=not there)


def _literal(variable: str, address: Address, found: t.Mapping[str, t.Sequence[str]], follows: bool) -> Bound:
    if address.is_loopback or address.is_unspecified:
        return Bound((str(address),), "lo" if address.is_loopback else "")
    owner = next((name for name, addresses in found.items() if str(address) in addresses), "")
    if not owner and not follows:
        raise BindError(f"{variable} is {address}, which no interface of the host has: it has {_listed(found)}.")
    return Bound((str(address),), owner)


def _interface(variable: str, name: str, found: t.Mapping[str, t.Sequence[str]], networks: t.Sequence[str] | None) -> Bound:
    if name not in found:
        raise BindError(
            f"{variable} is {name}, which is neither loopback, tailscale, wireguard, an address nor an interface of the host: it has {_listed(found)}."
        )
    private = tuple(address for address in found[name] if is_private(ipaddress.ip_address(address)))
    if not private:
        raise BindError(
            f"{variable} is {name}, which has no private address ({', '.join(found[name]) or 'none at all'}): choose another interface, "
            f"the host has {_listed(found)}."
        )
    if networks is None:
        return Bound(_sorted(private), name)
    named = _inside(private, networks)
    if not named:
        raise BindError(
            f"{variable} is {name}, which has {', '.join(private)}, in no network that the inventory calls private "
            f"({', '.join(networks) or 'it names none'}): list its network in {variable.replace('_bind', '_private_networks')}."
        )
    return Bound(named, name)


def _inside(addresses: t.Iterable[str], networks: t.Sequence[str]) -> tuple[str, ...]:
    known = [ipaddress.ip_network(network, strict=False) for network in networks]
    return _sorted(address for address in addresses if any(ipaddress.ip_address(address) in network for network in known))


def _sorted(addresses: t.Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(addresses, key=lambda address: ":" in address))


def _listed(found: t.Mapping[str, t.Sequence[str]]) -> str:
    return (
        "; ".join(f"{name} {', '.join(addresses)}" for name, addresses in found.items() if addresses and name != "lo")
        or "none but loopback"
    )
