# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where Ollama of a host listens, and from where that is reached. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.llm.host.plugins.module_utils import _bind
from ansible_collections.llm.host.plugins.plugin_utils._wireguard_addresses import DEFAULT_INTERFACE, member_addresses

__all__ = ("ADDRESS", "EVERYWHERE", "LOOPBACK", "NAME", "asks", "bracketed", "listens", "reach", "written")

LOOPBACK, EVERYWHERE, ADDRESS, NAME = "loopback", "everywhere", "address", "name"
# What the role ollama uses where a host says nothing; the defaults of a role are not among the variables of other hosts.
DEFAULT = "loopback"


def reach(listens: str) -> str:
    """What an address without brackets is: of this host only, all of its addresses, one of them, or a name that is not known here."""
    if listens in ("localhost", _bind.LOOPBACK):
        return LOOPBACK
    try:
        address = ipaddress.ip_address(listens)
    except ValueError:
        return NAME
    if address.is_unspecified:
        return EVERYWHERE
    return LOOPBACK if address.is_loopback else ADDRESS


def written(variables: t.Mapping[str, t.Any]) -> str:
    """What a host's variables say, without brackets, and the word for the network where they name its interface."""
    return _bind.word_of(
        str(variables.get("ollama_bind", DEFAULT)).strip("[] "), str(variables.get("wireguard_interface", DEFAULT_INTERFACE))
    )


def listens(host: str, variables: t.Mapping[str, t.Any]) -> str:
    """The address; empty where only the host knows it."""
    bind = written(variables)
    if bind == _bind.WIREGUARD:
        return member_addresses(host, variables)[0]
    if bind == _bind.LOOPBACK:
        return "127.0.0.1"
    return bind if _bind.literal(bind) is not None else ""


def asks(variables: t.Mapping[str, t.Any]) -> bool:
    """Whether only the host itself knows the address: of a tailnet or an interface."""
    bind = written(variables)
    return bind not in (_bind.LOOPBACK, _bind.WIREGUARD) and _bind.literal(bind) is None


def bracketed(address: str) -> str:
    """An address as it stands before a port."""
    return f"[{address}]" if ":" in address else address
