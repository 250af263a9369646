# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.llm.host.plugins.module_utils import _release_tree
from ansible_collections.llm.host.plugins.module_utils._release_tree import (
    differences,
    installed_versions,
    leftovers,
    make_directory,
    place,
    read_link,
    read_manifest,
    remove,
    scan,
    switch,
    write_manifest,
)
from ansible_collections.llm.host.plugins.module_utils._release_values import (
    Link,
    Manifest,
    ReleaseError,
    Source,
)
from ansible_collections.llm.host.tests.unit.plugins.module_utils.release_support import sha256


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    path = tmp_path / "opt" / "0.32.15"
    (path / "bin").mkdir(parents=True)
    (path / "lib").mkdir()
    (path / "bin/ollama").write_bytes(b"program")
    (path / "bin/ollama").chmod(0o755)
    (path / "lib/a.so").write_bytes(b"library")
    (path / "lib/a").symlink_to("a.so")
    record(path)
    return path


def record(path: Path) -> Manifest:
    files = tuple(
        type(entry)(**{**entry.__dict__, "sha256": sha256((path / entry.path).read_bytes())}) if entry.type == "file" else entry
        for entry in scan(path).values()
    )
    source = Source("base", "x.tgz", "https://mirror/x.tgz", "1" * 64, 7)
    manifest = Manifest("0.32.15", "amd64", ("rocm",), (source,), files)
    write_manifest(path, manifest)
    return manifest


def found(tree: Path, *, content: bool = False) -> tuple[str, ...]:
    manifest = read_manifest(tree)
    assert manifest is not None
    return differences(tree, manifest, content=content)


def same_time(path: Path, change: t.Callable[[], t.Any]) -> None:
    before = path.stat()
    change()
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_manifest_is_read_as_it_was_written(tree: Path) -> None:
    manifest = record(tree)
    assert read_manifest(tree) == manifest
    assert (tree / ".llm-host.json").stat().st_mode & 0o777 == 0o644
    assert [path.name for path in tree.iterdir() if path.name.endswith(".new")] == []


@pytest.mark.parametrize("content", [False, True], ids=["metadata", "content"])
def test_tree_as_it_was_installed_is_intact(tree: Path, content: bool) -> None:
    assert found(tree, content=content) == ()


def test_tree_that_was_renamed_is_intact(tree: Path) -> None:
    other = tree.with_name("moved")
    tree.rename(other)
    assert found(other, content=True) == ()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(lambda tree: (tree / "lib/a.so").unlink(), "lib/a.so: missing", id="missing"),
        pytest.param(lambda tree: (tree / "lib/a.so").write_bytes(b"x"), "lib/a.so: 1 bytes, was 7", id="size"),
        pytest.param(lambda tree: (tree / "lib/a.so").write_bytes(b"LIBRARY"), "lib/a.so: other content", id="content"),
        pytest.param(lambda tree: (tree / "bin/ollama").chmod(0o644), "bin/ollama: mode 0644, was 0755", id="mode"),
        pytest.param(lambda tree: (tree / "bin").chmod(0o777), "bin: mode 0777, was 0755", id="mode-of-a-directory"),
        pytest.param(lambda tree: tree.chmod(0o777), ".: mode 0777, was 0755", id="mode-of-the-top"),
        pytest.param(
            lambda tree: ((tree / "lib/a").unlink(), (tree / "lib/a").symlink_to("/etc")),
            "lib/a: points to /etc, was a.so",
            id="target",
        ),
        pytest.param(lambda tree: ((tree / "lib/a").unlink(), (tree / "lib/a").mkdir()), "lib/a: a directory, was a link", id="type"),
        pytest.param(lambda tree: (tree / "lib/old.so").write_bytes(b""), "lib/old.so: not part of the release", id="extra"),
    ],
)
def test_alteration_is_named(tree: Path, change: t.Callable[[Path], t.Any], expected: str) -> None:
    tree.chmod(0o755)
    (tree / "bin").chmod(0o755)
    record(tree)
    change(tree)
    assert found(tree) == (expected,)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_other_owner_is_named(tree: Path) -> None:
    os.chown(tree / "bin/ollama", 1234, 1234)
    assert found(tree) == ("bin/ollama: owner 1234:1234, was 0:0",)


def test_touch_is_no_alteration(tree: Path) -> None:
    os.utime(tree / "bin/ollama", (1, 1))
    assert found(tree) == ()


def test_content_behind_the_same_time_and_size_is_seen_by_content_only(tree: Path) -> None:
    path = tree / "bin/ollama"
    same_time(path, lambda: path.write_bytes(b"PROGRAM"))
    assert found(tree) == ()
    assert found(tree, content=True) == ("bin/ollama: other content",)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"format": 2}', '{"format": 1}', '{"format": 1, "files": [{}], "overlays": [], "sources": []}'],
)
def test_manifest_that_cannot_be_read_is_none(tree: Path, text: str) -> None:
    (tree / ".llm-host.json").write_text(text)
    assert read_manifest(tree) is None


def test_manifest_with_a_key_of_tomorrow_is_none(tree: Path) -> None:
    path = tree / ".llm-host.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "tomorrow": 1}))
    assert read_manifest(tree) is None


