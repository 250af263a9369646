# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.llm.host.plugins.module_utils._undo import Undo


@pytest.fixture
def undo(tmp_path: Path) -> Undo:
    return Undo(str(tmp_path / "state/undo.json"))


def test_files_links_and_their_times_come_back_and_what_was_not_there_goes(tmp_path: Path, undo: Undo) -> None:
    file, link, fresh = tmp_path / "unit", tmp_path / "link", tmp_path / "unit.d/settings"
    file.write_bytes(b"old \xff\n")
    file.chmod(0o640)
    link.symlink_to("old")
    os.utime(file, (1000, 1000))
    os.utime(link, (1000, 1000), follow_symlinks=False)
    undo.keep(str(file), str(link), str(fresh))
    assert undo.open
    file.write_text("new")
    link.unlink()
    link.symlink_to("new")
    fresh.parent.mkdir()
    fresh.write_text("new")
    # What is kept stays what it was at first.
    undo.keep(str(file), str(link))
    assert sorted(undo.restore()) == sorted(map(str, (file, link, fresh)))
    assert (file.read_bytes(), file.stat().st_mode & 0o777, os.readlink(link)) == (b"old \xff\n", 0o640, "old")
    assert (file.stat().st_mtime, link.lstat().st_mtime) == (1000, 1000)
    assert not fresh.parent.exists()
    assert undo.restore() == []
    undo.close()
    assert not undo.open


def test_a_record_can_begin_with_nothing_and_forgets_nothing_by_that(tmp_path: Path, undo: Undo) -> None:
    undo.begin()
    assert (undo.open, undo.notes, undo.restore()) == (True, {}, [])
    undo.keep(str(tmp_path / "fresh"))
    undo.note("unit", "good")
    undo.begin()
    (tmp_path / "fresh").touch()
    assert (undo.notes, undo.restore()) == ({"unit": "good"}, [str(tmp_path / "fresh")])
    nowhere = Undo()
    nowhere.begin()
    assert not nowhere.open


def test_the_record_is_for_its_owner_only(tmp_path: Path, undo: Undo) -> None:
    undo.keep(str(tmp_path / "secret.env"))
    assert (tmp_path / "state/undo.json").stat().st_mode & 0o777 == 0o600


def test_a_program_comes_back_from_its_backup(tmp_path: Path, undo: Undo) -> None:
    program, backup = tmp_path / "ollama", tmp_path / "ollama.before-llm-host"
    program.write_bytes(b"\x7fELF")
    program.chmod(0o755)
    os.link(program, backup)
    undo.keep(str(program), backup=str(backup))
    program.unlink()
    program.symlink_to("elsewhere")
    undo.restore()
    assert (program.is_symlink(), program.read_bytes(), os.access(program, os.X_OK)) == (False, b"\x7fELF", True)
    assert backup.exists()


def test_notes_and_what_units_started(tmp_path: Path, undo: Undo) -> None:
    unit = tmp_path / "ollama.service"
    unit.write_text("[Service]\nExecStart=/usr/bin/ollama serve\n")
    undo.keep(str(unit))
    undo.note("ollama.service", {"version": "1"})
    undo.note("ollama.service", {"version": "2"})
    assert undo.notes == {"ollama.service": {"version": "1"}}
    assert undo.programs() == ["/usr/bin/ollama"]


def test_without_a_path_nothing_is_kept(tmp_path: Path) -> None:
    undo = Undo()
    undo.keep(str(tmp_path))
    undo.note("a", 1)
    undo.close()
    assert (undo.open, undo.notes, undo.restore()) == (False, {}, [])


def test_a_damaged_record_is_none(tmp_path: Path, undo: Undo) -> None:
    undo.keep(str(tmp_path / "a"))
    (tmp_path / "state/undo.json").write_text("{")
    assert undo.restore() == []
