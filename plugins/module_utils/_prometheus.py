# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prometheus' API as values. PRIVATE to the collection: it can change at any time.

Source: https://prometheus.io/docs/prometheus/latest/querying/api/
"""

from __future__ import annotations

import dataclasses
import json
import typing as t
import urllib.error
import urllib.parse
import urllib.request

__all__ = ("Prometheus", "PrometheusError", "Series")

Labels = t.Mapping[str, str]


class PrometheusError(Exception):
    """Prometheus does not answer or refuses; the text is a sentence for the user."""


@dataclasses.dataclass(frozen=True)
class Series:
    """Labels, and samples as seconds since the epoch and values, the oldest first."""

    labels: Labels
    samples: tuple[tuple[float, float], ...]

    @property
    def value(self) -> float:
        """The last one."""
        return self.samples[-1][1]


class Prometheus:
    """One server, by the address at which its paths begin."""

    def __init__(self, url: str, *, timeout: float = 60) -> None:
        self._url = url.rstrip("/")
        self._timeout = timeout
        # A proxy in the environment has no business on this host.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def query(self, expression: str, at: float) -> list[Series]:
        """An instant query: one sample for each series, or all of a range where the expression is one."""
        data = self._json("query", {"query": expression, "time": repr(at)})
        return [
            Series(
                entry["metric"],
                tuple((float(when), float(value)) for when, value in entry.get("values") or [entry["value"]]),
            )
            for entry in data["result"]
        ]

    def targets(self) -> list[dict[str, t.Any]]:
        """Those that are scraped."""
        return list(self._json("targets", {"state": "active"}, method="GET")["activeTargets"])

    def groups(self) -> list[dict[str, t.Any]]:
        """The groups of rules that are loaded."""
        return list(self._json("rules", {}, method="GET")["groups"])

    def alertmanagers(self) -> list[str]:
        """Where alerts are sent."""
        return [entry["url"] for entry in self._json("alertmanagers", {}, method="GET")["activeAlertmanagers"]]

    def _json(self, path: str, parameters: t.Mapping[str, str], method: str = "POST") -> dict[str, t.Any]:
        url, encoded = f"{self._url}/api/v1/{path}", urllib.parse.urlencode(parameters)
        request = urllib.request.Request(f"{url}?{encoded}") if method == "GET" else urllib.request.Request(url, data=encoded.encode())
        try:
            with self._opener.open(request, timeout=self._timeout) as answer:
                told = json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                said = error.read().decode(errors="replace")
            raise PrometheusError(f"Prometheus at {self._url} refuses {path}: {_reason(said) or f'status {error.code}'}.") from error
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise PrometheusError(f"Prometheus does not answer at {self._url} ({reason}): see systemctl status prometheus.") from error
        if not isinstance(told, dict) or told.get("status") != "success":
            raise PrometheusError(f"What answers at {self._url} is not Prometheus.")
        return t.cast(t.Dict[str, t.Any], told["data"])


def _reason(text: str) -> str:
    try:
        return str(json.loads(text)["error"]).rstrip(".")
    except (ValueError, KeyError, TypeError):
        return ""
