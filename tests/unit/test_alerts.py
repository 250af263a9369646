# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every alert is explained, and every threshold is one of the rules."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
RULES = (ROOT / "roles/monitoring/templates/rules/llm-alerts.yml.j2").read_text()
PARAGRAPHS = dict(re.findall(r"^## (\w+)\n\n(.+?)(?=^## |\Z)", (ROOT / "docs/alerts.md").read_text(), re.MULTILINE | re.DOTALL))
ALERTS = re.findall(r"- alert: (\w+)", RULES)


def test_each_alert_has_a_paragraph_and_none_is_of_no_alert():
    assert sorted(PARAGRAPHS) == sorted(ALERTS)


def test_each_paragraph_says_what_to_do_with_a_command():
    assert [name for name, text in PARAGRAPHS.items() if not re.search(r"`[^`]*`|docs/", text)] == []


def test_each_alert_has_severity_summary_description_and_the_address_of_its_paragraph():
    for name, text in zip(ALERTS, RULES.split("- alert: ")[1:]):
        assert re.search(r"labels: \{severity: (critical|warning)\}", text), name
        assert re.search(r"summary: \S", text) and re.search(r"description: \S", text), name
        assert f"runbook_url: [[ monitoring_runbooks ]]#{name.lower()}\n" in text, name


def test_paragraphs_link_to_paragraphs_that_are_there():
    linked = re.findall(r"\]\(#(\w+)\)", "".join(PARAGRAPHS.values()))
    assert set(linked) <= {name.lower() for name in ALERTS}


def test_each_threshold_is_used_by_a_rule():
    thresholds = yaml.safe_load((ROOT / "roles/monitoring/vars/main.yml").read_text())["__monitoring_settings"]["thresholds"]
    assert [name for name in thresholds if f"monitoring_{name}" not in RULES] == []
