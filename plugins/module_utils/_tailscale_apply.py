# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that make a node of a tailnet as wanted. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import time
import typing as t

from ansible_collections.llm.host.plugins.module_utils._host_file import HostFile, read_text
from ansible_collections.llm.host.plugins.module_utils._tailscale import VENDOR, Node, Plan, Wanted, make_plan, settings_flags, up_flags
from ansible_collections.llm.host.plugins.module_utils._tailscale_errors import Attempt, explain, without_secrets
from ansible_collections.llm.host.plugins.module_utils._tailscale_serve import Served, ServePlan, command, make_serve_plan, parse_config

__all__ = ("RECORD", "SETTLE", "Tailscale", "TailscaleError")

RECORD = "/var/lib/llm-host/tailscale-serve.json"
# Through a pipe a secret reaches no disk, and nothing is left of it when a run is killed.
FROM_STDIN = "--auth-key=file:/dev/stdin"
SETTLE = 15
# An ssh session through the tailnet itself lives on, as a rule; without it tailscale asks at a terminal.
ACCEPTED = "--accept-risk=lose-ssh"


class TailscaleError(Exception):
    """tailscale did not do it; the text is a sentence."""


class Run(t.Protocol):
    """How commands run: ``AnsibleModule.run_command``."""

    def __call__(self, args: list[str], *, data: str | None = None) -> tuple[int, str, str]: ...


class Tailscale:
    """The node of this host. ``limit`` is how many seconds it may take to reach a control server."""

    def __init__(self, run: Run, program: str, limit: int) -> None:
        self._run, self._program, self._limit = run, program, limit

    def look(self, wait: float = SETTLE) -> Node:
        """What there is, once the daemon has settled. A node whose daemon does not answer has no state."""
        deadline = time.monotonic() + min(wait, self._limit)
        while True:
            node = self._look()
            if node.backend not in ("", "NoState", "Starting") or time.monotonic() > deadline:
                return node
            time.sleep(0.3)

    def apply(self, plan: Plan, node: Node, wanted: Wanted, secret: str) -> Node:
        """A node that works goes on working with what it had, where something fails."""
        if plan.login:
            node = self._login(node, wanted, secret)
        elif plan.join:
            node = self._join(node, wanted, secret)
        rest = make_plan(node, wanted, datetime.datetime.now(datetime.timezone.utc))
        if rest.settings:
            risk = [ACCEPTED] if "ssh" in rest.settings else []
            self._must("set", *settings_flags(wanted.settings, rest.settings), *risk, node=node)
            node = self.look()
        if rest.retag or rest.resume:
            node = self._again(node, wanted, secret if rest.retag else "")
        if node.backend != "Running":
            raise TailscaleError(self._explain("", node))
        return node

    def logout(self) -> None:
        self._must("logout", node=self.look(0))

    def serve_plan(self, wanted: t.Sequence[Served]) -> ServePlan:
        code, output, _error = self._do("serve", "status", "--json")
        return make_serve_plan(wanted, parse_config(output) if code == 0 else (), _recorded())

    def serve(self, plan: ServePlan, wanted: t.Sequence[Served], node: Node) -> None:
        if any(served.https for served in plan.add) and not node.certificates:
            raise TailscaleError(
                "This tailnet has no HTTPS certificates, which tailscale_serve needs: enable them in the admin console (DNS), "
                "or write https: false."
            )
        # First what may be ours from now on: a run that is killed here leaves nothing that the next one does not know.
        _record({*_recorded(), *wanted})
        for served in plan.remove:
            self._must(*command(served, off=True), node=node)
        for served in plan.add:
            self._must(*command(served), node=node)
        _record(wanted)

    def _login(self, node: Node, wanted: Wanted, secret: str) -> Node:
        """Beside the tailnet that it has, into which it goes back when the other one does not take it."""
        profile = self._profile()
        flags = up_flags(wanted.settings, wanted.tags, wanted.login_server)
        code, output, error = self._do("login", FROM_STDIN, f"--timeout={self._limit}s", *flags, secret=secret)
        there = self.look()
        if code or there.backend != "Running":
            back = self._do("switch", profile) if profile else (1, "", "")
            stays = (
                f"This host stays in the tailnet of {node.login_server or VENDOR}."
                if not back[0]
                else "Run tailscale switch --list to go back."
            )
            raise TailscaleError(f"{self._explain(output + error, there, wanted.login_server)} {stays}")
        if profile:
            self._do("switch", "remove", profile)
        return there

    def _join(self, node: Node, wanted: Wanted, secret: str) -> Node:
        flags = up_flags(wanted.settings, wanted.tags, wanted.login_server, node.kept)
        # With a key of its own it would first try that one, which has expired.
        force = ["--force-reauth"] if node.has_node_key else []
        code, output, error = self._up(FROM_STDIN, *force, *flags, secret=secret)
        there = self.look()
        if code or there.backend != "Running":
            raise TailscaleError(self._explain(output + error, there, wanted.login_server))
        return there

    def _again(self, node: Node, wanted: Wanted, secret: str) -> Node:
        """Through ``up`` once more, with the key of the node, and for other tags with one that may give them."""
        flags = up_flags(node.settings, wanted.tags, node.login_server, node.kept)
        code, output, error = self._up(*([FROM_STDIN] if secret else []), *flags, secret=secret)
        there = self.look()
        if not code and there.backend == "Running":
            return there
        sentence = self._explain(output + error, there, node.login_server)
        if node.backend == "Running":
            self._up(*up_flags(node.settings, node.tags, node.login_server, node.kept))
            sentence += " The tags are as before." if self.look().backend == "Running" else " Run tailscale status to see where it is now."
        raise TailscaleError(sentence)

    def _up(self, *flags: str, secret: str = "") -> tuple[int, str, str]:
        return self._do("up", "--reset", ACCEPTED, f"--timeout={self._limit}s", *flags, secret=secret)

    def _profile(self) -> str:
        """The one in use, which the list marks with a star."""
        rows = [line.split() for line in self._do("switch", "--list")[1].splitlines()]
        return next((row[0] for row in rows if row and row[-1].endswith("*")), "")

    def _look(self) -> Node:
        code, status, _error = self._do("status", "--json", "--peers=true")
        if code:
            return Node()
        code, prefs, _error = self._do("debug", "prefs")
        return Node() if code else Node.parse(status, prefs)

    def _explain(self, output: str, node: Node, server: str | None = None) -> str:
        return explain(Attempt(output, node.backend, node.health, (node.login_server if server is None else server) or VENDOR, self._limit))

    def _must(self, *arguments: str, node: Node) -> None:
        code, output, error = self._do(*arguments)
        if code:
            raise TailscaleError(self._explain(error or output, node))

    def _do(self, *arguments: str, secret: str = "") -> tuple[int, str, str]:
        """tailscale waits for ever by itself."""
        command = ["timeout", "--kill-after=5", str(self._limit + 20), self._program, *arguments]
        code, output, error = self._run(command, data=secret or None)
        return code, output, "timed out" if code == 124 else without_secrets(error)


def _recorded() -> set[Served]:
    return {Served(**entry) for entry in json.loads(read_text(RECORD) or "[]")}


def _record(served: t.Iterable[Served]) -> None:
    entries = [{"port": entry.port, "https": entry.https, "target": entry.target} for entry in sorted(served, key=str)]
    file = HostFile(RECORD, json.dumps(entries) + "\n")
    if entries and (read_text(RECORD) is None or file.differs()):
        file.write()
    elif not entries:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(RECORD)
