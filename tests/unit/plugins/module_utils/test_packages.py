# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.llm.host.plugins.module_utils._packages import missing_packages

SAYS = "mtail installed 3.0.9-1\ncaddy config-files 2.6.2-1\n"


@pytest.mark.parametrize(
    ("packages", "missing"),
    [
        pytest.param(["mtail"], [], id="installed"),
        pytest.param(["mtail=3.0.9-1"], [], id="in-this-version"),
        pytest.param(["mtail=3.0.8-1"], ["mtail=3.0.8-1"], id="in-another-version"),
        pytest.param(["nginx", "mtail"], ["nginx"], id="unknown"),
        pytest.param(["caddy"], ["caddy"], id="removed-with-its-configuration-left"),
    ],
)
def test_packages_are_missing_that_are_not_installed_so(packages, missing):
    assert missing_packages(lambda command: (1, SAYS, ""), packages, tool="dpkg-query") == missing


def test_without_dpkg_all_are_missing():
    def never(command: list[str]) -> tuple[int, str, str]:
        raise AssertionError(command)

    assert missing_packages(never, ["mtail"], tool=None) == ["mtail"]
