# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the parts of one running server share."""

from __future__ import annotations

import threading

from ollama_standin._version import VERSION
from ollama_standin.faults import Counters, Faults, Seen
from ollama_standin.registry import Registry
from ollama_standin.scheduler import Scheduler
from ollama_standin.settings import Settings
from ollama_standin.store import Store

__all__ = ["App"]


class App:
    """One server: its settings, its store, its loaded models, and what a test switched on."""

    def __init__(self, settings: Settings, faults: Faults) -> None:
        self.settings = settings
        self.faults = faults
        self.ready = threading.Event()
        self.counters = Counters()
        self.seen = Seen()
        self.store = Store(settings.models)
        self.registry = Registry(self.store, faults, no_prune=settings.no_prune)
        self.scheduler = Scheduler(
            max_loaded=settings.max_loaded_models,
            max_queue=settings.max_queue,
            keep_alive=settings.keep_alive,
        )

    @property
    def version(self) -> str:
        return str(self.faults.get("version", VERSION))
