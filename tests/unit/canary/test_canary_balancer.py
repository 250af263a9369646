# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When the canary keeps away, from what real HAProxies say."""

from __future__ import annotations

from pathlib import Path

import pytest
from llm_canary.balancer import Load, NoAnswer, Server, obstacle, parse

PAGES = Path(__file__).parents[2] / "data" / "haproxy"


@pytest.mark.parametrize("version", ["2.6", "3.0"])
def test_queue_slots_and_states_are_read_from_the_real_page(version):
    load = parse((PAGES / f"metrics-{version}.txt").read_text())
    assert load.waiting == 3
    assert load.servers == {
        ("instances", "h.one"): Server("UP", 1, 1),
        ("instances", "h.two"): Server("DRAIN", 1, 1),
        ("instances", "h.down"): Server("DOWN", 0, 1),
    }


@pytest.mark.parametrize(
    ("waiting", "server", "alone", "expected"),
    [
        pytest.param(0, Server("UP", 0, 1), False, "", id="free"),
        pytest.param(0, Server("UP", 3, 4), False, "", id="one-slot-left"),
        pytest.param(0, Server("UP", 4, 4), False, "busy", id="no-slot-left"),
        pytest.param(0, Server("UP", 1, 4), True, "busy", id="a-load-would-be-beside-somebody"),
        pytest.param(0, Server("UP", 0, 4), True, "", id="a-load-beside-nobody"),
        pytest.param(1, Server("UP", 0, 4), False, "queue", id="somebody-waits"),
        pytest.param(1, Server("DRAIN", 0, 4), False, "drained", id="drained"),
        pytest.param(0, Server("MAINT", 0, 4), False, "drained", id="in-maintenance"),
        pytest.param(0, Server("DOWN", 0, 4), False, "down", id="down"),
        pytest.param(0, None, False, "down", id="unknown-to-the-balancer"),
    ],
)
def test_it_keeps_away(waiting, server, alone, expected):
    load = Load(waiting, {} if server is None else {("instances", "h.one"): server})
    assert obstacle(load, "instances", "h.one", alone=alone) == expected


@pytest.mark.parametrize(
    "page", ["", "<html>", 'haproxy_server_status{proxy="a",server="b",state="UP"} nonsense'], ids=["empty", "another", "no-number"]
)
def test_what_is_no_page_of_haproxy_tells_nothing(page):
    with pytest.raises(NoAnswer):
        parse(page)
