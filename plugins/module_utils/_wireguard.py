# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of a WireGuard interface as text, and what is to be done so that the host has it.

PRIVATE to the collection: it can change at any time.
"""

from __future__ import annotations

import dataclasses
import hashlib
import ipaddress
import re
import typing as t

__all__ = (
    "MARK", "PENDING", "Interface", "Live", "LivePeer", "Peer", "Plan",
    "fill_in", "key_file", "make_plan", "named", "parse", "render", "sync_text",
)  # fmt: skip

DIRECTORY = "/etc/wireguard"
# Instead of a public key in check mode, where it will be another one.
PENDING = "(made in the run)"
MARK = "# Written by llm.host."
# WireGuard makes new session keys every two minutes, so who was heard of within three can be reached.
ALIVE = 180
_ENDPOINT = re.compile(r"(?:\[(?P<six>[^\]]+)\]|(?P<host>[^:\[\]]+)):(?P<port>\d+)\Z")


@dataclasses.dataclass(frozen=True)
class Peer:
    """Another host, or a client. ``endpoint`` is address or name with its port, empty for who comes by itself."""

    name: str
    public_key: str
    allowed: tuple[str, ...]
    endpoint: str = ""
    keepalive: int = 0


@dataclasses.dataclass(frozen=True)
class Interface:
    """``addresses`` have the length of their network, so that one route leads to all peers. ``mtu`` 0 leaves it to wg-quick."""

    name: str
    addresses: tuple[str, ...]
    port: int
    key: str
    mtu: int = 0
    forward: bool = False
    peers: tuple[Peer, ...] = ()


@dataclasses.dataclass(frozen=True)
class LivePeer:
    """A peer as the kernel, or wireguard-go, has it. ``handshake``: seconds since the last one, None without any."""

    allowed: frozenset[str]
    endpoint: str = ""
    keepalive: int = 0
    handshake: float | None = None
    received: int = 0

    @property
    def alive(self) -> bool:
        return self.handshake is not None and self.handshake < ALIVE


@dataclasses.dataclass(frozen=True)
class Live:
    """An interface that is up."""

    public_key: str
    port: int
    addresses: frozenset[str]
    mtu: int
    peers: t.Mapping[str, LivePeer] = dataclasses.field(default_factory=dict)


def key_file(rotation: str) -> str:
    """Where the private key lies: another text of ``wireguard_key_rotation``, another file, so that a killed run leaves no doubt."""
    return f"{DIRECTORY}/llm-host-{hashlib.sha256(rotation.encode()).hexdigest()[:12]}.key"


def named(endpoint: str) -> bool:
    """Whether it is to be looked up. wg-quick does not bring up an interface while one name of all is unknown."""
    match = _ENDPOINT.match(endpoint)
    if not match or match["six"]:
        return False
    try:
        ipaddress.ip_address(match["host"])
    except ValueError:
        return True
    return False


def render(interface: Interface) -> str:
    """The file that wg-quick reads. It holds no secret."""
    lines = [MARK, "[Interface]", f"Address = {', '.join(interface.addresses)}", f"ListenPort = {interface.port}"]
    lines += [f"MTU = {interface.mtu}"] if interface.mtu else []
    lines.append(f"PostUp = wg set %i private-key {interface.key}")
    lines += [f"PostUp = {command}" for command in _forwarding(interface)]
    for peer in interface.peers:
        lines += ["", "[Peer]", f"# {peer.name}", f"PublicKey = {peer.public_key}", f"AllowedIPs = {', '.join(peer.allowed)}"]
        if peer.endpoint:
            lines.append(f"{'#' if named(peer.endpoint) else ''}Endpoint = {peer.endpoint}")
        lines += [f"PersistentKeepalive = {peer.keepalive}"] if peer.keepalive else []
    return "\n".join(lines) + "\n"


def _forwarding(interface: Interface) -> t.Iterator[str]:
    """Only what comes out of the tunnel is sent on; of IPv6 the kernel knows no more than all or nothing."""
    if not interface.forward:
        return
    families = {ipaddress.ip_interface(address).version for address in interface.addresses}
    for path in (["ipv4/conf/%i"] if 4 in families else []) + (["ipv6/conf/all"] if 6 in families else []):
        switch = f"/proc/sys/net/{path}/forwarding"
        yield f"grep -q 1 {switch} || echo 1 >{switch} || true"


def parse(name: str, text: str | None) -> Interface | None:
    """What :func:`render` made, also when somebody has changed it since; None for what is not ours."""
    if not (text or "").startswith(MARK):
        return None
    head, *blocks = re.split(r"^\[Peer\]$", text or "", flags=re.MULTILINE)
    return Interface(
        name=name,
        addresses=_items(_value(head, "Address")),
        port=_number(_value(head, "ListenPort")),
        key=(re.findall(r"private-key (\S+)", head) or [""])[0],
        mtu=_number(_value(head, "MTU")),
        forward="forwarding" in head,
        peers=tuple(
            Peer(
                name=(re.findall(r"^# (.+)$", block, re.MULTILINE) or [""])[0],
                public_key=_value(block, "PublicKey"),
                allowed=_items(_value(block, "AllowedIPs")),
                endpoint=_value(block, "#?Endpoint"),
                keepalive=_number(_value(block, "PersistentKeepalive")),
            )
            for block in blocks
        ),
    )


def _value(block: str, name: str) -> str:
    return (re.findall(rf"^{name} *= *(.*?) *$", block, re.MULTILINE) or [""])[0]


def _items(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(",") if item.strip())


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def fill_in(peers: t.Iterable[Peer], previous: Interface | None) -> tuple[tuple[Peer, ...], list[str], list[str]]:
    """Peers whose key nobody could tell keep the one that this host has of them. Returns who did, and who is left out without any."""
    had = {peer.name: peer.public_key for peer in (previous.peers if previous else ()) if peer.public_key}
    filled, kept, missing = [], [], []
    for peer in peers:
        if peer.public_key:
            filled.append(peer)
        elif peer.name in had:
            filled.append(dataclasses.replace(peer, public_key=had[peer.name]))
            kept.append(peer.name)
        else:
            missing.append(peer.name)
    return tuple(filled), kept, missing


def sync_text(wanted: Interface, private_key: str, previous: Interface | None, live: Live) -> str:
    """What ``wg syncconf`` reads. The endpoint of who talks to us now stays where he is, unless another one is declared."""
    before = {peer.public_key: peer.endpoint for peer in (previous.peers if previous else ())}
    lines = ["[Interface]", f"PrivateKey = {private_key}", f"ListenPort = {wanted.port}"]
    for peer in wanted.peers:
        lines += ["[Peer]", f"PublicKey = {peer.public_key}", f"AllowedIPs = {', '.join(peer.allowed)}"]
        now = live.peers.get(peer.public_key)
        stays = now is not None and now.alive and before.get(peer.public_key) == peer.endpoint
        if peer.endpoint and not named(peer.endpoint) and not stays:
            lines.append(f"Endpoint = {peer.endpoint}")
        lines.append(f"PersistentKeepalive = {peer.keepalive or 'off'}")
    return "\n".join(lines) + "\n"


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is to be done, in this order. ``retire`` are interfaces of ours with other names; ``sync`` disturbs no connection of others."""

    write: tuple[str, ...] = ()
    retire: tuple[str, ...] = ()
    enable: bool = False
    start: bool = False
    restart: bool = False
    sync: bool = False
    forward: bool = False
    watch: bool = False
    remove: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()

    @property
    def actions(self) -> list[str]:
        return [field.name for field in dataclasses.fields(self) if field.name != "reasons" and getattr(self, field.name)]

    @property
    def changed(self) -> bool:
        return bool(self.actions)


