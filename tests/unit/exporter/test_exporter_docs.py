# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The metrics that the exporter has, and those that docs/metrics.md tells of."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ollama_exporter.table import METRICS

DOCS = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text()
ROWS = {name: re.findall(r"`(\w+)`", labels) for name, labels in re.findall(r"^\| `(\w+)` \|([^|]*)\|", DOCS, re.MULTILINE)}
# The other programs' sections come after that of the exporter.
OWN = {name for name in ROWS if DOCS.index(f"| `{name}` |") < DOCS.index("## The gateway")}


def test_all_metrics_are_told_of_and_no_others():
    assert set(METRICS) == OWN


@pytest.mark.parametrize("name", METRICS)
def test_labels_are_told_of(name):
    assert ROWS[name] == list(METRICS[name].labels)
