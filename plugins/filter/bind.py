# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters that find, in the inventory, where a server of a host listens."""

from __future__ import annotations

import typing as t

from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.llm.host.plugins.module_utils._bind import LOOPBACK, TAILSCALE, WIREGUARD, in_tailnet, literal, word_of
from ansible_collections.llm.host.plugins.plugin_utils._bind import PENDING
from ansible_collections.llm.host.plugins.plugin_utils._listen import asks, written
from ansible_collections.llm.host.plugins.plugin_utils._wireguard_addresses import DEFAULT_INTERFACE, member_addresses

Hostvars = t.Mapping[str, t.Mapping[str, t.Any]]
Groups = t.Mapping[str, t.Sequence[str]]


def bind_options(
    bind: t.Any,
    host: str,
    hostvars: Hostvars,
    groups: Groups,
    follows: t.Any = False,
    networks: t.Sequence[str] | None = None,
    anywhere: t.Any = False,
    variable: str = "ollama_bind",
) -> dict[str, t.Any]:
    """The option ``bind`` of llm.host.host_preflight for what ``variable`` of ``host`` says.

    ``follows``: whether the roles of private networks run later in this run. ``networks``: those in which an interface's address must lie, unless it may
    be ``anywhere``.
    """
    variables = hostvars[host]
    interface = str(variables.get("wireguard_interface", DEFAULT_INTERFACE))
    word = word_of(str(bind), interface)
    addresses = _wireguard(host, variables, groups)
    network = _network(word, addresses)
    return {
        "variable": variable,
        "bind": word,
        "networks": [] if networks is None else [str(network) for network in networks],
        "named": networks is not None and not boolean(anywhere, strict=False),
        "interface": interface,
        "addresses": addresses,
        "follows": boolean(follows, strict=False) and _member(network, host, variables, groups),
        "leaves": bool(network) and _leaves(network, variables) and host in _group(network, variables, groups),
    }


def bind_address(options: t.Mapping[str, t.Any], bound: t.Mapping[str, t.Any] | None = None) -> str:
    """The one address to listen on. Of what only the host knows, ``bound`` as llm.host.host_preflight returns it tells; before that, one that no host has."""
    if bound and bound.get("addresses"):
        return str(bound["addresses"][0])
    if options["bind"] == LOOPBACK:
        return "127.0.0.1"
    if options["bind"] == WIREGUARD:
        return str(next(iter(options["addresses"]), PENDING))
    address = literal(options["bind"])
    return PENDING if address is None else str(address)


def bind_options_of(host: str, hostvars: Hostvars, groups: Groups, follows: t.Any = False) -> dict[str, t.Any]:
    """The same for where Ollama of another host listens, as the inventory says it."""
    variables = hostvars[host]
    networks, anywhere = variables.get("ollama_private_networks", []), variables.get("ollama_accept_exposed_api", False)
    return bind_options(written(variables), host, hostvars, groups, follows, networks, anywhere)


def bind_asked(hosts: t.Iterable[str], hostvars: Hostvars) -> list[str]:
    """Those of ``hosts`` of which only they themselves know where their Ollama listens."""
    return [host for host in hosts if asks(hostvars[host])]


def _network(bind: str, addresses: t.Sequence[str]) -> str:
    """The network in which it lies, as far as the inventory tells."""
    address = literal(bind)
    if bind == WIREGUARD or str(address) in addresses:
        return WIREGUARD
    if bind == TAILSCALE or (address is not None and in_tailnet(address)):
        return TAILSCALE
    return ""


def _member(word: str, host: str, variables: t.Mapping[str, t.Any], groups: Groups) -> bool:
    return bool(word) and not _leaves(word, variables) and host in _group(word, variables, groups)


def _leaves(word: str, variables: t.Mapping[str, t.Any]) -> bool:
    return variables.get(f"{word}_state", "present") == "absent"


def _group(word: str, variables: t.Mapping[str, t.Any], groups: Groups) -> t.Sequence[str]:
    return groups.get(str(variables.get(f"{word}_group", word)), ())


def _wireguard(host: str, variables: t.Mapping[str, t.Any], groups: Groups) -> list[str]:
    return member_addresses(host, variables) if host in _group(WIREGUARD, variables, groups) else []


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"bind_address": bind_address, "bind_asked": bind_asked, "bind_options": bind_options, "bind_options_of": bind_options_of}
