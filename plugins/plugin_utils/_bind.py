# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a service waits for the addresses that it listens on. PRIVATE to the collection: it can change at any time.

A server that cannot bind ends at once, and would be restarted until the tunnel is up. Sources: systemd.unit(5), systemd.special(7), ip-address(8).
"""

from __future__ import annotations

import ipaddress
import typing as t

__all__ = ("PENDING", "wait_file", "waits")

# Stands for an address that a host is given later. It is the network's own, so no host has it, and who binds to it by mistake fails.
PENDING = "100.64.0.0"

UNIT_DIRECTORY = "/etc/systemd/system"

# Not in the way of the boot, which may end without it, nor of the shutdown.
UNIT = """\
# Written by llm.host.
[Unit]
Description=Wait until this host has the address %i
DefaultDependencies=no
After=sysinit.target
Conflicts=shutdown.target
Before=shutdown.target
StopWhenUnneeded=yes

[Service]
Type=oneshot
TimeoutStartSec=infinity
ExecStart=/bin/sh -c 'until ip -oneline address show to %i -tentative | grep -q .; do sleep 1; done'
"""

# Targets wait for what they start, unless it does without the usual dependencies: the host is up also while a tunnel is down.
APART = (
    "DefaultDependencies=no",
    "Requires=sysinit.target",
    "After=sysinit.target basic.target",
    "Conflicts=shutdown.target",
    "Before=shutdown.target",
)


def wait_file(service: str) -> dict[str, str]:
    """The template of units that ``service`` waits for, as llm.host.host_files takes it."""
    return {"path": f"{UNIT_DIRECTORY}/{service}-address@.service", "content": UNIT}


def waits(service: str, addresses: t.Iterable[str]) -> list[str]:
    """Lines for ``[Unit]`` of a drop-in: start when the host has these addresses; none where it always has them."""
    units = [f"{service}-address@{address}.service" for address in addresses if not _always(address)]
    return [*APART, f"Wants={' '.join(units)}", f"After={' '.join(units)}"] if units else []


def _always(address: str) -> bool:
    found = ipaddress.ip_address(address)
    return found.is_loopback or found.is_unspecified
