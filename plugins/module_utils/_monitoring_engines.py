# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prometheus, Alertmanager and the blackbox exporter of Debian: how each is started, checks a configuration and loads it.

PRIVATE to the collection: it can change at any time.
"""

from __future__ import annotations

import re
import time
import typing as t
import urllib.error
import urllib.request

from ansible_collections.llm.host.plugins.module_utils._web_engines import Engine, EngineError, Run
from ansible_collections.llm.host.plugins.module_utils._web_server import Service

__all__ = ("MONITORS", "Alertmanager", "Blackbox", "Monitor", "Prometheus")

LOGGED = re.compile(r'\berr(?:or)?=(?:"((?:[^"\\]|\\.)*)"|(\S+))')
# What promtool and amtool say besides, and what they say before the reason, on its line or alone.
CHATTER = re.compile(r"^(Checking '?.*|\s*SUCCESS.*|Found:|\s*- .*|amtool: error: .*|\s*)$")
FAILED = re.compile(r"^.*?\bFAILED:\s*")
LOADED = "config_last_reload_success_timestamp_seconds"
DROP_IN = """\
# Managed by Ansible, role llm.host.monitoring. Instead of what the package starts, so ARGS of /etc/default/{name} has no effect.
[Service]
ExecStart=
ExecStart={command}
"""


class Monitor(Engine):
    """One of them. The configuration lies in a file of the collection's own, which a drop-in names; the package's file stays as it is."""

    # The Debian package, after which the program and the unit are called, and its own configuration file.
    package: str
    own: str
    directory = ""
    # How its metrics about itself are called.
    prefix: str

    def __init__(
        self, run: Run, find: t.Callable[[str], str | None], *, config: str = "", arguments: t.Sequence[str] = (), url: str = ""
    ) -> None:
        super().__init__(run, find)
        self._find = find
        self._program = find(self.package) or ""
        self._url = url
        self.config = config
        self.arguments = tuple(arguments)

    @property
    def drop_in_text(self) -> str:
        """What starts it with the arguments that are wanted."""
        command = [f"/usr/bin/{self.package}", *self.arguments]
        return DROP_IN.format(name=self.package, command=" ".join(map(_quoted, command)))

    def started_as_wanted(self, service: Service, written: t.Collection[str]) -> bool:
        if service.stale or self.drop_in in written:
            return False
        return not service.active or _command_line(service.pid)[1:] == self.arguments

    def reload(self, timeout: int) -> None:
        """By a signal, of which only the metrics tell what came of it."""
        before = self._loaded()
        code, output, error = self._run(["systemctl", "reload", self.unit])
        if code != 0:
            raise EngineError(f"{self.title} did not reload: {error.strip() or output.strip()}. See journalctl --unit {self.unit}.")
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self._loaded() > before:
                return
            time.sleep(0.1)
        raise EngineError(f"{self.title} did not load the new configuration within {timeout} s: see journalctl --unit {self.unit}.")

    def serves_others(self) -> bool:
        return self.installed and self._edited(self.own, self.package)

    def resume(self, timeout: int) -> None:
        self.start("restart", timeout)

    def _loaded(self) -> float:
        """When it loaded its configuration, in seconds since the epoch; 0 while it does not answer."""
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{self._url}/metrics", timeout=5) as answer:
                text = answer.read().decode(errors="replace")
        except (OSError, urllib.error.HTTPError):
            return 0.0
        found = re.search(rf"^{self.prefix}_{LOADED} (\S+)$", text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    def _checked(self, program: str, *arguments: str) -> str:
        path = self._find(program)
        if not path:
            return f"{program} is not on this host, which checks it"
        code, output, error = self._run([path, *arguments])
        return "" if code == 0 else refusal(output + error)


class Prometheus(Monitor):
    name = "prometheus"
    title = "Prometheus"
    package = "prometheus"
    unit = "prometheus.service"
    own = "/etc/prometheus/prometheus.yml"
    prefix = "prometheus"
    drop_in = trace = "/etc/systemd/system/prometheus.service.d/50-llm-host.conf"

    def check(self, path: str) -> str:
        return self._checked("promtool", "check", "config", path).replace(path, self.config)


class Alertmanager(Monitor):
    name = "alertmanager"
    title = "Alertmanager"
    package = "prometheus-alertmanager"
    unit = "prometheus-alertmanager.service"
    own = "/etc/prometheus/alertmanager.yml"
    prefix = "alertmanager"
    drop_in = trace = "/etc/systemd/system/prometheus-alertmanager.service.d/50-llm-host.conf"

    def check(self, path: str) -> str:
        return self._checked("amtool", "check-config", path).replace(path, self.config)


class Blackbox(Monitor):
    name = "blackbox"
    title = "The blackbox exporter"
    package = "prometheus-blackbox-exporter"
    unit = "prometheus-blackbox-exporter.service"
    own = "/etc/prometheus/blackbox.yml"
    prefix = "blackbox_exporter"
    drop_in = trace = "/etc/systemd/system/prometheus-blackbox-exporter.service.d/50-llm-host.conf"

    def check(self, path: str) -> str:
        return self._checked(self.package, f"--config.file={path}", "--config.check").replace(path, self.config)


MONITORS: dict[str, type[Monitor]] = {engine.name: engine for engine in (Prometheus, Alertmanager, Blackbox)}


def refusal(output: str) -> str:
    """The sentence in what promtool, amtool or a log in logfmt says."""
    logged = [
        re.sub(r"\\(.)", _unescaped, match[1]) if match[1] else match[2] for match in map(LOGGED.search, output.splitlines()) if match
    ]
    lines = [FAILED.sub("", line) for line in output.splitlines()]
    said = logged or [line.strip() for line in lines if not CHATTER.match(line)]
    return "; ".join(dict.fromkeys(said)).replace(":; ", ": ") or output.strip()


def _unescaped(match: re.Match[str]) -> str:
    return " " if match[1] == "n" else match[1]


def _quoted(argument: str) -> str:
    """For a command line of systemd."""
    escaped = argument.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if re.search(r"[\s\"';]", argument) else escaped


def _command_line(pid: int) -> tuple[str, ...]:
    try:
        with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="surrogateescape") as file:
            return tuple(file.read().rstrip("\0").split("\0"))
    except OSError:
        return ()
