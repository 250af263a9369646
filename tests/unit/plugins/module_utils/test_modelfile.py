# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Modelfile parser against the grammar of Ollama's own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.llm.host.plugins.module_utils._modelfile import (
    Instruction,
    ModelfileError,
    Recipe,
    Unrenderable,
    compose,
    is_path,
    parameter_value,
    parse,
    render,
    requires_version,
)


def pairs(text: str) -> list[tuple[str, ...]]:
    return [(item.word, *((item.name,) if item.name else ()), item.value) for item in parse(text)]


def recipe(text: str) -> Recipe:
    return compose(parse(text))[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("FROM a", [("FROM", "a")], id="no-line-end-at-the-end"),
        pytest.param("from a\nFrOm b\n", [("FROM", "a"), ("FROM", "b")], id="instructions-ignore-case"),
        pytest.param("FROM\ta", [("FROM", "a")], id="tab-after-the-word"),
        pytest.param("FROM   a  \t", [("FROM", "a")], id="values-are-trimmed"),
        pytest.param("\n \t\n  FROM a", [("FROM", "a")], id="leading-blanks"),
        pytest.param("# x\n  # y\nFROM a # z", [("FROM", "a # z")], id="comments-only-where-an-instruction-starts"),
        pytest.param("\ufeffFROM a", [("FROM", "a")], id="byte-order-mark"),
        pytest.param("FROM a\r\nSYSTEM b\rSYSTEM c", [("FROM", "a"), ("SYSTEM", "b"), ("SYSTEM", "c")], id="all-line-ends"),
        pytest.param('SYSTEM """\na\nb"""', [("SYSTEM", "\na\nb")], id="newline-after-three-quotes-stays"),
        pytest.param('SYSTEM """a"b"""', [("SYSTEM", 'a"b')], id="quotes-within-three-quotes"),
        pytest.param('SYSTEM """a""" b\n"""', [("SYSTEM", 'a""" b\n')], id="three-quotes-close-at-a-line-end-only"),
        pytest.param('SYSTEM """"""', [("SYSTEM", "")], id="empty-in-three-quotes"),
        pytest.param('SYSTEM "a\nb"\nFROM x', [("SYSTEM", "a\nb"), ("FROM", "x")], id="one-quote-spans-lines"),
        pytest.param('SYSTEM "a" and "b"', [("SYSTEM", 'a" and "b')], id="inner-quotes-are-kept"),
        pytest.param('SYSTEM "a" b\nc"', [("SYSTEM", 'a" b\nc')], id="one-quote-closes-at-a-line-end-only"),
        pytest.param('SYSTEM "a\\"\nFROM x', [("SYSTEM", "a\\"), ("FROM", "x")], id="no-escapes"),
        pytest.param('SYSTEM say "hi"', [("SYSTEM", 'say "hi"')], id="quotes-later-in-a-value-mean-nothing"),
        pytest.param("SYSTEM 'a\nFROM x", [("SYSTEM", "'a"), ("FROM", "x")], id="single-quotes-mean-nothing"),
        pytest.param('SYSTEM "a"  \nFROM x', [("SYSTEM", "a"), ("FROM", "x")], id="blanks-after-the-closing-quote"),
        pytest.param('SYSTEM """a\r\nb"""', [("SYSTEM", "a\r\nb")], id="line-ends-in-quotes-stay-as-they-are"),
        pytest.param("SYSTEM \nFROM x", [("SYSTEM", ""), ("FROM", "x")], id="blank-value"),
        pytest.param("SYSTEM a\u00a0b\u200bc\u3000d\x07e", [("SYSTEM", "abcde")], id="what-cannot-be-printed-is-dropped"),
        pytest.param('SYSTEM "a\tb\n\u200bc"', [("SYSTEM", "a\tb\nc")], id="tabs-and-line-ends-in-quotes-are-kept"),
        pytest.param("SYSTEM äöü 日本 🙂", [("SYSTEM", "äöü 日本 🙂")], id="any-letter-is-kept"),
        pytest.param("PARAMETER top_k 10", [("PARAMETER", "top_k", "10")], id="parameter"),
        pytest.param('PARAMETER stop " x "', [("PARAMETER", "stop", " x ")], id="parameter-in-quotes"),
        pytest.param("MESSAGE user a: b", [("MESSAGE", "user", "a: b")], id="message"),
        pytest.param('MESSAGE assistant """a\nb"""', [("MESSAGE", "assistant", "a\nb")], id="message-in-quotes"),
    ],
)
def test_parse(text, expected):
    assert pairs(text) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("FROM a\nFRMO b", "team.Modelfile:2: 'FRMO b' is no instruction"),
        ("FROM", "team.Modelfile:1: FROM has no value"),
        ("FROM\n", "team.Modelfile:1: FROM has no value"),
        ("FROM a\r\n\r\nBAD x", "team.Modelfile:3: 'BAD x'"),
        ("FROM-x a", "team.Modelfile:1: 'FROM-x a' is no instruction"),
        ('\nSYSTEM "a\n\n', "team.Modelfile:2: SYSTEM has an opening quote that is never closed"),
        ('SYSTEM """a"', "team.Modelfile:1: SYSTEM has an opening quote that is never closed"),
        ('SYSTEM "', "team.Modelfile:1: SYSTEM has an opening quote"),
        ("PARAMETER top_k\n", "team.Modelfile:1: PARAMETER top_k is incomplete"),
        ("PARAMETER top-k 1", "team.Modelfile:1: PARAMETER top is incomplete"),
        ("MESSAGE User hi", "the role must be one of system, user, assistant"),
        ("MESSAGE tool hi", "MESSAGE tool: the role"),
        ("MESSAGE user\n", "team.Modelfile:1: MESSAGE user"),
        ('SYSTEM """\na\nb\n"""\nNOPE x', "team.Modelfile:5: 'NOPE x'"),
    ],
)
def test_an_error_says_where(text, says):
    with pytest.raises(ModelfileError) as caught:
        parse(text, source="team.Modelfile")
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("SYSTEM a", "Modelfile: no FROM line"),
        ("FROM a\nPARAMETER numa 1", "Modelfile:2: unknown parameter 'numa'"),
        ("FROM a\nPARAMETER Temperature 1", "Modelfile:2: unknown parameter 'Temperature'"),
        ("FROM a\nPARAMETER num_ctx 4096.0", "Modelfile:2: invalid int value '4096.0'"),
        ("FROM a\nPARAMETER temperature warm", "Modelfile:2: invalid float value 'warm'"),
        ("FROM a\nPARAMETER temperature nan", "invalid float value 'nan'"),
        ("FROM a\nPARAMETER temperature 1e39", "invalid float value '1e39'"),
        ("FROM a\nPARAMETER use_mmap yes", "Modelfile:2: invalid bool value 'yes'"),
        ("FROM a\nREQUIRES soon", "Modelfile:2: REQUIRES 'soon' is no version"),
        ("FROM  \n", "Modelfile:1: FROM has no value"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused_with_its_line(text, says):
    with pytest.raises(ModelfileError) as caught:
        recipe(text)
    assert says in str(caught.value)


def test_repetitions_are_settled_as_ollama_does():
    assert recipe(
        "FROM a\nFROM b\nSYSTEM 1\nSYSTEM 2\nTEMPLATE 1\nTEMPLATE 2\nLICENSE x\nLICENSE y\nMESSAGE user 1\nMESSAGE assistant 2\n"
        "PARAMETER stop a\nPARAMETER top_k 1\nPARAMETER stop b\nPARAMETER top_k 2\nREQUIRES 0.1\nREQUIRES v0.14.0\n"
        "RENDERER r\nPARSER p\nADAPTER /a\nADAPTER /b\nDRAFT /c\nDRAFT /d"
    ) == Recipe(
        base="b",
        system="2",
        template="2",
        licenses=("x", "y"),
        messages=(("user", "1"), ("assistant", "2")),
        parameters=(("stop", ("a", "b")), ("top_k", 2)),
        requires="0.14.0",
        renderer="r",
        parser="p",
        adapter="/b",
        drafts=("/c", "/d"),
    )


def test_files_accumulate_and_a_model_name_goes_before_them():
    assert recipe("FROM /m.gguf\nFROM ./p.gguf").files == ("/m.gguf", "./p.gguf")
    assert recipe("FROM /m.gguf\nFROM base").paths == ()


def test_the_fields_of_a_request_hold_what_is_given_and_nothing_else():
    assert recipe("FROM a").fields == {"from": "a"}
    assert recipe("FROM a\nPARAMETER use_mmap T\nPARAMETER temperature 1\nLICENSE x\nMESSAGE user hi").fields == {
        "from": "a",
        "parameters": {"use_mmap": True, "temperature": 1.0},
        "license": ["x"],
        "messages": [{"role": "user", "content": "hi"}],
    }


def test_removed_parameters_are_left_out_with_a_warning():
    found, warnings = compose(parse("FROM a\nPARAMETER mirostat 1"), source="x.Modelfile")
    assert found.parameters == ()
    assert warnings[0].startswith("x.Modelfile:2: the parameter 'mirostat' does nothing")


def test_lines_for_people_are_in_a_fixed_order():
    assert recipe("PARAMETER top_k 1\nSYSTEM hi\nPARAMETER stop x\nFROM a").lines == (
        "FROM a",
        "SYSTEM hi",
        "PARAMETER stop x",
        "PARAMETER top_k 1",
    )


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("num_ctx", "8192", 8192),
        ("num_ctx", 8192, 8192),
        ("seed", "-1", -1),
        ("temperature", "1e-1", 0.1),
        ("temperature", 1, 1.0),
        ("use_mmap", "F", False),
        ("use_mmap", True, True),
        ("stop", "x", ("x",)),
        ("stop", ["x", "y"], ("x", "y")),
    ],
)
def test_parameters_get_their_type(name, value, expected):
    found = parameter_value(name, value)
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("name", "value"),
    [("num_ctx", True), ("num_ctx", 1.5), ("num_ctx", "1_000"), ("stop", [1]), ("stop", {"a": 1}), ("num_ctx", 2**63), ("top_p", " 1")],
)
def test_parameters_of_a_wrong_type_are_refused(name, value):
    with pytest.raises(ValueError, match="invalid"):
        parameter_value(name, value)


