# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.llm.host.plugins.plugin_utils._archives import archive_name, archives_of, make_private


def test_the_archives_of_a_host_are_its_own_in_their_order(tmp_path):
    directory = tmp_path / "backups"
    assert archives_of(directory, "gpu-1") == []
    make_private(directory)
    assert directory.stat().st_mode & 0o777 == 0o700
    names = [archive_name("gpu-1", made) for made in ("20261125T100001Z", "20261124T100000Z")]
    for name in [*names, archive_name("gpu-1-2", "20261126T100000Z"), "gpu-1-old.tar.gz", f".{names[0]}.part"]:
        (directory / name).touch()
    assert [path.name for path in archives_of(directory, "gpu-1")] == [names[1], names[0]]
