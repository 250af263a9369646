# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How counters are added up and told; tests/monitoring has a real Prometheus."""

from __future__ import annotations

import pytest

from ansible_collections.llm.host.plugins.module_utils._usage import Row, grown, report, table, usage

KNOWN = Row("2026-11-27", "alice", "llama3.2:1b", 12, 1, 310, 2204, 0, True)
UNKNOWN = Row("2026-11-28", "", "", None, None, None, None, 1440, False)


@pytest.mark.parametrize(
    ("samples", "starts", "before", "expected"),
    [
        pytest.param([(10, 5), (20, 9)], [], (0, 3), 6, id="goes-on"),
        pytest.param([(10, 5), (20, 9)], [], None, 9, id="begins-with-its-first-value"),
        pytest.param([(10, 5), (20, 2)], [], (0, 3), 4, id="begins-anew"),
        pytest.param([(10, 5), (20, 9)], [15], (0, 3), 11, id="begins-anew-and-has-counted-more-at-once"),
        pytest.param([(10, 5)], [5], (0, 3), 5, id="begins-anew-before-the-first"),
        pytest.param([(10, 5)], [-5], (0, 3), 2, id="had-begun-anew-before"),
        pytest.param([], [], (0, 3), 0, id="nothing"),
    ],
)
def test_differences_are_added_up(samples, starts, before, expected):
    assert grown(samples, starts, before) == expected


def test_people_read_a_table_with_what_is_missing():
    assert report([KNOWN, UNKNOWN]).splitlines() == [
        "day         user   model        requests  errors  prompt tokens  completion tokens",
        "2026-11-27  alice  llama3.2:1b        12       1            310               2204",
        "2026-11-28  -      -                   ?       ?              ?                  ?",
        "",
        "2026-11-28: for 1440 minutes the metrics of a gateway were not read; what was used then is missing, or counted on the next day that was read.",
        "2026-11-28: so far.",
    ]


def test_programs_read_empty_cells_where_nothing_is_known():
    assert table([KNOWN, UNKNOWN]) == [
        ["day", "user", "model", "requests", "errors", "prompt_tokens", "completion_tokens", "missing_minutes", "closed"],
        ["2026-11-27", "alice", "llama3.2:1b", 12, 1, 310, 2204, 0, "yes"],
        ["2026-11-28", "", "", "", "", "", "", 1440, "no"],
    ]


class Nothing:
    """A Prometheus that has no samples."""

    def query(self, expression, at):
        return []


def test_days_are_those_of_utc_and_unknown_where_nothing_was_read():
    rows = usage(Nothing(), days=2, now=1795910400 + 3600, interval=15)
    assert [(row.day, row.requests, row.missing_minutes, row.closed) for row in rows] == [
        ("2026-11-28", None, 1440, True),
        ("2026-11-29", None, 60, False),
    ]
