# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The usage report is exact: a real Prometheus with samples of which each count is known."""

from __future__ import annotations

import collections
import datetime
import json
import random
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UTILS = "ansible_collections/llm/host/plugins/module_utils"
DAY, INTERVAL = 86400, 15
TODAY = int(time.time()) // DAY * DAY
BEGIN = TODAY - 3 * DAY
ASK = f"""
import dataclasses, json, sys
sys.path.insert(0, "/t")
from ansible_collections.llm.host.plugins.module_utils._prometheus import Prometheus
from ansible_collections.llm.host.plugins.module_utils._usage import usage
rows = usage(Prometheus("http://127.0.0.1:9090"), days=4, now={TODAY} + 600, interval={INTERVAL})
print(json.dumps([dataclasses.asdict(row) for row in rows]))
"""
START = "nohup prometheus --config.file=/t/empty.yml --storage.tsdb.path=/t/data --storage.tsdb.retention.time=1y >/t/log 2>&1 &"
READY = "for i in $(seq 100); do promtool query instant http://127.0.0.1:9090 1 && exit; sleep 0.2; done; exit 1"


class Gateway:
    """What a gateway counts and Prometheus reads. Of what it counted, ``expected`` knows the day on which it was read."""

    def __init__(self) -> None:
        self.counters: dict[str, int] = {}
        self.samples: dict[str, list[tuple[int, float]]] = collections.defaultdict(list)
        self.expected: dict[tuple[str, str], int] = collections.Counter()
        self.start = BEGIN - 1000.5

    def restart(self, when: float) -> None:
        self.start, self.counters = when, {}

    def count(self, user: str, amount: int, now: int) -> None:
        self.counters[user] = self.counters.get(user, 0) + amount
        self.expected[datetime.datetime.fromtimestamp((now - 1) // DAY * DAY, datetime.timezone.utc).date().isoformat(), user] += amount

    def read(self, now: int) -> None:
        self.samples['up{job="gateway",instance="edge"}'].append((now, 1))
        self.samples['process_start_time_seconds{job="gateway",instance="edge"}'].append((now, self.start))
        for user, value in self.counters.items():
            labels = f'job="gateway",instance="edge",engine="nginx",endpoint="chat",model="m",user="{user}"'
            self.samples[f"llm_gateway_completion_tokens_total{{{labels}}}"].append((now, value))

    def openmetrics(self) -> str:
        lines: list[str] = []
        for name in dict.fromkeys(series.partition("{")[0] for series in self.samples):
            kind = "counter" if name.endswith("_total") else "gauge"
            lines.append(f"# TYPE {name.removesuffix('_total')} {kind}")
            for series, samples in self.samples.items():
                if series.startswith(f"{name}{{"):
                    lines += [f"{series} {value} {when}" for when, value in samples]
        return "\n".join([*lines, "# EOF", ""])


def played() -> Gateway:
    """Three days. Restarts in the middle of one, hidden since more was counted at once than ever before, and around midnight; a user who is new; a gap."""
    gateway, numbers = Gateway(), random.Random(9)
    restarts = {BEGIN + 30000, BEGIN + DAY - 5, BEGIN + DAY + 20000, BEGIN + 2 * DAY + 4}
    for now in range(BEGIN + 7, TODAY + 600, INTERVAL):
        anew = [when for when in restarts if now - INTERVAL < when <= now]
        if anew:
            gateway.restart(anew[0] + 0.25)
            gateway.count("alice", 10_000_000, now)
        if numbers.random() < 0.05:
            gateway.count("alice", numbers.randrange(1, 3000), now)
        if now > BEGIN + DAY + 40000 and numbers.random() < 0.01:
            gateway.count("bob", numbers.randrange(1, 50), now)
        if not BEGIN + DAY + 50000 < now <= BEGIN + DAY + 53600:
            gateway.read(now)
    return gateway


@pytest.fixture(name="rows", scope="module")
def _rows(debian):
    gateway = played()
    modules = {f"/t/{UTILS}/{name}": (ROOT / "plugins/module_utils" / name).read_text() for name in ("_prometheus.py", "_usage.py")}
    debian.write({"/t/samples": gateway.openmetrics(), "/t/empty.yml": "global: {}\n", "/t/ask.py": ASK, **modules})
    debian.run("sh", "-c", "rm -rf /t/data && promtool tsdb create-blocks-from openmetrics /t/samples /t/data")
    debian.run("sh", "-c", START)
    debian.run("sh", "-c", READY)
    yield gateway, json.loads(debian.run("python3", "/t/ask.py").stdout)
    debian.run("pkill", "--exact", "prometheus")


def test_tokens_are_exact_over_restarts_midnights_and_new_users(rows):
    gateway, found = rows
    assert {(row["day"], row["user"]): row["completion_tokens"] for row in found if row["user"]} == gateway.expected


def test_what_was_not_read_is_told_and_so_is_that_today_is_not_over(rows):
    _gateway, found = rows
    days = [datetime.datetime.fromtimestamp(BEGIN + number * DAY, datetime.timezone.utc).date().isoformat() for number in range(4)]
    told = {row["day"]: (row["missing_minutes"], row["closed"]) for row in found}
    assert told == {days[0]: (0, True), days[1]: (60, True), days[2]: (0, True), days[3]: (0, False)}
