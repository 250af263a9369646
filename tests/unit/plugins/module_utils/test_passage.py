# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import grp
import os
import pwd

import pytest

from ansible_collections.llm.host.plugins.module_utils import _passage

USER = pwd.struct_passwd(("llm", "x", 4711, 4712, "", "/", ""))
EXTRA = grp.struct_group(("data", "x", 4713, ["llm"]))


@pytest.fixture
def disk(tmp_path, monkeypatch):
    """A directory that strangers can get to, whatever the modes above it."""
    monkeypatch.setattr(_passage.pwd, "getpwnam", {"llm": USER, "root": pwd.getpwuid(0)}.__getitem__)
    monkeypatch.setattr(_passage.grp, "getgrall", lambda: [EXTRA])
    real = os.stat
    owners: dict[str, tuple[int, int, int]] = {}

    def stat(path):
        status = real(path)
        mode, uid, gid = owners.get(str(path), (0o755, 0, 0) if str(tmp_path).startswith(str(path)) else (status.st_mode, 0, 0))
        return os.stat_result(((status.st_mode & ~0o7777) | (mode & 0o7777), *status[1:4], uid, gid, *status[6:]))

    monkeypatch.setattr(_passage.os, "stat", stat)

    def make(mode: int, uid: int, gid: int):
        directory = tmp_path / "disk"
        directory.mkdir()
        owners[str(directory)] = (mode, uid, gid)
        return directory

    return make


@pytest.mark.parametrize(
    ("mode", "uid", "gid", "user", "passes"),
    [
        pytest.param(0o755, 0, 0, "llm", True, id="open-to-all"),
        pytest.param(0o700, 0, 0, "llm", False, id="open-to-root-alone"),
        pytest.param(0o700, 4711, 0, "llm", True, id="its-owner"),
        pytest.param(0o601, 4711, 0, "llm", False, id="its-owner-is-shut-out-where-strangers-are-not"),
        pytest.param(0o750, 0, 4712, "llm", True, id="its-group"),
        pytest.param(0o750, 0, 4713, "llm", True, id="another-of-its-groups"),
        pytest.param(0o750, 0, 4714, "llm", False, id="the-group-of-others"),
        pytest.param(0o700, 4711, 0, "root", True, id="root"),
        pytest.param(0o750, 0, 4712, "nobody-yet", False, id="who-does-not-exist-yet-is-a-stranger"),
        pytest.param(0o751, 0, 4712, "nobody-yet", True, id="whom-all-let-pass"),
    ],
)
def test_who_gets_to_a_directory(disk, mode, uid, gid, user, passes):
    directory = disk(mode, uid, gid)
    assert _passage.closed_to(user, str(directory / "not/there/yet")) == ("" if passes else str(directory))


def test_a_file_in_the_way_is_named(disk):
    directory = disk(0o755, 0, 0)
    (directory / "file").touch()
    assert _passage.closed_to("llm", str(directory / "file" / "models")) == str(directory / "file")
