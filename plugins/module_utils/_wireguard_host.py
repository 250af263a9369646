# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WireGuard on a host: what is there, and how a plan becomes true. No private key leaves this file but for the standard input of ``wg``.

PRIVATE to the collection: it can change at any time.
"""

from __future__ import annotations

import contextlib
import glob
import ipaddress
import json
import os
import re
import socket
import time
import typing as t

from ansible_collections.llm.host.plugins.module_utils._host_file import HostFile, read_text
from ansible_collections.llm.host.plugins.module_utils._units import UnitError, Units
from ansible_collections.llm.host.plugins.module_utils._wireguard import (
    DIRECTORY,
    MARK,
    Interface,
    Live,
    LivePeer,
    Plan,
    key_file,
    make_plan,
    named,
    parse,
    render,
    sync_text,
)

__all__ = ("WireGuard", "quietly")

KEYS = f"{DIRECTORY}/llm-host-*.key"
SCRIPT = "/usr/local/lib/llm-host/wireguard-endpoints"
UNITS = "/etc/systemd/system/"
WATCH = f"{UNITS}llm-host-wireguard@"

# wg-quick wants all names to be known; this one does without those that are not, for as long as they are not.
SCRIPT_TEXT = f"""\
#!/bin/sh
{MARK}
# Peers of the interface $1 whose endpoints have names are looked up anew while nothing is heard of them.
WG_ENDPOINT_RESOLUTION_RETRIES=0
export WG_ENDPOINT_RESOLUTION_RETRIES
now=$(date +%s)
awk '/^PublicKey = /{{key = $3}} /^#Endpoint = /{{print key, $3}}' "{DIRECTORY}/$1.conf" | while read -r key endpoint; do
    last=$(wg show "$1" latest-handshakes | awk -v key="$key" '$1 == key {{print $2}}')
    [ -n "$last" ] || continue
    [ $((now - last)) -lt 135 ] || wg set "$1" peer "$key" endpoint "$endpoint" || true
done
"""
SERVICE_TEXT = f"""\
{MARK}
[Unit]
Description=Look up the endpoints of silent peers of %i
After=wg-quick@%i.service

[Service]
Type=oneshot
ExecStart={SCRIPT} %i
"""
TIMER_TEXT = f"""\
{MARK}
[Unit]
Description=Look up the endpoints of silent peers of %i
PartOf=wg-quick@%i.service
After=wg-quick@%i.service

