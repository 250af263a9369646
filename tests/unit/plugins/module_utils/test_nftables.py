# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.llm.host.plugins.module_utils._nftables import Plan, make_plan

CONFIG, TABLE = "/etc/llm-host/rules.nft", "table inet rules {\n}\n"
STATE = {"wanted": True, "differing": [], "existing": [CONFIG], "enabled": True, "running": True, "table": TABLE, "wanted_table": TABLE}


@pytest.mark.parametrize(
    ("state", "plan"),
    [
        pytest.param({}, Plan(), id="as-wanted"),
        pytest.param(
            {"differing": [CONFIG], "existing": [], "enabled": False, "running": False, "table": ""},
            Plan(write=(CONFIG,), enable=True, start=True), id="a-virgin-host",
        ),
        pytest.param({"differing": [CONFIG], "table": "other"}, Plan(write=(CONFIG,), load=True), id="other-ports"),
        pytest.param({"table": "other"}, Plan(load=True), id="a-run-was-killed-before-it-was-loaded"),
        pytest.param({"table": ""}, Plan(load=True), id="somebody-flushed-it"),
        pytest.param({"differing": [CONFIG]}, Plan(write=(CONFIG,)), id="only-a-comment-changed"),
        pytest.param({"running": False}, Plan(start=True), id="somebody-stopped-the-unit"),
        pytest.param(
            {"wanted": False, "wanted_table": ""}, Plan(disable=True, drop=True, remove=(CONFIG,)), id="not-wanted-any-more"
        ),
        pytest.param(
            {"wanted": False, "wanted_table": "", "enabled": False, "running": False, "table": ""}, Plan(remove=(CONFIG,)),
            id="a-run-was-killed-while-it-removed",
        ),
        pytest.param(
            {"wanted": False, "wanted_table": "", "existing": [], "enabled": False, "running": False, "table": ""}, Plan(), id="never-there"
        ),
    ],
)  # fmt: skip
def test_plan(state, plan):
    assert make_plan(**{**STATE, **state}) == plan


def test_the_actions_are_in_the_order_in_which_they_are_done():
    assert Plan(write=(CONFIG,), enable=True, start=True).actions == ["write", "enable", "start"]
    assert not Plan().changed
