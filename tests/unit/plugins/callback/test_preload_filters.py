# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

from ansible_collections.llm.host.plugins.callback.preload import OTHERS, TESTS, CallbackModule, own_filters

FILTERS = Path(__file__).parents[4] / "plugins/filter"


def test_every_filter_of_the_collection_is_loaded():
    assert {f"llm.host.{file.stem}" for file in FILTERS.glob("*.yml")} <= set(own_filters())


def test_what_is_loaded_is_there(monkeypatch):
    loaded = []
    for loader in ("filter_loader", "test_loader"):
        monkeypatch.setattr(f"ansible_collections.llm.host.plugins.callback.preload.{loader}", type("Loader", (), {"get": loaded.append}))
    CallbackModule().v2_playbook_on_start(None)
    assert set(loaded) == {*OTHERS, *own_filters(), *TESTS}
