# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may reach some TCP ports of a host, as a table of nftables, and what is to be done so that the kernel has it.

PRIVATE to the collection: it can change at any time.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import typing as t

__all__ = ("CONFIG", "DROP_IN", "TABLE", "UNIT", "UNIT_FILE", "Plan", "closed_ports", "drop_in", "make_plan", "ruleset", "unit_file")

TABLE = "inet llm_host"
CONFIG = "/etc/llm-host/firewall.nft"
UNIT = "llm-host-firewall.service"
UNIT_FILE = f"/etc/systemd/system/{UNIT}"
DROP_IN = "/etc/systemd/system/nftables.service.d/50-llm-host.conf"

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

UNIT_TEXT = """\
# Written by llm.host.
[Unit]
Description=Who may reach Ollama
DefaultDependencies=no
Wants=network-pre.target
After=nftables.service
Before=network-pre.target shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
StandardInput=null
ProtectSystem=full
ProtectHome=yes
ExecStart={nft} -f {config}
ExecReload={nft} -f {config}
ExecStop={nft} "table {table} {{}}; delete table {table}"

[Install]
WantedBy=sysinit.target
"""

# Not PartOf= in our unit: systemctl does not wait for what is propagated, and loses it where a reload follows a restart at once.
DROP_IN_TEXT = """\
# Written by llm.host: nftables.service empties the kernel of all tables; this puts the one of {unit} back.
[Service]
ExecStartPost=-{nft} -f {config}
ExecReload=-{nft} -f {config}
ExecStopPost=-{nft} -f {config}
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
        table=TABLE,
        ports=", ".join(str(port) for port in sorted(set(ports))),
        sources="".join(rules),
        interfaces=f"        iifname {{ {names} }} accept\n" if names else "",
    )


def closed_ports(text: str | None) -> frozenset[int]:
    """The ports that a ruleset of ours closes."""
    match = re.search(r"tcp dport \{? ?([\d, ]+)", text or "")
    return frozenset(int(port) for port in re.findall(r"\d+", match.group(1))) if match else frozenset()


def unit_file(nft: str) -> str:
    return UNIT_TEXT.format(nft=nft, config=CONFIG, table=TABLE)


def drop_in(nft: str) -> str:
    return DROP_IN_TEXT.format(nft=nft, config=CONFIG, unit=UNIT)


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is to be done, in this order: ``disable`` stops the unit too, ``drop`` takes a table away that is still there."""

    write: tuple[str, ...] = ()
    enable: bool = False
    start: bool = False
    load: bool = False
    disable: bool = False
    drop: bool = False
    remove: tuple[str, ...] = ()

    @property
    def actions(self) -> list[str]:
        return [field.name for field in dataclasses.fields(self) if getattr(self, field.name)]

    @property
    def changed(self) -> bool:
        return bool(self.actions)


def make_plan(
    *, wanted: bool, differing: t.Iterable[str], existing: t.Iterable[str], enabled: bool, running: bool, table: str, wanted_table: str
) -> Plan:
    """Decide from the state alone, so that a run which was killed half-way is finished by the next one.

    ``differing`` and ``existing`` are those of our files that are not as wanted, and that are there; ``table`` is what the kernel has,
    empty for nothing, and ``wanted_table`` the same of what is wanted.
    """
    if wanted:
        return Plan(write=tuple(differing), enable=not enabled, start=not running, load=running and table != wanted_table)
    return Plan(disable=enabled or running, drop=bool(table), remove=tuple(existing))


def _written(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> str:
    return str(network.network_address if network.prefixlen == network.max_prefixlen else network)
