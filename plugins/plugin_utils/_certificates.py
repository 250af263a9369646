# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What certificates are for and how long, as community.crypto describes them. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import datetime
import ipaddress
import typing as t

__all__ = ("expiry", "is_address", "utc")


def expiry(certificate: t.Mapping[str, t.Any]) -> datetime.datetime:
    """When the certificate expires."""
    return datetime.datetime.strptime(certificate["not_after"], "%Y%m%d%H%M%SZ").replace(tzinfo=datetime.UTC)


def utc(text: str) -> datetime.datetime:
    """A time in ISO 8601, in UTC where it does not say."""
    moment = datetime.datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)


def is_address(value: t.Any) -> bool:
    """Whether this is an IP address and no name."""
    try:
        ipaddress.ip_address(str(value))
    except ValueError:
        return False
    return True
