# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os

from ansible_collections.llm.host.plugins.module_utils._host_file import HostFile, read_text


def test_file_is_written_with_its_mode_and_differs_no_more(tmp_path):
    path = tmp_path / "deep" / "keys.map"
    file = HostFile(str(path), "secret\n", mode=0o600, group=os.getgid(), owner=os.getuid())
    assert file.differs()
    file.write()
    assert not file.differs()
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    assert file.differs()
    assert [entry.name for entry in path.parent.iterdir()] == ["keys.map"]


def test_a_link_is_replaced_and_what_it_points_to_stays(tmp_path):
    (tmp_path / "theirs").write_text("x\n")
    (tmp_path / "ours").symlink_to(tmp_path / "theirs")
    file = HostFile(str(tmp_path / "ours"), "x\n", mode=0o644, group=os.getgid(), owner=os.getuid())
    assert file.differs()
    file.write()
    assert not (tmp_path / "ours").is_symlink()
    assert (tmp_path / "theirs").read_text() == "x\n"


def test_secrets_are_not_in_its_representation(tmp_path):
    assert "secret" not in repr(HostFile("/x", "secret"))


def test_bytes_that_are_no_text_are_compared_too(tmp_path):
    (tmp_path / "x").write_bytes(b"\xff\r\n")
    assert (read_text(str(tmp_path / "x")) or "").encode(errors="surrogateescape") == b"\xff\r\n"
    assert read_text(str(tmp_path / "none")) is None
