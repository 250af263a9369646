# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The OpenAI-style routes: chat completions, completions, embeddings, models."""

from __future__ import annotations

import base64
import contextlib
import functools
import random
import struct
import time
import typing as t

from ollama_standin import gojson, gotime, names
from ollama_standin.errors import ApiError, CloudError
from ollama_standin.inference import Cut, Job, Outcome, StreamFailure, embed, need, open_model, tokens
from ollama_standin.routes_models import shown, tags_list
from ollama_standin.routes_native import chat_prompt

if t.TYPE_CHECKING:
    from ollama_standin.app import App
    from ollama_standin.exchange import Exchange

__all__ = ["ROUTES", "error_body", "openai_errors", "plain_text"]

JSON = "application/json"
SSE = "text/event-stream"
Item = dict[str, t.Any]
Route = t.Callable[["App", "Exchange"], None]


def error_body(status: int, message: str) -> Item:
    kind = {400: "invalid_request_error", 404: "not_found_error"}.get(status, "api_error")
    return {"error": {"message": message, "type": kind, "param": None, "code": None}}


def openai_errors(route: Route) -> Route:
    """Errors of the route in OpenAI's shape."""

    @functools.wraps(route)
    def wrapped(app: App, exchange: Exchange) -> None:
        try:
            route(app, exchange)
        except ApiError as error:
            if exchange.started or isinstance(error, CloudError):
                raise
            exchange.send_json(error.status, error_body(error.status, error.message), newline=True)

    return wrapped


def plain_text(content: t.Any) -> str:
    """The text of a message whose content may be a list of parts."""
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return "" if content is None else str(content)


def _options(request: t.Mapping[str, t.Any]) -> Item:
    options: Item = {}
    for ours, theirs in (
        ("num_predict", "max_tokens"),
        ("num_predict", "max_completion_tokens"),
        ("temperature", "temperature"),
        ("seed", "seed"),
        ("top_p", "top_p"),
        ("frequency_penalty", "frequency_penalty"),
        ("presence_penalty", "presence_penalty"),
    ):
        if request.get(theirs) is not None:
            options[ours] = request[theirs]
    stop = request.get("stop")
    if stop:
        options["stop"] = [stop] if isinstance(stop, str) else stop
    return options


def _usage(outcome: Outcome) -> Item:
    return {
        "prompt_tokens": outcome.prompt_count,
        "completion_tokens": outcome.eval_count,
        "total_tokens": outcome.prompt_count + outcome.eval_count,
    }


def _sse(item: Item) -> bytes:
    return f"data: {gojson.dumps(item)}\n\n".encode()


def _answer(exchange: Exchange, request: Item, job: Job, prompt: str, *, chat: bool) -> None:
    outcome = Outcome()
    head: Item = {
        "id": f"{'chatcmpl' if chat else 'cmpl'}-{random.randrange(999)}",
        "object": "chat.completion" if chat else "text_completion",
        "created": int(time.time()),
        "model": request.get("model"),
        "system_fingerprint": "fp_ollama",
    }
    with contextlib.closing(t.cast("t.Generator[str, None, None]", tokens(job, prompt, outcome))) as pieces:
        if request.get("stream"):
            with_usage = bool((request.get("stream_options") or {}).get("include_usage"))
            try:
                _stream(exchange, head, pieces, outcome, chat=chat, with_usage=with_usage)
            except Cut:
                exchange.cut()
            return
        try:
            text = "".join(pieces)
        except Cut:
            exchange.cut()
            return
        except StreamFailure as error:
            raise ApiError(500, str(error)) from None
    content: Item = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
    choice = {"index": 0, **content} if chat else {**content, "index": 0}
    choices = [{**choice, "finish_reason": outcome.reason}]
    exchange.send_json(200, {**head, "choices": choices, "usage": _usage(outcome)}, JSON, newline=True)


