# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The store on disk: what counts as left over, and when nothing is removed."""

from __future__ import annotations

import json
import os
import typing as t

import pytest

from ansible_collections.llm.host.plugins.module_utils._registry import Layer
from ansible_collections.llm.host.plugins.module_utils._store import Store, StoreDamaged, StoreError

USED, UNUSED, PART = (f"sha256-{digit * 64}" for digit in "123")


@pytest.fixture(name="store")
def _store(tmp_path):
    for name in (USED, UNUSED, f"{PART}-partial", f"{PART}-partial-0", "other"):
        path = tmp_path / "blobs" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x" * 5000)
        os.utime(path, (1, 1))
    write_manifest(tmp_path, "latest")
    return Store(str(tmp_path))


def write_manifest(root: t.Any, tag: str, text: str | None = None) -> None:
    manifest = root / "manifests" / "registry.ollama.ai" / "library" / "x" / tag
    manifest.parent.mkdir(parents=True, exist_ok=True)
    layer = {"digest": USED.replace("-", ":"), "size": 5000}
    manifest.write_text(json.dumps({"config": layer, "layers": [layer]}) if text is None else text)


def names(files: t.Iterable[t.Any]) -> list[str]:
    return [file.name for file in files]


def test_what_no_manifest_names_is_left_over(store):
    found = store.survey()
    assert (found.blobs, names(found.orphans), names(found.partials)) == (2, [UNUSED], [f"{PART}-partial", f"{PART}-partial-0"])
    assert found.damaged_manifests == ()


def test_what_is_old_and_left_over_is_removed_and_nothing_else(store, tmp_path):
    found = store.survey()
    os.utime(tmp_path / "blobs" / f"{PART}-partial-0")
    assert names(store.remove((*found.orphans, *found.partials))) == [UNUSED, f"{PART}-partial"]
    assert sorted(path.name for path in (tmp_path / "blobs").iterdir()) == sorted([USED, f"{PART}-partial-0", "other"])


def test_a_blob_that_a_new_manifest_names_meanwhile_stays(store, tmp_path):
    orphans = store.survey().orphans
    write_manifest(tmp_path, "new", json.dumps({"config": {"digest": UNUSED.replace("-", ":")}, "layers": []}))
    assert store.remove(orphans) == ()


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"config": {"digest": "x"}, "layers": []}'])
def test_no_blob_is_removed_while_a_manifest_cannot_be_read(store, tmp_path, text):
    write_manifest(tmp_path, "broken", text)
    found = store.survey()
    assert found.damaged_manifests == ("manifests/registry.ollama.ai/library/x/broken",)
    with pytest.raises(StoreDamaged, match="library/x/broken"):
        store.remove(found.orphans)
    assert len(store.remove(found.partials)) == 2


def test_no_blob_is_removed_from_a_store_without_manifests(store, tmp_path):
    (tmp_path / "manifests").rename(tmp_path / "elsewhere")
    with pytest.raises(StoreDamaged, match="manifests is missing"):
        store.remove(store.survey().orphans)


def test_a_link_that_leads_nowhere_is_not_taken_for_an_empty_namespace(store, tmp_path):
    (tmp_path / "manifests" / "registry.ollama.ai" / "team").symlink_to(tmp_path / "gone")
    with pytest.raises(StoreError, match="team leads nowhere"):
        store.survey()


@pytest.mark.parametrize(
    ("digest", "missing"),
    [(USED, 0), (UNUSED, 0), (PART, 10_000_000 - 8192), (f"sha256-{'4' * 64}", 10_000_000)],
)
def test_what_is_still_to_be_downloaded_is_what_is_not_on_disk(store, digest, missing):
    layer = Layer(digest.replace("-", ":", 1), 10_000_000)
    assert store.missing([layer, layer]) == missing


def test_a_store_that_is_not_there_holds_nothing_and_tells_the_room(tmp_path):
    store = Store(str(tmp_path / "not" / "there"))
    assert (store.exists, store.survey().blobs) == (False, 0)
    assert store.free_bytes() > 0
