# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ports of Ollama are closed to all but some, whatever happens to the host: tried from a friend and from a stranger."""

from __future__ import annotations

import typing as t

import pytest
from lab_hosts import call, leave, listen, reaches, restart, sh, throwaway
from load import address

FRIEND = "friend"
PORTS = (11434, 11444)
FREE = 8099


@pytest.fixture(scope="module")
def walled() -> t.Iterator[str]:
    """A host of the test's own: when nftables is emptied there, the engine's resolver goes with it."""
    # What keeps the table is the same as in test_host_firewall, on Debian 12.
    for name in throwaway("walled", "debian13", "nftables"):
        listen(name, *PORTS, FREE)
        yield name


class Closed(t.NamedTuple):
    """What the module says, and then who it is about."""

    changed: bool
    actions: list[str]
    kept: list[int]


def close(name: str, *options: str, **arguments: t.Any) -> Closed:
    ok, result = call(name, "host_firewall", *options, **arguments)
    assert ok, result["msg"]
    return Closed(result["changed"], result["actions"], result["kept"])


def test_what_check_mode_announces_is_done_and_only_once(walled, stranger):
    wanted = {"ports": list(PORTS), "sources": [address(FRIEND)]}
    announced = close(walled, "--check", **wanted)
    assert reaches(stranger, walled, PORTS[0]) == "open"
    assert close(walled, **wanted) == announced == Closed(True, ["write", "enable", "start"], [])
    assert close(walled, **wanted) == Closed(False, [], [])
    assert [reaches(name, walled, port) for name in (FRIEND, stranger) for port in (*PORTS, FREE)] == [
        "open",
        "open",
        "open",
        "refused",
        "refused",
        "open",
    ]


@pytest.mark.parametrize("command", ["reload nftables", "restart nftables", "stop nftables", "start nftables"])
def test_it_survives_what_empties_nftables(walled, stranger, command):
    sh(walled, "systemctl", "start", "nftables")
    sh(walled, "nft", "add table inet of_somebody_else")
    sh(walled, "systemctl", *command.split())
    assert reaches(stranger, walled, PORTS[0]) == "refused"
    assert close(walled, "--check", ports=list(PORTS), sources=[address(FRIEND)]) == Closed(False, [], [])


def test_a_table_that_somebody_changed_is_put_back_and_other_tables_stay(walled, stranger):
    sh(walled, "nft", "add table inet of_somebody_else")
    sh(walled, "nft", "insert rule inet llm_host closed accept")
    assert reaches(stranger, walled, PORTS[0]) == "open"
    assert close(walled, ports=list(PORTS), sources=[address(FRIEND)]) == Closed(True, ["load"], [])
    assert reaches(stranger, walled, PORTS[0]) == "refused"
    assert "table inet of_somebody_else" in sh(walled, "nft", "list", "tables")


def test_it_is_there_after_a_boot(walled, stranger):
    restart(walled)
    listen(walled, *PORTS, FREE)
    assert [reaches(stranger, walled, port) for port in (*PORTS, FREE)] == ["refused", "refused", "open"]


def test_a_port_stays_closed_for_as_long_as_somebody_listens_there(walled, stranger):
    fewer = {"ports": [PORTS[0]], "sources": [address(FRIEND)]}
    assert close(walled, **fewer).kept == [PORTS[1]]
    assert reaches(stranger, walled, PORTS[1]) == "refused"
    leave(walled, PORTS[1])
    assert close(walled, keep="all", **fewer) == Closed(False, [], [PORTS[1]])
    assert close(walled, **fewer) == Closed(True, ["write", "load"], [])


def test_it_is_removed_without_a_trace(walled, stranger):
    announced = close(walled, "--check", ports=[], leave=[PORTS[0]])
    assert close(walled, ports=[], leave=[PORTS[0]]) == announced == Closed(True, ["disable", "drop", "remove"], [])
    assert close(walled, ports=[]) == Closed(False, [], [])
    assert reaches(stranger, walled, PORTS[0]) == "open"
    assert sh(walled, "find", "/etc", "-name", "*llm-host*", "-not", "-name", "*.crt", "-not", "-name", "*.pem") == ""
    assert "llm_host" not in sh(walled, "nft", "list", "tables")
