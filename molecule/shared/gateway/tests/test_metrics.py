# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real mtail makes of a real log what the log says, and no label that a client made up."""

from __future__ import annotations

import collections
import json
import re
import subprocess
import typing as t
from pathlib import Path

import pytest
from lab import Agent
from outside import CHAT, ROOT
from test_streams import KEY, ask

from ansible_collections.llm.host.plugins.filter.metrics_gateway import metrics_labels

USERS = [{"name": name} for name in ("alice", "bob")]
SAMPLE = re.compile(r"^(\w+)\{(.*)\} (\S+)$", re.MULTILINE)


class Metrics:
    """What mtail says after it has read the log from its beginning to its end."""

    def __init__(self, text: str) -> None:
        found = [(name, dict(re.findall(r'(\w+)="([^"]*)"', labels)), float(value)) for name, labels, value in SAMPLE.findall(text)]
        self.samples = [sample for sample in found if not sample[0].endswith("_bucket")]

    def sum(self, name: str, by: str | None = None) -> t.Any:
        sums: collections.Counter[str] = collections.Counter()
        for found, labels, value in self.samples:
            if found == name:
                sums[labels[by] if by else ""] += value
        return dict(sums) if by else sums[""]

    def values(self, label: str) -> set[str]:
        return {labels.get(label, "") for _, labels, _ in self.samples}


def _metrics(agent: Agent, name: str, log: str, shown: str, folder: Path) -> Metrics:
    variables = {
        "metrics_user_labels": shown,
        "__metrics_labels": metrics_labels(USERS, [CHAT, "team-assistant"], shown, "salt"),
        "ansible_managed": "by a test",
    }
    program = folder / "gateway.mtail"
    template = f"src={ROOT}/roles/metrics/templates/gateway.mtail.j2 dest={program} mode=0644"
    render = ["ansible", "localhost", "-c", "local", "-m", "ansible.builtin.template", "-a", template, "-e", json.dumps(variables)]
    subprocess.run(render, check=True, capture_output=True, cwd=ROOT)
    subprocess.run(["docker", "cp", "-q", str(program), f"{name}:/var/tmp/gateway.mtail"], check=True)
    return Metrics(
        agent.sh(
            f"mtail --one_shot --one_shot_format prometheus --emit_prog_label=false --port 0 --progs /var/tmp/gateway.mtail --logs {log} 2>/dev/null"
        )
    )


@pytest.fixture(scope="module")
def mtail(agent: Agent) -> None:
    agent.sh("command -v mtail || DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends mtail >&2")


@pytest.mark.usefixtures("mtail")
def test_metrics_say_what_the_log_says_and_nothing_that_a_client_made_up(host, agent, engine, tmp_path):
    invented = json.dumps({"model": 'made-up","user":"made-up', "messages": []})
    requests = [
        ask("/api/chat", {"model": "Library/TINY:latest", "messages": [], "stream": False}),
        ask("/api/generate", {"model": "made-up:7b", "prompt": "hello"}),
        ask("/v1/chat/completions", json.loads(invented)),
        ask('/made-up"user":"made-up/api/chat', {}),
        ask("/api/chat", {}, key=KEY + "-wrong"),
    ]
    jobs = [{"id": str(number), "method": "POST", "data": data} for number, data in enumerate(requests)]
    agent("table", groups=[{"alone": True, "jobs": jobs}])
    log = agent.sh(f"cp {engine.log} /run/read.log && cat /run/read.log")
    lines = [json.loads(line) for line in log.splitlines()]
    metrics = _metrics(agent, host.backend.get_hostname(), "/run/read.log", "name", tmp_path)

    # Caddy says 0 of an answer that never began.
    codes = collections.Counter(str(line["status"] or "other") for line in lines)
    assert metrics.sum("llm_gateway_requests_total", "code") == codes
    assert metrics.sum("llm_gateway_request_seconds_count") == len(lines)
    assert metrics.sum("llm_gateway_request_seconds_sum") == pytest.approx(sum(line["request_time"] for line in lines), rel=1e-6)
    firsts = [first for first in (_first_byte(line) for line in lines) if first is not None]
    assert metrics.sum("llm_gateway_first_byte_seconds_count") == len(firsts) > 0
    assert metrics.sum("llm_gateway_first_byte_seconds_sum") == pytest.approx(sum(firsts), rel=1e-6)
    for kind in ("prompt_tokens", "completion_tokens"):
        assert metrics.sum(f"llm_gateway_{kind}_total") == sum(line.get(kind) or 0 for line in lines)

    assert metrics.values("engine") == {engine.name}
    assert metrics.values("endpoint") <= {"chat", "generate", "embed", "transcribe", "models", "manage", "page", "other"}
    assert metrics.values("model") <= {"", f"{CHAT}:latest", "team-assistant:latest", "other"}
    assert metrics.values("user") <= {"alice", "bob", "other", "nobody"}
    assert metrics.sum("llm_gateway_requests_total", "user")["alice"] == sum(
        line.get("user") == "alice" and line["status"] != 401 for line in lines
    )

    hashed = {user["label"] for user in metrics_labels(USERS, [], "hash", "salt")["users"]}
    assert _metrics(agent, host.backend.get_hostname(), "/run/read.log", "hash", tmp_path).values("user") <= {*hashed, "other", "nobody"}
    assert _metrics(agent, host.backend.get_hostname(), "/run/read.log", "none", tmp_path).values("user") == {""}


def _first_byte(line: dict[str, t.Any]) -> float | None:
    """Seconds, as either web server says them."""
    timing = line.get("resp_headers", {}).get("Server-Timing")
    if timing:
        return float(timing[0].removeprefix("upstream;dur=")) / 1000
    first = line.get("ttfb")
    return first if isinstance(first, (int, float)) else None
