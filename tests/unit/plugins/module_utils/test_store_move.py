# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A move leaves every model whole, in one store or in both, wherever it is killed."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import typing as t
from pathlib import Path

import pytest

from ansible_collections.llm.host.plugins.module_utils import _store_move
from ansible_collections.llm.host.plugins.module_utils._store_move import (
    Contents,
    Manifest,
    MoveError,
    Mover,
    check_apart,
    contents_of,
    make_plan,
    missing_models,
)

BIG, SMALL = "sha256-" + "1" * 64, "sha256-" + "2" * 64
TINY = "registry.ollama.ai/library/tiny/latest"
OWNER = {"uid": os.getuid(), "gid": os.getgid()}


def manifest(path: str = TINY, *, at: int = 5, text: str = "old", blobs: dict[str, int] | None = None) -> Manifest:
    return Manifest(path, at, text, {BIG: 900, SMALL: 9} if blobs is None else blobs)


def store(root: str, *manifests: Manifest, blobs: dict[str, int] | None = None, device: int = 1) -> Contents:
    present = {BIG: 900, SMALL: 9} if blobs is None else blobs
    return Contents(root, {item.path: item for item in manifests}, present, device=device, removable=bool(manifests))


EMPTY = Contents("/new", device=1)


@pytest.mark.parametrize(
    ("wanted", "sources", "models", "brought"),
    [
        pytest.param(EMPTY, [store("/old", manifest())], ["tiny:latest"], {BIG, SMALL}, id="everything-is-brought-to-an-empty-store"),
        pytest.param(
            store("/new", blobs={BIG: 900}), [store("/old", manifest())], ["tiny:latest"], {SMALL}, id="what-is-there-is-not-brought-again"
        ),
        pytest.param(
            store("/new", blobs={BIG: 899}), [store("/old", manifest())], ["tiny:latest"], {BIG, SMALL}, id="a-blob-of-another-size-is"
        ),
        pytest.param(store("/new", manifest()), [store("/old", manifest())], [], set(), id="the-same-model-is-not-brought"),
        pytest.param(store("/new", manifest(at=9, text="new")), [store("/old", manifest())], [], set(), id="a-newer-version-there-holds"),
        pytest.param(
            store("/new", manifest(at=1, text="older")), [store("/old", manifest())], ["tiny:latest"], set(), id="an-older-one-does-not"
        ),
        pytest.param(EMPTY, [], [], set(), id="nothing-comes-from-nowhere"),
        pytest.param(
            EMPTY,
            [store("/a", manifest(at=1, text="a", blobs={BIG: 900})), store("/b", manifest(at=2, text="b", blobs={SMALL: 9}))],
            ["tiny:latest"],
            {SMALL},
            id="of-two-sources-the-newest-version",
        ),
        pytest.param(
            EMPTY,
            [store("/a", manifest(), blobs={BIG: 900}), store("/b", manifest(at=1), blobs={SMALL: 9})],
            ["tiny:latest"],
            {BIG, SMALL},
            id="a-blob-may-come-from-the-other-source",
        ),
    ],
)
def test_what_is_brought(wanted, sources, models, brought):
    plan = make_plan(wanted, sources, clear=False)
    assert (plan.models, {blob.name for blob in plan.blobs}, plan.clear) == (models, brought, ())


def test_blobs_of_the_same_file_system_need_no_room():
    assert make_plan(EMPTY, [store("/old", manifest())], clear=False).bytes_to_copy == len("old")
    assert make_plan(EMPTY, [store("/old", manifest(), device=2)], clear=False).bytes_to_copy == 909 + len("old")


def test_only_what_ollama_put_there_is_cleared():
    assert make_plan(EMPTY, [store("/old", manifest()), Contents("/never-used")], clear=True).clear == ("/old",)


def test_a_model_that_is_not_whole_is_no_empty_model_elsewhere():
    with pytest.raises(MoveError, match=r"tiny:latest is not whole in /old: blobs/sha256-1+ is missing"):
        make_plan(EMPTY, [store("/old", manifest(), blobs={SMALL: 9})], clear=True)


@pytest.fixture(name="old")
def _old(tmp_path: Path) -> Path:
    root = tmp_path / "old"
    layers = []
    for content in (b"weights" * 3000, b"config"):
        digest = hashlib.sha256(content).hexdigest()
        path = root / "blobs" / f"sha256-{digest}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        layers.append({"digest": f"sha256:{digest}", "size": len(content)})
    (root / "blobs" / f"{BIG}-partial-0").write_bytes(b"part")
    path = root / "manifests" / TINY
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"config": layers[1], "layers": layers[:1]}))
    os.utime(path, ns=(10**18, 10**18))
    return root


