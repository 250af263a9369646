# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.llm.host.plugins.module_utils._ingress import additions, admits, opening, port_ranges, ruleset

ALWAYS = """\
        iif lo accept
        ct state established,related accept
        tcp flags & (fin | syn | rst | ack) != syn accept
        icmp type { destination-unreachable, echo-request, time-exceeded, parameter-problem } accept
        icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem, echo-request } accept
        icmpv6 type { mld-listener-query, nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept
        udp sport 67 udp dport 68 accept
        ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept
"""


def rules(*openings) -> list[str]:
    """What the openings add to what is always let in."""
    text = ruleset(openings)
    return [line.strip() for line in text[text.index(ALWAYS) + len(ALWAYS) : text.index("        counter\n")].splitlines()]


def test_the_ruleset_takes_the_place_of_the_table_at_once_and_drops_what_it_does_not_know():
    lines = ruleset([]).splitlines()
    assert lines[1:4] == ["table inet llm_host_firewall {}", "delete table inet llm_host_firewall", "table inet llm_host_firewall {"]
    assert lines[5].strip() == "type filter hook input priority filter; policy drop;"
    assert not {"forward", "output", "flush"} & {word for line in lines[1:] for word in line.split()}


@pytest.mark.parametrize(
    ("one", "lines"),
    [
        pytest.param(opening([443], ["any"]), ["tcp dport { 443 } accept"], id="anybody"),
        pytest.param(opening([443], ["any", "10.20.0.0/16"]), ["tcp dport { 443 } accept"], id="anybody-is-everybody"),
        pytest.param(opening(["53"], ["any"], (), "udp"), ["udp dport { 53 } accept"], id="another-protocol"),
        pytest.param(
            opening(["443", "11434-11436"], ["10.20.0.5/16", "fd00::/8"]),
            [
                "ip saddr { 10.20.0.0/16 } tcp dport { 443, 11434-11436 } accept",
                "ip6 saddr { fd00::/8 } tcp dport { 443, 11434-11436 } accept",
            ],
            id="networks",
        ),
        pytest.param(
            opening([443], ["10.20.0.0/16", "10.20.5.0/24"]), ["ip saddr { 10.20.0.0/16 } tcp dport { 443 } accept"], id="networks-that-overlap"
        ),
        pytest.param(opening([443], ["0.0.0.0/0"]), ["meta nfproto ipv4 tcp dport { 443 } accept"], id="everybody-of-one-family"),
        pytest.param(
            opening([443], [], ["wg0", "tailscale0"]), ['iifname { "tailscale0", "wg0" } tcp dport { 443 } accept'], id="interfaces"
        ),
        pytest.param(opening([443], []), [], id="nobody"),
    ],
)  # fmt: skip
def test_an_opening_is(one, lines):
    assert rules(one) == lines


def test_the_same_rule_is_there_once():
    assert rules(opening([443], ["any"]), opening(["443"], ["any"])) == ["tcp dport { 443 } accept"]


def test_additions_take_nothing_away():
    assert additions([opening([443], ["any"])]) == "add rule inet llm_host_firewall input tcp dport { 443 } accept\n"


@pytest.mark.parametrize(
    ("ports", "ranges"),
    [
        pytest.param(["443", 80], [(80, 80), (443, 443)], id="sorted"),
        pytest.param(["443", "400-500", "443"], [(400, 500)], id="one-in-another"),
        pytest.param(["80-90", "85-100", "101"], [(80, 101)], id="those-that-overlap-or-touch"),
        pytest.param(["1-65535"], [(1, 65535)], id="all"),
    ],
)
def test_port_ranges(ports, ranges):
    assert port_ranges(ports) == ranges


@pytest.mark.parametrize("port", ["0", "65536", "90-80", "http", "-1", "80-", "1-2-3", "", "٣"])
def test_what_is_no_port_is_refused(port):
    with pytest.raises(ValueError, match="is not a port"):
        port_ranges([port])


@pytest.mark.parametrize(
    ("one", "address", "interface", "in_it"),
    [
        pytest.param(opening([22], ["any"]), "203.0.113.9", "", True, id="anybody"),
        pytest.param(opening([22], ["10.20.0.0/16"]), "10.20.3.4", "eth0", True, id="of-a-network"),
        pytest.param(opening([22], ["10.20.0.0/16"]), "::ffff:10.20.3.4", "eth0", True, id="as-a-server-of-both-families-sees-it"),
        pytest.param(opening([22], ["fe80::/10"]), "fe80::1%eth0", "eth0", True, id="of-one-link"),
        pytest.param(opening([22], ["10.20.0.0/16"], ["wg0"]), "10.86.0.9", "wg0", True, id="through-an-interface"),
        pytest.param(opening([22], ["10.20.0.0/16"], ["wg0"]), "10.86.0.9", "eth0", False, id="through-another-one"),
        pytest.param(opening([22], ["10.20.0.0/16"]), "fd00::1", "", False, id="of-another-family"),
        pytest.param(opening([22], [], ["wg0"]), "10.86.0.9", "", False, id="nobody-knows-through-which"),
    ],
)
def test_admits(one, address, interface, in_it):
    assert admits(one, address, interface) is in_it
