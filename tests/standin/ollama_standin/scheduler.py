# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which models are loaded, who waits for a load, and who holds a slot."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import itertools
import threading
import time
import typing as t

from ollama_standin import gotime, log
from ollama_standin.errors import ApiError, ClientGone

if t.TYPE_CHECKING:
    from ollama_standin.model import Model

__all__ = ["LoadOptions", "Runner", "Scheduler"]

BUSY = "server busy, please try again.  maximum pending requests exceeded"
_POLL = 0.2
_ids = itertools.count()


@dataclasses.dataclass(frozen=True)
class LoadOptions:
    """The options that force a reload when they differ."""

    num_ctx: int
    others: tuple[tuple[str, t.Any], ...] = ()


class Runner:
    """One loaded model with its slots."""

    def __init__(self, *, model: Model, options: LoadOptions, slots: int, keep_alive: float) -> None:
        self.key = model.runner_key
        self.model = model
        self.details = model.details(lengths=False)
        self.options = options
        self.keep_alive = keep_alive
        self.expires_at: float | None = None
        self.refs = 0
        self._lock = threading.Lock()
        self._free = slots
        self._waiters: collections.deque[threading.Event] = collections.deque()

    @contextlib.contextmanager
    def slot(self, gone: t.Callable[[], bool]) -> t.Iterator[None]:
        """Hold one slot; waits in order of arrival, without a limit, while the client stays."""
        turn = threading.Event()
        with self._lock:
            if self._free and not self._waiters:
                self._free -= 1
                turn.set()
            else:
                self._waiters.append(turn)
        try:
            while not turn.wait(_POLL):
                if gone():
                    raise ClientGone
            yield
        finally:
            self._give_back(turn)

    def _give_back(self, turn: threading.Event) -> None:
        with self._lock:
            if not turn.is_set():
                self._waiters.remove(turn)
            elif self._waiters:
                self._waiters.popleft().set()
            else:
                self._free += 1


class Scheduler:
    """Loads one model at a time, evicts idle ones, and forgets those whose time is over."""

    def __init__(self, *, max_loaded: int, max_queue: int, keep_alive: float) -> None:
        self._max_loaded = max_loaded or 3
        self._max_queue = max_queue
        self._keep_alive = keep_alive
        self._loaded: dict[str, Runner] = {}
        self._queue: collections.deque[int] = collections.deque()
        self._changed = threading.Condition()
        threading.Thread(target=self._reap, name="reaper", daemon=True).start()

    def acquire(
        self,
        model: Model,
        options: LoadOptions,
        *,
        slots: int,
        keep_alive: float | None,
        gone: t.Callable[[], bool],
        load: t.Callable[[], None],
    ) -> tuple[Runner, float]:
        """A runner for the model, referenced; and how long loading took."""
        began = time.monotonic()
        with self._changed:
            runner = self._usable(model, options)
            if runner is None:
                if len(self._queue) > self._max_queue or self._max_queue == 0:
                    raise ApiError(503, BUSY)
                runner = self._queued_load(model, options, slots=slots, keep_alive=keep_alive, gone=gone, load=load)
            runner.refs += 1
            runner.expires_at = None
            if keep_alive is not None:
                runner.keep_alive = keep_alive
        return runner, time.monotonic() - began

    @property
    def queued(self) -> int:
        """Requests whose model is being loaded or waits for that."""
        return len(self._queue)

    def _usable(self, model: Model, options: LoadOptions) -> Runner | None:
        runner = self._loaded.get(model.runner_key)
        return runner if runner is not None and runner.options == options else None

    def _queued_load(
        self,
        model: Model,
        options: LoadOptions,
        *,
        slots: int,
        keep_alive: float | None,
        gone: t.Callable[[], bool],
        load: t.Callable[[], None],
    ) -> Runner:
        ticket = next(_ids)
        self._queue.append(ticket)
        try:
            while True:
                if self._queue[0] == ticket:
                    runner = self._usable(model, options)
                    if runner is not None:
                        return runner
                    if self._make_room(model):
                        break
                self._changed.wait(_POLL)
                if gone():
                    raise ClientGone
            self._changed.release()
            try:
                load()
            finally:
                self._changed.acquire()
            runner = Runner(model=model, options=options, slots=slots, keep_alive=self._keep_alive if keep_alive is None else keep_alive)
            self._loaded[runner.key] = runner
            log.info("sched.go:583", "loaded runners", count=len(self._loaded))
            return runner
        finally:
            self._queue.remove(ticket)
            self._changed.notify_all()

    def _make_room(self, model: Model) -> bool:
        """Unload what stands in the way once it is idle; True when there is room."""
        old = self._loaded.get(model.runner_key)
        if old is not None:
            old.keep_alive = 0.0
            if old.refs:
                return False
            self._unload(old)
        while len(self._loaded) >= self._max_loaded:
            idle = [runner for runner in self._loaded.values() if not runner.refs]
            if not idle:
                return False
            self._unload(min(idle, key=lambda runner: runner.keep_alive))
        return True

    def release(self, runner: Runner) -> None:
        with self._changed:
            runner.refs -= 1
            if runner.refs == 0:
                if runner.keep_alive <= 0:
                    self._unload(runner)
                else:
                    runner.expires_at = time.time() + runner.keep_alive
            self._changed.notify_all()

    def expire(self, model: Model) -> None:
        """Unload now, or as soon as the last request is done."""
        with self._changed:
            runner = self._loaded.get(model.runner_key)
            if runner is not None:
                runner.keep_alive = 0.0
                if not runner.refs:
                    self._unload(runner)
            self._changed.notify_all()

    def loaded(self) -> list[tuple[Runner, float]]:
        """Runners with their expiry as Unix time, the one that stays longest first."""
        with self._changed:
            now = time.time()
            pairs = [(r, r.expires_at if r.expires_at is not None else now + r.keep_alive) for r in self._loaded.values()]
        return sorted(pairs, key=lambda pair: -pair[1])

    def _unload(self, runner: Runner) -> None:
        if self._loaded.get(runner.key) is runner:
            del self._loaded[runner.key]
            log.debug("sched.go:418", "runner terminated and removed from list, blocking for VRAM recovery")

    def _reap(self) -> None:
        with self._changed:
            while True:
                now = time.time()
                idle = [runner for runner in self._loaded.values() if not runner.refs and runner.expires_at is not None]
                for runner in idle:
                    if t.cast(float, runner.expires_at) <= now:
                        log.debug("sched.go:385", "runner expired event received")
                        self._unload(runner)
                ahead = [t.cast(float, runner.expires_at) - now for runner in idle if runner.keep_alive < gotime.FOREVER]
                self._changed.wait(max(0.01, min([1.0, *(x for x in ahead if x > 0)])))
