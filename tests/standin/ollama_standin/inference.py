# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The core of every inference route: find the model, load it, take a slot, produce tokens."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import math
import random
import time
import typing as t

from ollama_standin import model as models
from ollama_standin import options as opts
from ollama_standin.errors import ApiError, ClientGone
from ollama_standin.gojson import F32
from ollama_standin.routes_models import local_name

if t.TYPE_CHECKING:
    from ollama_standin.app import App
    from ollama_standin.exchange import Exchange
    from ollama_standin.model import Model

__all__ = ["Cut", "Job", "Outcome", "StreamFailure", "embed", "loaded", "need", "not_found", "open_model", "tokens"]

_WORDS = ("the", " and", " tiny", " llama", " model", " hello", " world", " is", "e", "t", "a", "o", "er", "in", ",", "!")
_DEFAULT_TOKENS = 24
_DEFAULT_TOKEN_MS = 10


class StreamFailure(Exception):
    """A generation that breaks after its first token: an error inside the stream."""


class Cut(Exception):
    """A generation after which the connection is to be broken."""


@dataclasses.dataclass
class Job:
    """One inference request, whatever its API."""

    app: App
    exchange: Exchange
    name: str
    model: Model
    options: dict[str, t.Any]
    keep_alive: float | None
    began: float = dataclasses.field(default_factory=time.monotonic)


@dataclasses.dataclass
class Outcome:
    """The numbers of the final chunk."""

    prompt_count: int = 0
    eval_count: int = 0
    load_ns: int = 0
    prompt_ns: int = 0
    eval_ns: int = 0
    total_ns: int = 0
    reason: str = "stop"
    context: list[int] = dataclasses.field(default_factory=list)


def open_model(
    app: App, text: str, *, missing: str = "model '{}' not found", empty: ApiError | None = None, any_case: bool = True
) -> Model:
    """The model of the request, in the words that its route has for one that is not there."""
    name = local_name(app, text, empty=empty or ApiError(400, "model is required"))
    try:
        found = models.resolve(app.store, app.store.existing(name) if any_case else name)
    except models.Broken as error:
        raise ApiError(500, str(error)) from None
    if found is None:
        raise ApiError(404, missing.format(text))
    return found


def not_found(text: str) -> ApiError:
    return ApiError(404, f"model '{text}' not found")


def need(model: Model, text: str, *, what: str) -> None:
    if "completion" not in model.capabilities:
        raise ApiError(400, f'"{text}" does not support {what}')


@contextlib.contextmanager
def loaded(job: Job, outcome: Outcome) -> t.Iterator[t.Any]:
    """The runner of the model, loaded and referenced for the time of the request."""
    faults, settings = job.app.faults, job.app.settings
    if faults.get("busy_503"):
        raise ApiError(503, "server busy, please try again.  maximum pending requests exceeded")
    options = {**job.model.params, **{key: value for key, value in job.options.items() if value is not None}}
    opts.check(options)
    job.options = options

    def load() -> None:
        try:
            job.model.read_weights()
        except FileNotFoundError:
            raise ApiError(404, f'model "{job.name}" not found, try pulling it first') from None
        except models.Broken as error:
            raise ApiError(500, str(error)) from None
        if text := faults.get("load_error"):
            raise ApiError(500, text)
        job.app.counters.add(loads=1)
        _sleep(float(faults.get("load_ms", 0)) / 1000, job.exchange)

    runner, seconds = job.app.scheduler.acquire(
        job.model,
        opts.load_options(options, default_ctx=settings.context_length, trained_ctx=job.model.context_length),
        slots=1 if job.model.embedding_only else settings.num_parallel,
        keep_alive=job.keep_alive,
        gone=job.exchange.gone,
        load=load,
    )
    outcome.load_ns = max(1, int(seconds * 1e9))
    try:
        yield runner
    finally:
        job.app.scheduler.release(runner)


