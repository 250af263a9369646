# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two modules for models: what their documentation promises, and how a run ends."""

from __future__ import annotations

import json
import typing as t

import pytest
import yaml
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args

from ansible_collections.llm.host.plugins.doc_fragments import api, library, proxy
from ansible_collections.llm.host.plugins.module_utils import _library_module
from ansible_collections.llm.host.plugins.module_utils._http import Response, TransportError
from ansible_collections.llm.host.plugins.module_utils._library_module import api_options, library_options, model_options, models_options
from ansible_collections.llm.host.plugins.modules import ollama_model, ollama_models

DIGEST = "a" * 64


class Replies:
    """A transport that gives one reply to everything and remembers what was asked."""

    def __init__(self, reply: t.Any) -> None:
        self.reply = reply
        self.asked: list[str] = []

    def open(self, method: str, url: str, **_options: t.Any) -> Response:
        self.asked.append(f"{method} {url}")
        if isinstance(self.reply, Exception):
            raise self.reply

        class Raw:
            pieces = [json.dumps(self.reply).encode()]

            def read1(self, _size: int) -> bytes:
                return self.pieces.pop() if self.pieces else b""

            read = read1

            def close(self) -> None:
                pass

        return Response(status=200, headers={}, raw=Raw())


@pytest.fixture(name="run")
def _run(monkeypatch, capsys, tmp_path):
    def run(module: t.Any, arguments: dict[str, t.Any], reply: t.Any, *, check: bool = False) -> tuple[dict[str, t.Any], list[str]]:
        replies = Replies(reply)
        monkeypatch.setattr(_library_module, "OpenUrlTransport", lambda **_options: replies)
        # A test before may have made this process a controller, where warnings go to the screen and not into the result.
        warnings: list[str] = []
        monkeypatch.setattr(AnsibleModule, "warn", lambda _module, text, **_options: warnings.append(text))
        arguments = {"state_dir": str(tmp_path / "state"), **arguments, "_ansible_check_mode": check, "_ansible_diff": True}
        with patch_module_args(arguments), pytest.raises(SystemExit):
            module.main()
        return {**json.loads(capsys.readouterr().out), "warnings": warnings}, replies.asked

    return run


def documented(options: dict[str, t.Any]) -> dict[str, t.Any]:
    return {
        name: {
            **{key: spec[key] for key in ("type", "elements", "required", "choices", "default") if key in spec},
            **({"options": documented(spec["suboptions"])} if "suboptions" in spec else {}),
        }
        for name, spec in options.items()
    }


FRAGMENT = {
    name: option
    for fragment in (api, library, proxy)
    for name, option in yaml.safe_load(fragment.ModuleDocFragment.DOCUMENTATION)["options"].items()
}
SHARED = {
    name: {key: value for key, value in option.items() if key != "no_log"}
    for name, option in {**library_options(), **api_options()}.items()
}


def test_what_ollama_models_takes_is_what_is_documented():
    options = {**yaml.safe_load(ollama_models.DOCUMENTATION)["options"], **FRAGMENT}
    assert documented(options) == {**models_options(), **SHARED}


def test_what_ollama_model_takes_is_what_is_documented():
    options = {**yaml.safe_load(ollama_model.DOCUMENTATION)["options"], **FRAGMENT}
    assert documented(options) == {**model_options(), **SHARED}


def test_both_modules_document_a_model_in_the_same_words():
    many = yaml.safe_load(ollama_models.DOCUMENTATION)["options"]["models"]["suboptions"]
    one = yaml.safe_load(ollama_model.DOCUMENTATION)["options"]
    assert {name: one[name] for name in many} == many


