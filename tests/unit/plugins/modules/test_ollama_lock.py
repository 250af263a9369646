# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock file: what is asked for, what is written, and when it stays as it is."""

from __future__ import annotations

import hashlib
import io
import json
import typing as t

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.llm.host.plugins.module_utils._http import Response, TransportError
from ansible_collections.llm.host.plugins.modules import ollama_lock

OLD = "sha256:" + "0" * 64


def manifest(text: str) -> bytes:
    return json.dumps({"layers": [], "config": {"digest": text, "size": 1}}).encode()


def digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(manifest(text)).hexdigest()}"


@pytest.fixture(name="lock")
def _lock(monkeypatch, capsys, tmp_path):
    class Registries:
        """Every tag has the digest of its URL's path, but for those that do not answer."""

        silent = False
        asked: t.ClassVar[list[str]] = []

        def open(self, _method: str, url: str, **_options: t.Any) -> Response:
            self.asked.append(url)
            if Registries.silent:
                raise TransportError("no route to host")
            return Response(status=200, headers={}, raw=io.BytesIO(manifest(url.split("/v2/")[1])))

    monkeypatch.setattr(ollama_lock, "OpenUrlTransport", lambda **_options: Registries())
    path = tmp_path / "group_vars" / "ollama" / "models.lock.yml"

    def lock(*models: dict[str, t.Any], check: bool = False, silent: bool = False, **options: t.Any) -> dict[str, t.Any]:
        Registries.silent = silent
        Registries.asked = []
        libraries = options.pop("libraries", [{"host": "gpu1", "models": list(models)}])
        arguments = {"path": str(path), "libraries": libraries, **options, "_ansible_check_mode": check, "_ansible_diff": True}
        with patch_module_args(arguments), pytest.raises(SystemExit):
            ollama_lock.main()
        return {**json.loads(capsys.readouterr().out), "asked": Registries.asked, "text": path.read_text() if path.exists() else None}

    return lock


X, Y = digest("library/x/manifests/latest"), digest("library/y/manifests/latest")


def test_tags_and_foreign_bases_are_locked_and_a_second_run_changes_nothing(lock):
    models = [
        {"name": "x"},
        {"name": "team", "from": "y", "system": "hi"},
        {"name": "top", "from": "team"},
        {"name": "z", "state": "absent"},
    ]
    done = lock(*models)
    assert (done["changed"], done["digests"]) == (True, {"x:latest": X, "y:latest": Y})
    again = lock(*models)
    assert (again["changed"], again["text"]) == (False, done["text"])


def test_check_mode_shows_the_diff_and_writes_nothing(lock):
    done = lock({"name": "x"}, check=True)
    assert (done["changed"], done["text"]) == (True, None)
    assert X in done["diff"]["after"]


def test_a_moved_tag_is_told_and_what_is_no_longer_declared_is_dropped(lock):
    text = lock({"name": "x"}, {"name": "y"})["text"]
    assert text.count("sha256:") == 2
    libraries = [{"host": "a", "models": [{"name": "X:latest"}]}, {"host": "b", "models": [{"name": "z", "digest": OLD}]}]
    done = lock(libraries=libraries)
    assert done["removed"] == ["y:latest"]
    assert [item["before"] for item in done["pinned_moved"]] == [OLD]


def test_one_model_can_be_updated_alone(lock):
    lock({"name": "x"}, {"name": "y"})
    assert lock({"name": "x"}, {"name": "y"}, update=["y"])["asked"] == ["https://registry.ollama.ai/v2/library/y/manifests/latest"]


@pytest.mark.parametrize(
    ("models", "options", "message"),
    [
        ([{"name": "x"}], {"silent": True}, "stays as it is: cannot reach the registry"),
        ([{"name": "x"}], {"update": ["nope"]}, "update names 'nope', which no host declares"),
        ([{"name": "a b"}], {}, "gpu1: ollama_models[0] 'a b'"),
        ([{"name": "x", "state": "gone"}], {}, "gpu1: value of state must be one of: present, absent, got: gone"),
    ],
)
def test_what_is_wrong_leaves_the_file_as_it_is(lock, models, options, message):
    before = lock({"name": "y"})["text"]
    done = lock(*models, **options)
    assert done["failed"]
    assert message in done["msg"]
    assert done["text"] == before
