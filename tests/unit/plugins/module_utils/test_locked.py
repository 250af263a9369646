# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from ansible_collections.llm.host.plugins.module_utils._locked import Busy, locked


def test_lock_lets_one_in_and_tells_the_other(tmp_path: Path) -> None:
    with (
        locked(tmp_path / ".lock", doing="changing it", wait=1),
        pytest.raises(Busy, match="Another run has been changing it for more than 0 seconds"),
        locked(tmp_path / ".lock", doing="changing it", wait=0),
    ):
        pass
    with locked(tmp_path / ".lock", doing="changing it", wait=0):
        pass


def test_lock_waits_for_the_other(tmp_path: Path) -> None:
    order: list[str] = []
    inside = threading.Event()

    def first() -> None:
        with locked(tmp_path / ".lock", doing="changing it", wait=1):
            inside.set()
            order.append("first")
            done.wait(5)
            order.append("first ends")

    done = threading.Event()
    thread = threading.Thread(target=first)
    thread.start()
    inside.wait(5)
    with locked(tmp_path / ".lock", doing="changing it", wait=5, sleep=lambda _: done.set()):
        order.append("second")
    thread.join()
    assert order == ["first", "first ends", "second"]
