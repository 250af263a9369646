# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Model management: list, show, pull, create, copy, delete, blobs."""

from __future__ import annotations

import functools
import random
import re
import typing as t

from ollama_standin import gojson, gotime, log, model, names, show
from ollama_standin.create import CreateError, Creator, check_files
from ollama_standin.errors import ApiError, ClientGone, CloudError
from ollama_standin.registry import PullError
from ollama_standin.store import INVALID_DIGEST, is_digest

if t.TYPE_CHECKING:
    from ollama_standin.app import App
    from ollama_standin.exchange import Exchange

__all__ = ["ROUTES", "tags_list"]

NDJSON = "application/x-ndjson"
INVALID_NAME = "invalid model name"
CLOUD_OFF = "ollama cloud is disabled: remote model is unavailable"


def _name_in(request: t.Mapping[str, t.Any]) -> str:
    return str(request.get("model") or request.get("name") or "")


def local_name(app: App, text: str, *, empty: ApiError, off: str = CLOUD_OFF) -> names.Name:
    """The name that the text refers to, if that is a model of this host."""
    try:
        ref = names.reference(text)
    except names.Conflict as error:
        raise ApiError(400, str(error)) from None
    if not ref.base:
        raise empty
    if not ref.name.valid:
        raise ApiError(400, INVALID_NAME)
    if ref.source == "cloud":
        # Such a model leaves the host: forbidden, or not signed in, as nothing here ever is.
        raise CloudError(403, off) if app.settings.no_cloud else CloudError(401, "unauthorized")
    return ref.name


def _pull_name(text: str, *, empty: str, invalid: str) -> names.Name:
    try:
        ref = names.reference(text)
    except names.Conflict as error:
        raise ApiError(400, str(error)) from None
    if not ref.base:
        raise ApiError(400, empty)
    if not ref.pull_name.valid:
        raise ApiError(400, invalid)
    return ref.pull_name


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


def _list_entry(found: model.Model) -> dict[str, t.Any]:
    found.check_for_list()
    return {
        "name": found.short,
        "model": found.short,
        "modified_at": gotime.rfc3339(found.manifest.modified_ns),
        "size": found.manifest.size,
        "digest": found.manifest.digest,
        "details": found.details(lengths=True),
        **({"capabilities": capabilities} if (capabilities := found.listed_capabilities) else {}),
    }


def _listed(app: App, name: names.Name) -> dict[str, t.Any] | None:
    """A model that cannot be read is hidden, and no other; one that was read is not read again."""
    try:
        found = model.load(app.store, name)
        if found is not None:
            return t.cast("dict[str, t.Any]", app.store.cached(("list", name), found.manifest.digest, lambda: _list_entry(found)))
    except (model.Broken, FileNotFoundError) as error:
        app.store.cache.pop(("list", name), None)
        log.warn("model_list_cache.go:197", "failed to refresh model list cache", model=name.short, error=str(error))
    return None


def refresh_list(app: App, name: names.Name) -> None:
    """After a change by the server itself, even one to the same content: the times are the new ones."""
    app.store.cache.pop(("list", name), None)
    _listed(app, name)


def tags_list(app: App) -> list[dict[str, t.Any]]:
    present = app.store.names()
    app.store.forget("list", but=present)
    entries = [entry for name in present if (entry := _listed(app, name)) is not None]
    if hidden := app.faults.get("unlisted"):
        entries = [entry for entry in entries if not re.search(hidden, entry["name"])]
    # The real server compares whole seconds and begins with a random order, so ties come in any order.
    random.shuffle(entries)
    return sorted(entries, key=lambda entry: -gotime.unix(entry["modified_at"]))


def tags(app: App, exchange: Exchange) -> None:
    exchange.send_json(200, {"models": tags_list(app)})


