# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What HAProxy says of its queue and of the instances: whether a measurement would be in somebody's way."""

from __future__ import annotations

import dataclasses
import http.client
import re
import urllib.request
from typing import Dict, Tuple

# Seconds.
TIMEOUT = 3
LONGEST = 16 << 20
# HAProxy 2.6 does not know metrics= and sends all of them.
QUERY = (
    "?scope=server&scope=backend&metrics=haproxy_backend_current_queue,haproxy_server_current_queue,haproxy_server_current_sessions,"
    "haproxy_server_limit_sessions,haproxy_server_status"
)
# What waits for no slot.
UNQUEUED = "unqueued-"
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
SAMPLE = re.compile(r'^haproxy_(\w+)\{proxy="([^"]*)"(?:,server="([^"]*)")?(?:,state="([^"]*)")?\} (\S+)$', re.MULTILINE)

QUEUE, BUSY, DOWN, DRAINED, BALANCER = "queue", "busy", "down", "drained", "balancer"


class NoAnswer(Exception):
    """HAProxy does not tell."""


@dataclasses.dataclass
class Server:
    state: str = ""
    sessions: float = 0
    slots: float = 0


@dataclasses.dataclass
class Load:
    waiting: float
    servers: Dict[Tuple[str, str], Server]


def parse(text: str) -> Load:
    """Raises NoAnswer when it is no page of HAProxy's."""
    load = Load(0, {})
    try:
        for name, pool, server, state, value in SAMPLE.findall(text):
            if not pool.startswith(UNQUEUED):
                _add(load, name, load.servers.setdefault((pool, server), Server()) if server else Server(), state, float(value))
    except ValueError as exc:
        raise NoAnswer("HAProxy's metrics are no numbers") from exc
    if not load.servers:
        raise NoAnswer("HAProxy's metrics have no server")
    return load


def _add(load: Load, name: str, server: Server, state: str, value: float) -> None:
    if name in ("backend_current_queue", "server_current_queue"):
        load.waiting += value
    elif name == "server_current_sessions":
        server.sessions = value
    elif name == "server_limit_sessions":
        server.slots = value
    elif name == "server_status" and value:
        server.state = state


def look(url: str) -> Load:
    """What HAProxy says now; raises NoAnswer."""
    try:
        with OPENER.open(url + QUERY, timeout=TIMEOUT) as reply:
            return parse(reply.read(LONGEST).decode(errors="replace"))
    except (OSError, http.client.HTTPException) as exc:
        raise NoAnswer(f"HAProxy does not tell who waits: {exc}") from exc


def obstacle(load: Load, pool: str, name: str, *, alone: bool) -> str:
    """Why one must keep away from an instance, empty when one need not; ``alone``: not beside anybody else."""
    server = load.servers.get((pool, name), Server())
    if server.state in ("DRAIN", "MAINT"):
        return DRAINED
    if server.state != "UP":
        return DOWN
    if load.waiting:
        return QUEUE
    return BUSY if server.sessions and (alone or server.sessions >= server.slots) else ""
