# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a look at a host tells."""

from __future__ import annotations

import json
import socket
import typing as t

import pytest
from ansible.module_utils.testing import patch_module_args
from scripted import Call, Script

from ansible_collections.llm.host.plugins.module_utils._http import TransportError
from ansible_collections.llm.host.plugins.modules import ollama_info

A = "a" * 64


@pytest.fixture(name="look")
def _look(monkeypatch, capsys, tmp_path):
    def look(*calls: Call) -> dict[str, t.Any]:
        with Script(*calls) as script, patch_module_args({"store_dir": str(tmp_path / "store")}), pytest.raises(SystemExit):
            monkeypatch.setattr(ollama_info, "OpenUrlTransport", lambda **_options: script)
            ollama_info.main()
        return t.cast("dict[str, t.Any]", json.loads(capsys.readouterr().out))

    return look


@pytest.mark.parametrize(
    ("size", "on_gpu", "words"),
    [
        (100, 0, "100% CPU"),
        (0, 0, "100% CPU"),
        (100, 100, "100% GPU"),
        (100, 59, "41%/59% CPU/GPU"),
        (1000, 999, "0%/100% CPU/GPU"),
    ],
)
def test_the_split_is_told_as_the_command_line_tells_it(size, on_gpu, words):
    assert ollama_info.processor(size, on_gpu) == words


def test_a_host_without_a_server_is_told_and_is_no_failure(look):
    found = look(Call("GET", "/api/version", raises=TransportError("connection refused", refused=True)))
    assert found["reachable"] is False
    assert (found["version"], found["models"], found["loaded"], found["store"]) == (None, [], [], None)


def test_a_server_that_does_not_answer_is_a_failure(look):
    assert "no answer within 30 s" in look(Call("GET", "/api/version", raises=TransportError("no answer within 30 s")))["msg"]


def test_models_kept_versions_memory_and_store_are_told(look, tmp_path):
    blobs = tmp_path / "store" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / f"sha256-{'1' * 64}").write_bytes(b"x")
    (blobs / f"sha256-{'2' * 64}-partial").write_bytes(b"x")
    manifest = tmp_path / "store" / "manifests" / socket.gethostname() / "library" / "x" / "latest"
    manifest.parent.mkdir(parents=True)
    manifest.write_text("{")
    models = [{"name": name, "digest": A, "size": 7, "capabilities": ["completion"]} for name in ("x:latest", f"x:latest-{A[:12]}")]
    running = {"name": "x:latest", "digest": A, "size": 4, "size_vram": 3, "context_length": 4096, "expires_at": "2026-08-20T09:20:11Z"}
    found = look(
        Call("GET", "/api/version", {"version": "0.32.15"}),
        Call("GET", "/api/tags", {"models": models}),
        Call("GET", "/api/ps", {"models": [running]}),
    )
    assert (found["changed"], found["reachable"], found["version"]) == (False, True, "0.32.15")
    assert [(item["name"], item["digest"], item["kept_of"]) for item in found["models"]] == [
        ("x:latest", f"sha256:{A}", None),
        (f"x:latest-{A[:12]}", f"sha256:{A}", "x:latest"),
    ]
    assert found["loaded"] == [{**running, "digest": f"sha256:{A}", "processor": "25%/75% CPU/GPU"}]
    assert (found["store"]["orphans"]["names"], found["store"]["partials"]["count"]) == ([f"sha256-{'1' * 64}"], 1)
    assert found["store"]["damaged_manifests"] == [str(manifest.relative_to(tmp_path / "store"))]
