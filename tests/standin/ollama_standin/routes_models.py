# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Model management: list, show, pull, create, copy, delete, blobs."""

from __future__ import annotations

import functools
import random
import typing as t

from ollama_standin import gojson, gotime, log, model, names, show
from ollama_standin.create import CreateError, Creator, check_files
from ollama_standin.errors import ApiError, ClientGone
from ollama_standin.registry import PullError
from ollama_standin.store import is_digest

if t.TYPE_CHECKING:
    from ollama_standin.app import App
    from ollama_standin.exchange import Exchange

__all__ = ["ROUTES", "tags_list"]

NDJSON = "application/x-ndjson"
INVALID_NAME = "invalid model name"
CLOUD_OFF = "ollama cloud is disabled: remote model is unavailable"


def _name_in(request: t.Mapping[str, t.Any]) -> str:
    return str(request.get("model") or request.get("name") or "")


def refuse_cloud(app: App, text: str, *, off: str = CLOUD_OFF) -> None:
    """A cloud model leaves the host: forbidden, or not signed in, as nothing here ever is."""
    tag = text.rpartition(":")[2] if ":" in text else ""
    if tag == "cloud" or tag.endswith("-cloud"):
        if app.settings.no_cloud:
            raise ApiError(403, off)
        raise ApiError(401, "unauthorized")


class _Stream:
    """NDJSON with the server's rule: the first item decides the status, later errors are lines."""

    def __init__(self, exchange: Exchange, *, stream: bool) -> None:
        self._exchange = exchange
        self._stream = stream
        self._last: dict[str, t.Any] = {}

    def send(self, item: dict[str, t.Any]) -> None:
        self._last = item
        if self._stream:
            if not self._exchange.started:
                self._exchange.start_stream(NDJSON)
            self._exchange.write((gojson.dumps(item) + "\n").encode())

    def fail(self, message: str, *, status: int = 500) -> None:
        if self._exchange.started:
            self.send({"error": message})
            self._exchange.end_stream()
        elif self._stream:
            self._exchange.start_stream("application/json", status=status)
            self._exchange.write(gojson.dumps({"error": message}).encode())
            self._exchange.end_stream()
        else:
            self._exchange.send_json(status, {"error": message}, "application/json")

    def finish(self) -> None:
        if self._stream:
            self._exchange.end_stream()
        else:
            self._exchange.send_json(200, self._last, "application/json")


def _streaming(request: t.Mapping[str, t.Any]) -> bool:
    return request.get("stream") is not False


def _readable(app: App, name: names.Name) -> model.Model | None:
    """A corrupt manifest hides its model and no other."""
    try:
        return model.load(app.store, name)
    except ValueError:
        log.warn("manifest.go:154", "bad manifest", name=name.short)
        return None


