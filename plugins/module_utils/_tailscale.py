# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tailscaled says of a node, and what is to be done so that it is as wanted. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import dataclasses
import datetime
import ipaddress
import json
import typing as t

__all__ = ("SETTINGS", "VENDOR", "Node", "Plan", "Wanted", "make_plan", "settings_flags", "up_flags")

VENDOR = "https://controlplane.tailscale.com"
# All are the same to tailscale itself.
SYNONYMS = ("", VENDOR, "https://login.tailscale.com")
EVERYWHERE = ("0.0.0.0/0", "::/0")

# Our setting, and its flag, which `up`, `login` and `set` share.
SETTINGS = {
    "hostname": "--hostname",
    "accept_dns": "--accept-dns",
    "accept_routes": "--accept-routes",
    "advertise_routes": "--advertise-routes",
    "advertise_exit_node": "--advertise-exit-node",
    "exit_node": "--exit-node",
    "exit_node_allow_lan_access": "--exit-node-allow-lan-access",
    "shields_up": "--shields-up",
    "ssh": "--ssh",
}
Value = t.Union[str, bool, t.Tuple[str, ...]]


@dataclasses.dataclass(frozen=True)
class Wanted:
    """``login_server`` is empty for the vendor's own."""

    settings: t.Mapping[str, Value]
    login_server: str = ""
    tags: tuple[str, ...] = ()
    has_key: bool = False


