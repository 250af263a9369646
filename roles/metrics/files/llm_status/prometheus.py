# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prometheus' HTTP API behind the exporter_exporter of a monitor, through mutual TLS."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import math
import signal
import socket
import ssl
import typing as t
import urllib.parse

__all__ = ["Alert", "Labels", "Monitor", "Prometheus", "Sample", "Unanswered"]

LARGEST_ANSWER = 4 * 1024 * 1024
"""Bytes."""

Labels = t.Mapping[str, str]


class Unanswered(Exception):
    """A monitor did not answer, or not with what was asked; the text says how."""


@dataclasses.dataclass(frozen=True)
class Monitor:
    """The name that its certificate must have, and where it is: 10.0.0.5:9998."""

    name: str
    where: str


@dataclasses.dataclass(frozen=True)
class Sample:
    """What a series is now; None is a value that no person can read, such as a quantile of nothing."""

    labels: Labels
    value: float | None


@dataclasses.dataclass(frozen=True)
class Alert:
    """An alert that fires; since when is a text of RFC 3339."""

    labels: Labels
    annotations: Labels
    since: str


class Prometheus:
    """One connection for all questions. Together they may take some ``seconds``: an alarm ends whatever is slow, however it is slow."""

    def __init__(self, monitor: Monitor, context: ssl.SSLContext, *, seconds: float) -> None:
        self._connection = _Connection(monitor, context, seconds)
        self._seconds = seconds
        self._before: t.Any = None

    def __enter__(self) -> Prometheus:
        self._before = signal.signal(signal.SIGALRM, _alarm)
        signal.setitimer(signal.ITIMER_REAL, self._seconds)
        return self

    def __exit__(self, *error: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._before)
        self._connection.close()

    def now(self, query: str, time: float) -> list[Sample]:
        """The samples of an instant query. Raises Unanswered."""
        with _reading():
            return [
                Sample(_labels(series), _number(series["value"][1])) for series in self._result("query", "vector", query=query, time=time)
            ]

    def history(self, query: str, start: int, step: int, points: int) -> list[tuple[Labels, list[float | None]]]:
        """For each series its labels and one value for each point in time, None where there is none. Raises Unanswered."""
        end = start + step * (points - 1)
        found = []
        with _reading():
            for series in self._result("query_range", "matrix", query=query, start=start, end=end, step=step):
                values: list[float | None] = [None] * points
                for time, text in series["values"]:
                    place = round((float(time) - start) / step)
                    if 0 <= place < points:
                        values[place] = _number(text)
                found.append((_labels(series), values))
        return found

    def alerts(self) -> list[Alert]:
        """What fires. Raises Unanswered."""
        with _reading():
            return [
                Alert(_texts(alert["labels"]), _texts(alert.get("annotations", {})), str(alert.get("activeAt", "")))
                for alert in self._data("alerts")["alerts"]
                if alert["state"] == "firing"
            ]

    def _result(self, module: str, kind: str, **parameters: t.Any) -> t.Any:
        data = self._data(module, **parameters)
        if data["resultType"] != kind:
            raise Unanswered(f"it answers {module} with a {data['resultType']} instead of a {kind}")
        return data["result"]

    def _data(self, module: str, **parameters: t.Any) -> t.Any:
        status, body = self._get("/proxy?" + urllib.parse.urlencode({"module": module, **parameters}))
        if status != 200:
            raise Unanswered(f"it answers {module} with HTTP {status}")
        answer = json.loads(body)
        if answer["status"] != "success":
            raise Unanswered(f"it answers {module} with {answer['status']}")
        return answer["data"]

    def _get(self, path: str) -> tuple[int, bytes]:
        try:
            self._connection.request("GET", path)
            reply = self._connection.getresponse()
            body = reply.read(LARGEST_ANSWER + 1)
        except (OSError, http.client.HTTPException) as error:
            raise Unanswered(str(error) or type(error).__name__) from error
        if len(body) > LARGEST_ANSWER:
            raise Unanswered(f"it answers with more than {LARGEST_ANSWER} bytes")
        return reply.status, body


class _Connection(http.client.HTTPSConnection):
    """To an address, and with the monitor's name in the certificate."""

    def __init__(self, monitor: Monitor, context: ssl.SSLContext, timeout: float) -> None:
        super().__init__(monitor.where, timeout=timeout, context=context)
        self._name, self._tls = monitor.name, context

    def connect(self) -> None:
        plain = socket.create_connection((self.host, self.port), self.timeout)
        self.sock = self._tls.wrap_socket(plain, server_hostname=self._name)


@contextlib.contextmanager
def _reading() -> t.Iterator[None]:
    """What is not as Prometheus documents it, is no answer."""
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise Unanswered("it answers with something else than Prometheus does") from error


def _alarm(*_: object) -> None:
    raise TimeoutError("it takes too long")


def _labels(series: t.Mapping[str, t.Any]) -> Labels:
    return _texts(series["metric"])


def _texts(values: t.Mapping[str, t.Any]) -> Labels:
    return {str(name): str(value) for name, value in values.items()}


def _number(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None
