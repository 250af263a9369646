# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files with the certificates of several owners, and where the owner of a certificate is reached. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import ipaddress
import re
import typing as t

__all__ = ("CERTIFICATE", "reached_at", "read_bundle", "write_bundle")

CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----[^#]+?-----END CERTIFICATE-----")
ENTRY = re.compile(rf"^# (.+)\n({CERTIFICATE.pattern}(?:\n{CERTIFICATE.pattern})*)$", re.MULTILINE)


def write_bundle(texts: t.Mapping[str, str]) -> str:
    """One text with the certificates of all owners, each under a line with its owner."""
    return "".join(f"# {owner}\n{text.strip()}\n" for owner, text in texts.items())


def read_bundle(text: str) -> dict[str, str]:
    """The certificates by their owners, as PEM without a line break at the end."""
    return dict(ENTRY.findall(text))


def reached_at(host: str, names: t.Sequence[str]) -> str:
    """The first address of these subject alternative names, or the first name that is not the host's own, which need not be known anywhere else."""
    parts = [name.partition(":")[::2] for name in names]
    numbers = [str(ipaddress.ip_address(value)) for kind, value in parts if kind in ("IP", "IP Address")]
    others = [value for kind, value in parts if kind == "DNS" and value != host]
    return [*numbers, *others, host][0]
