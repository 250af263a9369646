# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.llm.host.plugins.module_utils._compat import TENSOR, Holding, Nvidia, conflicts, driver_in, takeover_conflicts
from ansible_collections.llm.host.plugins.module_utils._release_assets import Version
from ansible_collections.llm.host.plugins.module_utils._store import Store

NEEDS = Holding("tiny:latest", requires="0.31.0")
TENSORS = Holding("mlx:latest", layers=frozenset({TENSOR}))


@pytest.mark.parametrize(
    ("version", "models", "overlays", "nvidia", "words"),
    [
        pytest.param("0.32.15", [NEEDS], [], Nvidia("570.86.10", ("5.2",)), [], id="all-is-well"),
        pytest.param("0.31.0", [NEEDS], [], None, [], id="just-new-enough"),
        pytest.param("0.30.9", [NEEDS], [], None, ["tiny:latest needs Ollama 0.31.0 or newer, and ollama_version is 0.30.9"], id="too-old"),
        pytest.param("0.32.15", [TENSORS], ["mlx"], None, [], id="overlay-is-there"),
        pytest.param("0.32.15", [TENSORS], [], None, ["add mlx to ollama_overlays"], id="overlay-is-missing"),
        pytest.param("0.20.0", [TENSORS], [], None, [], id="mlx-was-in-the-base-archive"),
        pytest.param("0.13.5", [TENSORS], [], None, ["which Ollama before 0.14.0 does not run"], id="before-mlx"),
        pytest.param("0.32.15", [], [], Nvidia("535.183.01"), ["driver is 535.183.01", "needs 550 or newer, or"], id="old-driver"),
        pytest.param("0.30.9", [], [], Nvidia("535.183.01"), [], id="old-driver-that-was-enough"),
        pytest.param(
            "0.32.15", [], [], Nvidia("550.54.15", ("6.1", "8.6")), ["570 or newer for GPUs of compute capability 6.1"], id="old-gpu"
        ),
        pytest.param("0.32.15", [], [], Nvidia("550.54.15", ("7.0", "12.0")), [], id="new-gpus"),
    ],
)
def test_conflicts(version, models, overlays, nvidia, words):
    found = conflicts(Version.parse(version), overlays=overlays, models=models, nvidia=nvidia)
    assert len(found) == bool(words)
    assert all(word in found[0] for word in words)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        pytest.param({}, "", id="as-the-script-leaves-it"),
        pytest.param({"runs_as": ""}, "", id="no-unit"),
        pytest.param({"runs_as": "llm"}, "set ollama_user to llm", id="another-user"),
        pytest.param({"user_home": "/srv/ollama"}, "set ollama_home to /srv/ollama", id="another-home"),
        pytest.param({"user_home": "/srv/ollama", "keeps_identity": False}, "", id="another-home-without-a-key"),
    ],
)
def test_takeover(changes, word):
    there = {"unit": "ollama.service", "runs_as": "ollama", "user_home": "/usr/share/ollama", "keeps_identity": True}
    found = takeover_conflicts(**{**there, **changes}, user="ollama", home="/usr/share/ollama")
    assert bool(found) == bool(word) and word in "".join(found)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        pytest.param("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024", "535.183.01", id="closed"),
        pytest.param(
            "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.10  Release Build  (dvs-builder)", "570.86.10", id="open"
        ),
        pytest.param("nothing", "", id="none"),
    ],
)
def test_driver(text, version):
    assert driver_in(text) == version


def test_what_models_ask_for_is_read_from_the_store(tmp_path: Path):
    config = tmp_path / "blobs" / f"sha256-{'a' * 64}"
    config.parent.mkdir()
    config.write_text(json.dumps({"requires": "0.31.0"}))
    manifest = tmp_path / "manifests/registry.ollama.ai/library/tiny/latest"
    manifest.parent.mkdir(parents=True)
    manifest.write_text(json.dumps({"config": {"digest": f"sha256:{'a' * 64}"}, "layers": [{"mediaType": TENSOR}]}))
    (manifest.parent / "damaged").write_text("{")
    assert Store(str(tmp_path)).holdings() == [Holding("tiny:latest", "0.31.0", frozenset({TENSOR}))]
