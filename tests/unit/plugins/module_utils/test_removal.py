# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an uninstallation takes away, and what it never does."""

from __future__ import annotations

import os
import shutil

import pytest

from ansible_collections.llm.host.plugins.module_utils._removal import Target, UnsafePath, everything_in, find_removal, remove


def leave(targets, directories=()):
    removal = find_removal(targets, [str(path) for path in directories])
    remove(removal)
    return [*removal.all]


@pytest.fixture(name="opt")
def _opt(tmp_path):
    """Two versions, something of somebody else, and links."""
    for version in ("1", "2"):
        (tmp_path / "opt" / version / "bin").mkdir(parents=True)
        (tmp_path / "opt" / version / ".ours").touch()
    (tmp_path / "opt" / "theirs").mkdir()
    (tmp_path / "ours").symlink_to("opt/2/bin")
    (tmp_path / "theirs").symlink_to("elsewhere")
    return tmp_path


def test_what_is_known_by_a_file_goes_and_the_rest_stays(opt):
    assert leave([Target(f"{opt}/opt/*", holding=".ours")], [opt / "opt"]) == [f"{opt}/opt/1", f"{opt}/opt/2"]
    assert [path.name for path in (opt / "opt").iterdir()] == ["theirs"]


def test_what_a_killed_run_began_to_remove_is_found_by_the_next_one(opt, monkeypatch):
    monkeypatch.setattr(shutil, "rmtree", lambda path: (_ for _ in ()).throw(KeyboardInterrupt))
    targets = [Target(f"{opt}/opt/1", holding=".ours"), Target(f"{opt}/opt/.remove-*")]
    with pytest.raises(KeyboardInterrupt):
        leave(targets)
    monkeypatch.undo()
    assert leave(targets) == [f"{opt}/opt/.remove-1"]
    assert sorted(path.name for path in (opt / "opt").iterdir()) == ["2", "theirs"]


def test_only_a_link_that_leads_there_goes(opt):
    targets = [Target(f"{opt}/{name}", leads_into=f"{opt}/opt") for name in ("ours", "theirs", "opt", "missing")]
    assert leave(targets) == [f"{opt}/ours"]
    assert os.path.lexists(opt / "theirs")


def test_directories_go_when_they_are_empty_by_that(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").touch()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "theirs").touch()
    removed = leave([Target(f"{tmp_path}/a/b/file")], [tmp_path / "a", tmp_path / "a" / "b", tmp_path / "full", tmp_path / "missing"])
    assert removed == [f"{tmp_path}/a/b/file", f"{tmp_path}/a/b", f"{tmp_path}/a"]
    assert [path.name for path in tmp_path.iterdir()] == ["full"]
    assert leave([Target(f"{tmp_path}/a/b/file")], [tmp_path / "a"]) == []


def test_a_link_to_a_directory_goes_and_not_what_is_in_it(opt):
    leave([Target(f"{opt}/ours")])
    assert (opt / "opt" / "2" / "bin").is_dir()


def test_a_diff_names_every_path(opt):
    assert everything_in([f"{opt}/opt/1"]) == [f"{opt}/opt/1", f"{opt}/opt/1/.ours", f"{opt}/opt/1/bin"]


@pytest.mark.parametrize("path", ["/", "/etc", "/usr/local", "/usr/local/", "/var/lib/../lib", "/opt/../opt", "relative", "/*/x", "/opt/*"])
def test_parts_of_the_system_are_refused(path):
    with pytest.raises(UnsafePath, match="a part of the system"):
        find_removal([Target(path)], [])
