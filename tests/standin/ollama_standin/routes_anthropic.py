# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Anthropic-style route."""

from __future__ import annotations

import contextlib
import secrets
import typing as t

from ollama_standin import gojson
from ollama_standin.errors import ApiError, CloudError
from ollama_standin.inference import Cut, Job, Outcome, StreamFailure, need, open_model, tokens
from ollama_standin.routes_native import chat_prompt
from ollama_standin.routes_openai import plain_text

if t.TYPE_CHECKING:
    from ollama_standin.app import App
    from ollama_standin.exchange import Exchange

__all__ = ["ROUTES"]

Item = dict[str, t.Any]
_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    503: "overloaded_error",
}
_REASONS = {"length": "max_tokens", "stop": "end_turn"}


def _error(status: int, message: str) -> Item:
    detail = {"type": _KINDS.get(status, "api_error"), "message": message}
    return {"type": "error", "error": detail, "request_id": f"req_{secrets.token_hex(12)}"}


def _usage(outcome: Outcome, *, output: bool = True) -> Item:
    return {"input_tokens": outcome.prompt_count, "output_tokens": outcome.eval_count if output else 0}


def _stream(exchange: Exchange, head: Item, pieces: t.Iterator[str], outcome: Outcome) -> None:
    def send(kind: str, **values: t.Any) -> None:
        if not exchange.started:
            exchange.extra_headers["Cache-Control"] = "no-cache"
            exchange.start_stream("text/event-stream")
        exchange.write(f"event: {kind}\ndata: {gojson.dumps({'type': kind, **values})}\n\n".encode())

    try:
        for piece in pieces:
            if not exchange.started:
                send("message_start", message={**head, "content": [], "usage": _usage(outcome, output=False)})
                send("content_block_start", index=0, content_block={"type": "text", "text": ""})
            send("content_block_delta", index=0, delta={"type": "text_delta", "text": piece})
    except StreamFailure as error:
        if not exchange.started:
            raise ApiError(500, str(error)) from None
        send("error", error={"type": "api_error", "message": str(error)})
        exchange.end_stream()
        return
    send("content_block_stop", index=0)
    send("message_delta", delta={"stop_reason": _REASONS[outcome.reason]}, usage=_usage(outcome))
    send("message_stop")
    exchange.end_stream()


def _run(app: App, exchange: Exchange) -> None:
    request = exchange.json(empty="EOF")
    for key, empty in (("model", "model is required"), ("messages", "messages is required")):
        if not request.get(key):
            raise ApiError(400, empty)
    if not isinstance(request.get("max_tokens"), int) or request["max_tokens"] <= 0:
        raise ApiError(400, "max_tokens is required and must be positive")
    name = str(request["model"])
    options: Item = {"num_predict": request["max_tokens"]}
    options |= {key: request[key] for key in ("temperature", "top_p", "top_k") if request.get(key) is not None}
    job = Job(app, exchange, name, open_model(app, name), options, None)
    need(job.model, name, what="chat")
    system = [{"role": "system", "content": plain_text(request["system"])}] if request.get("system") else []
    messages = [{"role": item.get("role"), "content": plain_text(item.get("content"))} for item in request["messages"]]
    head: Item = {"id": f"msg_{secrets.token_hex(12)}", "type": "message", "role": "assistant", "model": name}
    outcome = Outcome()
    prompt = chat_prompt([*system, *messages])
    with contextlib.closing(t.cast("t.Generator[str, None, None]", tokens(job, prompt, outcome))) as pieces:
        try:
            if request.get("stream"):
                _stream(exchange, head, pieces, outcome)
                return
            text = "".join(pieces)
        except Cut:
            exchange.cut()
            return
        except StreamFailure as error:
            raise ApiError(500, str(error)) from None
    body = {**head, "content": [{"type": "text", "text": text}], "stop_reason": _REASONS[outcome.reason], "usage": _usage(outcome)}
    exchange.send_json(200, body, "application/json", newline=True)


def messages_route(app: App, exchange: Exchange) -> None:
    try:
        _run(app, exchange)
    except ApiError as error:
        if exchange.started or isinstance(error, CloudError):
            raise
        exchange.send_json(error.status, _error(error.status, error.message), newline=True)


ROUTES = (("POST", "/v1/messages", messages_route),)