def _sleep(seconds: float, exchange: Exchange) -> None:
    """Sleep in short steps and stop when the client leaves."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, 0.1))
        if exchange.gone():
            raise ClientGone


def count_tokens(text: str) -> int:
    return max(1, math.ceil(len(text.encode()) / 4))


def tokens(job: Job, prompt: str, outcome: Outcome) -> t.Iterator[str]:
    """The pieces of the answer at the set rate; the slot is held from first to last."""
    faults, counters = job.app.faults, job.app.counters
    with loaded(job, outcome) as runner:
        counters.add(waiting=1)
        try:
            slot = runner.slot(job.exchange.gone)
            slot.__enter__()
        finally:
            counters.add(waiting=-1)
        counters.add(started=1, running=1)
        try:
            text = faults.get("generate_500")
            if text:
                raise ApiError(500, text if isinstance(text, str) else "llama runner process has terminated: exit status 2")
            yield from _produce(job, prompt, outcome)
            counters.add(finished=1)
        except (ClientGone, GeneratorExit):
            counters.add(cancelled=1)
            raise
        finally:
            counters.add(running=-1)
            slot.__exit__(None, None, None)
    outcome.total_ns = int((time.monotonic() - job.began) * 1e9)


def _produce(job: Job, prompt: str, outcome: Outcome) -> t.Iterator[str]:
    faults, options = job.app.faults, job.options
    limit = int(options.get("num_predict") or -1)
    natural = int(faults.get("tokens", _DEFAULT_TOKENS))
    count = natural if limit < 0 else min(limit, max(natural, limit))
    outcome.reason = "stop" if limit < 0 else "length"
    step = float(faults.get("token_ms", _DEFAULT_TOKEN_MS)) / 1000
    chooser = random.Random(f"{prompt}|{options.get('seed', 0)}")
    outcome.prompt_count = count_tokens(prompt)
    began = time.monotonic()
    _sleep(float(faults.get("prompt_ms", 0)) / 1000, job.exchange)
    outcome.prompt_ns = max(1, int((time.monotonic() - began) * 1e9))
    began = time.monotonic()
    outcome.context = [259 + sum(word.encode()) % 60 for word in prompt.split()]
    for number in range(count):
        _break_here(job, number)
        # Who was late catches up, but not at once: tokens that leave together arrive as one.
        now = time.monotonic()
        _sleep(max(began + step * (number + 1) - now, step / 2), job.exchange)
        if job.exchange.gone():
            raise ClientGone
        word = chooser.choice(_WORDS)
        outcome.eval_count = number + 1
        outcome.eval_ns = max(1, int((time.monotonic() - began) * 1e9))
        outcome.context.append(259 + _WORDS.index(word))
        job.app.counters.add(tokens=1)
        yield word


def _break_here(job: Job, number: int) -> None:
    faults = job.app.faults
    if faults.get("error_after") == number:
        raise StreamFailure("llama runner process no longer running: 2 error: unexpected EOF")
    if faults.get("cut_after") == number:
        raise Cut
    if faults.get("stall_after") == number:
        _sleep(3600, job.exchange)


def embed(job: Job, texts: t.Sequence[str], outcome: Outcome, *, dimensions: int = 0) -> list[list[F32]]:
    """One L2-normalised vector for each text, the same for the same text."""
    with loaded(job, outcome) as runner:
        if not texts:
            return []
        if not job.model.embedding_only:
            raise ApiError(501, "This server does not support embeddings. Start it with `--embeddings`")
        with runner.slot(job.exchange.gone):
            job.app.counters.add(started=1, finished=1)
            outcome.prompt_count = sum(count_tokens(text) + 2 for text in texts)
            size = job.model.embedding_length
            return [_vector(text, min(dimensions, size) or size) for text in texts]


def _vector(text: str, size: int) -> list[F32]:
    chooser = random.Random(hashlib.sha256(text.encode()).digest())
    values = [chooser.gauss(0, 1) for _ in range(size)]
    norm = math.sqrt(sum(value * value for value in values))
    return [F32(value / norm) for value in values]
