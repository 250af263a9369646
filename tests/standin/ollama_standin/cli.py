# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: ``serve`` and ``--version``; provisioning uses nothing else."""

from __future__ import annotations

import http.client
import json
import os
import signal
import sys
import threading
import time
import typing as t

from ollama_standin import identity, log
from ollama_standin._version import FAULTS, VERSION
from ollama_standin.app import App
from ollama_standin.devices import devices, on_gpu
from ollama_standin.faults import Faults
from ollama_standin.server import Server
from ollama_standin.settings import Settings, check_origin, parse_host

__all__ = ["main"]

FAULTS_VARIABLE = "OLLAMA_STANDIN_FAULTS"
USAGE = """A stand-in for Ollama: for tests and the offline demo, never for production.

Usage:
  ollama [flags]
  ollama [command]

Available Commands:
  serve       Start Ollama

Flags:
  -h, --help      help for ollama
  -v, --version   Show version information
"""


def main(arguments: t.Sequence[str]) -> int:
    command = arguments[0] if arguments else "--help"
    if command in ("serve", "start") and "--help" not in arguments and "-h" not in arguments:
        return _serve()
    if command in ("--version", "-v"):
        return _version()
    if command in ("--help", "-h", "help", "serve", "start"):
        print(USAGE, end="")
        return 0
    print(f'Error: unknown command "{command}" for "ollama"', file=sys.stderr)
    return 1


def _version() -> int:
    """Ask the running server first, as the real one does."""
    host, port, scheme = parse_host(os.environ.get("OLLAMA_HOST", "").strip().strip("\"'"))
    kind = http.client.HTTPSConnection if scheme == "https" else http.client.HTTPConnection
    running = ""
    try:
        connection = kind("127.0.0.1" if host in ("0.0.0.0", "", "::") else host, port, timeout=10)
        connection.request("GET", "/api/version", headers={"Host": f"{host}:{port}"})
        reply = connection.getresponse()
        running = str(json.loads(reply.read()).get("version", "")) if reply.status == 200 else ""
    except (OSError, ValueError, http.client.HTTPException):
        pass
    if running:
        print(f"ollama version is {running}")
    else:
        print("Warning: could not connect to a running Ollama instance")
    if running != VERSION:
        print(f"Warning: client version is {VERSION}")
    return 0


def _fail(message: str) -> int:
    print(f"Error: {message}", file=sys.stderr, flush=True)
    return 1


def _serve() -> int:
    if "HOME" not in os.environ:
        return _fail("$HOME is not defined")
    settings = Settings.from_env()
    log.set_level(debug=settings.debug)
    try:
        faults = Faults(os.environ.get(FAULTS_VARIABLE) or FAULTS)
    except ValueError as error:
        return _fail(f"{FAULTS_VARIABLE}: {error}")
    try:
        public = identity.ensure_key(settings.home)
    except OSError as error:
        return _fail(f"couldn't generate key: {error}")
    if public:
        print(f"Couldn't find '{settings.home}/.ollama/id_ed25519'. Generating new private key.")
        print(f"Your new public key is: \n\n{public}", flush=True)
    if refusal := faults.get("refuse_start"):
        return _fail(refusal if isinstance(refusal, str) else "refused by a fault that a test switched on")
    return _listen(settings, faults)


def _listen(settings: Settings, faults: Faults) -> int:
    log.info("routes.go:1705", "server config", env=settings.as_map())
    log.info("routes.go:1707", f"Ollama cloud disabled: {str(settings.no_cloud).lower()}")
    app = App(settings, faults)
    try:
        app.store.prepare()
        if not settings.no_prune:
            app.store.prune()
    except OSError as error:
        return _fail(f"{error.strerror}: {error.filename}")
    try:
        for entry in settings.origins:
            check_origin(entry)
    except ValueError as error:
        print(f"panic: {error}\n\ngoroutine 1 [running]:", file=sys.stderr, flush=True)
        return 2
    try:
        server = Server(app)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        return _fail(f"listen tcp {settings.host}:{settings.port}: bind: {reason}")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))
    host, port = server.server_address[:2]
    shown = f"[{host!s}]" if ":" in str(host) else str(host)
    log.info("routes.go:1784", f"Listening on {shown}:{port} (version {VERSION})")
    threading.Thread(target=_discover, args=(app,), daemon=True).start()
    server.serve_forever()
    return 0


def _discover(app: App) -> None:
    """The socket accepts already; HTTP answers only after this."""
    log.info("runner.go:67", "discovering available GPUs...")
    time.sleep(float(app.faults.get("start_delay", 0)))
    for device in devices():
        log.info("types.go:60", "inference compute", **device)
    vram = "80.0 GiB" if on_gpu() else "0 B"
    log.info("routes.go:1825", "vram-based default context", total_vram=vram, default_num_ctx=4096)
    app.ready.set()
    if seconds := app.faults.get("crash_after"):
        time.sleep(float(seconds))
        log.warn("routes.go:1", "crash switched on by a test")
        os._exit(2)