def move(old: Path, new: Path, *, clear: bool = False) -> Mover:
    return Mover(make_plan(contents_of(str(new)), [contents_of(str(old))], clear=clear), **OWNER)


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def no_link(*_args: t.Any) -> t.NoReturn:
    raise OSError(errno.EXDEV, "Invalid cross-device link")


@pytest.mark.parametrize("linked", [True, False], ids=["linked", "copied"])
def test_a_moved_store_is_the_same_elsewhere_and_nothing_of_it_stays(old, tmp_path, monkeypatch, linked):
    if not linked:
        monkeypatch.setattr(os, "link", no_link)
    new, before = tmp_path / "disk" / "models", files(old)
    (old / "README").write_text("somebody's")
    (old / "blobs" / "notes").write_text("somebody's")
    move(old, new).bring()
    assert files(new) == {name: content for name, content in before.items() if "partial" not in name}
    assert (new / "manifests" / TINY).stat().st_mtime_ns == 10**18
    blob = next(new.glob("blobs/*"))
    assert (blob.stat().st_nlink > 1, oct(blob.stat().st_mode & 0o777)) == (linked, "0o644")

    mover = move(old, new, clear=True)
    mover.bring()
    assert mover.clear() == ([], [str(old / "README"), str(old / "blobs" / "notes")])
    assert set(files(old)) == {"README", "blobs/notes"}
    assert not (old / "manifests").exists()
    assert not make_plan(contents_of(str(new)), [contents_of(str(old))], clear=True).changed


def test_what_was_pulled_meanwhile_is_brought_before_the_old_store_is_cleared(old, tmp_path):
    new = tmp_path / "new"
    move(old, new).bring()
    later = old / "manifests/registry.ollama.ai/library/later/latest"
    later.parent.mkdir()
    shutil.copy(old / "manifests" / TINY, later)
    mover = move(old, new, clear=True)
    mover.bring()
    assert mover.clear() == ([str(old)], [])
    assert (missing_models(str(new), "/nowhere"), old.exists()) == (["later:latest", "tiny:latest"], False)


def test_a_killed_copy_leaves_no_half_blob_and_no_manifest_and_the_next_run_finishes(old, tmp_path, monkeypatch):
    new, placed = tmp_path / "new", []

    def killed_at_the_second(work: str, path: str) -> None:
        if placed:
            raise KeyboardInterrupt
        placed.append(path)
        os.replace(work, path)

    monkeypatch.setattr(os, "link", no_link)
    mover = move(old, new)
    monkeypatch.setattr(mover, "_place", killed_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        mover.bring()
    assert [path.name for path in (new / "blobs").iterdir()] == [os.path.basename(placed[0])]
    assert missing_models(str(old), str(new)) == ["tiny:latest"]

    again = move(old, new)
    assert len(again._plan.blobs) == 1
    again.bring()
    assert (missing_models(str(old), str(new)), sorted(path.name for path in new.iterdir())) == ([], ["blobs", "manifests"])


def test_a_blob_that_is_read_wrong_is_refused(old, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", no_link)
    victim = max(old.glob("blobs/sha256-*"), key=lambda path: path.stat().st_size)
    victim.write_bytes(b"X" + victim.read_bytes()[1:])
    with pytest.raises(MoveError, match=f"{victim.name} is damaged"):
        move(old, tmp_path / "new").bring()
    assert not list((tmp_path / "new" / "manifests").iterdir())


def test_a_disk_that_is_too_small_is_said_before_anything_is_written(old, tmp_path, monkeypatch):
    monkeypatch.setattr(_store_move, "RESERVE", 1 << 60)
    plan = make_plan(Contents(str(tmp_path / "new"), device=-1), [contents_of(str(old))], clear=False)
    with pytest.raises(MoveError, match="are needed to copy the models there"):
        Mover(plan, **OWNER).bring()
    assert not (tmp_path / "new").exists()


def test_a_manifest_that_nobody_can_read_stops_the_move(old):
    (old / "manifests" / TINY).write_text("{")
    with pytest.raises(MoveError, match="pull or remove tiny:latest"):
        contents_of(str(old))


@pytest.mark.parametrize(
    ("wanted", "refused"),
    [
        pytest.param("old/models", False, id="beside-blobs-and-manifests"),
        pytest.param("old/blobs/models", True, id="among-the-blobs"),
        pytest.param("linked", True, id="blobs-that-are-a-link-to-the-old-ones"),
        pytest.param("apart", False, id="apart"),
    ],
)
def test_stores_that_are_in_part_the_same_are_refused(old, tmp_path, wanted, refused):
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "blobs").symlink_to(old / "blobs")
    if refused:
        with pytest.raises(MoveError, match="choose a directory that is apart"):
            check_apart(str(tmp_path / wanted), str(old))
    else:
        check_apart(str(tmp_path / wanted), str(old))
