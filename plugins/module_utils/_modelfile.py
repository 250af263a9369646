# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modelfiles: the text, its instructions, and the recipe they add up to.

The server takes no Modelfile, only fields, so the reading happens here, by the rules of Ollama's own command
line program. Three steps, each usable alone: ``parse`` (text to instructions), ``compose`` (instructions to a
``Recipe``), ``render`` (instructions to text).

PRIVATE to the collection: it can change at any time without notice.
"""

from __future__ import annotations

import dataclasses
import math
import re
import typing as t
import unicodedata

__all__ = [
    "PARAMETERS",
    "Instruction",
    "ModelfileError",
    "ParameterValue",
    "Recipe",
    "Unrenderable",
    "compose",
    "is_path",
    "parameter_value",
    "parse",
    "render",
    "requires_version",
]

ParameterValue = t.Union[bool, int, float, str, tuple[str, ...]]

WORDS = (
    "FROM",
    "LICENSE",
    "TEMPLATE",
    "SYSTEM",
    "ADAPTER",
    "DRAFT",
    "RENDERER",
    "PARSER",
    "PARAMETER",
    "MESSAGE",
    "REQUIRES",
)
ROLES = ("system", "user", "assistant")

PARAMETERS: t.Mapping[str, str] = {
    "draft_num_predict": "int",
    "frequency_penalty": "float",
    "main_gpu": "int",
    "min_p": "float",
    "num_batch": "int",
    "num_ctx": "int",
    "num_gpu": "int",
    "num_keep": "int",
    "num_predict": "int",
    "num_thread": "int",
    "presence_penalty": "float",
    "repeat_last_n": "int",
    "repeat_penalty": "float",
    "seed": "int",
    "stop": "list",
    "temperature": "float",
    "top_k": "int",
    "top_p": "float",
    "typical_p": "float",
    "use_mmap": "bool",
}
REMOVED_PARAMETERS = frozenset(
    (
        "f16_kv",
        "logits_all",
        "low_vram",
        "mirostat",
        "mirostat_eta",
        "mirostat_tau",
        "penalize_newline",
        "use_mlock",
        "vocab_only",
    )
)

_BLANK = " \t"
_SPACE = " \t\r\n"
_NAME = re.compile(r"[A-Za-z]*")
_PARAMETER_NAME = re.compile(r"[A-Za-z0-9_]*")
_INT = re.compile(r"[+-]?[0-9]+\Z")
_FLOAT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\Z")
_TRUE = ("1", "t", "T", "TRUE", "true", "True")
_FALSE = ("0", "f", "F", "FALSE", "false", "False")
_NUMBER = r"(?:0|[1-9][0-9]*)"
_LABELS = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
_SEMVER = re.compile(rf"{_NUMBER}(?:\.{_NUMBER}(?:\.{_NUMBER}(?:-{_LABELS})?(?:\+{_LABELS})?)?)?\Z")
_LARGEST_FLOAT32 = 3.4028234663852886e38


class ModelfileError(ValueError):
    """What is wrong, and where: ``team.Modelfile:7: ...``."""

    def __init__(self, problem: str, *, source: str, line: int = 0) -> None:
        super().__init__(f"{source}:{line}: {problem}" if line else f"{source}: {problem}")
        self.line = line


class Unrenderable(ValueError):
    """A value for which the Modelfile language has no notation."""


@dataclasses.dataclass(frozen=True)
class Instruction:
    """One instruction. ``name`` is the parameter's name or the message's role, else empty."""

    word: str
    value: str
    name: str = ""
    line: int = dataclasses.field(default=0, compare=False)


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What a model is made of, after repetitions have been settled."""

    base: str = ""
    files: tuple[str, ...] = ()
    adapter: str = ""
    drafts: tuple[str, ...] = ()
    template: str = ""
    system: str = ""
    licenses: tuple[str, ...] = ()
    parameters: tuple[tuple[str, ParameterValue], ...] = ()
    messages: tuple[tuple[str, str], ...] = ()
    renderer: str = ""
    parser: str = ""
    requires: str = ""

    @property
    def paths(self) -> tuple[str, ...]:
        """The files and directories on the host that the build reads."""
        return (*(self.files if not self.base else ()), *((self.adapter,) if self.adapter else ()), *self.drafts)

    @property
    def fields(self) -> dict[str, t.Any]:
        """The fields of a create request, files and adapters aside; what is not given is not there."""
        given: dict[str, t.Any] = {
            "from": self.base,
            "template": self.template,
            "system": self.system,
            "license": list(self.licenses),
            "parameters": {name: list(value) if isinstance(value, tuple) else value for name, value in self.parameters},
            "messages": [{"role": role, "content": content} for role, content in self.messages],
            "renderer": self.renderer,
            "parser": self.parser,
            "requires": self.requires,
        }
        return {name: value for name, value in given.items() if value}

    @property
    def lines(self) -> tuple[str, ...]:
        """The recipe in a fixed order, for people and for comparing."""
        instructions = [Instruction("FROM", source) for source in ((self.base,) if self.base else self.files)]
        instructions += [Instruction("ADAPTER", self.adapter)] if self.adapter else []
        instructions += [Instruction("DRAFT", path) for path in self.drafts]
        for word, value in (
            ("TEMPLATE", self.template),
            ("SYSTEM", self.system),
            ("RENDERER", self.renderer),
            ("PARSER", self.parser),
            ("REQUIRES", self.requires),
        ):
            instructions += [Instruction(word, value)] if value else []
        for name, setting in self.parameters:
            for item in setting if isinstance(setting, tuple) else (setting,):
                text = str(item).lower() if isinstance(item, bool) else str(item)
                instructions.append(Instruction("PARAMETER", text, name))
        instructions += [Instruction("LICENSE", text) for text in self.licenses]
        instructions += [Instruction("MESSAGE", content, role) for role, content in self.messages]
        return tuple(line for instruction in instructions for line in _shown(instruction).splitlines())


