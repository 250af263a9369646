# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which TCP sockets of another host answer from here. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import socket
import typing as t

__all__ = ("Reached", "reached")

AT_ONCE = 32
LONGEST_ANSWER = 1 << 16


@dataclasses.dataclass(frozen=True)
class Reached:
    """A socket that took a connection, and the address that this host came from."""

    address: str
    port: int
    source: str


def reached(addresses: t.Iterable[str], ports: t.Iterable[int], timeout: float, says: str = "") -> list[Reached]:
    """Those that answer within ``timeout`` seconds, with ``says`` to a GET of / if there is one, since some networks have proxies that take any connection.

    Addresses of this host itself are left out: nobody comes to them from elsewhere.
    """
    others = [address for address in dict.fromkeys(addresses) if not _own(address)]
    sockets = [(address, port) for address in others for port in sorted(set(ports))]
    with concurrent.futures.ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        found = pool.map(lambda target: _connect(*target, timeout, says), sockets)
    return list(dict.fromkeys(entry for entry in found if entry is not None))


def _connect(address: str, port: int, timeout: float, says: str) -> Reached | None:
    try:
        with socket.create_connection((address, port), timeout) as connection:
            found = Reached(str(connection.getpeername()[0]), port, str(connection.getsockname()[0]))
            return found if says in _answer(connection, says) else None
    except OSError:
        return None


def _answer(connection: socket.socket, says: str) -> str:
    if not says:
        return ""
    connection.sendall(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
    answer = b""
    while says.encode() not in answer and len(answer) < LONGEST_ANSWER:
        part = connection.recv(4096)
        if not part:
            break
        answer += part
    return answer.decode(errors="replace")


def _own(address: str) -> bool:
    try:
        family, kind, protocol, _name, target = socket.getaddrinfo(address, 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.bind(target)
    except OSError:
        return False
    return True