@pytest.mark.parametrize(("text", "version"), [("0.14.0", "0.14.0"), ("v1.2.3-rc1+x", "1.2.3-rc1+x"), ("1", "1"), ("0.6", "0.6")])
def test_requires_takes_a_version(text, version):
    assert requires_version(text) == version


@pytest.mark.parametrize("text", ["", "01.2.3", "1.2.3.4", "v", "latest", "1.2-rc1", "1.2.3\n"])
def test_requires_refuses_what_is_none(text):
    with pytest.raises(ValueError, match="is no version"):
        requires_version(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("/a", True), ("./a", True), ("~/a", True), ("a.GGUF", True), ("llama3.2", False), ("hf.co/a/b-GGUF:Q4", False), ("a/b", False)],
)
def test_paths_and_names_are_told_apart(text, expected):
    assert is_path(text) is expected


VALUES = st.text(alphabet=st.one_of(st.sampled_from('"" \t\n\rab#:'), st.characters(categories=["L", "N", "P", "S", "M"])), max_size=40)
INSTRUCTIONS = st.one_of(
    st.builds(
        Instruction,
        word=st.sampled_from(["FROM", "TEMPLATE", "SYSTEM", "LICENSE", "ADAPTER", "DRAFT", "RENDERER", "PARSER", "REQUIRES"]),
        value=VALUES,
    ),
    st.builds(Instruction, word=st.just("PARAMETER"), name=st.sampled_from(["stop", "num_ctx", "X_1"]), value=VALUES),
    st.builds(Instruction, word=st.just("MESSAGE"), name=st.sampled_from(["system", "user", "assistant"]), value=VALUES),
)


@given(st.lists(INSTRUCTIONS, max_size=6))
def test_what_is_rendered_reads_back_the_same(instructions):
    try:
        text = render(instructions)
    except Unrenderable:
        return
    assert parse(text) == tuple(instructions)


@given(VALUES.filter(lambda value: '"' not in value))
def test_every_value_without_quotes_can_be_rendered(value):
    instruction = Instruction("SYSTEM", value)
    assert parse(render([instruction])) == (instruction,)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_with_a_position(text):
    try:
        instructions = parse(text, source="f")
    except ModelfileError as exc:
        assert str(exc).startswith(f"f:{exc.line}: ")
        return
    try:
        again = render(instructions)
    except Unrenderable:
        return
    assert parse(again) == instructions
