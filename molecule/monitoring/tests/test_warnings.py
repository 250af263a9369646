# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every alert is silent while all is well, fires when its cause is there, reaches who is to be told, and ends with its cause.

How long a cause must last is taken out of the rules meanwhile, and what was days ago is written into the database.
"""

from __future__ import annotations

import json
import time
import typing as t

import pytest
from conftest import INSTANCES
from load import eventually, join

RULES = "/etc/prometheus/llm/rules/llm-alerts.yml"
DAY = 86400
# What these are about may be over, and is still in the minutes or hours that they look back.
LOOKING_BACK = {"LlmLatencyClimbing", "LlmModelsThrashing", "LlmQueueGrowing", "LlmQueueRefusing", "LlmTokensPerSecondDropped"}
HOOK = """
import http.server
class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        with open("/run/lab-hook.json", "ab") as heard:
            heard.write(self.rfile.read(int(self.headers["Content-Length"])) + b"\\n")
        self.send_response(200)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", 9099), Hook).serve_forever()
"""


@pytest.fixture(scope="module", autouse=True)
def _impatient(watcher) -> t.Iterator[None]:
    """Alerts do not wait, there was a last week, and somebody listens to Alertmanager."""
    host = watcher.host
    remember(host)
    watcher.ready()
    host.check_output("systemd-run --unit=lab-hook python3 -c %s", HOOK)
    host.check_output(
        f"cp -p {RULES} /run/lab-rules && sed -i 's/^        for: .*/        for: 0s/' {RULES} && systemctl reload prometheus"
    )
    yield
    host.check_output(f"cp -p /run/lab-rules {RULES} && systemctl reload prometheus && systemctl stop lab-hook")


def remember(host: t.Any) -> None:
    """Last week every model was fast, and until an hour ago every answer was."""
    now = int(time.time())
    week = [
        (now - 7 * DAY - 1800 + ago, f'llm:canary_tokens_per_second:avg1d{{host="{name}",server="default",model="tiny:latest"}} 95')
        for ago in range(0, 4 * 3600, 60)
        for name in INSTANCES
    ]
    yesterday = [(now - DAY + ago, 'llm:request_seconds:p95{model="embed:latest"} 0.2') for ago in range(0, DAY - 7200, 600)]
    samples = [[f"{sample} {when}" for when, sample in series] for series in (week, yesterday)]
    text = "\n".join([*samples[0], *samples[1], "# EOF", ""])
    host.check_output("printf %%s %s > /run/lab-past && promtool tsdb create-blocks-from openmetrics /run/lab-past /run/lab-blocks", text)
    host.check_output(
        "chown -R prometheus: /run/lab-blocks && mv /run/lab-blocks/* /var/lib/prometheus/metrics2/ && systemctl restart prometheus"
    )


class Cause(t.NamedTuple):
    """What makes alerts fire: how it begins, and how it ends."""

    alerts: set[str]
    begin: t.Callable[[], t.Any]
    end: t.Callable[[], t.Any]


def remaining(look: t.Callable[[], set[str]]) -> set[str]:
    """What is left once nothing is, or when time is up. It is the last look that counts: another one may see an alert that came or went since."""
    deadline = time.monotonic() + 60
    while (left := look()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


def fires(watcher: t.Any, *causes: Cause) -> None:
    """All alerts of the causes fire while these are there."""
    wanted = set[str]().union(*(cause.alerts for cause in causes))
    try:
        for cause in causes:
            cause.begin()
        assert remaining(lambda: wanted - watcher.firing()) == set()
    finally:
        for cause in reversed(causes):
            cause.end()


def post(watched: t.Any, name: str, path: str, body: dict[str, t.Any], method: str = "POST") -> None:
    """Something that somebody does at an instance, past the gateway."""
    call = f"import urllib.request as u; u.urlopen(u.Request('http://{watched.places[name]}{path}', {json.dumps(body).encode()!r}, method={method!r})).read()"
    watched.host.check_output("python3 -c %s", call)


def test_nothing_fires_while_all_is_well(watcher):
    watcher.scraped()
    assert watcher.firing() == set()
    assert watcher.ask("up == 0") == {}
    # node and ollama of four hosts, what the gateway has, and what the watcher asks itself.
    assert watcher.number("count(up)") >= 8 + 3 + 2


def test_a_host_with_gpus(watched, watcher):
    first, second = watched.hosts["watched-1"], watched.hosts["watched-2"]
    gpus = first.file("/etc/lab-gpus.json").content_string

    def play(text: str) -> None:
        """In one step: what nvidia-smi finds half written is an error of its exporter, and an alert."""
        first.check_output("printf %%s %s > /etc/lab-gpus.new && mv /etc/lab-gpus.new /etc/lab-gpus.json", text)

    def key_expires(days: float) -> None:
        """The host is in no tailnet: that it is, too, is what the exporter is told."""
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + days * DAY))
        first.check_output("echo %s > /etc/lab-key-expiry", when)
        first.check_output(
            'sed -i \'s/"tailscale": false/"tailscale": true/\' /etc/llm-metrics/exporter.json && systemctl restart ollama-exporter'
        )

    def rename(old: str, new: str) -> None:
        post(watched, "watched-2", "/api/copy", {"source": old, "destination": new})
        post(watched, "watched-2", "/api/delete", {"model": old}, "DELETE")

    def run_on(share: float, keep: int) -> None:
        watched.fault({"gpu": share}, "watched-1")
        post(watched, "watched-1", "/api/generate", {"model": "tiny", "keep_alive": keep})

    fires(
        watcher,
        Cause(
            {"LlmGpuLost", "LlmGpuMemoryHigh"},
            lambda: play('[{"pci.bus_id": "00000000:17:00.0", "memory.used": "22000"}]'),
            lambda: play(gpus),
        ),
        Cause({"LlmTailnetKeyExpiring"}, lambda: key_expires(3), lambda: key_expires(90)),
        Cause({"LlmModelOnCpu"}, lambda: run_on(0.4, -1), lambda: run_on(1, 0)),
        Cause({"LlmDrift"}, lambda: rename("embed", "kept"), lambda: rename("kept", "embed")),
        Cause(
            {"LlmStoreTooSmall"},
            lambda: second.run("dd if=/dev/zero of=/srv/small/filled bs=4k"),
            lambda: second.check_output("rm /srv/small/filled"),
        ),
        Cause(
            {"LlmTargetDown"},
            lambda: second.check_output("systemctl stop prometheus-node-exporter"),
            lambda: second.check_output("systemctl start prometheus-node-exporter"),
        ),
    )


def test_models(watched, watcher):
    """The canary's first run finds them slow, its second finds them broken."""

    def canary() -> None:
        watched.host.run("systemctl start llm-canary@all")

    def thrash() -> None:
        for _ in range(3):
            for model in ("tiny", "embed"):
                path, body = ("/api/generate", {}) if model == "tiny" else ("/api/embed", {"input": "hello"})
                post(watched, "watched-1", path, {"model": model, **body})
                # A load that nobody saw is not counted.
                eventually(lambda here=f"ollama_model_bytes{{instance='watched-1',model='{model}:latest'}}": watcher.ask(here) != {}, 30)

    def slow() -> None:
        watched.fault({"token_ms": 40})
        canary()

    def broken() -> None:
        watched.fault({"generate_500": True})
        canary()

    def well() -> None:
        watched.fault({})
        canary()

    fires(watcher, Cause({"LlmTokensPerSecondDropped"}, slow, well), Cause({"LlmModelsThrashing"}, thrash, well))
    fires(watcher, Cause({"LlmCanaryFailing"}, broken, well))


