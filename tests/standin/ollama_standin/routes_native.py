# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ollama's own inference routes, and /api/ps."""

from __future__ import annotations

import contextlib
import struct
import time
import typing as t

from ollama_standin import gojson, gotime
from ollama_standin import options as opts
from ollama_standin.devices import on_gpu
from ollama_standin.errors import ApiError
from ollama_standin.inference import Cut, Job, Outcome, StreamFailure, embed, loaded, need, not_found, open_model, tokens
from ollama_standin.routes_models import local_name

if t.TYPE_CHECKING:
    from ollama_standin.app import App
    from ollama_standin.exchange import Exchange

__all__ = ["ROUTES", "chat_prompt"]

NDJSON = "application/x-ndjson"
Item = dict[str, t.Any]


def _final(outcome: Outcome, *, context: bool) -> Item:
    """The counters of a last chunk; zero values are left out."""
    value: Item = {"done": True, "done_reason": outcome.reason}
    if context:
        value["context"] = outcome.context
    value |= {
        "total_duration": outcome.total_ns,
        "load_duration": outcome.load_ns,
        "prompt_eval_count": outcome.prompt_count,
        "prompt_eval_duration": outcome.prompt_ns,
        "eval_count": outcome.eval_count,
        "eval_duration": outcome.eval_ns,
    }
    return {key: item for key, item in value.items() if item}


def _messages(value: t.Any) -> list[Item]:
    return [item for item in value or [] if isinstance(item, dict)]


def chat_prompt(messages: t.Sequence[Item]) -> str:
    return "".join(f"{item.get('role')}: {item.get('content')}\n" for item in messages) + "assistant:"


def _unload_or_load(app: App, exchange: Exchange, job: Job, name: str, extra: Item) -> None:
    """An empty prompt loads the model, or unloads it with keep_alive 0."""
    if job.keep_alive == 0:
        app.scheduler.expire(job.model)
        reason = "unload"
    else:
        with loaded(job, Outcome()):
            reason = "load"
    item = {"model": name, "created_at": gotime.rfc3339(), **extra, "done": True, "done_reason": reason}
    exchange.send_json(200, item)


def _answer(
    exchange: Exchange, name: str, pieces: t.Iterator[str], outcome: Outcome, *, stream: bool, wrap: t.Callable[[str], Item], context: bool
) -> None:
    def head() -> Item:
        return {"model": name, "created_at": gotime.rfc3339()}

    if not stream:
        try:
            text = "".join(pieces)
        except StreamFailure as error:
            raise ApiError(500, str(error)) from None
        exchange.send_json(200, {**head(), **wrap(text), **_final(outcome, context=context)})
        return
    try:
        for piece in pieces:
            if not exchange.started:
                exchange.start_stream(NDJSON)
            exchange.write((gojson.dumps({**head(), **wrap(piece), "done": False}) + "\n").encode())
        last: Item = {**head(), **wrap(""), **_final(outcome, context=context)}
    except StreamFailure as error:
        last = {"error": str(error)}
    if not exchange.started:
        exchange.start_stream(NDJSON)
    exchange.write((gojson.dumps(last) + "\n").encode())
    exchange.end_stream()


def _run(app: App, exchange: Exchange, *, what: str) -> None:
    request = exchange.json()
    keep_alive = opts.keep_alive(request.get("keep_alive"))
    name = str(request.get("model") or "")
    chat = what == "chat"
    found = open_model(app, name, empty=None if chat else not_found(name))
    job = Job(app, exchange, name, found, dict(request.get("options") or {}), keep_alive)
    prompt = chat_prompt(_messages(request.get("messages"))) if chat else str(request.get("prompt") or "")
    empty = not request.get("messages") if chat else not prompt

    def wrap(text: str) -> Item:
        return {"message": {"role": "assistant", "content": text}} if chat else {"response": text}

    if not (empty and keep_alive == 0):
        need(job.model, name, what=what)
    if empty:
        _unload_or_load(app, exchange, job, name, wrap(""))
        return
    outcome = Outcome()
    with contextlib.closing(t.cast("t.Generator[str, None, None]", tokens(job, prompt, outcome))) as pieces:
        try:
            _answer(exchange, name, pieces, outcome, stream=request.get("stream") is not False, wrap=wrap, context=not chat)
        except Cut:
            exchange.cut()


def generate(app: App, exchange: Exchange) -> None:
    _run(app, exchange, what="generate")


def chat(app: App, exchange: Exchange) -> None:
    _run(app, exchange, what="chat")


def embed_route(app: App, exchange: Exchange) -> None:
    request = exchange.json()
    keep_alive = opts.keep_alive(request.get("keep_alive"))
    name, given = str(request.get("model") or ""), request.get("input")
    local_name(app, name, empty=not_found(name))
    if given is None or given == []:
        texts: list[str] = []
    elif isinstance(given, str):
        texts = [given]
    elif isinstance(given, list) and all(isinstance(item, str) for item in given):
        texts = given
    else:
        raise ApiError(400, "invalid input type")
    model = open_model(app, name, missing='model "{}" not found, try pulling it first')
    job = Job(app, exchange, name, model, dict(request.get("options") or {}), keep_alive)
    outcome = Outcome()
    vectors = embed(job, texts, outcome, dimensions=int(request.get("dimensions") or 0))
    item: Item = {"model": name, "embeddings": vectors}
    if texts:
        item |= {
            "total_duration": max(1, int((time.monotonic() - job.began) * 1e9)),
            "load_duration": outcome.load_ns,
            "prompt_eval_count": outcome.prompt_count,
        }
    exchange.send_json(200, item)


def embeddings(app: App, exchange: Exchange) -> None:
    request = exchange.json()
    name = str(request.get("model") or "")
    model = open_model(app, name, missing='model "{}" not found, try pulling it first', any_case=False)
    job = Job(app, exchange, name, model, dict(request.get("options") or {}), opts.keep_alive(request.get("keep_alive")))
    prompt = str(request.get("prompt") or "")
    try:
        vectors = embed(job, [prompt] if prompt else [], Outcome())
    except ApiError as error:
        raise ApiError(500 if error.status == 501 else error.status, error.message) from None
    wide = [struct.unpack("<f", struct.pack("<f", value))[0] for value in vectors[0]] if vectors else []
    exchange.send_json(200, {"embedding": wide})


def ps(app: App, exchange: Exchange) -> None:
    def size(runner: t.Any) -> int:
        return int(runner.model.weights_size + runner.options.num_ctx * runner.model.embedding_length * 4)

    exchange.send_json(
        200,
        {
            "models": [
                {
                    "name": runner.model.short,
                    "model": runner.model.short,
                    "size": size(runner),
                    "digest": runner.model.manifest.digest,
                    "details": runner.details,
                    "expires_at": gotime.rfc3339(int(expires * 1e9)),
                    "size_vram": int(size(runner) * app.faults.get("gpu", int(on_gpu()))),
                    "context_length": runner.options.num_ctx,
                }
                for runner, expires in app.scheduler.loaded()
            ]
        },
    )


ROUTES = (
    ("POST", "/api/generate", generate),
    ("POST", "/api/chat", chat),
    ("POST", "/api/embed", embed_route),
    ("POST", "/api/embeddings", embeddings),
    ("GET", "/api/ps", ps),
)
