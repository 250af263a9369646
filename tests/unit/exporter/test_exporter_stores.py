# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of a store."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest
from ollama_exporter.background import Errors
from ollama_exporter.config import StorePlace
from ollama_exporter.stores import StoreWatch
from strange import values

STORE = Path(__file__).parents[2] / "data" / "models" / "store"
ORPHAN = "sha256-" + "0" * 64


@pytest.fixture(name="store")
def _store(tmp_path):
    shutil.copytree(STORE, tmp_path / "store")
    return tmp_path / "store"


def look(path: Path, errors: Errors, *needed: int | None) -> dict[str, float]:
    watch = StoreWatch(StorePlace(str(path), str(path)), lambda: list(needed), errors=errors)
    watch._contents.once()
    watch._free.once()
    return {name: value for (name, *_labels), value in values(watch).items()}


def leave(store: Path, name: str, *, size: int, age: float) -> int:
    """A file, and the room that it takes."""
    path = store / "blobs" / name
    path.write_bytes(b"x" * size)
    os.utime(path, (0, time.time() - age))
    return path.stat().st_blocks * 512


def test_files_that_no_model_uses_are_counted_once_they_are_an_hour_old(store):
    errors = Errors()
    before = look(store, errors)
    old = leave(store, ORPHAN, size=100_000, age=3700)
    young = leave(store, "sha256-" + "1" * 64, size=50_000, age=10)
    partial = leave(store, "sha256-" + "2" * 64 + "-partial", size=20_000, age=10)
    after = look(store, errors)
    assert (before["ollama_store_orphaned_blobs"], before["ollama_store_orphaned_bytes"]) == (0, 0)
    assert (after["ollama_store_orphaned_blobs"], after["ollama_store_orphaned_bytes"]) == (1, old)
    assert after["ollama_store_bytes"] - before["ollama_store_bytes"] == old + young + partial
    assert values(errors)[("ollama_exporter_errors_total", "store")] == 0


def test_nothing_is_called_left_over_while_a_manifest_cannot_be_read(store):
    errors = Errors()
    leave(store, ORPHAN, size=100, age=3700)
    (store / "manifests/registry.ollama.ai/library/tiny/latest").write_text("{")
    found = look(store, errors)
    assert "ollama_store_bytes" in found
    assert not {"ollama_store_orphaned_blobs", "ollama_store_orphaned_bytes"} & set(found)
    assert values(errors)[("ollama_exporter_errors_total", "store")] == 1


def test_free_room_is_what_a_user_can_write(store):
    found = os.statvfs(store)
    assert look(store, Errors())["ollama_store_free_bytes"] == pytest.approx(found.f_bavail * found.f_frsize, rel=0.1)


@pytest.mark.parametrize(("needed", "expected"), [((5, None, 9), 9), ((0,), 0), ((None,), None), ((), None)])
def test_what_the_next_pull_needs_is_that_of_the_server_that_needs_most(store, needed, expected):
    assert look(store, Errors(), *needed).get("ollama_store_needed_bytes") == expected


def test_of_a_store_that_is_not_there_nothing_is_told_and_errors_are_counted(tmp_path):
    errors = Errors()
    assert look(tmp_path / "none", errors) == {}
    assert values(errors)[("ollama_exporter_errors_total", "store")] == 2


def test_what_was_told_is_forgotten_when_the_store_goes_away(store):
    watch = StoreWatch(StorePlace(str(store), str(store)), list, errors=Errors())
    watch._contents.once()
    assert "ollama_store_bytes" in {name for name, *_labels in values(watch)}
    shutil.rmtree(store)
    watch._contents.once()
    assert values(watch) == {}


def test_a_store_is_named_by_its_path_wherever_it_is_found(store):
    watch = StoreWatch(StorePlace("/usr/share/models", str(store)), list, errors=Errors())
    watch._contents.once()
    assert values(watch, "ollama_store_orphaned_blobs") == {("ollama_store_orphaned_blobs", "/usr/share/models"): 0}