def make_plan(
    wanted: Interface | None,
    *,
    public_key: str = "",
    differing: t.Iterable[str] = (),
    surplus: t.Iterable[str] = (),
    others: t.Iterable[str] = (),
    enabled: bool = False,
    running: bool = False,
    watched: bool = True,
    forwards: bool = True,
    live: Live | None = None,
    previous: Interface | None = None,
) -> Plan:
    """Decide from the state alone, so that a run which was killed half-way is finished by the next one.

    ``differing`` are those of our files that are not as wanted, ``surplus`` those that are there and should not be. ``public_key`` is that
    of the key in the wanted file; empty in check mode, where it may not be made yet.
    """
    if wanted is None:
        return Plan(retire=tuple(others), remove=tuple(surplus))
    reasons = _restarts(wanted, live, previous) if running else ()
    up = running and not reasons and live is not None
    return Plan(
        write=tuple(differing),
        retire=tuple(others),
        enable=not enabled,
        start=not running,
        restart=bool(reasons),
        sync=up and _out_of_step(wanted, public_key, t.cast(Live, live)),
        forward=up and wanted.forward and not forwards,
        watch=not watched and any(named(peer.endpoint) for peer in wanted.peers),
        remove=tuple(surplus),
        reasons=reasons,
    )


def _restarts(wanted: Interface, live: Live | None, previous: Interface | None) -> tuple[str, ...]:
    """Why wg-quick must make the interface anew."""
    if live is None:
        return ("the interface is gone",)
    reasons = []
    if live.addresses != frozenset(wanted.addresses):
        reasons.append(f"its addresses are {', '.join(sorted(live.addresses)) or 'none'}")
    if (wanted.mtu and live.mtu != wanted.mtu) or (not wanted.mtu and previous is not None and previous.mtu):
        reasons.append(f"its MTU is {live.mtu}")
    if previous is not None and previous.forward and not wanted.forward:
        reasons.append("it is no hub any more")
    return tuple(reasons)


def _out_of_step(wanted: Interface, public_key: str, live: Live) -> bool:
    if live.public_key != public_key or live.port != wanted.port:
        return True
    if set(live.peers) != {peer.public_key for peer in wanted.peers}:
        return True
    return any(_peer_differs(peer, live.peers[peer.public_key]) for peer in wanted.peers)


def _peer_differs(peer: Peer, live: LivePeer) -> bool:
    if live.allowed != frozenset(peer.allowed) or live.keepalive != peer.keepalive:
        return True
    # A name is looked up on the host, and who talks to us has shown where he is.
    return bool(peer.endpoint) and not named(peer.endpoint) and live.endpoint != peer.endpoint and not live.alive
