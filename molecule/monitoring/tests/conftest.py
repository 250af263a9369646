# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts that are watched, and the one that watches them."""

from __future__ import annotations

import datetime
import functools
import json
import typing as t

import pytest
import testinfra
from load import Place, Pool, address, eventually

from ansible_collections.llm.host.plugins.module_utils._probe import Endpoint

ASK = """
import sys, urllib.parse, urllib.request
query = urllib.parse.urlencode(dict(pair.split("=", 1) for pair in sys.argv[3:]))
print(urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/api/v1/{sys.argv[2]}?{query}", timeout=10).read().decode())
"""
INSTANCES = ("watched-1", "watched-2")


class Watcher:
    """A Prometheus on its host."""

    def __init__(self, port: int = 9090) -> None:
        self.host = testinfra.get_host("docker://watcher")
        self.port = port

    def ready(self) -> None:
        """Waits until a Prometheus that was just started has read its database: before, it answers nothing."""
        eventually(lambda: self.host.run(f"promtool query instant http://127.0.0.1:{self.port} 1").rc == 0, 60)

    def api(self, what: str, **arguments: str) -> t.Any:
        pairs = " ".join("%s" for _ in arguments)
        told = self.host.check_output(
            f"python3 -c %s {self.port} %s {pairs}", ASK, what, *(f"{name}={value}" for name, value in arguments.items())
        )
        return json.loads(told)["data"]

    def ask(self, query: str) -> dict[tuple[str, ...], float]:
        """The values of a query by those of their labels, in the order of the labels' names."""
        result = self.api("query", query=query)["result"]
        return {
            tuple(value for name, value in sorted(series["metric"].items()) if name != "__name__"): float(series["value"][1])
            for series in result
        }

    def number(self, query: str) -> float | None:
        """The value of a query that has one."""
        values = list(self.ask(query).values())
        assert len(values) <= 1, values
        return values[0] if values else None

    def scraped(self) -> None:
        """Waits until everything was asked after this moment and answered, and then all rules evaluated."""
        for done in (self._answered, self._evaluated):
            now = self.number("vector(time())") or 0
            eventually(functools.partial(done, now), 30)

    def counted(self, counter: str, number: float) -> None:
        """Waits until a counter has come to this. Everything is asked once more then: of a line of the log, several counters know one after the other."""
        eventually(lambda: (self.number(counter) or 0) >= number, 60)
        self.scraped()

    def _answered(self, moment: float) -> bool:
        return (self.number("min(timestamp(up))") or 0) > moment and not self.ask("up == 0")

    def _evaluated(self, moment: float) -> bool:
        times = [datetime.datetime.fromisoformat(group["lastEvaluation"]).timestamp() for group in self.api("rules")["groups"]]
        return min(times) > moment and (self.number("timestamp(llm:queue_waiting)") or 0) > moment

    def firing(self) -> set[str]:
        return {series["metric"]["alertname"] for series in self.api("query", query='ALERTS{alertstate="firing"}')["result"]}


class Watched(Pool):
    """The gateway, and the instances behind it."""

    def __init__(self) -> None:
        host = testinfra.get_host("docker://watched-edge")
        super().__init__(host, Place(address("watched-edge"), host.file("/etc/llm-gateway/tls/ca.crt").content_string))
        self.hosts = {name: testinfra.get_host(f"docker://{name}") for name in INSTANCES}
        self.places = {name: f"{address(name)}:11434" for name in INSTANCES}

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint("https://ollama.example.com", ca=self.place.ca, connect_to=self.place.address)

    def fault(self, faults: dict[str, t.Any], *names: str) -> None:
        """On top of models that are all in the memory of a GPU."""
        self.faults({"gpu": 1, **faults}, *(self.places[name] for name in names or INSTANCES))


@pytest.fixture(scope="session")
def watcher() -> Watcher:
    return Watcher()


@pytest.fixture(scope="session")
def _watched() -> Watched:
    watched = Watched()
    watched.fault({})
    return watched


@pytest.fixture
def watched(_watched) -> t.Iterator[Watched]:
    yield _watched
    _watched.leave()
    _watched.fault({})
    eventually(lambda: _watched.now("scur") == 0)
