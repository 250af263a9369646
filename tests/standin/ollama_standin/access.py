# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may talk to the server at all: the Host check and CORS."""

from __future__ import annotations

import functools
import ipaddress
import socket
import typing as t

if t.TYPE_CHECKING:
    from ollama_standin.exchange import Exchange
    from ollama_standin.settings import Settings

__all__ = ["host_allowed", "origin_allowed", "refused"]

_LOCAL_SUFFIXES = (".localhost", ".local", ".internal")
_ALLOW_HEADERS = (
    "Authorization,Content-Type,User-Agent,Accept,X-Requested-With,OpenAI-Beta,x-stainless-lang,"
    "x-stainless-package-version,x-stainless-os,x-stainless-arch,x-stainless-retry-count,x-stainless-runtime,"
    "x-stainless-runtime-version,x-stainless-async,x-stainless-helper-method,x-stainless-poll-helper,"
    "x-stainless-custom-poll-interval,x-stainless-timeout"
)


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if host.count(":") == 1 else host


@functools.cache
def _own_addresses() -> frozenset[str]:
    try:
        return frozenset(str(item[4][0]) for item in socket.getaddrinfo(socket.gethostname(), None))
    except OSError:
        return frozenset()


def host_allowed(value: str) -> bool:
    """The check against DNS rebinding, for a server bound to loopback."""
    host = _without_port(value).lower()
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host in ("", "localhost", socket.gethostname().lower()) or host.endswith(_LOCAL_SUFFIXES)
    # Go's IsPrivate is RFC 1918 and RFC 4193 only; Python's is_private is wider.
    private = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16") if address.version == 4 else ("fc00::/7",)
    return (
        address.is_loopback
        or address.is_unspecified
        or any(address in ipaddress.ip_network(net) for net in private)
        or str(address) in _own_addresses()
    )


def origin_allowed(origin: str, entries: t.Iterable[str]) -> bool:
    for entry in entries:
        head, star, tail = entry.lower().partition("*")
        value = origin.lower()
        if not star and value == head:
            return True
        if star and len(value) >= len(head) + len(tail) and value.startswith(head) and value.endswith(tail):
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
        exchange.extra_headers["Access-Control-Allow-Origin"] = "*" if "*" in settings.origins else origin
        if exchange.method == "OPTIONS":
            exchange.extra_headers |= {
                "Access-Control-Allow-Headers": _ALLOW_HEADERS,
                "Access-Control-Allow-Methods": "GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS",
                "Access-Control-Max-Age": "43200",
            }
            exchange.send(204)
            return True
    if settings.loopback() and not host_allowed(host):
        exchange.extra_headers.clear()
        exchange.send(403)
        return True
    return False