[Timer]
OnActiveSec=0
OnUnitInactiveSec=30s
AccuracySec=5s
"""
DROP_IN_TEXT = f"""\
{MARK}
[Unit]
StartLimitIntervalSec=0
{{wants}}
[Service]
Restart=on-failure
RestartSec=15
"""

RunCommand = t.Callable[..., t.Tuple[int, str, str]]


def quietly(run: RunCommand) -> RunCommand:
    """``run_command`` of a module, for which a program that is not there is one that failed."""

    def call(command: list[str], **options: t.Any) -> tuple[int, str, str]:
        try:
            return run(command, handle_exceptions=False, **options)
        except OSError as error:
            return 127, "", str(error)

    return call


class WireGuard:
    """The interfaces, files and units of WireGuard, through a function that runs a command."""

    def __init__(self, run: RunCommand) -> None:
        self._run = run
        self._units = Units(run)

    def owned(self) -> list[str]:
        """The names of the interfaces that are ours."""
        found = [path for path in glob.glob(f"{DIRECTORY}/*.conf") if (read_text(path) or "").startswith(MARK)]
        names = {os.path.basename(path)[: -len(".conf")] for path in found}
        names.update(path.split("wg-quick@")[1].split(".service.d")[0] for path in glob.glob(_drop_in("*")))
        return sorted(names)

    def configured(self, name: str) -> Interface | None:
        """What our file says; that of another interface of ours where this one has none yet."""
        for candidate in (name, *self.owned()):
            found = parse(candidate, read_text(_conf(candidate)))
            if found:
                return found
        return None

    def taken(self, name: str) -> str:
        """What is in the place of our interface and not ours, empty for nothing."""
        if name in self.owned():
            return ""
        if os.path.lexists(_conf(name)):
            return _conf(name)
        return f"an interface {name}" if os.path.lexists(f"/sys/class/net/{name}") else ""

    def public_key(self, path: str) -> str:
        """Of the private key in a file; empty where there is none."""
        private = (read_text(path) or "").strip() if path else ""
        code, output, _error = self._run(["wg", "pubkey"], data=private) if private else (1, "", "")
        return output.strip() if code == 0 else ""

    def make_key(self, rotation: str) -> None:
        code, private, error = self._run(["wg", "genkey"])
        if code != 0:
            raise UnitError(f"wg genkey failed: {error.strip()}")
        HostFile(key_file(rotation), private.strip() + "\n", mode=0o600).write()

    def live(self, name: str) -> Live | None:
        code, output, _error = self._run(["wg", "show", name, "dump"])
        if code != 0 or not output.strip():
            return None
        code, link, _error = self._run(["ip", "-json", "address", "show", "dev", name])
        return read_live(output, json.loads(link)[0] if code == 0 else {}, time.time())

    def routes(self) -> list[dict[str, str]]:
        """The networks that this host reaches, but through interfaces of ours."""
        found, own = [], self.owned()
        for family in ("-4", "-6"):
            code, output, _error = self._run(["ip", family, "-json", "route", "show"])
            for route in json.loads(output or "[]") if code == 0 else []:
                if route["dst"] != "default" and route.get("dev") not in (*own, "lo", None):
                    found.append({"network": route["dst"], "device": route["dev"]})
        return found

    def ensure(self, wanted: Interface | None, *, check_mode: bool) -> dict[str, t.Any]:
        """Make it so, but in check mode; returns what a module returns. None: nothing of ours is wanted."""
        owned = self.owned()
        if wanted is None:
            files, live, previous, stale = [], None, None, False
            plan = make_plan(None, others=owned, surplus=self._surplus(None, files))
        else:
            files, live, previous = _files(wanted), self.live(wanted.name), self.configured(wanted.name)
            unit, timer = self._units.states([_unit(wanted.name), _timer(wanted.name)])
            stale = unit.needs_reload or timer.needs_reload
            plan = make_plan(
                wanted,
                public_key=self.public_key(wanted.key),
                differing=[file.path for file in files if file.differs()],
                surplus=self._surplus(wanted, files),
                others=[name for name in owned if name != wanted.name],
                enabled=unit.enabled,
                running=unit.running,
                watched=timer.running,
                forwards=all((read_text(path) or "0").strip() != "0" for path in _switches(wanted)),
                live=live,
                previous=previous if previous and previous.name == wanted.name else None,
            )
        diff = [_diff(file.path, read_text(file.path) or "", file.content) for file in files if file.path in plan.write]
        diff += [_diff(path, _shown(path), "") for path in plan.remove]
        if not check_mode:
            self._apply(plan, wanted, files, previous, live, stale)
        return {"changed": plan.changed, "actions": plan.actions, "reasons": list(plan.reasons), "diff": diff}

    def silent(self, peers: t.Mapping[str, str], name: str, seconds: float) -> list[str]:
        """Those of ``peers``, names by their addresses, from whom nothing comes back through the tunnel."""
        live, deadline = self.live(name), time.monotonic() + seconds
        if live is None:
            return sorted(peers.values())
        before = {key: peer.received for key, peer in live.peers.items()}
        left = dict(peers)
        while left and live is not None:
            for address in left:
                _knock(address)
            time.sleep(0.3)
            live = self.live(name) or live
            for address in list(left):
                key = _key_of(live, address)
                if key and live.peers[key].received > before.get(key, 0):
                    del left[address]
            if time.monotonic() > deadline:
                break
        return sorted(left.values())

    def _surplus(self, wanted: Interface | None, files: t.Sequence[HostFile]) -> list[str]:
        names = self.owned()
        existing = [path for name in names for path in (_conf(name), _drop_in(name)) if os.path.lexists(path)]
        existing += [path for path in (SCRIPT, f"{WATCH}.service", f"{WATCH}.timer") if os.path.lexists(path)]
        existing += glob.glob(KEYS)
        kept = {*(file.path for file in files), wanted.key if wanted else ""}
        return sorted(path for path in existing if path not in kept)

    def _apply(
        self,
        plan: Plan,
        wanted: Interface | None,
        files: t.Sequence[HostFile],
        previous: Interface | None,
        live: Live | None,
        stale: bool,
    ) -> None:
        for file in files:
            if file.path in plan.write:
                file.write()
        for name in plan.retire:
            self._stop(name)
        if stale or any(path.startswith(UNITS) for path in plan.write):
            self._units.do("daemon-reload")
        if wanted:
            self._bring(plan, wanted, previous, live)
        for path in plan.remove:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            if path in (SCRIPT, *map(_drop_in, plan.retire)):
                with contextlib.suppress(OSError):
                    os.rmdir(os.path.dirname(path))
        if any(path.startswith(UNITS) for path in plan.remove):
            self._units.do("daemon-reload")

    def _stop(self, name: str) -> None:
        watch = [_timer(name), _watch(name)]
        self._run(["systemctl", "stop", *watch])
        self._units.do("disable", "--now", _unit(name))
        # Where somebody took its file away, wg-quick does not know what to take down.
        if os.path.lexists(f"/sys/class/net/{name}"):
            self._run(["ip", "link", "delete", "dev", name])
        self._units.forget([_unit(name), *watch])

    def _bring(self, plan: Plan, wanted: Interface, previous: Interface | None, live: Live | None) -> None:
        if plan.enable:
            self._units.do("enable", _unit(wanted.name))
        if plan.start or plan.restart:
            self._start(_unit(wanted.name))
        if plan.sync and live:
            self._sync(wanted, previous, live)
        if plan.forward:
            for path in _switches(wanted):
                with open(path, "w", encoding="ascii") as switch:
                    switch.write("1")
        if any(named(peer.endpoint) for peer in wanted.peers):
            if plan.changed:
                self._units.do("start", _timer(wanted.name), _watch(wanted.name))
        elif f"{WATCH}.timer" in plan.remove:
            self._run(["systemctl", "stop", _timer(wanted.name)])

    def _start(self, unit: str) -> None:
        try:
            self._units.do("restart", unit)
        except UnitError as error:
            lines = [line for line in self._units.journal(unit).splitlines() if not re.match("[│┌└]", line)]
            raise UnitError(f"{unit} does not start: {' / '.join(lines[-8:])}") from error

    def _sync(self, wanted: Interface, previous: Interface | None, live: Live) -> None:
        private = (read_text(wanted.key) or "").strip()
        code, _output, error = self._run(["wg", "syncconf", wanted.name, "/dev/stdin"], data=sync_text(wanted, private, previous, live))
        if code != 0:
            raise UnitError(f"wg syncconf {wanted.name} failed: {error.strip().replace(private, '(secret)')}")


def read_live(dump: str, link: t.Mapping[str, t.Any], now: float) -> Live:
    """From what ``wg show … dump`` and ``ip -json address`` print. The private key, which comes first, is dropped at once."""
    first, *rest = dump.strip("\n").split("\n")
    public_key, port = first.split("\t")[1:3]
    peers = {}
    for line in rest:
        key, _psk, endpoint, allowed, handshake, received, _sent, keepalive = line.split("\t")
        peers[key] = LivePeer(
            allowed=frozenset(() if allowed == "(none)" else allowed.split(",")),
            endpoint="" if endpoint == "(none)" else endpoint,
            keepalive=0 if keepalive == "off" else int(keepalive),
            handshake=max(0.0, now - int(handshake)) if int(handshake) else None,
            received=int(received),
        )
    addresses = [
        f"{entry['local']}/{entry['prefixlen']}"
        for entry in link.get("addr_info", [])
        if not ipaddress.ip_address(entry["local"]).is_link_local
    ]
    return Live(public_key, int(port), frozenset(addresses), int(link.get("mtu", 0)), peers)


def _key_of(live: Live, address: str) -> str:
    """Of the peer through which an address is reached."""
    wanted, best, found = ipaddress.ip_address(address), -1, ""
    for key, peer in live.peers.items():
        for network in map(ipaddress.ip_network, peer.allowed):
            if wanted in network and network.prefixlen > best:
                best, found = network.prefixlen, key
    return found


def _knock(address: str) -> None:
    """Send something to which a host answers that nobody listens there; a peer that hears it answers in any case, within ten seconds."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"", (address, 9))


