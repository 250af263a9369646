# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP server: routing, gin's plain-text 404 and 405, the access log, and the faults that concern every route."""

from __future__ import annotations

import http.server
import socket
import socketserver
import time
import traceback
import typing as t
import urllib.parse

from ollama_standin import (
    access,
    log,
    routes_anthropic,
    routes_control,
    routes_models,
    routes_native,
    routes_openai,
    routes_responses,
)
from ollama_standin.errors import ApiError, ClientGone
from ollama_standin.exchange import Exchange

if t.TYPE_CHECKING:
    from ollama_standin.app import App

__all__ = ["Server"]

Route = t.Callable[["App", Exchange], None]
_TABLE: tuple[tuple[str, str, Route], ...] = (
    *routes_control.ROUTES,
    *routes_models.ROUTES,
    *routes_native.ROUTES,
    *routes_openai.ROUTES,
    *routes_responses.ROUTES,
    *routes_anthropic.ROUTES,
)


def _match(pattern: str, path: str) -> dict[str, str] | None:
    want, have = pattern.split("/"), path.split("/")
    if len(want) != len(have):
        return None
    params = {}
    for part, value in zip(want, have, strict=True):
        if part.startswith(":") and value:
            params[part[1:]] = urllib.parse.unquote(value)
        elif part != value:
            return None
    return params


def _find(method: str, path: str) -> tuple[Route | None, dict[str, str], list[str]]:
    """The route, its parameters, and the methods that the path would allow."""
    allowed: list[str] = []
    for methods, pattern, route in _TABLE:
        params = _match(pattern, path)
        if params is not None:
            if method in methods.split():
                return route, params, []
            allowed += methods.split()
    return None, {}, allowed


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def version_string(self) -> str:
        return ""

    def send_response(self, code: int, message: str | None = None) -> None:
        self.send_response_only(code, message)
        self.send_header("Date", self.date_time_string())

    def log_message(self, format: str, *args: t.Any) -> None:
        """Silent: the access log is written elsewhere."""

    def __getattr__(self, name: str) -> t.Any:
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _serve(self) -> None:
        began = time.monotonic()
        path, _, query = self.path.partition("?")
        exchange = Exchange(self, method=self.command, path=path)
        exchange.params["query"] = query
        app = self.server.app
        app.ready.wait()
        control = path.startswith(routes_control.CONTROL_PREFIX)
        if not control:
            seen = app.seen.add(method=self.command, path=self.path, headers=dict(self.headers.items()))
            exchange.note = lambda: seen.update(status=exchange.status, body=exchange.seen_body)
        try:
            self._dispatch(app, exchange, path)
            exchange.finish_body()
        except ClientGone:
            self.close_connection = True
            exchange.status = exchange.status or 499
        except OSError:
            self.close_connection = True
        finally:
            exchange.note()
            if not control:
                log.access(
                    status=exchange.status,
                    seconds=time.monotonic() - began,
                    client=str(self.client_address[0]).removeprefix("::ffff:"),
                    method=self.command,
                    path=self.path,
                )

    def _dispatch(self, app: App, exchange: Exchange, path: str) -> None:
        control = path.startswith(routes_control.CONTROL_PREFIX)
        route, params, allowed = _find(exchange.method, path)
        exchange.params |= params
        if allowed:
            exchange.extra_headers["Allow"] = ", ".join(allowed)
        if not control:
            exchange.split = app.faults.get("split", 0)
            if access.refused(exchange, app.settings):
                return
            if app.faults.hangs(path):
                while not exchange.gone():
                    time.sleep(0.1)
                raise ClientGone
        try:
            status = None if control else app.faults.status_for(path)
            if status is not None:
                raise ApiError(status, "unauthorized" if status == 401 else "fault switched on by a test")
            if route is not None:
                route(app, exchange)
                return
        except ApiError as error:
            if exchange.started:
                raise
            exchange.send_json(error.status, {"error": error.message})
            return
        except (ClientGone, ConnectionError, TimeoutError):
            raise
        except Exception:
            # The web framework answers a panic with an empty 500 and logs the stack.
            log.warn("recovery.go:92", "panic recovered", stack=traceback.format_exc())
            if exchange.started:
                exchange.cut()
            else:
                exchange.send(500)
            return
        if allowed:
            exchange.send(405, b"405 method not allowed", "text/plain")
        else:
            exchange.send(404, b"404 page not found", "text/plain")


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::", 0))
        return True
    except OSError:
        return False


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """One thread for each connection; hundreds of them are fine."""

    daemon_threads = True
    request_queue_size = 1024
    allow_reuse_address = True

    def __init__(self, app: App) -> None:
        self.app = app
        host = app.settings.host
        self.address_family = socket.AF_INET6 if ":" in host or (not host and _has_ipv6()) else socket.AF_INET
        super().__init__((host, app.settings.port), _Handler)

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def handle_error(self, request: t.Any, client_address: t.Any) -> None:
        """A connection that breaks is no news."""