def test_installed_versions_are_those_with_a_manifest_latest_installation_first(tree: Path) -> None:
    root = tree.parent
    for position, name in enumerate(["0.9.0", "0.40.0", "0.10.0"]):
        (root / name).mkdir()
        (root / name / ".llm-host.json").write_text("{}")
        os.utime(root / name / ".llm-host.json", (position, position))
    for name in ("0.1.0", "models", ".unpack-0.2.0-x"):
        (root / name).mkdir()
    assert installed_versions(root) == ("0.32.15", "0.10.0", "0.40.0", "0.9.0")
    assert installed_versions(root / "nowhere") == ()


@pytest.mark.parametrize(
    ("target", "version"),
    [
        pytest.param("{root}/0.32.15/bin/ollama", "0.32.15", id="absolute"),
        pytest.param("../opt/0.32.15/bin/ollama", "0.32.15", id="relative"),
        pytest.param("{root}/current/bin/ollama", "", id="no-version"),
        pytest.param("/usr/lib/ollama", "", id="elsewhere"),
        pytest.param("{root}/0.32.15/lib/ollama", "", id="another-program"),
    ],
)
def test_link_tells_the_active_version(tmp_path: Path, target: str, version: str) -> None:
    root = tmp_path / "opt"
    (tmp_path / "bin").mkdir()
    link = tmp_path / "bin/ollama"
    text = target.format(root=root)
    link.symlink_to(text)
    assert read_link(link, root=root) == Link("link", text, version)


def test_link_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    kinds = [read_link(tmp_path / name, root=tmp_path).kind for name in ("nothing", "file", ".", "file/below")]
    assert kinds == ["absent", "file", "other", "absent"]


def test_switch_makes_directories_and_replaces_a_link(tmp_path: Path) -> None:
    link = tmp_path / "usr/bin/ollama"
    switch(link, "/opt/1")
    switch(link, "/opt/2")
    assert os.readlink(link) == "/opt/2"
    assert os.listdir(link.parent) == ["ollama"]


@pytest.mark.parametrize("links", [True, False], ids=["hard-link", "copy"])
def test_switch_keeps_a_program_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    def no_link(*args: t.Any, **kwargs: t.Any) -> None:
        raise PermissionError

    if not links:
        monkeypatch.setattr(_release_tree.os, "link", no_link)
    link = tmp_path / "ollama"
    for content in ("first", "second", "second"):
        link.unlink(missing_ok=True)
        link.write_text(content)
        link.chmod(0o755)
        switch(link, "/opt/1")
        assert (tmp_path / "ollama.before-llm-host").read_text() == content
        assert (tmp_path / "ollama.before-llm-host").stat().st_mode & 0o777 == 0o755
        assert sorted(os.listdir(tmp_path)) == ["ollama", "ollama.before-llm-host"]


@pytest.mark.parametrize("exchange", [True, False], ids=["one-exchange", "two-renames"])
def test_place_swaps_trees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchange: bool) -> None:
    if not exchange:
        monkeypatch.setattr(_release_tree, "_exchange", lambda one, other: False)
    new, tree = tmp_path / ".unpack-1", tmp_path / "1.0.0"
    new.mkdir()
    assert place(new, tree) is None
    newer = tmp_path / ".unpack-2"
    newer.mkdir()
    (newer / "x").write_text("newer")
    old = place(newer, tree)
    assert (tree / "x").read_text() == "newer"
    assert old is not None
    assert old.name.startswith((".unpack-", ".remove-"))
    assert list(old.iterdir()) == []
    assert leftovers(tmp_path, tmp_path / "link") == (str(old),)


def test_place_that_fails_half_way_puts_the_old_tree_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_release_tree, "_exchange", lambda one, other: False)
    tree = tmp_path / "1.0.0"
    tree.mkdir()
    with pytest.raises(FileNotFoundError):
        place(tmp_path / ".unpack-missing", tree)
    assert os.listdir(tmp_path) == ["1.0.0"]


def test_exchange_works_on_this_file_system_or_says_that_it_does_not(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").write_text("b")
    if _release_tree._exchange(tmp_path / "a", tmp_path / "b"):
        assert (tmp_path / "a").read_text() == "b"


def test_remove_takes_trees_files_links_and_nothing(tmp_path: Path) -> None:
    (tmp_path / "0.9.0/bin").mkdir(parents=True)
    (tmp_path / "link").symlink_to("0.9.0")
    for name in ("link", "0.9.0", "nothing"):
        remove(tmp_path / name)
    assert os.listdir(tmp_path) == []


def test_directory_has_its_mode_whatever_the_umask_is(tmp_path: Path) -> None:
    old = os.umask(0o077)
    try:
        make_directory(tmp_path / "a/b")
    finally:
        os.umask(old)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("a", "a/b")] == [0o755, 0o755]


@pytest.mark.parametrize("kind", ["file", "broken-link"])
def test_directory_that_is_something_else_is_a_sentence(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "root"
    path.write_text("") if kind == "file" else path.symlink_to("nowhere")
    with pytest.raises(ReleaseError, match="is needed as a directory and is something else"):
        make_directory(path / "below")