def parse(text: str, *, source: str = "Modelfile") -> tuple[Instruction, ...]:
    """Read the instructions of a Modelfile. Errors carry ``source`` and the line as an editor counts it."""
    return tuple(_instructions(text, source))


def compose(instructions: t.Iterable[Instruction], *, source: str = "Modelfile") -> tuple[Recipe, tuple[str, ...]]:
    """Settle repetitions, check values, and return the recipe with its warnings."""
    bases: list[str] = []
    files: list[str] = []
    drafts: list[str] = []
    licenses: list[str] = []
    messages: list[tuple[str, str]] = []
    parameters: dict[str, ParameterValue] = {}
    single = {"ADAPTER": "", "TEMPLATE": "", "SYSTEM": "", "RENDERER": "", "PARSER": "", "REQUIRES": ""}
    warnings: list[str] = []
    seen_from = False
    for instruction in instructions:
        try:
            if instruction.word == "FROM":
                seen_from = True
                (files if is_path(_given(instruction)) else bases).append(instruction.value)
            elif instruction.word == "DRAFT":
                drafts.append(_given(instruction))
            elif instruction.word == "LICENSE":
                licenses.append(instruction.value)
            elif instruction.word == "MESSAGE":
                messages.append((instruction.name, instruction.value))
            elif instruction.word == "REQUIRES":
                single["REQUIRES"] = requires_version(instruction.value)
            elif instruction.word == "ADAPTER":
                single["ADAPTER"] = _given(instruction)
            elif instruction.word != "PARAMETER":
                single[instruction.word] = instruction.value
            elif instruction.name in REMOVED_PARAMETERS:
                warnings.append(
                    f"{source}:{instruction.line}: the parameter {instruction.name!r} does nothing since"
                    " Ollama 0.7.0 and is left out: remove the line."
                )
            else:
                value = parameter_value(instruction.name, instruction.value)
                earlier = parameters.get(instruction.name)
                if isinstance(earlier, tuple) and isinstance(value, tuple):
                    value = earlier + value
                parameters[instruction.name] = value
        except ValueError as exc:
            raise ModelfileError(str(exc), source=source, line=instruction.line) from exc
    if not seen_from:
        raise ModelfileError("no FROM line: say what the model is made of, for example FROM llama3.2:1b.", source=source)
    return (
        Recipe(
            base=bases[-1] if bases else "",
            files=tuple(files),
            adapter=single["ADAPTER"],
            drafts=tuple(drafts),
            template=single["TEMPLATE"],
            system=single["SYSTEM"],
            licenses=tuple(licenses),
            parameters=tuple(sorted(parameters.items())),
            messages=tuple(messages),
            renderer=single["RENDERER"],
            parser=single["PARSER"],
            requires=single["REQUIRES"],
        ),
        tuple(warnings),
    )


def render(instructions: t.Iterable[Instruction]) -> str:
    """Write instructions as a Modelfile that ``parse`` reads back unchanged."""
    return "".join(f"{_rendered(instruction)}\n" for instruction in instructions)


def is_path(source: str) -> bool:
    """Whether a FROM means a file or a directory: a model name never starts like a path."""
    return source.startswith(("/", ".", "~")) or source.lower().endswith((".gguf", ".safetensors"))


def parameter_value(name: str, value: t.Any) -> ParameterValue:
    """Check one parameter and give it its type; text is read as a Modelfile's text is read."""
    kind = PARAMETERS.get(name)
    if kind is None:
        known = ", ".join(PARAMETERS)
        raise ValueError(f"unknown parameter {name!r}: use one of {known}.")
    if kind == "list":
        items = (value,) if isinstance(value, str) else value
        if not isinstance(items, (list, tuple)) or not all(isinstance(item, str) for item in items):
            raise ValueError(f"invalid value {value!r} for the parameter {name!r}: write a list of strings.")
        return tuple(str(item) for item in items)
    text = str(value)
    if kind == "bool" and text in _TRUE + _FALSE:
        return text in _TRUE
    if kind == "int" and _INT.match(text) and -(2**63) <= int(text) < 2**63:
        return int(text)
    if kind == "float" and _FLOAT.match(text) and math.fabs(float(text)) <= _LARGEST_FLOAT32:
        return float(text)
    example = {"bool": "true or false", "int": "a whole number", "float": "a number such as 0.7"}[kind]
    raise ValueError(f"invalid {kind} value {text!r} for the parameter {name!r}: write {example}.")


