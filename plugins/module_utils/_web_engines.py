# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx, Caddy and HAProxy on this host: how each checks a configuration, loads it, and is taken away. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import tempfile
import time
import typing as t

from ansible_collections.llm.host.plugins.module_utils._host_file import read_text
from ansible_collections.llm.host.plugins.module_utils._web_server import PROPERTIES, Service, parse_service

__all__ = ("ENGINES", "Caddy", "Engine", "EngineError", "Haproxy", "Nginx", "haproxy_refusals", "refusals")

GATEWAY = "/etc/llm-gateway"
NGINX_CONFIG = "/etc/nginx/nginx.conf"
# What was in its place before ours, the package's or somebody's. That there is one says that nginx is ours.
NGINX_KEPT = f"{NGINX_CONFIG}.before-llm-host"
NGINX_UNIT = "/etc/systemd/system/nginx.service.d/50-llm-host.conf"
NGINX_SITE = "/etc/nginx/sites-available/default"
NGINX_SITE_LINK = "/etc/nginx/sites-enabled/default"
NGINX_LOG = "/var/log/nginx/error.log"
CADDY_CONFIG = f"{GATEWAY}/caddy/Caddyfile"
CADDY_UNIT = "/etc/systemd/system/caddy.service.d/50-llm-host.conf"
CADDY_OWN = "/etc/caddy/Caddyfile"
CADDY_SOCKET = "/run/caddy/admin.sock"
BALANCER = "/etc/llm-balancer"
HAPROXY_UNIT = "/etc/systemd/system/haproxy.service.d/50-llm-host.conf"
HAPROXY_CONFIG = "/etc/haproxy/haproxy.cfg"
HAPROXY_KEPT = f"{HAPROXY_CONFIG}.before-llm-host"
REFUSAL = re.compile(r"\[(?:emerg|crit|alert|error)\] (?:\d+#\d+: )?(.*)")
SITE = re.compile(r"^\s*server\s*\{", re.MULTILINE)
PROXY = re.compile(r"^\s*(frontend|listen)\s", re.MULTILINE)
HAPROXY_REFUSAL = re.compile(r"\[ALERT\]\s+\(\d+\) : (?:config : )?(.*)")

Run = t.Callable[..., t.Tuple[int, str, str]]


class EngineError(Exception):
    """The server or systemd refused something; the text is a sentence for the user."""


