# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a build."""

from __future__ import annotations

import hashlib

import pytest

from ansible_collections.llm.host.plugins.module_utils._files import FilesError, KnownDigests, find_files


def sha(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def test_a_file_is_hashed_once_until_it_is_written(tmp_path):
    path = tmp_path / "x.gguf"
    path.write_text("one")
    digests = KnownDigests()
    (found,) = find_files(str(path), digests)
    assert (found.key, found.digest, found.size, found.open().read()) == ("x.gguf", sha("one"), 3, b"one")
    size, mtime, _digest = digests[str(path)]
    digests[str(path)] = (size, mtime, "sha256:remembered")
    assert find_files(str(path), digests)[0].digest == "sha256:remembered"
    path.write_text("three")
    assert find_files(str(path), digests)[0].digest == sha("three")


def test_a_directory_gives_weights_and_configuration(tmp_path):
    for name in ("model-1.safetensors", "config.json", "tokenizer.model", "README.md", "consolidated.safetensors", "1/config.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    keys = [file.key for file in find_files(str(tmp_path), KnownDigests())]
    assert keys == ["model-1.safetensors", "config.json", "1/config.json", "tokenizer.model"]


def test_a_file_or_model_that_is_not_there_is_said(tmp_path):
    with pytest.raises(FilesError, match=r"x\.gguf cannot be read: no such file or directory"):
        find_files(str(tmp_path / "x.gguf"), KnownDigests())
    with pytest.raises(FilesError, match="holds no model"):
        find_files(str(tmp_path), KnownDigests())
