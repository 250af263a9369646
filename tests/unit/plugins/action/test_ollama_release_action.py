# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import types
import typing as t
from pathlib import Path

import pytest
from ansible.errors import AnsibleActionFail, AnsibleFileNotFound

from ansible_collections.llm.host.plugins.action.ollama_release import ActionModule
from ansible_collections.llm.host.tests.unit.plugins.module_utils.release_support import sha256

CONTENT = b"an archive"


class Action(ActionModule):
    """The action with a host that answers as told; records what is sent there."""

    def __init__(self, args: dict[str, t.Any], *answers: dict[str, t.Any], files: Path, **task: t.Any) -> None:
        self._task = types.SimpleNamespace(**{"args": args, "check_mode": False, "async_val": 0, "diff": False, **task})
        shell = types.SimpleNamespace(tmpdir=None, join_path=lambda *parts: "/".join(parts))
        self._connection = types.SimpleNamespace(_shell=shell)
        self.files = files
        self.answers = list(answers)
        self.calls: list[dict[str, t.Any]] = []
        self.transfers: list[tuple[str, str]] = []
        self.removed: list[str] = []
        self.broken = False

    def run(self, tmp: t.Any = None, task_vars: t.Any = None) -> dict[str, t.Any]:
        base, ActionModule.__mro__[1].run = ActionModule.__mro__[1].run, lambda *args, **kwargs: {}
        try:
            return super().run(tmp, task_vars)
        finally:
            ActionModule.__mro__[1].run = base

    def _execute_module(self, *, module_name: str, module_args: dict[str, t.Any], **kwargs: t.Any) -> dict[str, t.Any]:
        assert module_name == "llm.host.ollama_release"
        self.calls.append({**module_args, **({"async": True} if kwargs.get("wrap_async") else {})})
        return self.answers.pop(0)

    def _find_needle(self, dirname: str, needle: str) -> str:
        path = Path(needle) if needle.startswith("/") else self.files / needle
        if not path.exists():
            raise AnsibleFileNotFound(file_name=needle)
        return str(path)

    def _make_tmp_path(self, remote_user: str | None = None) -> str:
        return "/remote/tmp"

    def _transfer_file(self, local_path: str, remote_path: str) -> str:
        if self.broken:
            raise AnsibleActionFail("no space left")
        self.transfers.append((local_path, remote_path))
        return remote_path

    def _fixup_perms2(self, remote_paths: t.Any, remote_user: t.Any = None, execute: bool = True) -> None:
        pass

    def _remove_tmp_path(self, tmp_path: str, force: bool = False) -> None:
        self.removed.append(tmp_path)


NEEDED = {"changed": False, "archive_needed": True}
DONE = {"changed": True, "archive_needed": False}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "a.tar.zst").write_bytes(CONTENT)
    (tmp_path / "rocm.tar.zst").write_bytes(b"rocm")
    return tmp_path


@pytest.mark.parametrize(
    "args",
    [
        pytest.param({"version": "1.0.0"}, id="download"),
        pytest.param({"version": "1.0.0", "archive": ""}, id="empty-archive-is-a-download"),
        pytest.param({"version": "1.0.0", "archive": "/a", "remote_src": "yes"}, id="archive-on-the-host"),
    ],
)
def test_what_needs_no_controller_is_one_call_with_the_same_arguments(args: dict[str, t.Any], files: Path) -> None:
    action = Action(args, DONE, files=files)
    assert action.run() == DONE
    assert action.calls == [args]
    assert Action(args, DONE, files=files, async_val=5).run() == DONE


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"changed": False, "archive_needed": False}, id="active-and-intact"),
        pytest.param({"failed": True, "msg": "a sentence"}, id="refused"),
    ],
)
def test_archive_that_is_not_needed_is_neither_read_nor_transferred(answer: dict[str, t.Any], files: Path) -> None:
    action = Action({"version": "1.0.0", "archive": "nowhere.tgz"}, answer, files=files)
    assert action.run() == answer
    assert (len(action.calls), action.transfers) == (1, [])


def test_archives_that_are_needed_are_transferred_with_their_checksums(files: Path) -> None:
    args = {
        "version": "1.0.0",
        "archive": "a.tar.zst",
        "checksum": f"sha256:{sha256(CONTENT).upper()}",
        "overlays": ["rocm"],
        "overlay_archives": {"rocm": str(files / "rocm.tar.zst")},
    }
    action = Action(args, NEEDED, DONE, files=files)
    assert action.run() == DONE
    assert action.transfers == [
        (str(files / "a.tar.zst"), "/remote/tmp/a.tar.zst"),
        (str(files / "rocm.tar.zst"), "/remote/tmp/rocm.tar.zst"),
    ]
    assert action.calls[1] == {
        "version": "1.0.0",
        "overlays": ["rocm"],
        "remote_src": True,
        "archive": "/remote/tmp/a.tar.zst",
        "checksum": sha256(CONTENT),
        "overlay_archives": {"rocm": "/remote/tmp/rocm.tar.zst"},
        "overlay_checksums": {"rocm": sha256(b"rocm")},
    }
    assert action.removed == ["/remote/tmp"]


def test_check_mode_verifies_the_archive_and_transfers_nothing(files: Path) -> None:
    answer = {**NEEDED, "changed": True}
    action = Action({"version": "1.0.0", "archive": "a.tar.zst"}, answer, files=files, check_mode=True)
    assert action.run() == answer
    assert (len(action.calls), action.transfers) == (1, [])
    with pytest.raises(AnsibleActionFail, match="is no file on the controller"):
        Action({"version": "1.0.0", "archive": "b.tar.zst"}, answer, files=files, check_mode=True).run()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        pytest.param({"archive": "b.tar.zst"}, "archive 'b.tar.zst' is no file on the controller: give", id="missing"),
        pytest.param({"archive": "."}, r"archive '\.' is no file on the controller", id="a-directory"),
        pytest.param({"overlay_archives": {"rocm": "x"}}, r"overlay_archives\['rocm'\] 'x' is no file", id="missing-overlay"),
        pytest.param({"checksum": "1" * 64}, "and not 1111.* as checksum says: nothing was transferred", id="checksum"),
        pytest.param(
            {"overlay_archives": {"rocm": "rocm.tar.zst"}, "overlay_checksums": {"rocm": "1" * 64}},
            r"as overlay_checksums\['rocm'\] says",
            id="checksum-of-an-overlay",
        ),
        pytest.param({"checksum": "abc"}, "checksum 'abc' is not a SHA-256 checksum", id="no-checksum"),
        pytest.param({"overlay_archives": {"rocm": "a.tar.zst"}}, "have the same file name", id="same-name"),
    ],
)
def test_bad_archive_is_a_sentence_before_a_transfer(changes: dict[str, t.Any], sentence: str, files: Path) -> None:
    action = Action({"version": "1.0.0", "archive": "a.tar.zst", **changes}, NEEDED, files=files)
    with pytest.raises(AnsibleActionFail, match=sentence):
        action.run()
    assert action.transfers == []


def test_transfer_that_fails_leaves_no_temporary_directory(files: Path) -> None:
    action = Action({"version": "1.0.0", "archive": "a.tar.zst"}, NEEDED, files=files)
    action.broken = True
    with pytest.raises(AnsibleActionFail, match="no space left"):
        action.run()
    assert action.removed == ["/remote/tmp"]


def test_async_with_an_archive_is_a_sentence(files: Path) -> None:
    with pytest.raises(AnsibleActionFail, match="remove async"):
        Action({"version": "1.0.0", "archive": "a.tar.zst"}, files=files, async_val=60).run()