def test_the_queue(watched, watcher):
    """Sixteen slots and twelve places to wait; forty-eight come, and sixteen more: of those who are the first to be refused, no growth is seen."""
    refused = "sum(llm_gateway_requests_total{code='503'})"

    def come(number: int) -> None:
        for _ in range(number):
            watched.call("alice", tokens=400, timeout=300)

    def crowd() -> None:
        watched.fault({"token_ms": 300})
        known = watcher.number(refused) or 0
        come(48)
        watcher.counted(refused, known + 1)
        come(16)

    fires(watcher, Cause({"LlmQueueGrowing", "LlmQueueRefusing"}, crowd, watched.leave))


def test_answers_that_take_longer_than_yesterday(watched, watcher):
    embedded = "sum(llm_gateway_requests_total{model='embed:latest'})"

    def slow() -> None:
        """The first is there so that the growth by the second can be seen."""
        watched.fault({"load_ms": 8000})
        known = watcher.number(embedded) or 0
        for number in (1, 2):
            join([watched.call("bob", path="/api/embed", model="embed", input="hello", keep_alive=0)])
            watcher.counted(embedded, known + number)

    fires(watcher, Cause({"LlmLatencyClimbing"}, slow, lambda: watched.fault({})))


def test_the_endpoint(watched, watcher):
    sign = (
        "cd /etc/llm-gateway/tls && cp -p selfsigned.crt /run/kept.crt"
        " && openssl req -new -key selfsigned.key -subj /CN=gateway | openssl x509 -req -CA ca.crt -CAkey ca.key -days 3"
        " -extfile /run/names -out selfsigned.crt && systemctl reload nginx"
    )
    watched.host.check_output("echo subjectAltName=DNS:ollama.example.com > /run/names")

    def ollama(what: str) -> None:
        for host in watched.hosts.values():
            host.check_output(f"systemctl {what} ollama")

    fires(
        watcher,
        Cause({"LlmEndpointDown", "LlmOllamaDown"}, lambda: ollama("stop"), lambda: (ollama("start"), watched.all_up(60))),
        Cause(
            {"LlmCertificateExpiring"},
            lambda: watched.host.check_output(sign),
            lambda: watched.host.check_output("cp -p /run/kept.crt /etc/llm-gateway/tls/selfsigned.crt && systemctl reload nginx"),
        ),
    )


def test_what_is_over_fires_no_longer(watcher):
    assert remaining(lambda: watcher.firing() - LOOKING_BACK) == set()


def test_who_is_to_be_told_was_told(watcher):
    # Those that look back for long enough: Alertmanager waits half a minute for more to tell.
    eventually(lambda: {"LlmModelsThrashing", "LlmQueueRefusing"} <= told(watcher), 60)


def test_who_is_to_be_told_cannot_be(watcher):
    def alertmanager(what: str) -> None:
        watcher.host.check_output(f"systemctl {what} prometheus-alertmanager")

    fires(watcher, Cause({"LlmAlertmanagerUnreachable"}, lambda: alertmanager("stop"), lambda: alertmanager("start")))


def told(watcher: t.Any) -> set[str]:
    """What the receiver of Alertmanager heard of."""
    heard = watcher.host.run("cat /run/lab-hook.json").stdout.splitlines()
    return {alert["labels"]["alertname"] for line in heard if line for alert in json.loads(line)["alerts"]}
