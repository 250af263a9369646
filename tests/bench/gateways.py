# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a gateway costs: added latency and requests per second against the backend itself, for both engines, with and without the balancer
behind them, and for LiteLLM's proxy.

The backend is an nginx that always says the same, so that all that is measured is what stands before it. All of them run on this machine,
one round after the other, so that a slow moment of the machine is one for all.
"""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import os
import re
import secrets
import signal
import ssl
import statistics
import subprocess
import sys
import time
import typing as t
import urllib.error
import urllib.request
from pathlib import Path

from hosts import HERE, LAB, NETWORK, ROOT, address, provision, start, verdict

__all__ = ("gateways",)

MOCK = "llm-host-bench-mock"
ENDPOINTS = {
    "nginx": "llm-host-bench-nginx",
    "nginx, no tokens": "llm-host-bench-nginx-uncounted",
    "nginx + balancer": "llm-host-bench-nginx-balanced",
    "Caddy": "llm-host-bench-caddy",
    "Caddy + balancer": "llm-host-bench-caddy-balanced",
}
PORT = 11434
LITELLM_PORT = 4000
KEY = secrets.token_hex(16)
MODEL = "tiny"
ROUNDS = 3
SECONDS = 4
TOKENS = 60
ADDED = {"nginx": 0.3, "nginx + balancer": 0.5, "Caddy": 1.0}
SHARE = {"nginx": 50}
# What counting tokens may cost of what the gateway does otherwise.
COUNTING = 1.05
STREAMS = 64
CHAT = {"model": MODEL, "messages": [{"role": "user", "content": "Hello, how are you? " * 20}]}


@dataclasses.dataclass(frozen=True)
class Load:
    """What one run of wrk saw; milliseconds."""

    p50: float
    p99: float
    per_second: float


@dataclasses.dataclass(frozen=True)
class Cost:
    """The processor's time that nginx took for one request; microseconds."""

    whole: float
    streamed: float


def mock(stack: contextlib.ExitStack) -> str:
    """The backend: nginx for whole answers, a few lines of Python behind it for one that comes token by token."""
    install = "apt-get install -qq -y --no-install-recommends nginx >/dev/null 2>&1"
    serve = "python3 /bench/mock.py & exec nginx -c /bench/mock.conf -g 'daemon off;'"
    options = ["--name", MOCK, "--network", NETWORK, "-v", f"{HERE}:/bench:ro"]
    start(stack, "docker", "run", "-d", *options, "llm-host/lab:debian13", "bash", "-c", f"{install}; {serve}")
    return address(MOCK)


def endpoints(stack: contextlib.ExitStack, backend: str) -> dict[str, str]:
    for name in ENDPOINTS.values():
        start(stack, str(LAB), "run", name, "debian13", "--network", NETWORK)
    provision("gateways", bench_address=backend, gateway_users=[{"name": "bench", "key": KEY}])
    return {name: f"https://{address(host)}" for name, host in ENDPOINTS.items()}


def litellm(stack: contextlib.ExitStack, backend: str, folder: Path) -> str:
    """LiteLLM's proxy with one worker and no database, in an environment of its own."""
    subprocess.run([ROOT / "tests/setup", "bench"], check=True)
    folder.mkdir(parents=True, exist_ok=True)
    entry = {"model": f"openai/{MODEL}", "api_base": f"http://{backend}:{PORT}/v1", "api_key": "none"}
    config = {"model_list": [{"model_name": MODEL, "litellm_params": entry}], "general_settings": {"master_key": f"sk-{KEY}"}}
    (folder / "litellm.json").write_text(json.dumps(config))
    program = ROOT / ".venv-bench/bin/litellm"
    options = ["--config", str(folder / "litellm.json"), "--host", "127.0.0.1", "--port", str(LITELLM_PORT), "--telemetry", "False"]
    environment = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "NO_DOCS": "True"}
    log = (folder / "litellm.log").open("w")
    process = subprocess.Popen([program, *options], stdout=log, stderr=log, env=environment, cwd=folder, start_new_session=True)
    stack.callback(os.killpg, process.pid, signal.SIGTERM)
    url = f"http://127.0.0.1:{LITELLM_PORT}"
    for _ in range(240):
        with contextlib.suppress(OSError, urllib.error.HTTPError):
            urllib.request.urlopen(f"{url}/health/liveliness", timeout=2).read()
            return url
        if process.poll() is not None:
            break
        time.sleep(0.5)
    sys.exit(f"LiteLLM's proxy did not start: see {folder / 'litellm.log'}")


def wrk(url: str, key: str, *, connections: int, streamed: bool = False) -> Load:
    command = [
        "docker",
        "run",
        "--rm",
        "--network",
        "host",
        "-v",
        f"{HERE}:/bench:ro",
        "-e",
        f"KEY={key}",
        "-e",
        f"BODY={json.dumps({**CHAT, 'stream': True} if streamed else CHAT)}",
    ]
    options = [
        "-t1",
        f"-c{connections}",
        f"-d{SECONDS}s",
        "--timeout",
        "20s",
        "--latency",
        "-s",
        "/bench/chat.lua",
        *(["-H", "X-Stream: 1"] if streamed else []),
        f"{url}/v1/chat/completions",
    ]
    done = subprocess.run([*command, "llm-host/lab:client", "wrk", *options], capture_output=True, text=True, check=True)
    if "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        sys.exit(f"{url} did not answer rightly:\n{done.stdout}")
    return Load(
        p50=quantile(done.stdout, 50),
        p99=quantile(done.stdout, 99),
        per_second=float(re.findall(r"Requests/sec:\s+([\d.]+)", done.stdout)[0]),
    )


