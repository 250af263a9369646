# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters that find, in the inventory, where the instances of Ollama are and how much each takes."""

from __future__ import annotations

import contextlib
import re
import typing as t

from ansible.errors import AnsibleFilterError
from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.llm.host.plugins.module_utils._names import InvalidName, ModelName
from ansible_collections.llm.host.plugins.plugin_utils._bind import PENDING
from ansible_collections.llm.host.plugins.plugin_utils._listen import EVERYWHERE, LOOPBACK, bracketed, listens, reach, written

# What the role ollama uses where a host says nothing; the defaults of a role are not among the variables of other hosts.
DEFAULT_PORT = 11434
# What Ollama does when nobody says.
DEFAULT_PARALLEL = 1


Hostvars = t.Mapping[str, t.Mapping[str, t.Any]]
# Where the instances of hosts listen of which only they know, by host, as llm.host.host_preflight returned it.
Bound = t.Mapping[str, t.Mapping[str, t.Any]]


def backend_hosts(hosts: t.Iterable[str], hostvars: Hostvars, inventory_hostname: str) -> list[str]:
    """Those of ``hosts`` whose instances this host uses: its own only, when all others keep theirs to themselves."""
    hosts = list(hosts)
    others = [host for host in hosts if host != inventory_hostname]
    alone = inventory_hostname in hosts and all(reach(written(hostvars[host])) == LOOPBACK for host in others)
    return [inventory_hostname] if alone else hosts


def backends(hosts: t.Iterable[str], hostvars: Hostvars, inventory_hostname: str, bound: Bound | None = None) -> list[str]:
    """``address:port`` of each instance on each of ``hosts``, those with the most declared models first."""
    return [server["address"] for pool in balancer_pools(hosts, hostvars, inventory_hostname, bound) for server in pool["servers"]]


def balancer_pools(
    hosts: t.Iterable[str], hostvars: Hostvars, inventory_hostname: str, bound: Bound | None = None
) -> list[dict[str, t.Any]]:
    """The instances on ``hosts`` by the models that their inventory declares, so that each is in one pool.

    Each pool has a ``name``, the ``servers`` with their ``name``, ``address`` and ``slots``, and its ``models``. The one with the most models is the first.
    """
    hosts = backend_hosts(hosts, hostvars, inventory_hostname)
    models = {host: _models(hostvars[host]) for host in hosts}
    pools: dict[frozenset[str], list[str]] = {}
    for host in hosts:
        pools.setdefault(frozenset(models[host]), []).append(host)
    return [
        {
            "name": "instances" if len(pools) == 1 else _safe(f"pool-{members[0]}"),
            "models": sorted(names),
            "servers": [
                {"name": _safe(f"{host}.{instance}"), "address": f"{address}:{port}", "slots": _slots(host, hostvars[host])}
                for host in members
                for address in [_address(host, hostvars[host], bound or {}, local=host == inventory_hostname)]
                for port, instance in zip(_ports(host, hostvars[host]), _names(hostvars[host]))
            ],
        }
        for names, members in sorted(pools.items(), key=lambda pool: -len(pool[0]))
    ]


def balancer_models(pools: t.Sequence[t.Mapping[str, t.Any]]) -> str:
    """The lines of a map from each declared model to the names of the pools that have it."""
    where: dict[str, list[str]] = {}
    for pool in pools:
        for model in pool["models"]:
            where.setdefault(model, []).append(pool["name"])
    return "".join(f"{model} {','.join(names)}\n" for model, names in sorted(where.items()))


def canary_instances(
    hosts: t.Iterable[str], hostvars: Hostvars, inventory_hostname: str, bound: Bound | None = None
) -> list[dict[str, t.Any]]:
    """The same instances one by one for the canary, each with its models as the inventory declares them."""
    hosts = backend_hosts(hosts, hostvars, inventory_hostname)
    names = {_safe(f"{host}.{name}"): (host, name) for host in hosts for name in _names(hostvars[host])}
    return [
        {
            "host": host,
            "server": name,
            "pool": pool["name"],
            "name": server["name"],
            "address": server["address"],
            "models": _measured(hostvars[host]),
        }
        for pool in balancer_pools(hosts, hostvars, inventory_hostname, bound)
        for server in pool["servers"]
        for host, name in [names[server["name"]]]
    ]


