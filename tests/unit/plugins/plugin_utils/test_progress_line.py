# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people read while models are pulled."""

from __future__ import annotations

import pytest

from ansible_collections.llm.host.plugins.plugin_utils._progress_line import Report, progress_line, read_report, readable_bytes

HALF = Report("llama3.1:8b", "pulling 667b0c1932bc", 2_100_000_000, 4_900_000_000, time=110.0)


@pytest.mark.parametrize(
    ("report", "earlier", "line"),
    [
        pytest.param(HALF, None, "llama3.1:8b  42 %  2.1/4.9 GB", id="first"),
        pytest.param(
            HALF,
            Report("llama3.1:8b", "pulling 667b0c1932bc", 1_540_000_000, 4_900_000_000, time=105.0),
            "llama3.1:8b  42 %  2.1/4.9 GB  112 MB/s  eta 25 s",
            id="speed",
        ),
        pytest.param(
            HALF,
            Report("llama3.1:8b", "pulling 667b0c1932bc", 2_099_000_000, 4_900_000_000, time=105.0),
            "llama3.1:8b  42 %  2.1/4.9 GB  200 kB/s  eta 3 h 53 min",
            id="slow",
        ),
        pytest.param(HALF, Report("other", "x", 1, 4_900_000_000, time=105.0), "llama3.1:8b  42 %  2.1/4.9 GB", id="another-model"),
        pytest.param(HALF, HALF, "llama3.1:8b  42 %  2.1/4.9 GB", id="the-same-report"),
        pytest.param(Report("x", "loading into memory"), None, "x  loading into memory", id="no-bytes"),
        pytest.param(Report("x", "p", 5, 10, more=2), None, "x  50 %  5/10 B  (+2 more)", id="more"),
        pytest.param(Report("x", "p", 12, 10), None, "x  100 %  10/10 B", id="more-than-all"),
    ],
)
def test_a_line_says_how_far_how_fast_and_how_long(report, earlier, line):
    assert progress_line(report, earlier) == line


def test_a_report_that_does_not_change_is_said_to_stand_still():
    assert progress_line(HALF, HALF, quiet=75) == "llama3.1:8b  42 %  2.1/4.9 GB  no progress for 1 min 15 s"
    assert progress_line(Report("x", "creating"), quiet=31) == "x  creating  no progress for 31 s"


def test_a_report_is_read_from_what_the_host_writes():
    text = (
        '{"time": 3.5, "models": [{"name": "a", "phase": "p", "completed": 1, "total": 2},'
        ' {"name": "b", "phase": "q", "completed": 0, "total": 0}]}'
    )
    assert read_report(text) == Report("a", "p", 1, 2, more=1, time=3.5)


@pytest.mark.parametrize("text", ["", "\n", "{", "[]", '{"models": []}', '{"models": [{}], "time": 1}', '{"time": 1, "models": null}'])
def test_what_cannot_be_understood_is_no_report(text):
    assert read_report(text) is None


@pytest.mark.parametrize(
    ("counts", "text"), [((0,), "0 B"), ((999,), "999 B"), ((1500,), "2 kB"), ((4.7e9,), "4.7 GB"), ((3e11, 2e12), "0.3/2.0 TB")]
)
def test_bytes_are_told_in_the_unit_of_the_whole(counts, text):
    assert readable_bytes(*counts) == text
