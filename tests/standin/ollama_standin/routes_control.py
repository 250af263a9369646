# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Liveness, version and status, and what is not in the real API: /_standin."""

from __future__ import annotations

import typing as t
import urllib.parse

from ollama_standin.errors import ApiError

if t.TYPE_CHECKING:
    from ollama_standin.app import App
    from ollama_standin.exchange import Exchange

__all__ = ["CONTROL_PREFIX", "ROUTES"]

CONTROL_PREFIX = "/_standin/"


def root(app: App, exchange: Exchange) -> None:
    exchange.send(200, b"Ollama is running", "text/plain; charset=utf-8")


def version(app: App, exchange: Exchange) -> None:
    if app.faults.get("version_500"):
        raise ApiError(500, "version is not available")
    exchange.send_json(200, {"version": app.version})


def status(app: App, exchange: Exchange) -> None:
    off = app.settings.no_cloud
    exchange.send_json(200, {"cloud": {"disabled": off, "source": "env" if off else "none"}})


def me(app: App, exchange: Exchange) -> None:
    raise ApiError(503, "account unavailable")


def cloud_helper(app: App, exchange: Exchange) -> None:
    what = "web search" if exchange.path.endswith("search") else "web fetch"
    if app.settings.no_cloud:
        raise ApiError(403, f"ollama cloud is disabled: {what} is unavailable")
    raise ApiError(401, "unauthorized")


def recommendations(app: App, exchange: Exchange) -> None:
    exchange.send_json(200, {"recommendations": []})


def faults_get(app: App, exchange: Exchange) -> None:
    exchange.send_json(200, app.faults.as_dict())


def faults_put(app: App, exchange: Exchange) -> None:
    try:
        app.faults.replace(exchange.json())
    except ValueError as error:
        raise ApiError(400, str(error)) from None
    exchange.send_json(200, app.faults.as_dict())


def seen_get(app: App, exchange: Exchange) -> None:
    query = urllib.parse.parse_qs(exchange.params.get("query", ""))
    last = int(query.get("last", ["100"])[0])
    exchange.send_json(200, {"requests": app.seen.last(last), "counters": {**app.counters.as_dict(), "queued": app.scheduler.queued}})


def seen_delete(app: App, exchange: Exchange) -> None:
    app.seen.clear()
    app.counters.reset()
    exchange.send(204)


ROUTES = (
    ("HEAD GET", "/", root),
    ("HEAD GET", "/api/version", version),
    ("GET", "/api/status", status),
    ("POST", "/api/me", me),
    ("POST", "/api/signout", me),
    ("DELETE", "/api/user/keys/:key", me),
    ("POST", "/api/experimental/web_search", cloud_helper),
    ("POST", "/api/experimental/web_fetch", cloud_helper),
    ("GET", "/api/experimental/model-recommendations", recommendations),
    ("GET", "/_standin/faults", faults_get),
    ("PUT", "/_standin/faults", faults_put),
    ("GET", "/_standin/seen", seen_get),
    ("DELETE", "/_standin/seen", seen_delete),
)
