# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a user writes to checked values."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.llm.host.plugins.module_utils._library import (
    InputError,
    read_digest,
    read_keep_alive,
    read_library,
)
from ansible_collections.llm.host.plugins.module_utils._modelfile import Recipe, compose, parse


def names(*entries: dict[str, t.Any]) -> list[str]:
    return [spec.name.short for spec in read_library(entries).specs]


def build(name: str, base: str) -> dict[str, t.Any]:
    return {"name": name, "from": base}


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        pytest.param(
            [{"name": "llama3.2"}, {"name": "x"}, {"name": "LLAMA3.2:latest"}],
            "models[0] 'llama3.2' and models[2] 'LLAMA3.2:latest' are the same model, llama3.2:latest",
            id="one-model-twice-names-both-positions",
        ),
        pytest.param([{"name": "a b"}], "models[0] 'a b': 'a b' is not a model name", id="bad-name"),
        pytest.param([{"name": "x", "digest": "sha256:12"}], "models[0] 'x': digest 'sha256:12' is not one", id="bad-digest"),
        pytest.param(
            [{"name": "x", "digest": "a" * 64, "from": "y"}],
            "models[0] 'x': a digest pins what is pulled, and this model is built here",
            id="pin-on-a-build",
        ),
        pytest.param([build("x", "X:latest")], "models[0] 'x': it is built FROM itself", id="from-itself"),
        pytest.param(
            [build("a", "b"), build("b", "c"), build("c", "a")],
            "models[0] 'a': it is built from itself in a circle, a:latest -> b:latest -> c:latest -> a:latest",
            id="circle",
        ),
        pytest.param(
            [build("a", "b"), {"name": "b", "state": "absent"}],
            "models[0] 'a' is built FROM b:latest, and models[1] 'b' says state: absent",
            id="base-that-is-removed",
        ),
        pytest.param([{"name": "x", "system": "hi"}], "models[0] 'x': system is given without from", id="fields-without-from"),
        pytest.param(
            [{"name": "x", "modelfile_content": "FROM a", "system": "hi"}],
            "models[0] 'x': it has a Modelfile and system besides",
            id="modelfile-and-fields",
        ),
        pytest.param(
            [{"name": "x", "modelfile": "m/team.Modelfile", "modelfile_content": "FROM a\nNOPE 1"}],
            "m/team.Modelfile:2: 'NOPE 1' is no instruction",
            id="modelfile-error-with-its-place",
        ),
        pytest.param([{"name": "x", "modelfile": "m"}], "modelfile 'm' was not read", id="modelfile-without-the-action"),
        pytest.param([build("x", "a b")], "models[0] 'x': 'a b' is not a model name", id="bad-base"),
        pytest.param(
            [{"name": "x", "from": "y", "parameters": {"num_ctx": "many"}}],
            "models[0] 'x': invalid int value 'many' for the parameter 'num_ctx'",
            id="bad-parameter",
        ),
        pytest.param([{"name": "x", "keep_alive": "soon"}], "models[0] 'x': keep_alive 'soon' is no duration", id="bad-keep-alive"),
        pytest.param([{"name": "x", "from": "y", "license": [1]}], "models[0] 'x': license is neither", id="bad-license"),
    ],
)
def test_a_wrong_declaration_is_refused_in_one_sentence_with_its_place(entries, says):
    with pytest.raises(InputError) as caught:
        read_library(entries)
    assert says in str(caught.value)


def test_a_single_model_has_no_position():
    with pytest.raises(InputError, match=r"^'a b': 'a b' is not"):
        read_library([{"name": "a b"}], option=None)


def test_models_come_after_what_they_are_built_from_and_stay_in_order_otherwise():
    assert names(build("c", "b"), {"name": "z"}, build("b", "a"), {"name": "a"}) == ["a:latest", "b:latest", "c:latest", "z:latest"]
    assert names({"name": "z"}, {"name": "a"}, build("b", "a")) == ["z:latest", "a:latest", "b:latest"]


def test_structured_fields_and_a_modelfile_make_the_same_recipe():
    fields = (
        read_library(
            [
                {
                    "name": "x",
                    "from": "y",
                    "system": "hi",
                    "template": "{{ .Prompt }}",
                    "parameters": {"num_ctx": "8192", "stop": ["a", "b"], "temperature": 1},
                    "license": "MIT",
                    "messages": [{"role": "user", "content": "q"}],
                    "requires": "v0.14.0",
                    "renderer": "r",
                    "parser": "p",
                }
            ]
        )
        .specs[0]
        .recipe
    )
    text = (
        "FROM y\nSYSTEM hi\nTEMPLATE {{ .Prompt }}\nPARAMETER temperature 1\nPARAMETER stop a\nPARAMETER num_ctx 8192\n"
        "PARAMETER stop b\nLICENSE MIT\nMESSAGE user q\nREQUIRES 0.14.0\nRENDERER r\nPARSER p"
    )
    assert fields == compose(parse(text))[0]


def test_a_gguf_file_on_the_host_is_a_source():
    spec = read_library([build("x", "/srv/x.gguf")]).specs[0]
    assert spec.recipe == Recipe(files=("/srv/x.gguf",))
    assert spec.base is None


def test_what_is_declared_absent_is_not_built():
    spec = read_library([{"name": "x", "modelfile_content": "FROM y", "state": "absent", "preload": True}]).specs[0]
    assert (spec.present, spec.recipe, spec.base, spec.preload) == (False, None, None, False)


@pytest.mark.parametrize("text", ["sha256:" + "aB" * 32, "Ab" * 32, f" {'ab' * 32}\n", "SHA256:" + "ab" * 32])
def test_digests_are_read_in_every_notation(text):
    assert read_digest(text) == "ab" * 32


@pytest.mark.parametrize(
    ("text", "value"), [("-1", -1), ("0", 0), ("3600", 3600), ("30m", "30m"), ("1h30m", "1h30m"), ("-1m", "-1m"), ("1.5h", "1.5h")]
)
def test_keep_alive_becomes_what_the_api_takes(text, value):
    assert read_keep_alive(text) == value


@pytest.mark.parametrize(
    ("entry", "lock", "digest", "warned"),
    [
        ({"name": "x"}, {"X:latest": "A" * 64}, "a" * 64, ""),
        ({"name": "x", "digest": "a" * 64}, {"x": "sha256:" + "a" * 64}, "a" * 64, ""),
        ({"name": "x"}, {}, "", ""),
        ({"name": "x"}, {"y": "a" * 64}, "", "x:latest"),
        ({"name": "x", "digest": "b" * 64}, {"y": "a" * 64}, "b" * 64, ""),
        ({"name": "x", "state": "absent"}, {"y": "a" * 64}, "", ""),
        ({"name": "x", "from": "z"}, {"y": "a" * 64}, "", "z:latest"),
        ({"name": "x", "from": "y"}, {"y": "a" * 64}, "", ""),
    ],
)
def test_the_lock_pins_what_has_no_digest_and_is_called_stale_when_it_lacks_one(entry, lock, digest, warned):
    library = read_library([entry], lock=lock)
    assert library.specs[0].digest == digest
    assert [f"stale: {warned} is" in text for text in library.warnings] == ([True] if warned else [])


def test_a_lock_that_contradicts_a_digest_is_refused():
    with pytest.raises(InputError, match=r"models\[0\] 'x': its digest is sha256:a+, and the lock says sha256:b+: remove the digest"):
        read_library([{"name": "x", "digest": "a" * 64}], lock={"x": "b" * 64})
