# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What HAProxy says of the instances behind it, and how they are taken out. PRIVATE to the collection: it can change at any time.

Sources: the management guide of HAProxy 2.6 and 3.0, sections 9.1 (columns of the statistics) and 9.3 (commands), 9.4 (the master's socket).
"""

from __future__ import annotations

import csv
import dataclasses
import re
import socket
import typing as t

__all__ = ("ADMIN_SOCKET", "MASTER_SOCKET", "Balancer", "BalancerError", "Instance", "Pool", "User")

ADMIN_SOCKET = "/run/haproxy/admin.sock"
MASTER_SOCKET = "/run/haproxy-master.sock"
# Backends in which cheap requests do not wait; each stands beside a pool.
UNQUEUED = "unqueued-"
# Bits of srv_admin_state: what an administrator said, and not the configuration or a tracked server.
FORCED_MAINTENANCE, FORCED_DRAIN = 0x01, 0x08
SERVERS = 4
BACKENDS = 2
TABLE_ROW = re.compile(r"key=(?P<key>.*?) use=\d+ .*")
COUNT = r"\b{name}=(\d+)"


class BalancerError(Exception):
    """HAProxy does not answer or refuses; the text is a sentence for the user."""


@dataclasses.dataclass(frozen=True)
class Instance:
    """An instance of Ollama as HAProxy sees it. ``state`` is what an administrator wants: ``ready``, ``drain`` or ``maint``.

    ``running`` counts the requests at the instance, those of processes that were reloaded and still finish theirs too.
    """

    name: str
    pool: str
    up: bool
    state: str
    running: int
    waiting: int
    slots: int
    served: int


@dataclasses.dataclass(frozen=True)
class Pool:
    """Instances with the same models. ``waiting`` counts the requests that wait for any of them or for a certain one."""

    name: str
    waiting: int
    longest_wait: float


@dataclasses.dataclass(frozen=True)
class User:
    """What HAProxy remembers of a user, for an hour at least, but not over a reload."""

    name: str
    requests: int
    served: int
    refused: int


class Balancer:
    """HAProxy on this host, by its sockets, which root alone can open."""

    def __init__(self, admin: str = ADMIN_SOCKET, master: str = MASTER_SOCKET, timeout: float = 10) -> None:
        self._admin, self._master, self._timeout = admin, master, timeout

    def instances(self) -> list[Instance]:
        """In the order of the configuration."""
        states = {(row["be_name"], row["srv_name"]): int(row["srv_admin_state"]) for row in _states(self._say("show servers state"))}
        now = self._say(f"show stat -1 {SERVERS} -1")
        running: dict[str, int] = {}
        for stat in (now, *self._of_old_workers(f"show stat -1 {SERVERS} -1")):
            for row in _rows(stat):
                running[row["svname"]] = running.get(row["svname"], 0) + int(row["scur"] or 0)
        return [
            Instance(
                name=row["svname"],
                pool=row["pxname"],
                up=row["status"].startswith(("UP", "DRAIN")),
                state=_wanted(states.get((row["pxname"], row["svname"]), 0)),
                running=running[row["svname"]],
                waiting=int(row["qcur"] or 0),
                slots=int(row["slim"] or 0),
                served=int(row["stot"] or 0),
            )
            for row in _rows(now)
            if not row["pxname"].startswith(UNQUEUED)
        ]

    def pools(self, instances: t.Iterable[Instance]) -> list[Pool]:
        """Those of ``instances``, in the order of the configuration."""
        waiting: dict[str, int] = {}
        for instance in instances:
            waiting[instance.pool] = waiting.get(instance.pool, 0) + instance.waiting
        return [
            Pool(row["pxname"], waiting=waiting[row["pxname"]] + int(row["qcur"] or 0), longest_wait=int(row["qtime_max"] or 0) / 1000)
            for row in _rows(self._say(f"show stat -1 {BACKENDS} -1"))
            if row["pxname"] in waiting
        ]

    def users(self) -> list[User]:
        """In the order of their names."""
        refused: dict[str, int] = {}
        for key, row in _table(self._say("show table refusals")):
            user = key.partition(" ")[2]
            refused[user] = refused.get(user, 0) + _count(row, "gpc0")
        seen = dict(_table(self._say("show table users")))
        return [
            User(
                name,
                requests=_count(seen.get(name, ""), "conn_cur"),
                served=_count(seen.get(name, ""), "gpc0"),
                refused=refused.get(name, 0),
            )
            for name in sorted({*seen, *refused})
        ]

    def set_state(self, instance: Instance, state: str) -> None:
        """``ready``, ``drain`` or ``maint``; what waited for this instance only goes to another."""
        answer = self._say(f"set server {instance.pool}/{instance.name} state {state}").strip()
        if answer:
            raise BalancerError(f"HAProxy does not set {instance.name} to {state}: {answer}")

    def _of_old_workers(self, command: str) -> list[str]:
        """What the processes answer that were reloaded and finish what they began."""
        old = self._ask(self._master, "show proc").partition("# old workers")[2].partition("#")[0]
        workers = [line.split()[0] for line in old.splitlines() if line.split()[1:2] == ["worker"]]
        return [self._ask(self._master, f"@!{worker} {command}") for worker in workers]

    def _say(self, command: str) -> str:
        return self._ask(self._admin, command)

    def _ask(self, path: str, command: str) -> str:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(self._timeout)
                connection.connect(path)
                connection.sendall(f"{command}\n".encode())
                # The master would wait for more commands.
                connection.shutdown(socket.SHUT_WR)
                return b"".join(iter(lambda: connection.recv(65536), b"")).decode(errors="replace")
        except OSError as error:
            raise BalancerError(f"HAProxy does not answer at {path} ({error}): see systemctl status haproxy.") from error


def _rows(stat: str) -> t.Iterator[dict[str, str]]:
    return iter(csv.DictReader(_without_mark(stat).strip().splitlines()))


def _states(text: str) -> t.Iterator[dict[str, str]]:
    lines = [line for line in text.splitlines() if line.strip() and line.strip() != "1"]
    names = _without_mark(lines[0]).split() if lines else []
    return (dict(zip(names, line.split())) for line in lines[1:])


def _without_mark(text: str) -> str:
    return text[2:] if text.startswith("# ") else text


def _table(text: str) -> t.Iterator[tuple[str, str]]:
    """The key of each row, as HAProxy prints it, and the whole row."""
    for line in text.splitlines():
        found = TABLE_ROW.search(line)
        if found:
            yield found["key"].replace("\\ ", " ").replace("\\\\", "\\"), line[found.end("key") :]


def _count(row: str, name: str) -> int:
    found = re.search(COUNT.format(name=name), row)
    return int(found[1]) if found else 0


def _wanted(admin_state: int) -> str:
    if admin_state & FORCED_MAINTENANCE:
        return "maint"
    return "drain" if admin_state & FORCED_DRAIN else "ready"
