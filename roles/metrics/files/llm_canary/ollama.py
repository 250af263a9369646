# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One instance of Ollama: what is in its memory, and how fast it answers."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import http.client
import json
import time
from typing import Any, Callable, Dict, Iterator, Mapping, Optional

from llm_canary.watch import Watch

# Seconds that a short request may take.
TIMEOUT = 10
LONGEST = 1 << 20
FOREVER_YEARS = 100
PROMPT = "Count from one to twenty in words."
NOT_A_GENERATOR = "does not support generate"

Body = Dict[str, Any]


class Failed(Exception):
    """It did not answer as it should."""


class GaveWay(Exception):
    """It was stopped for somebody else; the text is the obstacle."""


@dataclasses.dataclass(frozen=True)
class Resident:
    """A model in memory: until when, as Ollama says it, and with how much context."""

    expires: str
    context: Optional[int]

    @property
    def forever(self) -> bool:
        year = self.expires[:4]
        return year.isdigit() and int(year) > dt.date.today().year + FOREVER_YEARS


@dataclasses.dataclass(frozen=True)
class Answer:
    """Seconds, and tokens a second; what an embedding does not have is None."""

    load: float
    first: Optional[float] = None
    speed: Optional[float] = None


@dataclasses.dataclass(frozen=True)
class Limit:
    """How long a request may take, in seconds, and what tells that it must give way."""

    seconds: float
    look: Callable[[], str] = lambda: ""


class Ollama:
    """Where an instance answers. Everything raises Failed with what is wrong."""

    def __init__(self, address: str) -> None:
        host, _colon, port = address.rpartition(":")
        self._host, self._port = host.strip("[]"), int(port)

    def residents(self) -> Dict[str, Resident]:
        """The models in memory by name, in small letters."""
        found = {}
        value = self._one("GET", "/api/ps", None, Limit(TIMEOUT))
        try:
            for entry in value["models"] or ():
                context = entry.get("context_length")
                found[entry["name"].lower()] = Resident(str(entry.get("expires_at", "")), context if isinstance(context, int) else None)
        except (AttributeError, LookupError, TypeError) as exc:
            raise Failed("/api/ps does not list models") from exc
        return found

    def measure(self, name: str, resident: Optional[Resident], tokens: int, limit: Limit) -> Answer:
        """A short fixed generation, or embedding. What is in memory stays as it is, and what is not leaves again. Raises GaveWay besides."""
        body: Body = {"model": name, "options": {"temperature": 0, "seed": 1, "num_predict": tokens}}
        if resident is None:
            # Also when this program is killed meanwhile.
            body["keep_alive"] = 0
        elif resident.context:
            # With any other context Ollama would load it anew.
            body["options"]["num_ctx"] = resident.context
        try:
            return self._generate({**body, "prompt": PROMPT}, limit, loads=resident is None)
        except Failed as exc:
            if NOT_A_GENERATOR not in str(exc):
                raise
        return self._embed({**body, "input": PROMPT}, limit)

    def load(self, name: str, keep_alive: Any, limit: Limit) -> None:
        """Into memory. Raises GaveWay besides."""
        body: Body = {"model": name, "stream": False, **({} if keep_alive is None else {"keep_alive": keep_alive})}
        try:
            self._one("POST", "/api/generate", body, limit)
        except Failed as exc:
            if NOT_A_GENERATOR not in str(exc):
                raise
            self._one("POST", "/api/embed", body, limit)

    def _generate(self, body: Body, limit: Limit, *, loads: bool) -> Answer:
        began, first, last = time.monotonic(), None, None
        for item in self._exchange("POST", "/api/generate", body, limit):
            if first is None and (item.get("response") or item.get("thinking") or item.get("done")):
                first = time.monotonic() - began
            if item.get("done"):
                last = item
        if first is None or last is None:
            raise Failed("the answer broke off")
        load = _seconds(last, "load_duration") or 0.0
        count, took = last.get("eval_count"), _seconds(last, "eval_duration")
        if not isinstance(count, int) or count < 1 or not took:
            raise Failed("the answer has no tokens")
        return Answer(load=load, first=max(0.0, first - load) if loads else first, speed=count / took)

    def _embed(self, body: Body, limit: Limit) -> Answer:
        value = self._one("POST", "/api/embed", body, limit)
        vectors = value.get("embeddings")
        if not isinstance(vectors, list) or not vectors or not vectors[0]:
            raise Failed("the answer has no embedding")
        return Answer(load=_seconds(value, "load_duration") or 0.0)

    def _one(self, method: str, path: str, body: Optional[Body], limit: Limit) -> Body:
        items = list(self._exchange(method, path, body, limit))
        if len(items) != 1:
            raise Failed("the answer is empty" if not items else "the answer is no JSON object")
        return items[0]

    def _exchange(self, method: str, path: str, body: Optional[Body], limit: Limit) -> Iterator[Body]:
        """The objects of the answer, one a line."""
        # Ollama on loopback answers to few names.
        headers = {"Host": "localhost", "User-Agent": "llm-canary", "Content-Type": "application/json", "Connection": "close"}
        connection = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT)
        try:
            connection.connect()
            connection.sock.settimeout(limit.seconds + 1)
        except OSError as exc:
            raise Failed(f"no connection: {exc}") from exc
        with contextlib.closing(connection), Watch(connection.sock, limit.seconds, limit.look) as watch:
            try:
                connection.request(method, path, None if body is None else json.dumps(body).encode(), headers)
                yield from _objects(connection.getresponse())
                problem = ""
            except (OSError, http.client.HTTPException, ValueError) as exc:
                problem = str(exc) or type(exc).__name__
            except Failed as exc:
                problem = str(exc)
        if watch.obstacle:
            raise GaveWay(watch.obstacle)
        if watch.late:
            raise Failed(f"no answer within {limit.seconds:g} s")
        if problem:
            raise Failed(problem)


def _objects(response: http.client.HTTPResponse) -> Iterator[Body]:
    with response:
        if response.status != 200:
            raise Failed(f"HTTP {response.status} {response.read(500).decode(errors='replace')}".strip())
        while True:
            line = response.readline(LONGEST)
            if not line:
                return
            item = json.loads(line)
            if not isinstance(item, dict):
                raise Failed("the answer is no JSON object")
            if "error" in item:
                raise Failed(str(item["error"])[:500])
            yield item


def _seconds(item: Mapping[str, Any], name: str) -> Optional[float]:
    value = item.get(name)
    return value / 1e9 if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0 else None
