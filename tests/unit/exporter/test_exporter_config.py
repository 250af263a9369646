# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the exporter is told."""

from __future__ import annotations

import json

import pytest
from ollama_exporter.config import Config, ConfigError, Declared, Server, StorePlace, read_config


@pytest.fixture(name="read")
def _read(tmp_path):
    def read(said):
        path = tmp_path / "exporter.json"
        path.write_text(said if isinstance(said, str) else json.dumps(said))
        return read_config(str(path))

    return read


def test_nothing_is_a_host_without_ollama(read):
    assert read({}) == Config(port=9778, poll_seconds=2, servers=(), stores=(), declared=Declared(), gpus_expected=None, tailscale=False)


def test_everything(read):
    said = {
        "port": 9999,
        "poll_seconds": 0.5,
        "servers": [{"name": "gpu0", "url": "http://10.0.0.5:11434", "gpus_expected": True}],
        "stores": [{"path": "/srv/models"}, {"path": "/usr/share/models", "at": "/mnt/1"}],
        "models": [{"name": "Tiny", "digest": f"sha256:{'A' * 64}"}, {"name": "other:1b"}],
        "kept": ["base"],
        "exclusive": True,
        "version": "v0.32.15",
        "gpus_expected": 0,
        "tailscale": True,
    }
    name = "registry.ollama.ai/library"
    assert read(said) == Config(
        port=9999,
        poll_seconds=0.5,
        servers=(Server("gpu0", "http://10.0.0.5:11434", True),),
        stores=(StorePlace("/srv/models", "/srv/models"), StorePlace("/usr/share/models", "/mnt/1")),
        declared=Declared({f"{name}/tiny:latest": "a" * 64, f"{name}/other:1b": ""}, frozenset({f"{name}/base:latest"}), True, "0.32.15"),
        gpus_expected=0,
        tailscale=True,
    )


@pytest.mark.parametrize(
    ("said", "words"),
    [
        pytest.param("{", "Expecting", id="no-json"),
        pytest.param([], "list", id="no-object"),
        pytest.param({"servers": [{"name": "default"}]}, "'url' is missing", id="no-url"),
        pytest.param({"models": [{"name": "a b"}]}, "'a b' is not a model name", id="no-name"),
        pytest.param({"port": "x"}, "'x'", id="no-port"),
    ],
)
def test_what_nobody_understands_is_said_in_a_sentence(read, said, words):
    with pytest.raises(ConfigError, match=words) as raised:
        read(said)
    assert str(raised.value).startswith("Cannot read the configuration /")
    assert str(raised.value).endswith(".")


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        read_config(str(tmp_path / "none.json"))
