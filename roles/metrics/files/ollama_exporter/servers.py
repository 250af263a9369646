# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An Ollama server: whether it answers, what it has, what is in memory, and what came and went."""

from __future__ import annotations

import time
import typing as t

from . import drift
from .background import Errors, Repeated
from .config import Declared, Server
from .events import Events
from .ollama import Client, Installed, Loaded, Refused
from .table import Sample

__all__ = ("ServerWatch",)

# How long one question may take, and how often a server is asked what hardly changes, in seconds.
LIMIT = 5
DETAILS = 15


class Pulse(t.NamedTuple):
    """What is loaded, and how many seconds it took to say so."""

    models: dict[str, Loaded]
    seconds: float


class ServerWatch:
    """One server. Nothing is told of one that does not answer, but that it is down and what was counted."""

    def __init__(
        self, server: Server, declared: Declared, *, poll_seconds: float, errors: Errors, limit: float = LIMIT, details: float = DETAILS
    ) -> None:
        self._server, self._declared = server, declared
        self._client = Client(server.url, limit=limit)
        self._events = Events()
        self._down = False
        self._pulse = Repeated("ps", self._look, every=poll_seconds, lasting=poll_seconds + 2 * limit, errors=errors, name=server.name)
        self._version = Repeated("version", self._client.version, every=details, errors=errors, name=server.name)
        self._tags = Repeated("tags", self._client.installed, every=details, errors=errors, name=server.name)

    def start(self) -> None:
        for look in (self._pulse, self._version, self._tags):
            look.start()

    @property
    def needed(self) -> int | None:
        """What the next pull may need, in bytes; None while that is not known."""
        installed = self._tags.value if self._pulse.value is not None else None
        return None if installed is None else drift.needed(installed.values(), self._declared)

    def samples(self) -> t.Iterator[Sample]:
        name, pulse = self._server.name, self._pulse.value
        yield "ollama_gpu_expected", (name,), self._server.gpus_expected
        if self._pulse.tried:
            yield "ollama_up", (name,), pulse is not None
        for model, count in self._events.loads.items():
            yield "ollama_model_loads_total", (name, model), count
        for model, count in self._events.unloads.items():
            yield "ollama_model_unloads_total", (name, model), count
        if pulse is None:
            return
        yield "ollama_scrape_seconds", (name,), pulse.seconds
        for model, loaded in pulse.models.items():
            yield from self._model((name, model), loaded)
        yield from self._details(name, self._version.value, self._tags.value)

    def _model(self, labels: tuple[str, str], loaded: Loaded) -> t.Iterator[Sample]:
        yield "ollama_model_bytes", labels, loaded.size
        yield "ollama_model_vram_bytes", labels, loaded.vram
        yield "ollama_model_context_tokens", labels, loaded.context
        yield "ollama_model_on_cpu", labels, self._server.gpus_expected and loaded.vram < loaded.size
        if loaded.expires is not None:
            yield "ollama_model_expiry_timestamp_seconds", labels, loaded.expires

    def _details(self, name: str, version: str | None, installed: dict[str, Installed] | None) -> t.Iterator[Sample]:
        if version is not None:
            yield "ollama_info", (name, version), 1
            yield "ollama_drift", (name, "version"), drift.version_drift(version, self._declared)
        if installed is not None:
            yield "ollama_models", (name,), len(installed)
            for kind, count in drift.model_drift(installed.values(), self._declared).items():
                yield "ollama_drift", (name, kind), count

    def _look(self) -> Pulse:
        began = time.monotonic()
        try:
            models = self._client.loaded()
        except Refused:
            self._events.see({}, began)
            self._down = True
            raise
        except Exception:
            self._down = True
            raise
        if self._down:
            # It may be another version with other models now.
            self._version.again()
            self._tags.again()
            self._down = False
        self._events.see(models, time.monotonic())
        installed = self._tags.value
        if installed is not None:
            self._events.keep(installed)
        return Pulse(models, time.monotonic() - began)
