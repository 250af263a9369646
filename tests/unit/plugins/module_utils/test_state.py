# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host remembers, the files of a build, and the lock."""

from __future__ import annotations

import hashlib
import multiprocessing

import pytest

from ansible_collections.llm.host.plugins.module_utils._plan import Record
from ansible_collections.llm.host.plugins.module_utils._state import (
    LockTimeout,
    State,
    StateDamaged,
    StateDir,
    StateError,
    find_files,
    host_lock,
)

RECORD = Record("f", "d", "b", ("FROM x", "SYSTEM ä"))


def sha(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def test_what_is_written_is_read_back(tmp_path):
    state = State({"x": RECORD}, {"/a": (1, 2, "sha256:3")})
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


def test_a_file_is_hashed_once_until_it_is_written(tmp_path):
    path = tmp_path / "x.gguf"
    path.write_text("one")
    state = State()
    (found,) = find_files(str(path), state)
    assert (found.key, found.digest, found.size, found.open().read()) == ("x.gguf", sha("one"), 3, b"one")
    size, mtime, _digest = state.digests[str(path)]
    state.digests[str(path)] = (size, mtime, "sha256:remembered")
    assert find_files(str(path), state)[0].digest == "sha256:remembered"
    path.write_text("three")
    assert find_files(str(path), state)[0].digest == sha("three")


def test_a_directory_gives_weights_and_configuration(tmp_path):
    for name in ("model-1.safetensors", "config.json", "tokenizer.model", "README.md", "consolidated.safetensors", "1/config.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    keys = [file.key for file in find_files(str(tmp_path), State())]
    assert keys == ["model-1.safetensors", "config.json", "1/config.json", "tokenizer.model"]


def test_a_file_or_model_that_is_not_there_is_said(tmp_path):
    with pytest.raises(StateError, match=r"x\.gguf cannot be read on the managed host: no such file or directory"):
        find_files(str(tmp_path / "x.gguf"), State())
    with pytest.raises(StateError, match="holds no model"):
        find_files(str(tmp_path), State())


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
