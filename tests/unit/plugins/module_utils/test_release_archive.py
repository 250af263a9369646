# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import tarfile
import typing as t
from pathlib import Path

import pytest

from ansible_collections.llm.host.plugins.module_utils import _release_archive
from ansible_collections.llm.host.plugins.module_utils._release_archive import (
    archive_format,
    check_binary,
    check_links,
    unpack,
)
from ansible_collections.llm.host.plugins.module_utils._release_assets import Asset, Version, assets_of
from ansible_collections.llm.host.plugins.module_utils._release_values import ReleaseError
from ansible_collections.llm.host.tests.unit.plugins.module_utils.release_support import (
    Item,
    compressed,
    directory,
    elf,
    hardlink,
    packed,
    release_items,
    sha256,
    symlink,
    tar_bytes,
    tree_of,
)

BASE, ROCM = assets_of(version=Version.parse("0.32.15"), architecture="amd64", overlays=["rocm"])
SUFFIXES = (".tar.zst", ".tgz", ".tar")


def unpacked(tmp_path: Path, data: bytes, *, asset: Asset = BASE, room: t.Callable[[int, str], None] | None = None) -> Path:
    archive, tree = tmp_path / "given.name", tmp_path / "tree"
    archive.write_bytes(data)
    tree.mkdir(exist_ok=True)
    unpack(archive, tree, asset=asset, label="given.name", room=room or (lambda size, name: None))
    return tree


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("prefix", ["", "./"], ids=["plain", "dot-slash"])
def test_release_is_unpacked_whatever_its_name_says(tmp_path: Path, suffix: str, prefix: str) -> None:
    items = release_items(prefix=prefix)
    if prefix:
        items.insert(0, directory("./"))
    tree = unpacked(tmp_path, packed(items, suffix=suffix))
    assert tree_of(tree) == {item.name[len(prefix) :]: item.target or item.content.hex() for item in items if item.kind != tarfile.DIRTYPE}


def test_digest_of_each_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(packed([Item("bin/ollama", b"x", 0o755), hardlink("bin/again", "bin/ollama")]))
    (tmp_path / "tree").mkdir()
    digests = unpack(tmp_path / "a", tmp_path / "tree", asset=BASE, label="a", room=lambda *_: None)
    assert digests == {"bin/ollama": sha256(b"x"), "bin/again": sha256(b"x")}


def test_modes_are_sane_and_owner_is_who_installs(tmp_path: Path) -> None:
    old = os.umask(0o077)
    try:
        tree = unpacked(tmp_path, packed([Item("bin/ollama", b"x", 0o4711), Item("lib/f", b"", 0o666), Item("lib/g", b"", 0)]))
    finally:
        os.umask(old)
    modes = {str(path.relative_to(tree)): f"{path.stat().st_mode & 0o7777:o}" for path in tree.rglob("*")}
    assert modes == {"bin": "755", "bin/ollama": "755", "lib": "755", "lib/f": "644", "lib/g": "644"}
    assert {path.stat().st_uid for path in tree.rglob("*")} == {os.geteuid()}


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.8, 0.99])
def test_archive_cut_short_is_refused_wherever_the_cut_is(tmp_path: Path, suffix: str, share: float) -> None:
    data = packed(release_items(size=200_000), suffix=suffix)
    with pytest.raises(ReleaseError, match=r"given\.name is cut short or damaged|is not an archive"):
        unpacked(tmp_path, data[: int(len(data) * share)])


@pytest.mark.parametrize("entries", [1, 2, 3])
def test_plain_tar_cut_between_two_entries_is_refused(tmp_path: Path, entries: int) -> None:
    items = [Item("bin/ollama", b"x" * 512, 0o755), Item("lib/a", b"y" * 512), Item("lib/b", b"z" * 512)]
    with pytest.raises(ReleaseError, match="no end mark"):
        unpacked(tmp_path, compressed(tar_bytes(items)[: entries * 1024]))


def test_entry_that_cannot_be_read_is_not_taken_for_the_end(tmp_path: Path) -> None:
    items = [Item("bin/ollama", b"x" * 512, 0o755), Item("lib/a", b"y" * 512), Item("lib/b", b"z" * 512)]
    plain = bytearray(tar_bytes(items))
    plain[1024:1100] = b"#" * 76
    with pytest.raises(ReleaseError, match="cannot be read from byte 1024 on"):
        unpacked(tmp_path, compressed(bytes(plain)))


def test_flipped_bit_in_a_compressed_archive_is_refused(tmp_path: Path) -> None:
    data = bytearray(packed(release_items(size=200_000), suffix=".tgz"))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(ReleaseError, match="cut short or damaged"):
        unpacked(tmp_path, bytes(data))


@pytest.mark.parametrize(
    "item",
    [
        pytest.param(Item("../evil", b"x"), id="parent"),
        pytest.param(Item("bin/../../evil", b"x"), id="parent-in-the-middle"),
        pytest.param(Item("/etc/evil", b"x"), id="absolute"),
        pytest.param(directory("lib/../.."), id="directory"),
        pytest.param(symlink("lib/evil", "/etc/passwd"), id="absolute-link"),
        pytest.param(symlink("lib/evil", "../../etc"), id="link-out-of-the-tree"),
        pytest.param(hardlink("lib/evil", "/etc/passwd"), id="absolute-hard-link"),
        pytest.param(hardlink("lib/evil", "../evil"), id="hard-link-out-of-the-tree"),
        pytest.param(hardlink("lib/evil", "lib/later"), id="hard-link-to-nothing"),
        pytest.param(Item("lib/evil", kind=tarfile.FIFOTYPE), id="pipe"),
        pytest.param(Item("lib/evil", kind=tarfile.CHRTYPE), id="device"),
    ],
)
def test_hostile_entry_is_refused_and_nothing_is_written_outside(tmp_path: Path, item: Item) -> None:
    with pytest.raises(ReleaseError, match=r"The archive given\.name is refused: its (entry|link)"):
        unpacked(tmp_path, packed([*release_items(), item]))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["given.name", "tree"]