def _stream(exchange: Exchange, head: Item, pieces: t.Iterator[str], outcome: Outcome, *, chat: bool, with_usage: bool) -> None:
    if chat:
        head = {**head, "object": "chat.completion.chunk"}

    def chunk(text: str | None, reason: str | None, *, first: bool = False) -> Item:
        if not chat:
            return {"text": text or "", "index": 0, "finish_reason": reason}
        role = {"role": "assistant"} if first else {}
        return {"index": 0, "delta": {**role, **({} if text is None else {"content": text})}, "finish_reason": reason}

    # As Ollama does it: only what completes a prompt carries counters all along, which are zero until the end.
    zeros = {"usage": _usage(Outcome())} if with_usage and not chat else {}
    try:
        for piece in pieces:
            first = not exchange.started
            if first:
                exchange.start_stream(SSE)
            exchange.write(_sse({**head, "choices": [chunk(piece, None, first=first)], **zeros}))
        if not exchange.started:
            exchange.start_stream(SSE)
        exchange.write(_sse({**head, "choices": [chunk(None, outcome.reason)], **zeros}))
        if with_usage:
            exchange.write(_sse({**head, "choices": [], "usage": _usage(outcome)}))
        exchange.write(b"data: [DONE]\n\n")
    except StreamFailure as error:
        if not exchange.started:
            raise ApiError(500, str(error)) from None
        exchange.write(_sse(error_body(500, str(error))))
    exchange.end_stream()


@openai_errors
def chat_completions(app: App, exchange: Exchange) -> None:
    request = exchange.json(empty="EOF")
    messages = request.get("messages") or []
    if not messages:
        raise ApiError(400, "[] is too short - 'messages'")
    name = str(request.get("model") or "")
    job = Job(app, exchange, name, open_model(app, name), _options(request), None)
    need(job.model, name, what="chat")
    prompt = chat_prompt([{**item, "content": plain_text(item.get("content"))} for item in messages])
    _answer(exchange, request, job, prompt, chat=True)


@openai_errors
def completions(app: App, exchange: Exchange) -> None:
    request = exchange.json(empty="EOF")
    name = str(request.get("model") or "")
    job = Job(app, exchange, name, open_model(app, name), _options(request), None)
    need(job.model, name, what="generate")
    _answer(exchange, request, job, str(request.get("prompt") or ""), chat=False)


@openai_errors
def embeddings(app: App, exchange: Exchange) -> None:
    request = exchange.json(empty="EOF")
    form = str(request.get("encoding_format") or "float")
    if form.lower() not in ("float", "base64"):
        raise ApiError(400, f"Invalid value for 'encoding_format' = {form}. Supported values: ['float', 'base64'].")
    given = request.get("input")
    if given is None or given == []:
        raise ApiError(400, "invalid input")
    texts = [given] if isinstance(given, str) else [str(item) for item in given]
    name = str(request.get("model") or "")
    found = open_model(app, name, missing='model "{}" not found, try pulling it first')
    outcome = Outcome()
    vectors = embed(Job(app, exchange, name, found, {}, None), texts, outcome, dimensions=int(request.get("dimensions") or 0))

    def encode(vector: t.Sequence[float]) -> t.Any:
        if form.lower() == "float":
            return vector
        return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()

    data = [{"object": "embedding", "embedding": encode(vector), "index": index} for index, vector in enumerate(vectors)]
    usage = {"prompt_tokens": outcome.prompt_count, "total_tokens": outcome.prompt_count}
    exchange.send_json(200, {"object": "list", "data": data, "model": name, "usage": usage}, JSON, newline=True)


def _entry(identifier: str, modified_at: str) -> Item:
    return {"id": identifier, "object": "model", "created": gotime.unix(modified_at), "owned_by": names.parse(identifier).namespace}


@openai_errors
def list_models(app: App, exchange: Exchange) -> None:
    entries = [_entry(item["name"], item["modified_at"]) for item in tags_list(app)]
    exchange.send_json(200, {"object": "list", "data": entries or None}, JSON, newline=True)


@openai_errors
def one_model(app: App, exchange: Exchange) -> None:
    name = exchange.params["model"]
    exchange.send_json(200, _entry(name, shown(app, name)["modified_at"]), JSON, newline=True)


@openai_errors
def transcriptions(app: App, exchange: Exchange) -> None:
    raise ApiError(400, "the stand-in has no model that hears")


ROUTES = (
    ("POST", "/v1/audio/transcriptions", transcriptions),
    ("POST", "/v1/chat/completions", chat_completions),
    ("POST", "/v1/completions", completions),
    ("POST", "/v1/embeddings", embeddings),
    ("GET", "/v1/models", list_models),
    ("GET", "/v1/models/:model", one_model),
)
