# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.llm.host.plugins.module_utils._firewall import closed_ports, ruleset

TABLE = """\
table inet llm_host {
    chain input {
        type filter hook input priority filter; policy accept;
        tcp dport { 11434, 11444 } jump closed
    }

    chain closed {
        iif lo accept
        ip saddr { 10.20.0.5, 10.20.1.0/24 } accept
        ip6 saddr { fd00::5 } accept
        reject with tcp reset
    }
}
"""


def test_the_ruleset_takes_the_place_of_the_table_at_once():
    text = ruleset([11444, 11434, 11434], ["10.20.1.0/24", "10.20.1.7", "fd00::5", "10.20.0.5"])
    assert text.splitlines(keepends=True)[1:] == [
        "table inet llm_host {}\n",
        "delete table inet llm_host\n",
        *TABLE.splitlines(keepends=True),
    ]


def test_without_sources_only_the_host_itself_is_let_in():
    assert ruleset([11434], []).count("accept\n") == 1


@pytest.mark.parametrize("source", ["edge", "10.20.0.5/33", ""])
def test_a_source_that_is_no_address_is_refused(source):
    with pytest.raises(ValueError, match="does not appear to be"):
        ruleset([11434], [source])


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        pytest.param(ruleset([11434, 11444], []), {11434, 11444}, id="of-ours"),
        pytest.param(ruleset([11434], ["10.20.0.5"]), {11434}, id="one"),
        pytest.param("tcp dport 11434 jump closed", {11434}, id="as-the-kernel-shows-one"),
        pytest.param(None, set(), id="no-file"),
        pytest.param("", set(), id="nothing"),
    ],
)
def test_closed_ports(text, ports):
    assert closed_ports(text) == ports