def _files(wanted: Interface) -> list[HostFile]:
    """The configuration last: it makes an interface ours."""
    watched = any(named(peer.endpoint) for peer in wanted.peers)
    wants = f"Wants={_timer(wanted.name)}\n" if watched else ""
    watch = [HostFile(SCRIPT, SCRIPT_TEXT, mode=0o755), HostFile(f"{WATCH}.service", SERVICE_TEXT), HostFile(f"{WATCH}.timer", TIMER_TEXT)]
    return [
        *(watch if watched else []),
        HostFile(_drop_in(wanted.name), DROP_IN_TEXT.format(wants=wants)),
        HostFile(_conf(wanted.name), render(wanted), mode=0o600),
    ]


def _conf(name: str) -> str:
    return f"{DIRECTORY}/{name}.conf"


def _unit(name: str) -> str:
    return f"wg-quick@{name}.service"


def _timer(name: str) -> str:
    return f"llm-host-wireguard@{name}.timer"


def _watch(name: str) -> str:
    return f"llm-host-wireguard@{name}.service"


def _drop_in(name: str) -> str:
    return f"{UNITS}{_unit(name)}.d/50-llm-host.conf"


def _switches(interface: Interface) -> list[str]:
    return re.findall(r"echo 1 >(\S+)", render(interface).replace("%i", interface.name))


def _shown(path: str) -> str:
    return "(secret)\n" if path.endswith(".key") else read_text(path) or ""


def _diff(name: str, before: str, after: str) -> dict[str, str]:
    return {"before_header": name, "after_header": name, "before": before, "after": after}
