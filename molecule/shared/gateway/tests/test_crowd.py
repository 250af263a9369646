# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is slow, and who holds connections, does not stop others."""

from __future__ import annotations

import concurrent.futures

import pytest
from test_streams import ask

pytestmark = pytest.mark.timed

SLOW_HEADER = "POST /api/chat HTTP/1.1\r\nHost: llm.test\r\nX-Slow: "


@pytest.fixture(scope="module")
def crowds(hosts):
    """On every host at once: a thousand idle connections, a hundred slow ones, and somebody who asks."""
    slow = {name: agent.start("outlast", data=SLOW_HEADER, seconds=60) for name, agent in hosts.items()}
    data = ask("/api/embed", {"model": "embed", "input": "hello"})
    with concurrent.futures.ThreadPoolExecutor() as pool:
        calls = {name: pool.submit(agent, "crowd", idle=1000, heads=50, bodies=50, seconds=5, ask=data) for name, agent in hosts.items()}
        return {name: (call.result(), slow[name].result()) for name, call in calls.items()}


def test_others_are_served_meanwhile(crowds):
    for name, (crowd, _) in crowds.items():
        assert crowd["held"] == 1100
        assert len(crowd["took"]) >= 3, name
        assert {status for status, _ in crowd["took"]} == {200}, name
        assert max(seconds for _, seconds in crowd["took"]) < 5, name


def test_a_header_that_never_ends_is_not_awaited(crowds):
    for name, (_, slow) in crowds.items():
        assert slow["seconds"] is not None and slow["seconds"] < 45, name