def quantile(output: str, percent: int) -> float:
    value, unit = re.findall(rf"^\s+{percent}%\s+([\d.]+)(us|ms|s)", output, re.MULTILINE)[0]
    return float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def processor_time(host: str) -> int:
    """Nanoseconds that nginx has taken on this host since it started."""
    command = ["docker", "exec", host, "systemctl", "show", "--property", "CPUUsageNSec", "--value", "nginx.service"]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def cost(host: str, url: str) -> Cost:
    """What whole answers cost, and streams of many tokens."""
    found = []
    for streamed, connections in ((False, 32), (True, STREAMS)):
        before = processor_time(host)
        load = wrk(url, KEY, connections=connections, streamed=streamed)
        found.append((processor_time(host) - before) / 1000 / (load.per_second * SECONDS))
    return Cost(*found)


def first_token(url: str, key: str) -> tuple[float, int]:
    """Milliseconds from the request to the first piece of a streamed answer, and in how many pieces it came."""
    host = url.partition("//")[2]
    context = ssl._create_unverified_context()
    connection = http.client.HTTPSConnection(host, context=context) if url.startswith("https") else http.client.HTTPConnection(host)
    with contextlib.closing(connection):
        connection.request("GET", "/api/version", headers={"Authorization": f"Bearer {key}"})
        connection.getresponse().read()
        began = time.monotonic()
        connection.request(
            "POST", "/api/generate", body=json.dumps({"model": MODEL, "prompt": "x"}), headers={"Authorization": f"Bearer {key}"}
        )
        reply = connection.getresponse()
        pieces = [reply.read1(65536)]
        first = (time.monotonic() - began) * 1000
        while pieces[-1]:
            pieces.append(reply.read1(65536))
    return first, len(pieces) - 1


def median(loads: t.Iterable[Load], field: str) -> float:
    return statistics.median(getattr(load, field) for load in loads)


def report(measured: t.Mapping[str, t.Mapping[int, t.Sequence[Load]]], streams: t.Mapping[str, t.Sequence[tuple[float, int]]]) -> None:
    print(
        f"\ngateways before a backend that takes no time, chat of {len(json.dumps(CHAT))} bytes; medians of {ROUNDS} rounds of {SECONDS} s"
    )
    print(f"  {'':<18}{'c=1 p50':>12}{'added':>10}{'p99':>10}{'req/s':>10}   {'c=32 p50':>12}{'p99':>10}{'req/s':>10}{'of direct':>11}")
    direct = measured["direct"]
    for name, loads in measured.items():
        one, many = loads[1], loads[32]
        added = median(one, "p50") - median(direct[1], "p50")
        share = 100 * median(many, "per_second") / median(direct[32], "per_second")
        print(
            f"  {name:<18}{median(one, 'p50'):>9.2f} ms{added:>+7.2f} ms{median(one, 'p99'):>7.1f} ms{median(one, 'per_second'):>10.0f}"
            f"   {median(many, 'p50'):>9.2f} ms{median(many, 'p99'):>7.1f} ms{median(many, 'per_second'):>10.0f}{share:>9.0f} %"
        )
        if name in ADDED:
            verdict(added <= ADDED[name], f"at most {ADDED[name]} ms added")
        if name in SHARE:
            verdict(share >= SHARE[name], f"at least {SHARE[name]} % of direct")
    print(
        f"streams of {TOKENS} tokens: milliseconds to the first piece, and pieces (target: within 5 ms of direct, a piece for each token)"
    )
    for name, seen in streams.items():
        print(
            f"  {name:<18}{statistics.median(first for first, _ in seen):>9.2f} ms   {statistics.median(pieces for _, pieces in seen):.0f} pieces"
        )


def report_counting(costs: t.Mapping[str, t.Sequence[Cost]]) -> None:
    counted, uncounted = (costs[name] for name in ("nginx", "nginx, no tokens"))
    print(f"counting tokens: processor's time of nginx for a request, against the same without it; medians of {ROUNDS} rounds")
    for kind in ("whole", "streamed"):
        with_it, without = (statistics.median(getattr(one, kind) for one in seen) for seen in (counted, uncounted))
        print(f"  {kind:<18}{with_it:>9.0f} us{without:>9.0f} us{with_it / without:>9.3f}")
        verdict(with_it / without <= COUNTING, f"at most {COUNTING} times")


def gateways() -> None:
    """Print the figures; targets and no verdicts, since the machine decides about them, too."""
    subprocess.run([LAB, "client"], check=True)
    with contextlib.ExitStack() as stack:
        backend = mock(stack)
        targets = {"direct": (f"http://{backend}:{PORT}", ""), **{name: (url, KEY) for name, url in endpoints(stack, backend).items()}}
        targets["LiteLLM"] = (litellm(stack, backend, ROOT / ".cache/bench"), f"sk-{KEY}")
        measured: dict[str, dict[int, list[Load]]] = {name: {1: [], 32: []} for name in targets}
        streams: dict[str, list[tuple[float, int]]] = {name: [] for name in targets if name != "LiteLLM"}
        costs: dict[str, list[Cost]] = {name: [] for name in ("nginx", "nginx, no tokens")}
        for _ in range(ROUNDS):
            for name, (url, key) in targets.items():
                for connections, loads in measured[name].items():
                    loads.append(wrk(url, key, connections=connections))
                if name in streams:
                    streams[name].append(first_token(url, key))
                if name in costs:
                    costs[name].append(cost(ENDPOINTS[name], url))
        report(measured, streams)
        report_counting(costs)


if __name__ == "__main__":
    gateways()
