# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nginx and Caddy must agree on, said in the words of each."""

from __future__ import annotations

import base64
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.llm.host.plugins.plugin_utils._gateway_texts import basic_pattern, bytes_of, error_bodies

NAMES = st.text(alphabet="AZaz09._-", min_size=1, max_size=12)


@given(st.lists(NAMES, min_size=1, max_size=4, unique=True), st.text(min_size=1))
def test_credentials_of_a_user_match_whatever_the_password(names, password):
    for name in names:
        assert re.match(basic_pattern(names), base64.b64encode(f"{name}:{password}".encode()).decode())


@given(NAMES, NAMES, st.text(min_size=1))
def test_credentials_of_somebody_else_do_not_match(name, other, password):
    credentials = base64.b64encode(f"{other}:{password}".encode()).decode()
    assert name == other or not re.match(basic_pattern([name]), credentials)


@pytest.mark.parametrize(("size", "expected"), [("64m", 64 * 1024 * 1024), ("500K", 512000), ("1g", 1024**3), ("1000", 1000), (7, 7)])
def test_sizes_are_those_of_nginx(size, expected):
    assert bytes_of(size) == expected


def test_an_error_has_the_shape_that_each_client_reads():
    error = {"message": 'No "such" thing.', "code": "nothing", "openai": "not_found_error", "anthropic": "not_found"}
    ollama, openai, anthropic = map(json.loads, error_bodies(error))
    assert ollama == {"error": 'No "such" thing.'}
    assert openai["error"] == {"message": 'No "such" thing.', "type": "not_found_error", "param": None, "code": "nothing"}
    assert anthropic == {"type": "error", "error": {"type": "not_found", "message": 'No "such" thing.'}}
