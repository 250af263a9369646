# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may talk to the server at all: the Host check and CORS."""

from __future__ import annotations

import ipaddress
import socket
import typing as t

if t.TYPE_CHECKING:
    from ollama_standin.exchange import Exchange
    from ollama_standin.settings import Settings

__all__ = ["host_allowed", "origin_allowed", "refused"]

_LOCAL_SUFFIXES = (".localhost", ".local", ".internal")
_ALLOW_HEADERS = (
    "Authorization,Content-Type,User-Agent,Accept,X-Requested-With,Openai-Beta,X-Stainless-Arch,X-Stainless-Async,"
    "X-Stainless-Custom-Poll-Interval,X-Stainless-Helper-Method,X-Stainless-Lang,X-Stainless-Os,"
    "X-Stainless-Package-Version,X-Stainless-Poll-Helper,X-Stainless-Retry-Count,X-Stainless-Runtime,"
    "X-Stainless-Runtime-Version,X-Stainless-Timeout"
)


def _without_port(value: str) -> str:
    """Go's SplitHostPort, and the whole value where that fails: ``[::1]`` keeps its brackets."""
    head, colon, _ = value.rpartition(":")
    if not colon:
        return value
    if head.startswith("[") and head.endswith("]"):
        return head[1:-1]
    return value if ":" in head else head


def _is_own(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether an interface of this host has the address: only such a one can be bound."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True


def _address_allowed(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    # Go's IsPrivate is RFC 1918 and RFC 4193 only; Python's is_private is wider.
    private = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16") if address.version == 4 else ("fc00::/7",)
    return address.is_loopback or address.is_unspecified or any(address in ipaddress.ip_network(net) for net in private) or _is_own(address)


def host_allowed(value: str) -> bool:
    """The check against DNS rebinding, for a server bound to loopback."""
    address = _as_address(value)
    if address is not None and _address_allowed(address):
        return True
    host = _without_port(value).lower()
    return host in ("", "localhost", socket.gethostname().lower()) or host.endswith(_LOCAL_SUFFIXES)


def _as_address(value: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(_without_port(value))
    except ValueError:
        return None


def origin_allowed(origin: str, entries: t.Iterable[str]) -> bool:
    for entry in entries:
        head, star, tail = entry.lower().partition("*")
        if not star and origin == head:
            return True
        if star and len(origin) >= len(head) + len(tail) and origin.startswith(head) and origin.endswith(tail):
            return True
    return False


def refused(exchange: Exchange, settings: Settings) -> bool:
    """Answer 403 or a preflight where due; True when the request is dealt with."""
    host = exchange.headers.get("Host", "")
    origin = exchange.headers.get("Origin", "")
    if origin and origin not in (f"http://{host}", f"https://{host}"):
        if not origin_allowed(origin, settings.origins):
            exchange.send(403)
            return True
        everyone = "*" in settings.origins
        exchange.extra_headers["Access-Control-Allow-Origin"] = "*" if everyone else origin
        asked = ", Access-Control-Request-Method, Access-Control-Request-Headers" if exchange.method == "OPTIONS" else ""
        exchange.extra_headers |= {} if everyone else {"Vary": f"Origin{asked}"}
        if exchange.method == "OPTIONS":
            exchange.extra_headers |= {
                "Access-Control-Allow-Headers": _ALLOW_HEADERS,
                "Access-Control-Allow-Methods": "GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS",
                "Access-Control-Max-Age": "43200",
            }
            exchange.send(204)
            return True
    if settings.loopback():
        if not host_allowed(host):
            exchange.send(403)
            return True
        if exchange.method == "OPTIONS" and _as_address(host) is None:
            exchange.send(204)
            return True
    return False
