# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an Ollama server says of itself. Whatever else answers there, however slowly, is a Problem after a known time."""

from __future__ import annotations

import contextlib
import datetime
import http.client
import json
import math
import re
import socket
import threading
import time
import typing as t
import urllib.parse

from ansible_collections.llm.host.plugins.module_utils._names import InvalidName, ModelName

from .background import Problem

__all__ = ("Client", "Installed", "Loaded", "Refused", "installed_in", "loaded_in", "timestamp")

LONGEST = 32 * 1024 * 1024
VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_-]{0,99}")
TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)")
# Who says "for ever" gets a date centuries ahead.
FOR_EVER = 100 * 365 * 86400


class Refused(Problem):
    """Nothing listens there, so nothing is loaded either."""


class Loaded(t.NamedTuple):
    """A model in memory: bytes, bytes of those on GPUs, tokens, and Unix time, None where that is not known."""

    digest: str
    size: int
    vram: int
    context: int
    expires: float | None


class Installed(t.NamedTuple):
    """A model in the store: ``size`` in bytes."""

    name: ModelName
    digest: str
    size: int

    @property
    def is_kept_copy(self) -> bool:
        """Whether it is a version that was kept when it was replaced: its tag ends with its own digest."""
        return self.name.tag.lower().endswith(f"-{self.digest[:12]}")


class Client:
    """One server. ``limit`` is how many seconds a question may take, however the answer trickles in."""

    def __init__(self, url: str, *, limit: float) -> None:
        self._url = urllib.parse.urlsplit(url)
        self._limit = limit

    def version(self) -> str:
        version = self._ask("/api/version").get("version")
        if not (isinstance(version, str) and VERSION.fullmatch(version)):
            raise Problem(f"{version!r:.100} is no version")
        return version

    def installed(self) -> dict[str, Installed]:
        """By name, as it is listed."""
        return installed_in(self._ask("/api/tags"))

    def loaded(self) -> dict[str, Loaded]:
        """By name, as it is listed."""
        return loaded_in(self._ask("/api/ps"), time.time())

    def _ask(self, path: str) -> dict[str, t.Any]:
        make = http.client.HTTPSConnection if self._url.scheme == "https" else http.client.HTTPConnection
        connection = make(self._url.hostname or "", self._url.port, timeout=self._limit)
        watchdog = None
        try:
            connection.connect()
            # The connection forgets its socket when a reply has no length.
            watchdog = threading.Timer(self._limit, _hang_up, [connection.sock])
            watchdog.daemon = True
            watchdog.start()
            connection.request("GET", self._url.path.rstrip("/") + path)
            reply = connection.getresponse()
            body = reply.read(LONGEST)
        except ConnectionRefusedError as exc:
            raise Refused(f"nothing listens at {self._url.netloc}") from exc
        except (OSError, http.client.HTTPException) as exc:
            raise Problem(f"{path} has no whole answer: {exc or type(exc).__name__}") from exc
        finally:
            if watchdog:
                watchdog.cancel()
            connection.close()
        if reply.status != 200:
            raise Problem(f"{path} answered with status {reply.status}")
        try:
            value = json.loads(body)
        except (ValueError, RecursionError) as exc:
            raise Problem(f"{path} answered with what is no JSON") from exc
        if not isinstance(value, dict):
            raise Problem(f"{path} answered with what is no JSON object")
        return value


def _hang_up(connected: socket.socket) -> None:
    # It may be closed already.
    with contextlib.suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)


def loaded_in(answer: t.Mapping[str, t.Any], now: float) -> dict[str, Loaded]:
    """From the answer of /api/ps. Raises Problem when it is none."""
    return {name: _loaded(item, now) for name, _parsed, item in _models(answer)}


def installed_in(answer: t.Mapping[str, t.Any]) -> dict[str, Installed]:
    """From the answer of /api/tags. Raises Problem when it is none."""
    return {name: Installed(parsed, _text(item, "digest").lower(), _number(item, "size")) for name, parsed, item in _models(answer)}


def _models(answer: t.Mapping[str, t.Any]) -> t.Iterator[tuple[str, ModelName, t.Mapping[str, t.Any]]]:
    models = answer.get("models", ())
    if not isinstance(models, (list, tuple, type(None))):
        raise Problem("the list of models is no list")
    for item in models or ():
        if not isinstance(item, dict) or not isinstance(item.get("name"), str):
            raise Problem("a model has no name")
        try:
            parsed = ModelName.parse(item["name"])
        except InvalidName:
            continue
        yield item["name"], parsed, item


def _loaded(item: t.Mapping[str, t.Any], now: float) -> Loaded:
    return Loaded(
        digest=_text(item, "digest").lower(),
        size=_number(item, "size"),
        vram=_number(item, "size_vram"),
        context=_number(item, "context_length"),
        expires=timestamp(_text(item, "expires_at"), now),
    )


def _text(item: t.Mapping[str, t.Any], key: str) -> str:
    return str(item.get(key) or "")


def _number(item: t.Mapping[str, t.Any], key: str) -> int:
    try:
        return int(item.get(key) or 0)
    except (TypeError, ValueError, OverflowError) as exc:
        raise Problem(f"the {key} of a model is no number") from exc


def timestamp(text: str, now: float) -> float | None:
    """Unix time, +Inf for ever, None where nothing is said."""
    found = TIME.fullmatch(text)
    if not found or text.startswith("0001-"):
        return None
    seconds, fraction, zone = found.groups()
    try:
        moment = datetime.datetime.strptime(seconds + zone.replace("Z", "+00:00"), "%Y-%m-%dT%H:%M:%S%z").timestamp()
    except (ValueError, OverflowError):
        return None
    return math.inf if moment > now + FOR_EVER else moment + float(fraction or 0)
