# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A played HAProxy, and runs of the canary with it and the stand-in."""

from __future__ import annotations

import http.server
import json
import os
import re
import subprocess
import sys
import threading
import time
import typing as t
from pathlib import Path

import pytest
from local import call

FILES = Path(__file__).parents[3] / "roles" / "metrics" / "files"
sys.path.insert(0, str(FILES))


class Balancer(http.server.ThreadingHTTPServer):
    """Its page of metrics, of one pool with one server."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Page)
        self.waiting, self.sessions, self.slots, self.state, self.page = 0, 0, 4, "UP", ""
        self.looks = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/metrics"

    def text(self) -> str:
        labels = 'proxy="instances",server="gpu-01.default"'
        states = [
            f'haproxy_server_status{{{labels},state="{state}"}} {int(state == self.state)}' for state in ("DOWN", "UP", "MAINT", "DRAIN")
        ]
        return self.page or "\n".join(
            [
                f'haproxy_backend_current_queue{{proxy="instances"}} {self.waiting}',
                'haproxy_backend_current_queue{proxy="unqueued-instances"} 7',
                f"haproxy_server_current_sessions{{{labels}}} {self.sessions}",
                f"haproxy_server_limit_sessions{{{labels}}} {self.slots}",
                *states,
            ]
        )


class Page(http.server.BaseHTTPRequestHandler):
    server: Balancer

    def do_GET(self) -> None:
        self.server.looks += 1
        body = self.server.text().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: t.Any) -> None:
        pass


class Canary:
    """Runs it as its unit does, and reads what it prints."""

    def __init__(self, directory: Path, balancer: Balancer, address: str) -> None:
        self.directory, self.balancer, self.address = directory, balancer, address
        self.models: list[dict[str, t.Any]] = []
        self.said = ""

    def start(self, mode: str = "loaded") -> subprocess.Popen[str]:
        instance = {"host": "gpu-01", "server": "default", "pool": "instances", "name": "gpu-01.default", "address": self.address}
        config = {"balancer": self.balancer.url, "tokens": 16, "instances": [{**instance, "models": self.models}]}
        path = self.directory / "canary.json"
        path.write_text(json.dumps(config))
        return subprocess.Popen(
            [sys.executable, "-m", "llm_canary", str(path), mode],
            cwd=FILES,
            env={**os.environ, "STATE_DIRECTORY": str(self.directory), "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ended(self, process: subprocess.Popen[str]) -> dict[str, float]:
        """Its metrics without their prefix, each ``name model`` or ``name model reason``."""
        output, self.said = process.communicate(timeout=60)
        assert process.returncode == 0, self.said
        assert "Traceback" not in self.said
        found = {}
        for name, labels, value in re.findall(r"^llm_canary_(\w+)\{(.*)\} (\S+)$", output, re.MULTILINE):
            of = dict(re.findall(r'(\w+)="([^"]*)"', labels))
            assert (of["host"], of["server"]) == ("gpu-01", "default")
            found[" ".join([name, of["model"].rsplit("/", 1)[-1], *([of["reason"]] if "reason" in of else [])])] = float(value)
        return found

    def run(self, mode: str = "loaded") -> dict[str, float]:
        return self.ended(self.start(mode))


@pytest.fixture(name="balancer")
def _balancer():
    server = Balancer()
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(name="canary")
def _canary(lab, tmp_path, balancer):
    """Two declared models that are there, none in memory."""
    lab.run([lab.pulled("tiny"), lab.pulled("embed")])
    directory = tmp_path / "canary"
    directory.mkdir()
    canary = Canary(directory, balancer, lab.api.removeprefix("http://"))
    canary.models = [{"name": f"{lab.name('tiny')}:latest"}, {"name": f"{lab.name('embed')}:latest"}]
    return canary


@pytest.fixture(name="ollama")
def _ollama(lab):
    return Users(lab)


class Users:
    """What people do with the instance, and what they see of it."""

    def __init__(self, lab: t.Any) -> None:
        self._lab = lab

    def generate(self, model: str = "tiny", **more: t.Any) -> t.Any:
        return call("POST", f"{self._lab.api}/api/generate", {"model": self._lab.name(model), "prompt": "Hello", "stream": False, **more})

    def resident(self) -> dict[str, dict[str, t.Any]]:
        return {model["name"].rsplit("/", 1)[-1]: model for model in call("GET", f"{self._lab.api}/api/ps")["models"]}

    def faults(self, **faults: t.Any) -> None:
        call("PUT", f"{self._lab.api}/_standin/faults", faults)

    def counters(self) -> dict[str, int]:
        return t.cast("dict[str, int]", call("GET", f"{self._lab.api}/_standin/seen?last=0")["counters"])

    def await_running(self) -> None:
        deadline = time.monotonic() + 20
        while not self.counters()["running"]:
            assert time.monotonic() < deadline
            time.sleep(0.02)
