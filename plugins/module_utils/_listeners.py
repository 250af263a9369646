# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which processes listen on which TCP ports, read from /proc. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import typing as t
from pathlib import Path

__all__ = ("Listener", "addresses_of", "all_or_some", "connected", "listeners", "reachable")

ESTABLISHED, LISTEN = "01", "0A"
# The kernel writes an address as numbers of 32 bits, each with its last byte first: 127.0.0.0/8, ::1, ::ffff:127.0.0.0/104.
LOOPBACK = re.compile(r"[0-9A-F]{6}7F|0{24}01000000|0{16}FFFF0000[0-9A-F]{6}7F")
EVERYWHERE = frozenset({"0.0.0.0", "::"})
UNIT = re.compile(r"/([^/]+\.(?:service|scope|socket))(?:/|$)")


@dataclasses.dataclass(frozen=True)
class Listener:
    """A process that listens on a port; ``pid`` 0 and empty texts where the kernel does not say."""

    port: int
    pid: int = 0
    program: str = ""
    unit: str = ""

    def as_dict(self) -> dict[str, t.Any]:
        return dataclasses.asdict(self)

    def described(self) -> str:
        if not self.pid:
            return "another program"
        return f"{self.program} (process {self.pid}{', ' + self.unit if self.unit else ''})"


def listeners(
    *,
    ports: t.Collection[int],
    addresses: t.Collection[str] = (),
    units: t.Mapping[int, t.Collection[str]] | None = None,
    proc: Path = Path("/proc"),
) -> list[Listener]:
    """One Listener for each of ``ports`` that is in use, by port; at one of ``addresses``, or at any where none is given.

    ``units`` says which units are expected at a port. It decides where the kernel does not let root see whose socket it is, as in
    containers: then a process of such a unit which runs as the socket's user is taken for the owner.
    """
    sockets: dict[str, tuple[int, int]] = {}
    for table in ("net/tcp", "net/tcp6"):
        for fields in _sockets(proc / table):
            address, _colon, number = fields[1].rpartition(":")
            port = int(number, 16)
            if fields[3] == LISTEN and port in ports and (not addresses or _written(address) in {*addresses, *EVERYWHERE}):
                sockets[fields[9]] = (port, int(fields[7]))
    if not sockets:
        return []
    processes = sorted((entry for entry in proc.iterdir() if entry.name.isdigit()), key=lambda entry: int(entry.name))
    owners = _owners(sockets, processes)
    found = {}
    for inode, (port, uid) in sorted(sockets.items()):
        # One Listener a port: a server that listens on IPv4 and IPv6, or forked workers, are one owner.
        found[port] = owners.get(inode) or _likely_owner(port, uid, (units or {}).get(port, ()), processes)
    return [found[port] for port in sorted(found)]


def addresses_of(ports: t.Collection[int], proc: Path = Path("/proc")) -> set[str]:
    """The addresses at which somebody listens on one of ``ports``."""
    return {
        _written(address)
        for table in ("net/tcp", "net/tcp6")
        for fields in _sockets(proc / table)
        for address, _colon, port in [fields[1].rpartition(":")]
        if fields[3] == LISTEN and int(port, 16) in ports
    }


def all_or_some(have: t.Collection[str], want: t.Collection[str]) -> bool:
    """Whether one of both is all addresses, and the other is not. ``want`` is all when it is empty, ``have`` is nothing then."""
    return bool(have) and bool(EVERYWHERE & {*have}) is bool(want)


def reachable(ports: t.Collection[int], proc: Path = Path("/proc")) -> set[int]:
    """Those of ``ports`` on which somebody listens at another address than loopback."""
    found = set()
    for table in ("net/tcp", "net/tcp6"):
        for fields in _sockets(proc / table):
            address, _colon, port = fields[1].rpartition(":")
            if fields[3] == LISTEN and int(port, 16) in ports and not LOOPBACK.fullmatch(address):
                found.add(int(port, 16))
    return found


def connected(port: int, proc: Path = Path("/proc")) -> list[str]:
    """The addresses from which somebody is connected to a port of this host."""
    found = set()
    for table in ("net/tcp", "net/tcp6"):
        for fields in _sockets(proc / table):
            if fields[3] == ESTABLISHED and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(_written(fields[2].rpartition(":")[0]))
    return sorted(found)


def _written(address: str) -> str:
    numbers = bytes.fromhex(address)
    parsed = ipaddress.ip_address(b"".join(numbers[index : index + 4][::-1] for index in range(0, len(numbers), 4)))
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)


def _sockets(table: Path) -> list[list[str]]:
    try:
        return [line.split() for line in table.read_text().splitlines()[1:]]
    except OSError:
        return []


def _owners(sockets: t.Mapping[str, tuple[int, int]], processes: t.Iterable[Path]) -> dict[str, Listener]:
    owners: dict[str, Listener] = {}
    for process in processes:
        try:
            for descriptor in (process / "fd").iterdir():
                inode = _socket_inode(descriptor)
                if inode in sockets and inode not in owners:
                    owners[inode] = _listener(sockets[inode][0], process)
        except OSError:
            continue
    return owners


def _likely_owner(port: int, uid: int, units: t.Collection[str], processes: t.Iterable[Path]) -> Listener:
    for process in processes:
        try:
            if units and process.stat().st_uid == uid and _unit(process) in units:
                return _listener(port, process)
        except OSError:
            continue
    return Listener(port)


def _listener(port: int, process: Path) -> Listener:
    return Listener(port=port, pid=int(process.name), program=(process / "comm").read_text().strip(), unit=_unit(process))


def _socket_inode(descriptor: Path) -> str:
    try:
        target = str(descriptor.readlink())
    except OSError:
        return ""
    return target[8:-1] if target.startswith("socket:[") else ""


def _unit(process: Path) -> str:
    units = [match for line in (process / "cgroup").read_text().splitlines() for match in UNIT.findall(line)]
    return units[-1] if units else ""
