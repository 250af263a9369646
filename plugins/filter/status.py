# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters for the status page: which monitors a gateway asks, and where they are."""

from __future__ import annotations

import ipaddress
import re
import typing as t

Hostvars = t.Mapping[str, t.Mapping[str, t.Any]]

# What the role metrics uses where a host says nothing.
DEFAULT_PORT = 9998
# As the filter metrics_bundle writes them.
ENTRY = re.compile(r"^# host (\S+)\n(-----BEGIN CERTIFICATE-----\n.*?\n-----END CERTIFICATE-----)$", re.MULTILINE | re.DOTALL)


def status_certificates(bundle: str) -> dict[str, str]:
    """The certificates of a bundle, by the names of their hosts."""
    return dict(ENTRY.findall(bundle))


def status_monitors(names: t.Mapping[str, t.Sequence[str]], hostvars: Hostvars) -> dict[str, str]:
    """Where each monitor is asked, as address:port, from the subject alternative names of its certificate."""
    return {host: f"{_address(host, given)}:{int(hostvars[host].get('metrics_port') or DEFAULT_PORT)}" for host, given in names.items()}


def _address(host: str, names: t.Sequence[str]) -> str:
    """The first address; or the first name that is not the one of the inventory, which need not be known anywhere else."""
    parts = [name.partition(":")[::2] for name in names]
    numbers = [ipaddress.ip_address(value) for kind, value in parts if kind in ("IP", "IP Address")]
    if numbers:
        return f"[{numbers[0]}]" if numbers[0].version == 6 else str(numbers[0])
    return next((value for kind, value in parts if kind == "DNS" and value != host), host)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"status_certificates": status_certificates, "status_monitors": status_monitors}
