# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is refused of the canary's settings."""

from __future__ import annotations

import pytest

from ansible_collections.llm.host.plugins.plugin_utils._canary import canary_problems

SETTINGS = {"loaded": "*:0/15", "all": "Mon..Fri *-*-* 03:30:00 Europe/Berlin", "tokens": 16, "metrics_port": 8405}


def test_defaults_and_time_zones_are_fine():
    assert canary_problems(SETTINGS) == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        pytest.param({"loaded": ""}, "metrics_canary_loaded '' is not a calendar", id="no-calendar"),
        pytest.param({"all": "03:30\n[Service]"}, "metrics_canary_all '03:30\\n[Service]' is not a calendar", id="two-lines"),
        pytest.param({"tokens": 0}, "metrics_canary_tokens 0 is not a short generation", id="no-tokens"),
        pytest.param({"tokens": 513}, "write 1 to 512", id="many-tokens"),
        pytest.param({"metrics_port": 0}, "balancer_metrics_port is 0", id="nobody-to-ask"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(changed, words):
    (sentence,) = canary_problems({**SETTINGS, **changed})
    assert words in sentence
    assert sentence.endswith(".")