def tags_list(app: App) -> list[dict[str, t.Any]]:
    models = [item for item in map(functools.partial(_readable, app), app.store.names()) if item is not None]
    # The real server compares whole seconds and begins with a random order, so ties come in any order.
    random.shuffle(models)
    models.sort(key=lambda item: -(item.manifest.modified_ns // 10**9))
    return [
        {
            "name": item.short,
            "model": item.short,
            "modified_at": gotime.rfc3339(item.manifest.modified_ns),
            "size": item.manifest.size,
            "digest": item.manifest.digest,
            "details": item.details(lengths=True),
            "capabilities": item.capabilities,
        }
        for item in models
    ]


def tags(app: App, exchange: Exchange) -> None:
    exchange.send_json(200, {"models": tags_list(app)})


def show_model(app: App, exchange: Exchange) -> None:
    request = exchange.json()
    text = _name_in(request)
    if not text:
        raise ApiError(400, "model is required")
    refuse_cloud(app, text, off="ollama cloud is disabled: remote model details are unavailable")
    name = names.parse(text.removesuffix(":local"))
    if not name.valid:
        raise ApiError(400, INVALID_NAME)
    found = model.find(app.store, text)
    if found is None:
        raise ApiError(404, f"model '{name.short}' not found")
    verbose = bool(request.get("verbose"))
    exchange.send_json(200, show.show(found, verbose=verbose, system=str(request.get("system") or "")))


def pull(app: App, exchange: Exchange) -> None:
    request = exchange.json()
    name = names.parse(_name_in(request))
    if not name.valid:
        raise ApiError(400, INVALID_NAME)
    stream = _Stream(exchange, stream=_streaming(request))
    try:
        app.registry.pull(app.store.existing(name), insecure=bool(request.get("insecure")), progress=stream.send, gone=exchange.gone)
    except PullError as error:
        stream.fail(str(error))
        return
    if app.faults.get("pull_cut"):
        exchange.cut()
        return
    stream.send({"status": "success"})
    stream.finish()


def create(app: App, exchange: Exchange) -> None:
    request = exchange.json()
    name = names.parse(_name_in(request))
    if not name.valid:
        raise ApiError(400, INVALID_NAME)
    check_files(request.get("files") or {})
    check_files(request.get("adapters") or {})
    stream = _Stream(exchange, stream=_streaming(request))

    def pull_base(base: names.Name) -> None:
        app.registry.pull(base, insecure=False, progress=stream.send, gone=exchange.gone)

    creator = Creator(store=app.store, request=request, progress=stream.send, pull=pull_base, no_prune=app.settings.no_prune)
    try:
        if text := app.faults.get("create_error"):
            raise CreateError(text)
        creator.run(app.store.existing(name))
    except ApiError as error:
        stream.fail(error.message, status=error.status)
    except (CreateError, PullError) as error:
        stream.fail(str(error))
    else:
        stream.send({"status": "success"})
        stream.finish()


def copy(app: App, exchange: Exchange) -> None:
    request = exchange.json()
    source, destination = str(request.get("source") or ""), str(request.get("destination") or "")
    old, new = names.parse(source), names.parse(destination)
    for what, text, name in (("source", source, old), ("destination", destination, new)):
        if not name.valid:
            raise ApiError(400, f'{what} "{text}" is invalid')
    old, new = app.store.existing(old), app.store.existing(new)
    if app.store.manifest(old) is None:
        raise ApiError(404, f'model "{source}" not found')
    app.store.write_manifest(new, app.store.manifest_bytes(old))
    exchange.send(200)


def delete(app: App, exchange: Exchange) -> None:
    text = _name_in(exchange.json())
    if not text:
        raise ApiError(400, "model is required")
    name = names.parse(text)
    if not name.valid:
        raise ApiError(400, f'name "{text}" is invalid')
    with app.store.lock:
        name = app.store.existing(name)
        manifest = app.store.manifest(name)
        if manifest is None:
            raise ApiError(404, f"model '{text}' not found")
        app.store.delete_manifest(name)
        app.store.remove_unused(manifest.digests)
    exchange.send(200)


def blob_head(app: App, exchange: Exchange) -> None:
    digest = exchange.params["digest"]
    if not is_digest(digest):
        raise ApiError(400, "invalid digest format")
    if not app.store.has_blob(digest):
        raise ApiError(404, f'blob "{digest}" not found')
    exchange.send(200)


def blob_post(app: App, exchange: Exchange) -> None:
    digest = exchange.params["digest"]
    if not is_digest(digest):
        raise ApiError(400, "invalid digest format")
    if app.store.has_blob(digest):
        exchange.send(200)
        return
    try:
        got, _, _ = app.store.add_blob(exchange.body_chunks())
    except ClientGone:
        raise ApiError(500, "unexpected EOF") from None
    if got != digest:
        raise ApiError(400, f'digest mismatch, expected "{digest}", got "{got}"')
    exchange.send(201)


def push(app: App, exchange: Exchange) -> None:
    request = exchange.json()
    name = names.parse(_name_in(request))
    if not name.valid:
        raise ApiError(400, INVALID_NAME)
    if app.store.manifest(app.store.existing(name)) is None:
        raise ApiError(404, f"model '{name.short}' not found")
    stream = _Stream(exchange, stream=_streaming(request))
    stream.send({"status": "retrieving manifest"})
    stream.fail("unauthorized: the stand-in pushes nothing")


ROUTES = (
    ("GET HEAD", "/api/tags", tags),
    ("POST", "/api/show", show_model),
    ("POST", "/api/pull", pull),
    ("POST", "/api/push", push),
    ("POST", "/api/create", create),
    ("POST", "/api/copy", copy),
    ("DELETE", "/api/delete", delete),
    ("HEAD", "/api/blobs/:digest", blob_head),
    ("POST", "/api/blobs/:digest", blob_post),
)
