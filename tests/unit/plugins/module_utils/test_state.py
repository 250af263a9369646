# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host remembers, and the lock."""

from __future__ import annotations

import multiprocessing

import pytest

from ansible_collections.llm.host.plugins.module_utils._files import KnownDigests
from ansible_collections.llm.host.plugins.module_utils._plan import Record
from ansible_collections.llm.host.plugins.module_utils._state import (
    LockTimeout,
    State,
    StateDamaged,
    StateDir,
    StateError,
    host_lock,
)

RECORD = Record("f", "d", "b", ("FROM x", "SYSTEM ä"))


def test_what_is_written_is_read_back(tmp_path):
    state = State({"x": RECORD}, KnownDigests({"/a": (1, 2, "sha256:3")}))
    StateDir(str(tmp_path / "new" / "dir")).write(state)
    assert StateDir(str(tmp_path / "new" / "dir")).read() == state


def test_no_memory_yet_is_an_empty_one(tmp_path):
    assert StateDir(str(tmp_path)).read() == State()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"records": {"x": {}}}', '{"records": [], "digests": {}}'])
def test_a_damaged_memory_is_told_from_an_empty_one(tmp_path, text):
    (tmp_path / "models.json").write_text(text)
    with pytest.raises(StateDamaged, match="is damaged: the models that are built on this host are built once more"):
        StateDir(str(tmp_path)).read()


def test_the_memory_is_for_its_owner_only(tmp_path):
    StateDir(str(tmp_path)).write(State())
    assert (tmp_path / "models.json").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["models.json"]


def test_a_place_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="Cannot write the record of what is built here"):
        StateDir(str(tmp_path / "file" / "dir")).write(State())


def hold(directory, locked, release):
    with host_lock(directory, patience=5):
        locked.set()
        release.wait(30)


@pytest.fixture(name="other")
def _other(tmp_path):
    context = multiprocessing.get_context("fork")
    locked, release = context.Event(), context.Event()
    process = context.Process(target=hold, args=(str(tmp_path), locked, release))
    process.start()
    assert locked.wait(10)
    yield release
    release.set()
    process.join(10)


def test_two_runs_take_turns_and_the_second_knows_that_it_waited(tmp_path, other):
    with host_lock(str(tmp_path), patience=30, sleep=lambda _seconds: other.set()) as waited:
        assert waited


def test_a_run_that_waits_too_long_says_for_whom(tmp_path, other):
    ticks = iter(range(0, 1000, 10))
    with (
        pytest.raises(LockTimeout, match="Another run works on the models of this host"),
        host_lock(str(tmp_path), patience=25, clock=lambda: next(ticks), sleep=lambda _seconds: None),
    ):
        pass


def test_a_run_alone_does_not_wait(tmp_path):
    with host_lock(str(tmp_path / "new"), patience=0) as waited:
        assert not waited
