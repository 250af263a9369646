# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.llm.host.plugins.plugin_utils._systemd import environment_file, environment_lines


@pytest.mark.parametrize(
    ("value", "quoted"),
    [
        pytest.param("plain", 'Environment="A=plain"', id="plain"),
        pytest.param("two words", 'Environment="A=two words"', id="blanks"),
        pytest.param("100%", 'Environment="A=100%%"', id="a-specifier-character-is-doubled"),
        pytest.param('say "hi"', 'Environment="A=say \\"hi\\""', id="quotes"),
        pytest.param("C:\\x", 'Environment="A=C:\\\\x"', id="backslashes"),
        pytest.param("$HOME", 'Environment="A=$HOME"', id="a-dollar-means-nothing-there"),
    ],
)
def test_units_read_back_what_was_written(value, quoted):
    assert environment_lines({"A": value}) == quoted


def test_files_for_roots_eyes_are_empty_without_secrets():
    assert environment_file({}) == ""


def test_files_for_roots_eyes_quote_for_a_shell():
    assert environment_file({"A": 'p$"`\\%'}) == 'A="p\\$\\"\\`\\\\%"\n'
