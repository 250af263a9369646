# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where SSH is served on this host, and who comes over it now. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import dataclasses
import os
import re
import typing as t
from pathlib import Path

from ansible_collections.llm.host.plugins.module_utils._listeners import listeners

__all__ = ("Connection", "connection", "interface_to", "ssh_ports")

USUAL_PORT = 22
EVERY_PORT = range(1, 65536)
SERVERS = ("sshd", "dropbear")
SOCKETS = ("ssh.socket", "sshd.socket")
VARIABLE = "SSH_CONNECTION"


@dataclasses.dataclass(frozen=True)
class Connection:
    """The client's address, as the host sees it, and the port of the host."""

    client: str
    port: int


def connection(environment: t.Mapping[str, str], proc: Path = Path("/proc")) -> Connection | None:
    """The SSH connection over which this process was started; sudo takes it out of the environment, but not out of its parents'."""
    text = environment.get(VARIABLE) or _of_parents(proc)
    fields = text.split()
    return Connection(fields[0], int(fields[3])) if len(fields) == 4 and fields[3].isdecimal() else None


def ssh_ports(run: t.Callable[[list[str]], tuple[int, str, str]], sshd: str | None, proc: Path = Path("/proc")) -> set[int]:
    """Those on which a server listens, or would after a restart; the usual one where none is found."""
    found = {listener.port for listener in listeners(ports=EVERY_PORT, proc=proc) if listener.program in SERVERS}
    if sshd:
        output = run([sshd, "-T"])[1]
        found |= {int(port) for port in re.findall(r"^port (\d+)$", output, re.MULTILINE)}
        found |= {int(port) for port in re.findall(r"^listenaddress .*:(\d+)$", output, re.MULTILINE)}
    output = run(["systemctl", "show", "--property=ActiveState,Listen", *SOCKETS])[1]
    for block in output.split("\n\n"):
        if "ActiveState=active" in block:
            found |= {int(port) for port in re.findall(r"^Listen=.*?:?(\d+) \(Stream\)$", block, re.MULTILINE)}
    return found or {USUAL_PORT}


def interface_to(address: str, run: t.Callable[[list[str]], tuple[int, str, str]], ip: str | None) -> str:
    """The interface through which packets to an address leave, empty where that is not known."""
    output = run([ip, "route", "get", address.partition("%")[0]])[1] if ip else ""
    found = re.search(r"\bdev (\S+)", output)
    return found.group(1) if found else ""


def _of_parents(proc: Path) -> str:
    process = os.getpid()
    while process > 1:
        try:
            entries = (proc / str(process) / "environ").read_bytes().split(b"\0")
        except OSError:
            entries = []
        for entry in entries:
            if entry.startswith(f"{VARIABLE}=".encode()):
                return entry.partition(b"=")[2].decode()
        try:
            # What is in brackets can be anything.
            process = int((proc / str(process) / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            return ""
    return ""
