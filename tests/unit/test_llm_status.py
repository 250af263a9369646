# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that asks monitors for the status page, against monitors of all kinds, through real TLS."""

from __future__ import annotations

import contextlib
import dataclasses
import http.server
import json
import math
import os
import ssl
import stat
import subprocess
import sys
import threading
import time
import typing as t
import urllib.parse
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = ROOT / "roles/metrics/files"
NOW = 1795867560.0
PATHS = {"query": "vector", "query_range": "matrix"}


@pytest.fixture(name="figures")
def _figures(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "molecule/shared/gateway/tests")
    import figures

    return figures


@pytest.fixture(name="program")
def _program(monkeypatch):
    monkeypatch.syspath_prepend(FILES)
    from llm_status import __main__ as program

    return program


@pytest.fixture(scope="module", name="identities")
def _identities(tmp_path_factory) -> Path:
    """Certificates and keys of a gateway, two monitors and a stranger, as hosts make their own."""
    folder = tmp_path_factory.mktemp("identities")
    for name in ("gateway", "mon-1", "mon-2", "stranger"):
        made = ["-keyout", folder / f"{name}.key", "-out", folder / f"{name}.crt", "-subj", f"/CN={name}"]
        extensions = ["-addext", f"subjectAltName=DNS:{name}", "-addext", "basicConstraints=critical,CA:FALSE"]
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"]
        subprocess.run([*command, *made, *extensions], check=True, capture_output=True)
    return folder


@dataclasses.dataclass
class Reply:
    """What a played monitor sends back."""

    body: bytes
    status: int = 200
    pause: float = 0
    """Seconds before each byte."""


@dataclasses.dataclass
class Monitor:
    """A monitor that runs, and what it was asked."""

    where: str
    asked: list[dict[str, str]]


