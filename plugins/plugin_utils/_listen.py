# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From where a server is reached that listens on some address. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import ipaddress

__all__ = ("ADDRESS", "EVERYWHERE", "LOOPBACK", "NAME", "reach")

LOOPBACK, EVERYWHERE, ADDRESS, NAME = "loopback", "everywhere", "address", "name"


def reach(listens: str) -> str:
    """What an address without brackets is: of this host only, all of its addresses, one of them, or a name that is not known here."""
    if listens == "localhost":
        return LOOPBACK
    try:
        address = ipaddress.ip_address(listens)
    except ValueError:
        return NAME
    if address.is_unspecified:
        return EVERYWHERE
    return LOOPBACK if address.is_loopback else ADDRESS
