# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/verdicts.md is what the gateway's tests hold both web servers to; whether they keep it is for the scenarios to find out."""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[2] / "molecule/shared/gateway/tests"


@pytest.fixture
def verdicts(monkeypatch):
    monkeypatch.syspath_prepend(TESTS)
    import verdicts

    return verdicts


def test_the_page_of_verdicts_is_up_to_date(verdicts):
    """Otherwise: python molecule/shared/gateway/tests/verdicts.py"""
    assert verdicts.render({engine: verdicts.declared(engine) for engine in verdicts.ENGINES}) == verdicts.PAGE.read_text()


def test_every_difference_between_the_engines_has_its_reason(verdicts):
    unexplained = [odd.label for odd in verdicts.ODD if (odd.nginx or odd.caddy) and not odd.reason]
    assert unexplained == []
