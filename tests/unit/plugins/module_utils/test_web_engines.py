# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a server has taken its new configuration: once nobody is answered with the old one any more."""

from __future__ import annotations

import pytest

from ansible_collections.llm.host.plugins.module_utils import _web_engines
from ansible_collections.llm.host.plugins.module_utils._web_engines import EngineError, Nginx

RUNNING = "ActiveState=active\nUnitFileState=enabled\nMainPID=1\nExecMainStartTimestampMonotonic=1\nNeedDaemonReload=no\n"


@pytest.fixture(name="nginx")
def _nginx(tmp_path, monkeypatch):
    """nginx whose workers are those of the next set each time that somebody looks."""
    monkeypatch.setattr(_web_engines, "NGINX_LOG", str(tmp_path / "error.log"))
    monkeypatch.setattr(_web_engines, "_workers", lambda master: seen.pop(0) if len(seen) > 1 else seen[0])
    seen: list[frozenset[int]] = []

    def reload(*workers: set[int], timeout: float = 10) -> list[frozenset[int]]:
        seen[:] = map(frozenset, workers)
        Nginx(lambda command, **_: (0, RUNNING if command[1] == "show" else "", ""), lambda program: program).reload(timeout)
        return seen

    return reload


def test_nginx_has_reloaded_when_its_old_workers_have_stopped(nginx):
    assert nginx({2, 3}, {2, 3}, {2, 3, 4}, {2, 3, 4, 5}, {3, 4, 5}, {4, 5}) == [{4, 5}]


def test_nginx_has_not_reloaded_while_nobody_or_somebody_old_answers(nginx):
    for workers in ({2}, set(), {2, 4}):
        with pytest.raises(EngineError, match=r"no new workers alone after 0\.1 s"):
            nginx({2}, workers, timeout=0.1)
