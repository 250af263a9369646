# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Model names as Ollama reads them."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.llm.host.plugins.module_utils._names import InvalidName, ModelName

START = string.ascii_letters + string.digits + "_"


def part(more: str, longest: int) -> st.SearchStrategy[str]:
    return st.builds(
        lambda first, rest: first + rest,
        st.sampled_from(START),
        st.text(alphabet=START + more, max_size=longest - 1),
    )


NAMES = st.builds(
    ModelName,
    host=part("-.:", 350),
    namespace=part("-", 80),
    model=part("-.", 80),
    tag=part("-.", 80),
)


@pytest.mark.parametrize(
    ("text", "key", "short"),
    [
        pytest.param("llama3.2", "registry.ollama.ai/library/llama3.2:latest", "llama3.2:latest", id="defaults"),
        pytest.param("LLaMA3.2:1B", "registry.ollama.ai/library/llama3.2:1b", "LLaMA3.2:1B", id="case-is-kept-and-ignored"),
        pytest.param("library/x:1", "registry.ollama.ai/library/x:1", "x:1", id="default-namespace-is-dropped"),
        pytest.param("team/x", "registry.ollama.ai/team/x:latest", "team/x:latest", id="namespace"),
        pytest.param("registry.ollama.ai/library/x", "registry.ollama.ai/library/x:latest", "x:latest", id="default-host-is-dropped"),
        pytest.param("m.lan:5000/library/x:q4", "m.lan:5000/library/x:q4", "m.lan:5000/library/x:q4", id="host-with-port"),
        pytest.param("hf.co/u/r-GGUF:Q4_K_M", "hf.co/u/r-gguf:q4_k_m", "hf.co/u/r-GGUF:Q4_K_M", id="hugging-face"),
        pytest.param("_x", "registry.ollama.ai/library/_x:latest", "_x:latest", id="underscore-first"),
    ],
)
def test_a_name_is_completed_and_shown_in_its_short_form(text, key, short):
    name = ModelName.parse(text)
    assert (name.key, name.short) == (key, short)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the model is empty"),
        ("a b", "'a b' is not valid"),
        ("x:", "the tag is empty"),
        ("/x", "the namespace is empty"),
        ("x/", "the model is empty"),
        ("a.b/x", "the namespace 'a.b' is not valid"),
        ("h/a/b/x", "more than three parts"),
        ("127.0.0.1:5001/tiny", "needs all of host/namespace/model, for example 127.0.0.1:5001/library/tiny"),
        ("tiny@sha256:00", "cannot pull by digest"),
        ("x:1:2", "two tags"),
        ("http://h/n/x", "insecure: true"),
        (".x", "'.x' is not valid"),
        ("x:" + "t" * 81, "at most 80"),
        ("x\n", "is not valid"),
    ],
)
def test_what_is_no_name_is_refused_with_a_reason(text, says):
    with pytest.raises(InvalidName) as caught:
        ModelName.parse(text)
    assert says in str(caught.value)


@given(NAMES)
def test_the_short_form_means_the_same_model(name):
    assert ModelName.parse(name.short).key == name.key


@given(st.text(max_size=120))
def test_any_text_is_a_name_or_refused(text):
    try:
        name = ModelName.parse(text)
    except InvalidName:
        return
    assert ModelName.parse(name.short) == name


@given(NAMES, st.text(alphabet="0123456789abcdef", min_size=64, max_size=64))
def test_the_name_of_a_kept_copy_is_valid_whatever_the_tag(name, digest):
    copy = name.kept_copy(digest)
    assert copy.tag.endswith(f"-{digest[:12]}")
    assert len(copy.tag) <= 80


def test_a_tag_is_not_satisfied_by_another_tag():
    assert ModelName.parse("llama3.2").key != ModelName.parse("llama3.2:1b").key
