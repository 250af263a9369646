# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may reach some TCP ports of a host, as a table of nftables.

PRIVATE to the collection: it can change at any time.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ansible_collections.llm.host.plugins.module_utils._nftables import Table

__all__ = ("TABLE", "closed_ports", "ruleset")

TABLE = Table(
    name="inet llm_host",
    config="/etc/llm-host/firewall.nft",
    unit="llm-host-firewall.service",
    drop_in="50-llm-host.conf",
    description="Who may reach Ollama",
)

# The first two lines make it one transaction, whether the table is there or not.
RULESET = """\
# Written by llm.host: only these may reach these ports. Everything else on this host is as others say.
table {table} {{}}
delete table {table}
table {table} {{
    chain input {{
        type filter hook input priority filter; policy accept;
        tcp dport {{ {ports} }} jump closed
    }}

    chain closed {{
        iif lo accept
{interfaces}{sources}        reject with tcp reset
    }}
}}
"""


def ruleset(ports: t.Iterable[int], sources: t.Iterable[str], interfaces: t.Iterable[str] = ()) -> str:
    """What nft loads. Raises ValueError for a source that is neither an address nor a network."""
    names = ", ".join(f'"{name}"' for name in sorted(set(interfaces)))
    networks = [ipaddress.ip_network(source, strict=False) for source in sources]
    rules = []
    for version, field in ((4, "ip"), (6, "ip6")):
        # Networks that overlap are an error of nft.
        found = list(ipaddress.collapse_addresses(network for network in networks if network.version == version))
        if found:
            rules.append(f"        {field} saddr {{ {', '.join(_written(network) for network in found)} }} accept\n")
    return RULESET.format(
        table=TABLE.name,
        ports=", ".join(str(port) for port in sorted(set(ports))),
        sources="".join(rules),
        interfaces=f"        iifname {{ {names} }} accept\n" if names else "",
    )


def closed_ports(text: str | None) -> frozenset[int]:
    """The ports that a ruleset of ours closes."""
    match = re.search(r"tcp dport \{? ?([\d, ]+)", text or "")
    return frozenset(int(port) for port in re.findall(r"\d+", match.group(1))) if match else frozenset()


def _written(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> str:
    return str(network.network_address if network.prefixlen == network.max_prefixlen else network)
