# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The OpenAI responses route."""

from __future__ import annotations

import contextlib
import random
import time
import typing as t

from ollama_standin import gojson
from ollama_standin.errors import ApiError
from ollama_standin.inference import Cut, Job, Outcome, StreamFailure, need, open_model, tokens
from ollama_standin.routes_native import chat_prompt
from ollama_standin.routes_openai import openai_errors, plain_text

if t.TYPE_CHECKING:
    from ollama_standin.app import App
    from ollama_standin.exchange import Exchange

__all__ = ["ROUTES"]

Item = dict[str, t.Any]


def _prompt(request: Item) -> str:
    given = request.get("input")
    messages: list[Item] = []
    if request.get("instructions"):
        messages.append({"role": "system", "content": request["instructions"]})
    if isinstance(given, str):
        messages.append({"role": "user", "content": given})
    for item in given if isinstance(given, list) else []:
        messages.append({"role": item.get("role", "user"), "content": plain_text(item.get("content"))})
    return chat_prompt(messages)


def _part(text: str) -> Item:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _body(request: Item, identifier: str, created: int, *, status: str, output: list[Item], outcome: Outcome | None) -> Item:
    def given(key: str, default: t.Any) -> t.Any:
        return default if request.get(key) is None else request[key]

    usage = (
        None
        if outcome is None
        else {
            "input_tokens": outcome.prompt_count,
            "output_tokens": outcome.eval_count,
            "total_tokens": outcome.prompt_count + outcome.eval_count,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 0},
        }
    )
    return {
        "id": identifier,
        "object": "response",
        "created_at": created,
        "completed_at": int(time.time()) if outcome else None,
        "status": status,
        "incomplete_details": None,
        "model": request.get("model"),
        "previous_response_id": None,
        "instructions": request.get("instructions"),
        "output": output,
        "error": None,
        "tools": given("tools", []),
        "tool_choice": "auto",
        "truncation": "disabled",
        "parallel_tool_calls": True,
        "text": {"format": {"type": "text"}},
        "top_p": given("top_p", 1),
        "presence_penalty": 0,
        "frequency_penalty": 0,
        "top_logprobs": 0,
        "temperature": given("temperature", 1),
        "reasoning": None,
        "usage": usage,
        "max_output_tokens": request.get("max_output_tokens"),
        "max_tool_calls": None,
        "store": False,
        "background": False,
        "service_tier": "default",
        "metadata": {},
        "safety_identifier": None,
        "prompt_cache_key": None,
    }


class _Events:
    """Numbered server-sent events."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._number = 0

    def send(self, kind: str, **values: t.Any) -> None:
        if not self._exchange.started:
            self._exchange.extra_headers["Cache-Control"] = "no-cache"
            self._exchange.start_stream("text/event-stream")
        item = {"type": kind, "sequence_number": self._number, **values}
        self._number += 1
        self._exchange.write(f"event: {kind}\ndata: {gojson.dumps(item)}\n\n".encode())


def _stream(exchange: Exchange, request: Item, pieces: t.Iterator[str], outcome: Outcome, identifier: str, item_id: str) -> None:
    events = _Events(exchange)
    created = int(time.time())
    where = {"item_id": item_id, "output_index": 0, "content_index": 0}
    text = ""

    def item(status: str, content: list[Item]) -> Item:
        return {"id": item_id, "type": "message", "status": status, "role": "assistant", "content": content}

    def body(status: str, output: list[Item], done: Outcome | None) -> Item:
        return _body(request, identifier, created, status=status, output=output, outcome=done)

    try:
        for piece in pieces:
            if not text:
                events.send("response.created", response=body("in_progress", [], None))
                events.send("response.in_progress", response=body("in_progress", [], None))
                events.send("response.output_item.added", output_index=0, item=item("in_progress", []))
                events.send("response.content_part.added", **where, part=_part(""))
            text += piece
            events.send("response.output_text.delta", **where, delta=piece, logprobs=[])
    except StreamFailure as error:
        if not exchange.started:
            raise ApiError(500, str(error)) from None
        events.send("error", message=str(error), code=None, param=None)
        exchange.end_stream()
        return
    events.send("response.output_text.done", **where, text=text, logprobs=[])
    events.send("response.content_part.done", **where, part=_part(text))
    done = item("completed", [_part(text)])
    events.send("response.output_item.done", output_index=0, item=done)
    events.send("response.completed", response=body("completed", [done], outcome))
    exchange.end_stream()


@openai_errors
def responses(app: App, exchange: Exchange) -> None:
    request = exchange.json(empty="EOF")
    name = str(request.get("model") or "")
    options = {
        ours: request[theirs]
        for ours, theirs in (("num_predict", "max_output_tokens"), ("temperature", "temperature"), ("top_p", "top_p"))
        if request.get(theirs) is not None
    }
    job = Job(app, exchange, name, open_model(app, name), options, None)
    need(job.model, name, what="chat")
    identifier, item_id = f"resp_{random.randrange(999999)}", f"msg_{random.randrange(999999)}"
    created = int(time.time())
    outcome = Outcome()
    with contextlib.closing(t.cast("t.Generator[str, None, None]", tokens(job, _prompt(request), outcome))) as pieces:
        try:
            if request.get("stream"):
                _stream(exchange, request, pieces, outcome, identifier, item_id)
                return
            text = "".join(pieces)
        except Cut:
            exchange.cut()
            return
        except StreamFailure as error:
            raise ApiError(500, str(error)) from None
    output = [{"id": item_id, "type": "message", "status": "completed", "role": "assistant", "content": [_part(text)]}]
    body = _body(request, identifier, created, status="completed", output=output, outcome=outcome)
    exchange.send_json(200, body, "application/json", newline=True)


ROUTES = (("POST", "/v1/responses", responses),)