def backend_problems(hosts: t.Iterable[str], hostvars: Hostvars, inventory_hostname: str) -> list[str]:
    """Why the instances cannot be reached, as a sentence; none when they can."""
    try:
        balancer_pools(hosts, hostvars, inventory_hostname)
    except AnsibleFilterError as error:
        return [str(error)]
    return []


def gateway_reach_problems(
    gateways: t.Iterable[str], hostvars: Hostvars, groups: t.Mapping[str, t.Sequence[str]], inventory_hostname: str
) -> list[str]:
    """The same, of this host's own instances and the ``gateways`` that send requests there."""
    for gateway in gateways:
        variables = hostvars[gateway]
        if gateway == inventory_hostname or variables.get("gateway_backends"):
            continue
        hosts = groups.get(str(variables.get("gateway_backend_group", "ollama")), ())
        if inventory_hostname in backend_hosts(hosts, hostvars, gateway):
            try:
                _address(inventory_hostname, hostvars[inventory_hostname], {}, local=False)
            except AnsibleFilterError as error:
                return [str(error)]
    return []


def _address(host: str, variables: t.Mapping[str, t.Any], bound: Bound, *, local: bool) -> str:
    address = _listens(host, variables, bound)
    reached = reach(address)
    if local:
        return "127.0.0.1" if reached == EVERYWHERE else bracketed(address)
    if reached == LOOPBACK:
        raise AnsibleFilterError(
            f"The gateway cannot reach Ollama on {host}, which listens on {written(variables)} only: set ollama_bind of {host} to tailscale, wireguard, or its "
            "address in a private network, and list that network in its ollama_private_networks."
        )
    return bracketed(str(variables.get("ansible_host", host)) if reached == EVERYWHERE else address)


def _listens(host: str, variables: t.Mapping[str, t.Any], bound: Bound) -> str:
    return listens(host, variables) or str(next(iter((bound.get(host) or {}).get("addresses") or ()), PENDING))


def _instances(variables: t.Mapping[str, t.Any]) -> t.Any:
    return variables.get("ollama_instances", [{"name": "default", "port": DEFAULT_PORT}])


def _names(variables: t.Mapping[str, t.Any]) -> list[str]:
    return [str(instance.get("name", instance.get("port", ""))) for instance in _instances(variables) if isinstance(instance, t.Mapping)]


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name)


def _models(variables: t.Mapping[str, t.Any]) -> list[str]:
    return sorted({name.key for name, _entry in _declared(variables)})


def _measured(variables: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    """The declared models by the names under which Ollama lists them, and how they are preloaded."""
    found = {name.short: entry for name, entry in _declared(variables)}
    return [
        {"name": name, "preload": boolean(entry.get("preload", False), strict=False), "keep_alive": entry.get("keep_alive")}
        for name, entry in sorted(found.items())
    ]


def _declared(variables: t.Mapping[str, t.Any]) -> t.Iterator[tuple[ModelName, t.Mapping[str, t.Any]]]:
    """What is wrong with them, the role ollama_models says."""
    for entry in variables.get("ollama_models") or ():
        with contextlib.suppress(InvalidName, AttributeError, KeyError, TypeError):
            if entry.get("state", "present") != "absent":
                yield ModelName.parse(entry["name"]), entry


def _slots(host: str, variables: t.Mapping[str, t.Any]) -> int:
    parallel = variables.get("ollama_num_parallel")
    try:
        slots = DEFAULT_PARALLEL if parallel is None else int(parallel)
    except (TypeError, ValueError):
        slots = 0
    if slots < 1:
        raise AnsibleFilterError(
            f"ollama_num_parallel of {host} is {parallel!r}: write how many requests one instance answers at the same time."
        )
    return slots


def _ports(host: str, variables: t.Mapping[str, t.Any]) -> list[int]:
    try:
        return [int(instance.get("port", DEFAULT_PORT)) for instance in _instances(variables)]
    except (AttributeError, TypeError, ValueError) as error:
        raise AnsibleFilterError(f"ollama_instances of {host} is not a list of {{name: …, port: …}}: correct it.") from error


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {
            "backend_hosts": backend_hosts,
            "backend_problems": backend_problems,
            "backends": backends,
            "balancer_models": balancer_models,
            "balancer_pools": balancer_pools,
            "canary_instances": canary_instances,
            "gateway_reach_problems": gateway_reach_problems,
        }