@dataclasses.dataclass(frozen=True)
class Node:
    """What ``tailscale status --json`` and ``tailscale debug prefs`` say. ``backend`` is empty where no daemon answers."""

    backend: str = ""
    settings: t.Mapping[str, Value] = dataclasses.field(default_factory=dict)
    login_server: str = ""
    tags: tuple[str, ...] = ()
    granted_tags: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    name: str = ""
    version: str = ""
    has_node_key: bool = False
    expiry: datetime.datetime | None = None
    expired: bool = False
    health: tuple[str, ...] = ()
    certificates: tuple[str, ...] = ()
    exit_names: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()

    @classmethod
    def parse(cls, status: str, prefs: str) -> Node:
        """Fields that a version of tailscale does not know are missing, and lists that are empty are null."""
        said, set_ = json.loads(status), json.loads(prefs)
        self_ = said.get("Self") or {}
        routes = tuple(set_.get("AdvertiseRoutes") or ())
        exit_names = _exit_names(said, set_)
        return cls(
            backend=said.get("BackendState") or "",
            settings={
                "hostname": set_.get("Hostname") or "",
                "accept_dns": bool(set_.get("CorpDNS")),
                "accept_routes": bool(set_.get("RouteAll")),
                "advertise_routes": tuple(sorted(route for route in routes if route not in EVERYWHERE)),
                "advertise_exit_node": all(route in routes for route in EVERYWHERE),
                "exit_node": exit_names[0] if exit_names else "",
                "exit_node_allow_lan_access": bool(set_.get("ExitNodeAllowLANAccess")),
                "shields_up": bool(set_.get("ShieldsUp")),
                "ssh": bool(set_.get("RunSSH")),
            },
            login_server=_server(set_.get("ControlURL") or ""),
            tags=tuple(sorted(set_.get("AdvertiseTags") or ())),
            granted_tags=tuple(sorted(self_.get("Tags") or ())),
            addresses=tuple(said.get("TailscaleIPs") or self_.get("TailscaleIPs") or ()),
            name=(self_.get("DNSName") or "").rstrip("."),
            version=(said.get("Version") or "").partition("-")[0],
            has_node_key=bool(said.get("HaveNodeKey")),
            expiry=_time(self_.get("KeyExpiry")),
            expired=bool(self_.get("Expired")),
            health=tuple(said.get("Health") or ()),
            certificates=tuple(said.get("CertDomains") or ()),
            exit_names=exit_names,
            kept=_kept(set_),
        )

    @property
    def joined(self) -> bool:
        """Whether it belongs to a tailnet, with a key that holds, whatever it does at the moment."""
        return self.backend in ("Running", "Starting", "Stopped", "NeedsMachineAuth") or (self.backend == "NoState" and self.has_node_key)

    def days_left(self, now: datetime.datetime) -> int | None:
        return None if self.expiry is None else (self.expiry - now).days

    def has_expired(self, now: datetime.datetime) -> bool:
        return self.expired or (self.expiry is not None and self.expiry <= now)


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is to be done to a node, in this order.

    ``login``: into another tailnet, beside the one that it has. ``join``: into the first one, or again with a key of the node that holds.
    ``settings`` are those that ``tailscale set`` changes without a login. ``retag`` and ``resume`` go through ``up`` once more.
    ``blocked`` says why nothing can be done.
    """

    login: bool = False
    join: bool = False
    settings: tuple[str, ...] = ()
    retag: bool = False
    resume: bool = False
    blocked: str = ""

    @property
    def actions(self) -> list[str]:
        return [field.name for field in dataclasses.fields(self) if field.name != "blocked" and getattr(self, field.name)]


def make_plan(node: Node, wanted: Wanted, now: datetime.datetime) -> Plan:
    """Log in where there is no other way, and change everything else in place."""
    settings = tuple(name for name in SETTINGS if not _same(name, node, wanted))
    if not node.joined or node.has_expired(now):
        blocked = "" if wanted.has_key else _no_key(node, now)
        return Plan(join=True, settings=settings, retag=node.tags != wanted.tags, blocked=blocked)
    if node.login_server != _server(wanted.login_server):
        return Plan(login=True, blocked="" if wanted.has_key else _other_server(node, wanted))
    return Plan(settings=settings, retag=node.tags != wanted.tags, resume=node.backend == "Stopped")


def settings_flags(wanted: t.Mapping[str, Value], names: t.Iterable[str]) -> list[str]:
    return [f"{SETTINGS[name]}={_written(wanted[name])}" for name in names]


def up_flags(settings: t.Mapping[str, Value], tags: t.Sequence[str], login_server: str, kept: t.Sequence[str] = ()) -> list[str]:
    """All settings, since ``up`` sets to its default what is not named. A node to leave through is known by its address until one is joined."""
    chosen = dict(settings)
    if not _is_address(str(chosen["exit_node"])):
        chosen.update(exit_node="", exit_node_allow_lan_access=False)
    return [
        f"--login-server={login_server or VENDOR}",
        f"--advertise-tags={','.join(tags)}",
        *settings_flags(chosen, SETTINGS),
        *kept,
    ]


def _same(name: str, node: Node, wanted: Wanted) -> bool:
    value = wanted.settings[name]
    if name == "exit_node":
        return value in node.exit_names if value else not node.exit_names
    return node.settings.get(name) == value


def _no_key(node: Node, now: datetime.datetime) -> str:
    what = "give tailscale_auth_key, or tailscale_oauth_client_secret with tailscale_tags"
    if node.has_expired(now):
        when = f" on {node.expiry:%Y-%m-%d}" if node.expiry else ""
        return f"The key of this node expired{when}: {what}, or extend it in the admin console."
    return f"This host belongs to no tailnet, and there is no key to join one: {what}."


def _other_server(node: Node, wanted: Wanted) -> str:
    return (
        f"This host belongs to the tailnet of {node.login_server or VENDOR}, and there is no key to join that of "
        f"{_server(wanted.login_server) or VENDOR}: give tailscale_auth_key, or set tailscale_login_server back."
    )


def _server(url: str) -> str:
    url = url.rstrip("/")
    return "" if url in SYNONYMS else url


def _exit_names(status: t.Mapping[str, t.Any], prefs: t.Mapping[str, t.Any]) -> tuple[str, ...]:
    """By what the node to leave through can be called: first by its address."""
    if prefs.get("AutoExitNode"):
        return (f"auto:{prefs['AutoExitNode']}",)
    address, identity = prefs.get("ExitNodeIP") or "", prefs.get("ExitNodeID") or ""
    for peer in (status.get("Peer") or {}).values():
        addresses = peer.get("TailscaleIPs") or []
        if (identity and peer.get("ID") == identity) or (address and address in addresses):
            name = (peer.get("DNSName") or "").rstrip(".")
            return tuple(entry for entry in (*addresses, name.partition(".")[0], name) if entry)
    return tuple(entry for entry in (address, identity) if entry)


def _kept(prefs: t.Mapping[str, t.Any]) -> tuple[str, ...]:
    """Settings of others, which ``up`` would lose."""
    return tuple(
        flag
        for flag, isset in (
            (f"--operator={prefs.get('OperatorUser')}", prefs.get("OperatorUser")),
            ("--snat-subnet-routes=false", prefs.get("NoSNAT")),
            ("--stateful-filtering", prefs.get("NoStatefulFiltering") is False),
            (f"--netfilter-mode={('off', 'nodivert', 'on')[prefs.get('NetfilterMode', 2)]}", prefs.get("NetfilterMode", 2) != 2),
            ("--advertise-connector", (prefs.get("AppConnector") or {}).get("Advertise")),
            ("--report-posture", prefs.get("PostureChecking")),
        )
        if isset
    )


def _time(text: str | None) -> datetime.datetime | None:
    """RFC 3339, of which seconds are enough. Zero is no time."""
    if not text or text.startswith("0001-"):
        return None
    return datetime.datetime.strptime(text[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=datetime.timezone.utc)


def _written(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else ",".join(value)


def _is_address(text: str) -> bool:
    if text.startswith("auto:"):
        return True
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