@pytest.mark.parametrize("check", [False, True])
def test_thirty_models_that_are_as_declared_cost_one_request(run, check):
    there = {"models": [{"name": f"m{n}:latest", "digest": DIGEST} for n in range(30)]}
    result, asked = run(ollama_models, {"models": [{"name": f"m{n}", "digest": f"sha256:{DIGEST}"} for n in range(30)]}, there, check=check)
    assert asked == ["GET http://127.0.0.1:11434/api/tags"]
    assert (result["changed"], len(result["models"])) == (False, 30)
    assert result["diff"]["before"] == result["diff"]["after"]


def test_a_server_that_does_not_listen_is_one_sentence(run):
    result, _asked = run(ollama_models, {"models": [{"name": "x"}]}, TransportError("connection refused", refused=True))
    assert result["failed"]
    assert result["msg"] == "Cannot reach Ollama at http://127.0.0.1:11434: connection refused"


def test_check_mode_takes_a_host_without_ollama_for_an_empty_store(run):
    result, asked = run(
        ollama_models,
        {"models": [{"name": "x"}, {"name": "y", "from": "x"}, {"name": "z", "state": "absent"}], "exclusive": True},
        TransportError("connection refused", refused=True),
        check=True,
    )
    assert [(item["action"], item["name"]) for item in result["models"]] == [
        ("pull", "x:latest"),
        ("create", "y:latest"),
        ("none", "z:latest"),
    ]
    assert result["changed"]
    assert asked == ["GET http://127.0.0.1:11434/api/tags", "GET https://registry.ollama.ai/v2/library/x/manifests/latest"]


def test_check_mode_does_not_hide_a_server_that_is_silent(run):
    result, _asked = run(ollama_models, {"models": [{"name": "x"}]}, TransportError("no answer within 30 s"), check=True)
    assert result["msg"] == "Cannot reach Ollama at http://127.0.0.1:11434: no answer within 30 s"


def test_an_empty_exclusive_library_is_refused(run):
    result, asked = run(ollama_models, {"models": [], "exclusive": True}, {"models": []})
    assert "would remove every model from the host: say allow_empty: true" in result["msg"]
    assert asked == []


def test_an_empty_exclusive_library_can_be_meant(run):
    there = {"models": [{"name": "x:latest", "digest": DIGEST}]}
    result, _asked = run(ollama_models, {"models": [], "exclusive": True, "allow_empty": True}, there, check=True)
    assert [item["action"] for item in result["models"]] == ["remove"]


def test_a_wrong_declaration_ends_before_anything_is_asked(run):
    result, asked = run(ollama_models, {"models": [{"name": "x"}, {"name": "X"}]}, {"models": []})
    assert "models[0] 'x' and models[1] 'X' are the same model" in result["msg"]
    assert asked == []


def test_a_single_model_is_the_same_without_a_list(run):
    result, asked = run(ollama_model, {"name": "x", "digest": DIGEST}, {"models": [{"name": "x:latest", "digest": DIGEST}]})
    assert (result["changed"], result["models"][0]["action"]) == (False, "none")
    assert len(asked) == 1


def test_a_damaged_record_is_a_warning_and_means_a_rebuild(run, tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "models.json").write_text("{")
    there = {"models": [{"name": name, "digest": DIGEST} for name in ("x:latest", "y:latest")]}
    result, _asked = run(ollama_models, {"models": [{"name": "y", "from": "x"}]}, there, check=True)
    assert "is damaged" in str(result["warnings"])
    assert result["models"][0]["reason"] == "there is no record of how it was built"


def test_check_mode_warns_of_a_file_that_is_not_there_yet_and_foresees_the_build(run):
    build = {"models": [{"name": "x", "from": "/nowhere/x.gguf"}]}
    result, _asked = run(ollama_models, build, {"models": []}, check=True)
    assert [item["action"] for item in result["models"]] == ["create"]
    assert "models[0] 'x': on the managed host, /nowhere/x.gguf cannot be read" in str(result["warnings"])
    result, asked = run(ollama_models, build, {"models": []})
    assert "on the managed host, /nowhere/x.gguf cannot be read: no such file or directory" in result["msg"]
    assert asked == []
