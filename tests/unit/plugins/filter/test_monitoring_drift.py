# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What verify.yml says of the monitoring."""

from __future__ import annotations

import pytest

from ansible_collections.llm.host.plugins.filter.drift import drift

DECLARED = {"hosts": ["gpu-01"], "groups": ["llm-hosts"], "targets": [{"labels": {"job": "node", "instance": "gpu-01"}}]}
WELL = {
    "targets": [{"job": "node", "instance": "gpu-01", "up": True, "error": ""}],
    "groups": ["llm-hosts", "mine"],
    "failing": {},
    "alertmanagers": 1,
}


@pytest.mark.parametrize(
    ("change", "declared", "words"),
    [
        pytest.param({}, {}, None, id="as-declared"),
        pytest.param({"targets": []}, {}, "metrics of node of gpu-01: expected a target of Prometheus", id="target-that-prometheus-lacks"),
        pytest.param({"targets": [{**WELL["targets"][0], "up": False, "error": "refused"}]}, {}, "found refused", id="target-that-is-down"),
        pytest.param({}, {"hosts": ["gpu-01", "gpu-02"]}, "metrics of gpu-02: expected a certificate", id="host-that-never-told"),
        pytest.param({"groups": []}, {}, "expected llm-hosts", id="rules-that-are-not-loaded"),
        pytest.param(
            {"failing": {"LlmDrift": "many-to-many"}}, {}, "rule LlmDrift: expected a result, found many-to-many", id="rule-that-fails"
        ),
        pytest.param({"alertmanagers": 0}, {}, "an Alertmanager to send alerts to", id="nobody-to-tell"),
        pytest.param({"failed": True, "msg": "Prometheus does not answer."}, {}, "found Prometheus does not answer", id="no-answer"),
    ],
)
def test_each_thing_that_is_not_as_declared_is_one_sentence(change, declared, words):
    found = drift({"monitoring": {**WELL, **change}}, "mon", {**DECLARED, **declared})
    assert [words in item["text"] for item in found] == ([True] if words else [])
