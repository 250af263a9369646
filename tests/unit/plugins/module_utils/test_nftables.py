# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.llm.host.plugins.module_utils._nftables import Plan, Table, make_plan

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


def test_every_table_has_files_of_its_own_and_the_rules_come_last():
    one, other = (Table(name, f"/etc/{name}.nft", f"{name}.service", f"{name}.conf", "What it is") for name in ("one", "other"))
    files = one.files("/usr/sbin/nft", "rules")
    assert not {file.path for file in files} & {file.path for file in other.files("/usr/sbin/nft", "rules")}
    assert (files[-1].path, files[-1].content) == ("/etc/one.nft", "rules")
    assert all("/usr/sbin/nft -f /etc/one.nft\n" in file.content for file in files[:-1])