@pytest.mark.parametrize(
    "items",
    [
        pytest.param([symlink("lib", "bin"), Item("lib/evil", b"x")], id="through-a-link"),
        pytest.param([Item("lib", b"x"), Item("lib/evil", b"x")], id="below-a-file"),
        pytest.param([directory("lib"), Item("lib", b"x")], id="a-directory-and-a-file"),
    ],
)
def test_entry_in_an_impossible_place_is_refused(tmp_path: Path, items: list[Item]) -> None:
    with pytest.raises(ReleaseError, match="is refused"):
        unpacked(tmp_path, packed([Item("bin/ollama", b"x", 0o755), *items]))


def test_chain_of_links_out_of_the_tree_is_refused(tmp_path: Path) -> None:
    items = [*release_items(), symlink("lib/up", ".."), symlink("bin/out", "../lib/up/../..")]
    with pytest.raises(ReleaseError, match="is refused"):
        check_links(unpacked(tmp_path, packed(items)), archive="a")
    inner = [*release_items(), symlink("lib/ollama/cuda_v13/top", "../../.."), symlink("lib/out", "ollama/cuda_v13/top/..")]
    with pytest.raises(ReleaseError, match="its link 'lib/out' leads out"):
        check_links(unpacked(tmp_path, packed(inner)), archive="a")


def test_links_inside_the_tree_are_fine(tmp_path: Path) -> None:
    tree = unpacked(tmp_path, packed([*release_items(), symlink("lib/up", ".."), symlink("lib/broken", "nothing")]))
    check_links(tree, archive="a")


@pytest.mark.parametrize(
    ("items", "asset", "sentence"),
    [
        pytest.param([Item("lib/x", b"")], BASE, "holds no bin/ollama", id="no-program"),
        pytest.param([Item("ollama-0.32/bin/ollama", b"")], BASE, "holds no bin/ollama", id="in-a-directory-of-its-own"),
        pytest.param(release_items(), ROCM, "it is not the overlay 'rocm'", id="base-given-as-overlay"),
        pytest.param([Item("lib/ollama/rocm/x", b"")], ROCM, r"it holds lib/ollama/rocm\)", id="overlay-of-an-old-version"),
        pytest.param([], ROCM, "it holds nothing", id="empty-overlay"),
    ],
)
def test_archive_of_something_else_is_refused(tmp_path: Path, items: list[Item], asset: Asset, sentence: str) -> None:
    with pytest.raises(ReleaseError, match=sentence):
        unpacked(tmp_path, packed(items), asset=asset)


def test_overlay_lies_over_the_base(tmp_path: Path) -> None:
    unpacked(tmp_path, packed(release_items()))
    tree = unpacked(tmp_path, packed([Item("lib/ollama/rocm_v7_2/librocm.so", b"r")]), asset=ROCM)
    assert (tree / "lib/ollama/rocm_v7_2/librocm.so").read_bytes() == b"r"
    assert (tree / "bin/ollama").exists()


@pytest.mark.parametrize(
    ("content", "mode", "sentence"),
    [
        pytest.param(b"#!/bin/sh", 0o644, "not an executable file", id="not-executable"),
        pytest.param(elf(0xB7), 0o755, "built for arm64, and this host is amd64", id="other-architecture"),
        pytest.param(elf(0xF3), 0o755, "built for riscv64", id="foreign-architecture"),
    ],
)
def test_program_that_the_host_cannot_start_is_refused(tmp_path: Path, content: bytes, mode: int, sentence: str) -> None:
    tree = unpacked(tmp_path, packed([Item("bin/ollama", content, mode)]))
    with pytest.raises(ReleaseError, match=sentence):
        check_binary(tree, architecture="amd64", archive="a")


@pytest.mark.parametrize("content", [elf(0x3E), b"#!/bin/sh\n", b""], ids=["elf", "script", "empty"])
def test_program_that_the_host_may_start_is_taken(tmp_path: Path, content: bytes) -> None:
    check_binary(unpacked(tmp_path, packed([Item("bin/ollama", content, 0o755)])), architecture="amd64", archive="a")


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", bytes(4000)], ids=["empty", "page", "zeros"])
def test_file_that_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tar.zst").write_bytes(content)
    with pytest.raises(ReleaseError, match=r"is empty|neither a .tar.zst nor a .tgz"):
        archive_format(tmp_path / "a.tar.zst")


def test_host_without_zstd_is_told_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_release_archive, "_zstd_program", lambda: None)
    monkeypatch.setattr(_release_archive, "_zstd_library", lambda: None)
    with pytest.raises(ReleaseError, match=r"zstd is not on the host.*install the package zstd"):
        unpacked(tmp_path, packed(release_items()))


def test_no_room_for_a_file_is_said_before_it_is_written(tmp_path: Path) -> None:
    def room(size: int, name: str) -> None:
        if size > 2000:
            raise ReleaseError(f"{name} needs {size}")

    with pytest.raises(ReleaseError, match=r"libggml-base.so.0.0.1 needs 3000"):
        unpacked(tmp_path, packed(release_items()), room=room)
    assert not (tmp_path / "tree/lib/ollama/libggml-base.so.0.0.1").exists()