class Engine:
    """One server and its systemd unit."""

    name: str
    title: str
    unit: str
    config: str
    user: str
    directory: str
    key_group: str
    key_mode: int
    # The file that says that the service is ours, so that it may be taken away.
    trace: str
    # What of ours is in the unit's way.
    drop_in: str = ""

    def __init__(self, run: Run, find: t.Callable[[str], str | None]) -> None:
        self._run = run
        self._program = find(self.name) or ""

    @property
    def installed(self) -> bool:
        return bool(self._program)

    @property
    def is_ours(self) -> bool:
        return os.path.lexists(self.trace)

    def is_taken(self, service: Service) -> bool:
        """Whether the service does our work, or did so before somebody began to put it back."""
        return self.is_ours

    def service(self) -> Service:
        if not self.installed:
            return Service()
        offset = time.time() - time.clock_gettime(time.CLOCK_MONOTONIC)
        return parse_service(self.systemctl("show", f"--property={','.join(PROPERTIES)}", self.unit), offset=offset)

    def loaded_at(self, service: Service) -> float:
        """When the running configuration was loaded, by us or by somebody else, as far as the processes tell."""
        return service.started

    def started_as_wanted(self, service: Service, written: t.Collection[str]) -> bool:
        """Whether a reload will do, when these files are going to be written."""
        raise NotImplementedError

    def check(self, path: str) -> str:
        """What the program says against the configuration in ``path``; empty when it takes it."""
        raise NotImplementedError

    def keep_foreign(self) -> None:
        """Keep what somebody else wrote in the place of our configuration."""

    def reload(self, timeout: int) -> None:
        raise NotImplementedError

    def start(self, verb: str, timeout: int) -> None:
        """``start`` or ``restart``, which returns when the program serves."""
        self.systemctl("daemon-reload")
        code, output, error = self._run(["systemctl", verb, self.unit])
        if code != 0:
            raise EngineError(f"{self.title} did not {verb}: {self.last_words() or error.strip() or output.strip()}.")

    def stop(self) -> None:
        self.systemctl("stop", self.unit)

    def idle(self) -> None:
        """What belongs to a service that is put back and has nothing to do."""

    def forget(self) -> None:
        """Remove what the collection put there, once nothing needs it any more."""
        self.systemctl("disable", self.unit)
        shutil.rmtree(self.directory, ignore_errors=True)

    def _forget_drop_in(self) -> None:
        if os.path.lexists(self.drop_in):
            os.unlink(self.drop_in)
            with contextlib.suppress(OSError):
                os.rmdir(os.path.dirname(self.drop_in))
            self.systemctl("daemon-reload")

    def enable(self) -> None:
        self.systemctl("enable", self.unit)

    def serves_others(self) -> bool:
        """Whether the service has something to do without the collection. Raises EngineError where that cannot be told."""
        raise NotImplementedError

    def traces(self) -> list[str]:
        """What of the collection is there and goes, or is put back."""
        paths = (self.drop_in, self.directory, self.trace)
        return [path for path in dict.fromkeys(paths) if path and os.path.lexists(path)]

    def put_back(self) -> None:
        """Have the files that were there before the collection; what tells of it stays."""

    def resume(self, timeout: int) -> None:
        """Load what was there before."""
        self.reload(timeout)

    def last_words(self) -> str:
        return f"see journalctl --unit {self.unit}"

    def _edited(self, path: str, package: str) -> bool:
        """Whether somebody changed a configuration file of a package."""
        own = read_text(path)
        if own is None:
            return False
        known = self._run(["dpkg-query", "--show", "--showformat=${Conffiles}", package])[1]
        digest = hashlib.md5(own.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()
        return f"{path} {digest}" not in known

    def systemctl(self, *arguments: str) -> str:
        code, output, error = self._run(["systemctl", *arguments])
        if code != 0:
            raise EngineError(f"systemctl {' '.join(arguments)} failed: {error.strip() or output.strip()}.")
        return output


class Nginx(Engine):
    """nginx reads its main file and all secrets as root; a reload starts new workers, the old ones finish."""

    name = "nginx"
    title = "nginx"
    unit = "nginx.service"
    config = NGINX_CONFIG
    user = "www-data"
    directory = f"{GATEWAY}/nginx"
    key_group = "root"
    key_mode = 0o600
    trace = NGINX_KEPT
    drop_in = NGINX_UNIT

    def loaded_at(self, service: Service) -> float:
        return max(map(_started, _workers(service.pid)), default=0.0)

    def started_as_wanted(self, service: Service, written: t.Collection[str]) -> bool:
        return True

    def check(self, path: str) -> str:
        code, output, error = self._run([self._program, "-t", "-q", "-c", path])
        return "" if code == 0 else refusals(output + error).replace(path, self.config) or (output + error).strip()

    def keep_foreign(self) -> None:
        _keep(self.config, NGINX_KEPT)

    def start(self, verb: str, timeout: int) -> None:
        self._load(verb, timeout, before=frozenset())

    def reload(self, timeout: int) -> None:
        self._load("reload", timeout, before=_workers(self.service().pid))

    def forget(self) -> None:
        super().forget()
        os.replace(NGINX_KEPT, self.config)
        self._forget_drop_in()

    def serves_others(self) -> bool:
        if not self.installed:
            return False
        code, output, error = self._run([self._program, "-T", "-q", "-c", NGINX_KEPT])
        if code != 0:
            raise EngineError(
                f"nginx refuses {NGINX_KEPT}, which was its configuration before: {refusals(error) or error.strip()}. "
                "So it goes on with the present one: correct that file, and run again."
            )
        return bool(SITE.search(output))

    def put_back(self) -> None:
        _copy_whole(NGINX_KEPT, self.config)

    def idle(self) -> None:
        """As the package has it: its welcome page is there for whoever starts nginx."""
        if os.path.exists(NGINX_SITE) and not os.path.lexists(NGINX_SITE_LINK):
            os.symlink(NGINX_SITE, NGINX_SITE_LINK)

    def _load(self, verb: str, timeout: int, *, before: frozenset[int]) -> None:
        """nginx says neither that it took a new configuration nor that it did not: new workers and its log do."""
        log_size = os.path.getsize(NGINX_LOG) if os.path.exists(NGINX_LOG) else 0
        # What a drop-in of ours says concerns the next start.
        if self.service().stale:
            self.systemctl("daemon-reload")
        code, output, error = self._run(["systemctl", verb, self.unit])
        deadline = time.monotonic() + timeout
        while code == 0 and time.monotonic() < deadline:
            workers = _workers(self.service().pid)
            # nginx tells the old ones to stop some time after the new ones began. Until then they answer, with what they had loaded.
            if workers and not workers & before:
                return
            if "[emerg]" in _read_from(NGINX_LOG, log_size):
                break
            time.sleep(0.05)
        reason = refusals(_read_from(NGINX_LOG, log_size)) or error.strip() or output.strip() or f"no new workers alone after {timeout} s"
        raise EngineError(f"nginx did not {verb} with the new configuration: {reason}. See journalctl --unit {self.unit}.")


class Caddy(Engine):
    """Caddy starts without a configuration, and root gives it one through a socket.

    So keys and passwords can lie in files for root alone although Caddy runs as a user of its own, and nobody else on the host can
    read or change the configuration, as everybody can through Caddy's usual port on loopback.
    """

    name = "caddy"
    title = "Caddy"
    unit = "caddy.service"
    config = CADDY_CONFIG
    user = "caddy"
    directory = f"{GATEWAY}/caddy"
    key_group = "caddy"
    key_mode = 0o640
    trace = CADDY_UNIT
    drop_in = CADDY_UNIT

    def started_as_wanted(self, service: Service, written: t.Collection[str]) -> bool:
        return not service.stale and CADDY_UNIT not in written and os.path.exists(CADDY_SOCKET)

    def check(self, path: str) -> str:
        # Checking makes directories in the home of who checks.
        with tempfile.TemporaryDirectory(prefix="llm-gateway-") as home:
            return self._ask(["validate", "--config", path, "--adapter", "caddyfile"], home).replace(path, self.config)

    def reload(self, timeout: int) -> None:
        # Forced, since a certificate may be new while the configuration that names it is not.
        command = ["reload", "--config", self.config, "--adapter", "caddyfile", "--address", f"unix/{CADDY_SOCKET}", "--force"]
        with tempfile.TemporaryDirectory(prefix="llm-gateway-") as home:
            reason = self._ask(command, home)
        if reason:
            raise EngineError(f"Caddy did not reload with the new configuration: {reason}. See journalctl --unit {self.unit}.")

    def forget(self) -> None:
        super().forget()
        self._forget_drop_in()

    def is_taken(self, service: Service) -> bool:
        return self.is_ours or self.directory in _title(service.pid)

    def serves_others(self) -> bool:
        """Whether somebody edited the package's configuration, which is a page of welcome."""
        return self.installed and self._edited(CADDY_OWN, self.name)

    def resume(self, timeout: int) -> None:
        self.start("restart", timeout)

    def last_words(self) -> str:
        lines = self._run(["journalctl", "--quiet", "--output", "cat", "--lines", "20", "--unit", self.unit])[1].splitlines()
        said = [line.partition("Error: ")[2] for line in lines if line.startswith("Error: ")]
        return f"{said[-1].rstrip('.') if said else 'it does not say why'}. See journalctl --unit {self.unit}"

    def _ask(self, arguments: list[str], home: str) -> str:
        environment = {"HOME": home, "XDG_DATA_HOME": home, "XDG_CONFIG_HOME": home}
        code, output, error = self._run([self._program, *arguments], environ_update=environment)
        if code == 0:
            return ""
        said = [line for line in (output + error).splitlines() if line.strip() and not line.startswith("{")]
        return (said[-1] if said else f"exit status {code}").removeprefix("Error: ").rstrip(".")


class Haproxy(Engine):
    """A reload makes HAProxy's master read the configuration again and start a new worker; the old one finishes what it serves."""

    name = "haproxy"
    title = "HAProxy"
    unit = "haproxy.service"
    config = HAPROXY_CONFIG
    directory = BALANCER
    trace = HAPROXY_KEPT
    drop_in = HAPROXY_UNIT

    def started_as_wanted(self, service: Service, written: t.Collection[str]) -> bool:
        # What the unit's drop-in says concerns reloads only.
        return True

    def check(self, path: str) -> str:
        code, output, error = self._run([self._program, "-c", "-f", path])
        return "" if code == 0 else haproxy_refusals(output + error).replace(path, self.config) or (output + error).strip()

    def keep_foreign(self) -> None:
        _keep(self.config, HAPROXY_KEPT)

    def serves_others(self) -> bool:
        # The package's own has defaults and nothing that listens.
        return self.installed and bool(PROXY.search(read_text(HAPROXY_KEPT) or ""))

    def put_back(self) -> None:
        reason = self.check(HAPROXY_KEPT) if self.serves_others() else ""
        if reason:
            raise EngineError(
                f"HAProxy refuses {HAPROXY_KEPT}, which was its configuration before: {reason}. "
                "So it goes on with the present one: correct that file, and run again."
            )
        _copy_whole(HAPROXY_KEPT, self.config)

    def reload(self, timeout: int) -> None:
        service = self.service()
        before = _children(service.pid)
        if service.stale:
            self.systemctl("daemon-reload")
        code, output, error = self._run(["systemctl", "reload", self.unit])
        deadline = time.monotonic() + timeout
        while code == 0 and time.monotonic() < deadline:
            # A master that cannot read its configuration starts none.
            if _children(service.pid) - before:
                return
            time.sleep(0.05)
        reason = error.strip() or output.strip() or f"no new worker after {timeout} s"
        raise EngineError(f"HAProxy did not reload with the new configuration: {reason}. See journalctl --unit {self.unit}.")


ENGINES: dict[str, type[Engine]] = {engine.name: engine for engine in (Nginx, Caddy)}


def refusals(output: str) -> str:
    """What nginx complains about, without time stamps and process ids."""
    found = [match.group(1).strip() for match in map(REFUSAL.search, output.splitlines()) if match]
    return "; ".join(dict.fromkeys(found))


def haproxy_refusals(output: str) -> str:
    """What HAProxy complains about, without process ids and without the sentence that there are errors."""
    found = [match.group(1).strip() for match in map(HAPROXY_REFUSAL.search, output.splitlines()) if match]
    return "; ".join(line for line in dict.fromkeys(found) if not line.startswith(("Error(s) found", "Fatal errors found")))


def _keep(config: str, kept: str) -> None:
    if os.path.exists(config) and not os.path.exists(kept):
        shutil.copy2(config, kept)


def _copy_whole(source: str, path: str) -> None:
    if not os.path.exists(source):
        return
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".llm-host-")
    os.close(handle)
    shutil.copy2(source, temporary)
    os.replace(temporary, path)


def _workers(master: int) -> frozenset[int]:
    """Worker processes of nginx's master that take new connections."""
    return frozenset(child for child in _children(master) if _title(child) == "nginx: worker process")


def _title(process: int) -> str:
    try:
        return (read_text(f"/proc/{process}/cmdline") or "").replace("\0", " ").strip()
    except OSError:
        return ""


def _children(master: int) -> frozenset[int]:
    found = set()
    for entry in os.listdir("/proc") if master else ():
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as file:
                parent = file.read().rpartition(")")[2].split()[1]
        except OSError:
            continue
        if int(parent) == master:
            found.add(int(entry))
    return frozenset(found)


def _started(process: int) -> float:
    """When a process started, in seconds since the epoch; 0 when it is gone."""
    try:
        with open(f"/proc/{process}/stat", encoding="utf-8", errors="replace") as file:
            ticks = int(file.read().rpartition(")")[2].split()[19])
    except OSError:
        return 0.0
    # A tick more, since the rest of it was cut off.
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + (ticks + 1) / os.sysconf("SC_CLK_TCK")


def _read_from(path: str, offset: int) -> str:
    try:
        with open(path, "rb") as file:
            file.seek(offset)
            return file.read(65536).decode(errors="replace")
    except OSError:
        return ""