@contextlib.contextmanager
def monitor(identities: Path, answer: t.Callable[[dict[str, str]], Reply], name: str = "mon-1") -> t.Iterator[Monitor]:
    asked: list[dict[str, str]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urllib.parse.urlsplit(self.path)
            assert parts.path == "/proxy"
            asked.append(dict(urllib.parse.parse_qsl(parts.query)))
            reply = answer(asked[-1])
            self.send_response(reply.status)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            with contextlib.suppress(OSError):
                if not reply.pause:
                    self.wfile.write(reply.body)
                for byte in reply.body if reply.pause else ():
                    time.sleep(reply.pause)
                    self.wfile.write(bytes([byte]))

        def log_message(self, *_: object) -> None: ...

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None: ...

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identities / f"{name}.crt", identities / f"{name}.key")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(identities / "gateway.crt")
    server = Server(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield Monitor(f"127.0.0.1:{server.server_address[1]}", asked)
    server.shutdown()
    server.server_close()


def played(source: t.Any) -> t.Callable[[dict[str, str]], Reply]:
    """Answers as Prometheus writes them, of what the played monitor says."""

    def text(value: float | None) -> str:
        return "NaN" if value is None else repr(value)

    def answer(asked: dict[str, str]) -> Reply:
        data: t.Any
        if asked["module"] == "query":
            at = float(asked["time"])
            samples = source.now(asked["query"], at)
            data = {"resultType": "vector", "result": [{"metric": one.labels, "value": [at, text(one.value)]} for one in samples]}
        elif asked["module"] == "query_range":
            start, end, step = (int(asked[name]) for name in ("start", "end", "step"))
            series = source.history(asked["query"], start, step, (end - start) // step + 1)
            data = {
                "resultType": "matrix",
                "result": [
                    {
                        "metric": labels,
                        "values": [[start + step * place, text(value)] for place, value in enumerate(values) if value is not None],
                    }
                    for labels, values in series
                ],
            }
        else:
            assert asked["module"] == "alerts"
            firing = [
                {"labels": one.labels, "annotations": one.annotations, "activeAt": one.since, "state": "firing", "value": "1"}
                for one in source.alerts()
            ]
            data = {"alerts": [*firing, {"labels": {"alertname": "Later"}, "state": "pending"}]}
        return Reply(json.dumps({"status": "success", "data": data}).encode())

    return answer


@dataclasses.dataclass
class Gateway:
    """A host on which the program runs, as its unit runs it."""

    folder: Path
    identities: Path

    @property
    def settings(self) -> Path:
        return self.folder / "settings"

    @property
    def target(self) -> Path:
        return self.folder / "run/status.json"

    def run(self, monitors: dict[str, str], trusted: t.Sequence[str] = ("mon-1", "mon-2")) -> subprocess.CompletedProcess[str]:
        for folder in (self.settings, self.target.parent):
            folder.mkdir(exist_ok=True)
        for kind in ("crt", "key"):
            (self.settings / f"identity.{kind}").write_text((self.identities / f"gateway.{kind}").read_text())
        (self.settings / "monitors.crt").write_text("".join((self.identities / f"{name}.crt").read_text() for name in trusted))
        (self.settings / "status.json").write_text(json.dumps({"monitors": monitors}))
        command = [sys.executable, "-m", "llm_status", self.settings, self.target]
        variables = {**os.environ, "PYTHONPATH": str(FILES), "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60)

    @property
    def told(self) -> dict[str, t.Any]:
        return json.loads(self.target.read_text())


@pytest.fixture(name="gateway")
def _gateway(tmp_path, identities) -> Gateway:
    return Gateway(tmp_path, identities)


def test_what_the_monitor_says_is_written_for_the_group_alone(gateway, identities, figures):
    class Steady(figures.PlayedMonitor):
        def now(self, query, time):
            return super().now(query, round(time))

    with monitor(identities, played(Steady())) as first:
        done = gateway.run({"mon-1": first.where})
    assert (done.returncode, done.stderr) == (0, "")
    told = gateway.told
    assert told["answered"] and abs(told["measured"] - time.time()) < 30
    assert told == figures.figures(Steady(), told["measured"])
    assert stat.S_IMODE(gateway.target.stat().st_mode) == 0o640
    assert [path.name for path in gateway.target.parent.iterdir()] == ["status.json"]


def test_nothing_is_asked_of_users_and_no_more_than_is_needed(gateway, identities, figures):
    with monitor(identities, played(figures.PlayedMonitor())) as first:
        gateway.run({"mon-1": first.where})
    assert [asked for asked in first.asked if "user" in asked.get("query", "")] == []
    assert len(first.asked) == len({json.dumps(asked) for asked in first.asked}) < 50


def test_a_series_has_at_most_200_points_and_knows_its_gaps(program, figures):
    told = figures.figures(figures.PlayedMonitor(), NOW)
    history = told["history"]
    lengths = {name: len(values) for name, values in history.items() if isinstance(values, list)}
    assert set(lengths.values()) == {program.status.POINTS} and program.status.POINTS <= 200
    assert (
        history["start"] + (program.status.POINTS - 1) * history["step"] <= NOW < history["start"] + program.status.POINTS * history["step"]
    )
    dark = [place for place, value in enumerate(history["p50"]) if value is None]
    before_the_end = {(program.status.POINTS - 1 - place) * history["step"] / 3600 for place in dark}
    assert before_the_end == {13 + step / 8 for step in range(10)}


def test_the_next_monitor_is_asked_when_one_is_off(gateway, identities, figures):
    with monitor(identities, played(figures.PlayedMonitor()), "mon-2") as second:
        done = gateway.run({"mon-1": "127.0.0.1:1", "mon-2": second.where})
    assert done.returncode == 0 and gateway.told["answered"]


def test_the_next_monitor_is_not_asked_when_one_answers(gateway, identities, figures):
    answer = played(figures.PlayedMonitor())
    with monitor(identities, answer) as first, monitor(identities, answer, "mon-2") as second:
        gateway.run({"mon-1": first.where, "mon-2": second.where})
    assert first.asked and not second.asked


def test_what_was_measured_stays_with_its_time_when_nobody_answers(gateway, identities, figures):
    with monitor(identities, played(figures.PlayedMonitor())) as first:
        gateway.run({"mon-1": first.where})
    before = gateway.told
    gateway.target.write_text(json.dumps({**before, "measured": before["measured"] - 600, "asked": before["asked"] - 600}))
    done = gateway.run({"mon-1": "127.0.0.1:1"})
    after = gateway.told
    assert done.returncode == 1 and done.stderr.startswith("mon-1: ")
    assert after["asked"] >= before["asked"] and not after["answered"]
    assert {**after, "asked": 0, "answered": True} == {**before, "asked": 0, "measured": before["measured"] - 600}


@pytest.mark.parametrize("before", [None, "", "{", "[]", '{"version": 0, "measured": 1}', "\xff"])
def test_nothing_is_said_to_be_measured_when_nobody_ever_answered(gateway, before):
    gateway.target.parent.mkdir()
    if before is not None:
        gateway.target.write_text(before, encoding="latin-1")
    assert gateway.run({"mon-1": "127.0.0.1:1"}).returncode == 1
    assert set(gateway.told) == {"version", "every", "asked", "answered"}


def test_a_monitor_is_believed_only_with_its_own_certificate(gateway, identities, figures):
    with monitor(identities, played(figures.PlayedMonitor()), "stranger") as stranger:
        untrusted = gateway.run({"stranger": stranger.where})
        assert "certificate verify failed" in untrusted.stderr and not gateway.told["answered"]
    with monitor(identities, played(figures.PlayedMonitor()), "mon-2") as second:
        misnamed = gateway.run({"mon-1": second.where})
    assert "ostname mismatch" in misnamed.stderr and not gateway.told["answered"]
    assert not stranger.asked and not second.asked


def test_no_declared_monitor_is_said(gateway):
    assert "no monitor is declared" in gateway.run({}).stderr


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"<html>502</html>", id="no-json"),
        pytest.param(b"\xff\xfe\x00", id="no-text"),
        pytest.param(b"[" * 100000, id="too-deep"),
        pytest.param(b"[]", id="a-list"),
        pytest.param(b'{"status": "error", "error": "boom"}', id="an-error"),
        pytest.param(b'{"status": "success"}', id="no-data"),
        pytest.param(b'{"status": "success", "data": null}', id="null"),
        pytest.param(b'{"status": "success", "data": {"resultType": "scalar", "result": [1, "1"]}}', id="a-scalar"),
        pytest.param(b'{"status": "success", "data": {"resultType": "vector", "result": {}, "alerts": [7]}}', id="no-alerts"),
        pytest.param(
            b'{"status": "success", "data": {"resultType": "vector", "result": [{"metric": [], "value": [1, "1"]}]}}', id="no-labels"
        ),
        pytest.param(
            b'{"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [1, "x"]}]}}', id="no-number"
        ),
        pytest.param(b'{"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": []}]}}', id="no-value"),
    ],
)
def test_what_is_no_answer_of_prometheus_is_not_shown(gateway, identities, body):
    with monitor(identities, lambda asked: Reply(body)) as first:
        done = gateway.run({"mon-1": first.where})
    assert done.returncode == 1 and done.stderr.startswith("mon-1: it answers"), done.stderr
    assert "Traceback" not in done.stderr and not gateway.told["answered"]


