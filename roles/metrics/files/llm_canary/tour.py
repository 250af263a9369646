# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In what order what is measured, and how all is left as it was found."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import Callable, Dict, Optional

from llm_canary import balancer
from llm_canary.config import ALL, LOADED, Config, Instance, Model
from llm_canary.ollama import Failed, GaveWay, Limit, Ollama, Resident
from llm_canary.results import Results

# Seconds: for a request (a load may take long), and after which nothing new is begun.
REQUEST = {LOADED: 60, ALL: 900}
RUN = {LOADED: 600, ALL: 3 * 3600}
# Ollama notes only a moment after an answer how long the model stays.
SETTLE = 0.3
# For how many seconds what was driven out waits for a quiet moment to be loaded again.
PATIENCE = 600


class Tour:
    """One run over all instances."""

    def __init__(self, config: Config, mode: str, results: Results) -> None:
        self._config, self._mode, self._results = config, mode, results
        self._deadline = time.monotonic() + RUN[mode]

    def run(self) -> None:
        for instance in self._config.instances:
            if instance.models:
                self._visit(instance, Ollama(instance.address))

    def _visit(self, instance: Instance, ollama: Ollama) -> None:
        reason = self._obstacle(instance)
        if reason:
            for model in instance.models:
                self._skip(instance, model, reason)
            return
        try:
            before = ollama.residents()
        except Failed as exc:
            for model in instance.models:
                self._fail(instance, model, exc)
            return
        tried = [model for model in instance.models if time.monotonic() < self._deadline and self._try(instance, ollama, model)]
        if tried:
            time.sleep(SETTLE)
            self._leave(instance, ollama, tried, before)

    def _try(self, instance: Instance, ollama: Ollama, model: Model) -> bool:
        """Whether the model was asked."""
        try:
            resident = ollama.residents().get(model.listed())
            if self._mode == LOADED and resident is None:
                return False
            if resident is not None and not resident.forever and resident.expires == self._results.left(instance.key(model)):
                # Nobody has used it since we did: asking again would keep it in memory.
                return False
            look = self._look(instance, alone=resident is None)
            reason = look()
            if reason:
                self._skip(instance, model, reason)
                return False
            answer = ollama.measure(model.name, resident, self._config.tokens, Limit(REQUEST[self._mode], look))
        except GaveWay as exc:
            self._skip(instance, model, str(exc))
        except Failed as exc:
            self._fail(instance, model, exc)
        else:
            self._results.succeeded(instance.key(model), answer, loaded=resident is None)
            self._say(instance, model, "answers" if answer.speed is None else f"{answer.speed:.1f} tokens/s")
        return True

    def _leave(self, instance: Instance, ollama: Ollama, tried: list[Model], before: Dict[str, Resident]) -> None:
        try:
            after = ollama.residents()
            for model in tried:
                if model.listed() in after:
                    self._results.leave(instance.key(model), after[model.listed()].expires)
            for model in instance.models:
                if model.preload and model.listed() in before and model.listed() not in after:
                    self._bring_back(instance, ollama, model)
        except Failed as exc:
            print(f"{instance.host} {instance.server}: {exc}", file=sys.stderr)

    def _bring_back(self, instance: Instance, ollama: Ollama, model: Model) -> None:
        """In a quiet moment, or in the end without one."""
        deadline, look = time.monotonic() + PATIENCE, self._look(instance, alone=True)
        while time.monotonic() < deadline:
            if not look():
                with contextlib.suppress(GaveWay):
                    ollama.load(model.name, model.keep_alive, Limit(REQUEST[ALL], look))
                    break
            time.sleep(1)
        else:
            ollama.load(model.name, model.keep_alive, Limit(REQUEST[ALL]))
        self._say(instance, model, "loaded again")

    def _look(self, instance: Instance, *, alone: bool) -> Callable[[], str]:
        return lambda: self._obstacle(instance, alone=alone)

    def _obstacle(self, instance: Instance, *, alone: bool = False) -> str:
        try:
            return balancer.obstacle(balancer.look(self._config.balancer), instance.pool, instance.name, alone=alone)
        except balancer.NoAnswer:
            return balancer.BALANCER

    def _skip(self, instance: Instance, model: Model, reason: str) -> None:
        self._results.skipped(instance.key(model), reason)
        self._say(instance, model, f"skipped ({reason})")

    def _fail(self, instance: Instance, model: Model, error: Optional[Exception]) -> None:
        self._results.failed(instance.key(model))
        self._say(instance, model, f"failed: {error}")

    def _say(self, instance: Instance, model: Model, text: str) -> None:
        print(f"{instance.host} {instance.server} {model.name}: {text}", file=sys.stderr, flush=True)
