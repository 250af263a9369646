# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import types
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible.errors import AnsibleActionFail

from ansible_collections.llm.host.plugins.action.host_backup import ActionModule
from ansible_collections.llm.host.plugins.module_utils._release_source import file_digest


class Action(ActionModule):
    """The action for a host whose archive has this content; ``meanwhile`` is what happens while it arrives."""

    def __init__(self, content: bytes, meanwhile: Callable[[], object] = lambda: None) -> None:
        self._content = content
        self._meanwhile = meanwhile
        self._connection = types.SimpleNamespace(fetch_file=self._fetch_file)

    def fetch(self, archive: Path, digest: str) -> bytes:
        self._fetch({"staged": "/remote/tmp/backup.tar.gz", "digest": digest, "size": len(self._content)}, archive)
        return archive.read_bytes()

    def _fetch_file(self, in_path: str, out_path: str) -> None:
        """As community.docker does it: under the file's own name first, which is renamed then."""
        actual = Path(out_path).parent / Path(in_path).name
        actual.write_bytes(self._content)
        self._meanwhile()
        os.rename(actual, out_path)


@pytest.fixture(name="digest")
def _digest(tmp_path: Path) -> Callable[[bytes], str]:
    def digest(content: bytes) -> str:
        file = tmp_path / "content"
        file.write_bytes(content)
        return file_digest(file)

    return digest


def test_hosts_whose_archives_arrive_at_the_same_time_keep_their_own(tmp_path: Path, digest: Callable[[bytes], str]) -> None:
    directory = tmp_path / "backups"
    first, second = (directory / f"{host}-20261129T100000Z.tar.gz" for host in ("first", "second"))
    other = Action(b"of the second")
    assert (
        Action(b"of the first", lambda: other.fetch(second, digest(b"of the second"))).fetch(first, digest(b"of the first"))
        == b"of the first"
    )
    assert second.read_bytes() == b"of the second"
    assert sorted(directory.iterdir()) == [first, second]
    assert [path.stat().st_mode & 0o777 for path in (directory, first, second)] == [0o700, 0o600, 0o600]


def test_an_archive_that_arrived_otherwise_is_not_kept(tmp_path: Path, digest: Callable[[bytes], str]) -> None:
    directory = tmp_path / "backups"
    with pytest.raises(AnsibleActionFail, match="did not arrive"):
        Action(b"half").fetch(directory / "first-20261129T100000Z.tar.gz", digest(b"whole"))
    assert not list(directory.iterdir())