def test_a_module_that_the_monitor_does_not_have_is_named(gateway, identities, figures):
    answer = played(figures.PlayedMonitor())
    with monitor(identities, lambda asked: Reply(b"", 404) if asked["module"] == "alerts" else answer(asked)) as first:
        assert gateway.run({"mon-1": first.where}).stderr == "mon-1: it answers alerts with HTTP 404\n"


@pytest.mark.parametrize("pause", [60, 0.05], ids=["silent", "dripping"])
def test_who_is_slow_is_left_in_time(program, gateway, identities, pause):
    gateway.run({})
    context = program.context_of(gateway.settings)
    with monitor(identities, lambda asked: Reply(b" " * 10000, pause=pause)) as first:
        begin = time.monotonic()
        with (
            pytest.raises(program.Unanswered, match="too long"),
            program.Prometheus(program.Monitor("mon-1", first.where), context, seconds=0.6) as prometheus,
        ):
            prometheus.now("x", NOW)
        assert 0.5 < time.monotonic() - begin < 3


def test_a_huge_answer_is_not_read(gateway, identities):
    with monitor(identities, lambda asked: Reply(b" " * 5_000_000)) as first:
        assert "more than 4194304 bytes" in gateway.run({"mon-1": first.where}).stderr


def test_a_large_fleet_gives_a_file_below_a_megabyte(figures):
    hosts = [f"{figures.LONG}-{number}" for number in range(150)]
    models = [f"{figures.LONG}-{number}" for number in range(50)]
    told = figures.figures(figures.PlayedMonitor(hosts=hosts, models=models), NOW)
    assert len(json.dumps(told, separators=(",", ":"))) < 1_000_000
    assert len(told["hosts"]) >= 100 and sum(len(host["gpus"]) for host in told["hosts"]) == 200
    assert sum(bool(gpu["history"]) for host in told["hosts"] for gpu in host["gpus"]) == 64


def test_what_no_person_can_read_is_null(program):
    prometheus = sys.modules["llm_status.prometheus"]
    assert [prometheus._number(text) for text in ("NaN", "+Inf", "-Inf", "1.5")] == [None, None, None, 1.5]
    assert program.status._rounded(math.pi) == 3.1416 and program.status._rounded(45634027520.0) == 45634027520


def test_a_host_that_is_not_heard_is_told_and_a_gateway_is_no_host_of_models(figures):
    class Deaf(figures.PlayedMonitor):
        def now(self, query, time):
            samples = super().now(query, time)
            if query != 'up{job="ollama"}':
                return samples
            return [*samples, figures.Sample({"instance": "gpu-c"}, 0.0)]

    hosts = figures.figures(Deaf(), NOW)["hosts"]
    assert [(host["name"], host["reports"]) for host in hosts] == [("gpu-a", True), ("gpu-b", True), ("gpu-c", False)]
    assert hosts[2]["servers"] == [] and hosts[2]["gpus"] == []


def test_the_worst_alert_is_the_first(figures):
    alerts = figures.figures(figures.PlayedMonitor(), NOW)["alerts"]
    assert [(alert["severity"], alert["since"]) for alert in alerts] == [("critical", 1795866750), ("warning", 1795862467)]
