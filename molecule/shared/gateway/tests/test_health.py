# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What load balancers and uptime checks ask: whether the gateway lives, and whether a request would find an instance."""

from __future__ import annotations

import time
import typing as t

import pytest
from outside import URL

READY, UNAVAILABLE = (200, b'{"status":"ok"}\n'), (503, b'{"status":"unavailable"}\n')


def _answer(reach: t.Any, path: str, method: str = "GET") -> tuple[int, bytes]:
    reply = reach.request(method, path)
    return reply.status, reply.body


@pytest.mark.parametrize("stopped", ["ollama", "haproxy"])
def test_ready_is_who_has_an_instance_and_alive_is_who_runs(host, endpoint, engine, stopped):
    gateway = endpoint(URL)
    written = f"cat {' '.join((engine.log, *engine.other_logs))} | grep -c readyz"
    before = host.run(written).stdout
    assert _answer(gateway, "/readyz") == READY
    host.check_output(f"systemctl stop {stopped}")
    try:
        deadline = time.monotonic() + 10
        while _answer(gateway, "/readyz") != UNAVAILABLE and time.monotonic() < deadline:
            time.sleep(0.2)
        assert _answer(gateway, "/readyz") == UNAVAILABLE
        assert _answer(gateway, "/readyz", "HEAD") == (503, b"")
        assert _answer(gateway, "/healthz") == READY
    finally:
        host.check_output(f"systemctl start {stopped}")
    deadline = time.monotonic() + 20
    while _answer(gateway, "/readyz") != READY and time.monotonic() < deadline:
        time.sleep(0.2)
    assert _answer(gateway, "/readyz", "HEAD") == (200, b"")
    assert host.run(written).stdout == before