def shown(app: App, text: str, *, verbose: bool = False, system: str = "", overlaid: bool = False) -> dict[str, t.Any]:
    """The answer of /api/show; it stays as it is until the manifest changes."""
    off = "ollama cloud is disabled: remote model details are unavailable"
    name = local_name(app, text, empty=ApiError(400, "model is required"), off=off)
    name = app.store.existing(name)
    try:
        found = model.load(app.store, name)
        if found is not None:
            build = functools.partial(_show, found, verbose=verbose, system=system)
            return build() if overlaid else dict(app.store.cached(("show", name, verbose), found.manifest.digest, build))
    except model.Broken as error:
        raise ApiError(500, str(error)) from None
    except FileNotFoundError:
        pass
    raise ApiError(404, f"model '{name.short}' not found")


def _show(found: model.Model, *, verbose: bool, system: str) -> dict[str, t.Any]:
    found.check()
    return show.show(found, verbose=verbose, system=system)


def show_model(app: App, exchange: Exchange) -> None:
    request = exchange.json()
    system = str(request.get("system") or "")
    overlaid = bool(system or request.get("options"))
    exchange.send_json(200, shown(app, _name_in(request), verbose=bool(request.get("verbose")), system=system, overlaid=overlaid))


def pull(app: App, exchange: Exchange) -> None:
    request = exchange.json()
    name = app.store.existing(_pull_name(_name_in(request), empty=INVALID_NAME, invalid=INVALID_NAME))
    stream = _Stream(exchange, stream=_streaming(request))
    try:
        app.registry.pull(name, insecure=bool(request.get("insecure")), progress=stream.send, gone=exchange.gone)
    except PullError as error:
        stream.fail(str(error))
        return
    refresh_list(app, name)
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
    if "" in (request.get("adapters") or {}).values():
        raise ApiError(400, INVALID_DIGEST)
    stream = _Stream(exchange, stream=_streaming(request))

    def pull_base(base: names.Name) -> None:
        app.registry.pull(base, insecure=False, progress=stream.send, gone=exchange.gone)

    creator = Creator(store=app.store, request=request, progress=stream.send, pull=pull_base, no_prune=app.settings.no_prune)
    try:
        if text := app.faults.get("create_error"):
            raise CreateError(text)
        name = app.store.existing(name)
        creator.run(name)
    except ApiError as error:
        stream.fail(error.message, status=error.status)
    except (CreateError, PullError) as error:
        stream.fail(str(error))
    else:
        refresh_list(app, name)
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
    if old != new:
        try:
            app.store.write_manifest(new, app.store.manifest_bytes(old))
        except (FileNotFoundError, NotADirectoryError):
            raise ApiError(404, f'model "{source}" not found') from None
    refresh_list(app, new)
    exchange.send(200)


def delete(app: App, exchange: Exchange) -> None:
    text = _name_in(exchange.json())
    name = _pull_name(text, empty="model is required", invalid=f'name "{text}" is invalid')
    with app.store.lock:
        name = app.store.existing(name)
        try:
            found = model.load(app.store, name)
            if found is None:
                raise ApiError(404, f"model '{text}' not found")
            app.store.delete_manifest(name)
            app.store.remove_unused(found.manifest.digests)
        except model.Broken as error:
            raise ApiError(500, str(error)) from None
    exchange.send(200)


def blob_head(app: App, exchange: Exchange) -> None:
    digest = exchange.params["digest"]
    if not is_digest(digest):
        raise ApiError(400, INVALID_DIGEST)
    if not app.store.has_blob(digest):
        raise ApiError(404, f'blob "{digest}" not found')
    exchange.send(200)


def blob_post(app: App, exchange: Exchange) -> None:
    digest = exchange.params["digest"]
    if not is_digest(digest):
        raise ApiError(400, INVALID_DIGEST)
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
    if not _name_in(request):
        raise ApiError(400, "model is required")
    stream = _Stream(exchange, stream=_streaming(request))
    stream.send({"status": "retrieving manifest"})
    stream.fail("unauthorized: the stand-in pushes nothing")


ROUTES = (
    ("HEAD GET", "/api/tags", tags),
    ("POST", "/api/show", show_model),
    ("POST", "/api/pull", pull),
    ("POST", "/api/push", push),
    ("POST", "/api/create", create),
    ("POST", "/api/copy", copy),
    ("DELETE", "/api/delete", delete),
    ("HEAD", "/api/blobs/:digest", blob_head),
    ("POST", "/api/blobs/:digest", blob_post),
)