def requires_version(text: str) -> str:
    """Check the least Ollama version that a model asks for; a leading v is dropped."""
    version = text.removeprefix("v")
    if not _SEMVER.match(version):
        raise ValueError(f"REQUIRES {text!r} is no version: write one such as 0.14.0.")
    return version


def _given(instruction: Instruction) -> str:
    if not instruction.value:
        raise ValueError(f"{instruction.word} has no value.")
    return instruction.value


def _is_print(char: str) -> bool:
    """Letters, marks, numbers, punctuation, symbols and the plain blank; Go's C(strconv.IsPrint)."""
    return char == " " or unicodedata.category(char)[0] in "LMNPS"


class _Reader:
    """A text and a position in it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line = 1

    @property
    def done(self) -> bool:
        return self.at >= len(self.text)

    def newline(self) -> str:
        """Step over the line end under the position; CR LF is one, as editors count."""
        start = self.at
        self.at += 2 if self.text.startswith("\r\n", start) else 1
        self.line += 1
        return self.text[start : self.at]

    def rest_of_line(self) -> str:
        start = self.at
        while not self.done and self.text[self.at] not in "\r\n":
            self.at += 1
        return self.text[start : self.at]

    def match(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        word = found.group() if found else ""
        self.at += len(word)
        return word

    def blank(self) -> bool:
        """Step over one blank or tab, if there is one."""
        if not self.done and self.text[self.at] in _BLANK:
            self.at += 1
            return True
        return False


def _instructions(text: str, source: str) -> t.Iterator[Instruction]:
    reader = _Reader(text.removeprefix("\ufeff"))
    while not reader.done:
        char = reader.text[reader.at]
        if char in "\r\n":
            reader.newline()
        elif char in _BLANK:
            reader.at += 1
        elif char == "#":
            reader.rest_of_line()
        else:
            yield _instruction(reader, source)


def _instruction(reader: _Reader, source: str) -> Instruction:
    line = reader.line

    def error(problem: str) -> ModelfileError:
        return ModelfileError(problem, source=source, line=line)

    if not _is_print(reader.text[reader.at]):
        reader.at += 1
    word = reader.match(_NAME).upper()
    stands_alone = reader.done or reader.text[reader.at] in "\r\n"
    if word not in WORDS or not reader.blank():
        if word in WORDS and stands_alone:
            raise error(f"{word} has no value.")
        shown = word + ("" if stands_alone else reader.text[reader.at : reader.at + 10].split("\n")[0])
        raise error(f"{shown.strip()!r} is no instruction: start the line with one of {', '.join(WORDS)}, or with #.")
    name = ""
    if word == "PARAMETER":
        name = reader.match(_PARAMETER_NAME)
        if not reader.blank() or not name:
            raise error(f"PARAMETER {name or '...'} is incomplete: write PARAMETER <name> <value>, one blank each.")
    elif word == "MESSAGE":
        name = reader.match(_NAME)
        if name not in ROLES or not reader.blank():
            raise error(f"MESSAGE {name or '...'}: the role must be one of {', '.join(ROLES)}, in lower case.")
    value = _value(reader)
    if value is None:
        raise error(f"{word} has an opening quote that is never closed: unexpected end of the file.")
    return Instruction(word, value, name, line)


def _value(reader: _Reader) -> str | None:
    """The value under the position, over as many lines as its quotes span; None when they never close."""
    pieces = [_printable(reader.rest_of_line())]
    opening = pieces[0].lstrip(_SPACE)
    quote = '"""' if opening.startswith('"""') else '"' if opening.startswith('"') else ""
    if not quote:
        return pieces[0].strip(_SPACE)
    while True:
        if pieces[-1].rstrip(_SPACE).endswith(quote):
            whole = "".join(pieces).strip(_SPACE)
            if len(whole) >= 2 * len(quote):
                return whole[len(quote) : -len(quote)]
        if reader.done:
            return None
        pieces += [reader.newline(), _printable(reader.rest_of_line())]


def _printable(text: str) -> str:
    return "".join(char for char in text if char == "\t" or _is_print(char))


def _rendered(instruction: Instruction) -> str:
    head = " ".join(part for part in (instruction.word, instruction.name) if part)
    value = instruction.value
    for candidate in (value, f'"{value}"', f'"""{value}"""'):
        # The next line decides whether a quote is closed, so one stands below.
        text = f"{head} {candidate}"
        try:
            if parse(f"{text}\nREQUIRES 1") == (instruction, Instruction("REQUIRES", "1")):
                return text
        except ModelfileError:
            continue
    raise Unrenderable(f"{head}: the Modelfile language has no notation for this value: {value!r}")


def _shown(instruction: Instruction) -> str:
    try:
        return _rendered(instruction)
    except Unrenderable:
        return " ".join(part for part in (instruction.word, instruction.name, repr(instruction.value)) if part)
