# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON as Go writes it, and Go's words for JSON that does not parse."""

from __future__ import annotations

import dataclasses
import json
import math
import struct
import typing as t

__all__ = ["F32", "Field", "JsonError", "Struct", "decode", "decode_as", "dumps", "format_float", "kind_of"]

_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})
_SPACE = " \t\r\n"


class F32(float):
    """A number that Go holds as float32: written with the fewest digits that give the same float32."""


class JsonError(Exception):
    """The text is not JSON; the message is encoding/json's."""


def _digits(value: float) -> str:
    if not isinstance(value, F32):
        return repr(float(value))
    want = struct.pack("<f", value)
    for precision in range(1, 10):
        text = f"{float(value):.{precision}g}"
        if struct.pack("<f", float(text)) == want:
            return text
    return repr(float(value))


def format_float(value: float) -> str:
    """Write like encoding/json: no exponent between 1e-6 and 1e21, and no trailing .0."""
    if math.isnan(value) or math.isinf(value):
        raise ValueError("json: unsupported value")
    mantissa, _, exponent = _digits(value).partition("e")
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    if not digits:
        return sign + "0"
    if 1e-6 <= abs(value) < 1e21:
        if point <= 0:
            return f"{sign}0.{'0' * -point}{digits}"
        if point >= len(digits):
            return sign + digits + "0" * (point - len(digits))
        return f"{sign}{digits[:point]}.{digits[point:]}"
    power = point - 1
    tail = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{tail}e{'-' if power < 0 else '+'}{abs(power):0{1 if power < 0 else 2}d}"


def dumps(value: t.Any) -> str:
    """Compact, HTML-escaped, non-ASCII raw, floats in Go's form."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).translate(_ESCAPES)
    if value is None or isinstance(value, (bool, int)):
        return json.dumps(value)
    if isinstance(value, float):
        return format_float(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{dumps(str(key))}:{dumps(item)}" for key, item in value.items()) + "}"
    return "[" + ",".join(dumps(item) for item in value) + "]"


def decode(text: str) -> t.Any:
    """The first JSON value of the text, as Go's decoder reads it; what follows is ignored."""
    try:
        return json.JSONDecoder().raw_decode(text, len(text) - len(text.lstrip(_SPACE)))[0]
    except (ValueError, RecursionError):
        _Scanner(text).value()
        raise JsonError("unexpected EOF") from None


def kind_of(value: t.Any) -> str:
    """Go's word for the kind of a JSON value."""
    kinds = {dict: "object", list: "array", str: "string", bool: "bool"}
    return kinds.get(type(value), "number")


def decode_as(text: str, want: type, go_type: str) -> t.Any:
    """The first value of a file's text, which must be of that type; null gives an empty one."""
    if not text.strip(_SPACE):
        raise JsonError("EOF")
    value = decode(text)
    if value is None:
        return want()
    if not isinstance(value, want):
        raise JsonError(f"json: cannot unmarshal {kind_of(value)} into Go value of type {go_type}")
    return value


@dataclasses.dataclass(frozen=True)
class Field:
    """A field of a Go struct, for the check of a decoded object."""

    kind: type
    go_type: str
    inner: Struct | None = None


@dataclasses.dataclass(frozen=True)
class Struct:
    """A Go struct: its name and its fields by their JSON names."""

    name: str
    fields: t.Mapping[str, Field]

    def check(self, value: t.Mapping[str, t.Any], path: str = "") -> None:
        """Raise Go's words for the first field of another type; null is allowed everywhere."""
        for key, field in self.fields.items():
            item = value.get(key)
            where = f"{path}{key}"
            if item is None:
                continue
            if type(item) is not field.kind:
                raise JsonError(f"json: cannot unmarshal {kind_of(item)} into Go struct field {self.name}.{where} of type {field.go_type}")
            for part in item if isinstance(item, list) else [item]:
                if field.inner is not None and isinstance(part, dict):
                    field.inner.check(part, f"{where}.")


class _Scanner:
    """Finds the first wrong character and names it as encoding/json does."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def _peek(self) -> str:
        while self._at < len(self._text) and self._text[self._at] in _SPACE:
            self._at += 1
        if self._at >= len(self._text):
            raise JsonError("unexpected EOF")
        return self._text[self._at]

    def _fail(self, context: str) -> t.NoReturn:
        char = self._text[self._at]
        name = {"'": "'\\''", '"': "'\"'"}.get(char, f"'{char}'" if char.isprintable() else repr(char))
        raise JsonError(f"invalid character {name} {context}")

    def value(self) -> None:
        char = self._peek()
        if char == "{":
            self._container("}", keyed=True)
        elif char == "[":
            self._container("]", keyed=False)
        elif char == '"':
            self._string()
        elif char in "-0123456789":
            self._number()
        elif char in "tfn":
            self._literal({"t": "true", "f": "false", "n": "null"}[char])
        else:
            self._fail("looking for beginning of value")

    def _container(self, end: str, *, keyed: bool) -> None:
        self._at += 1
        if self._peek() == end:
            self._at += 1
            return
        while True:
            if keyed:
                if self._peek() != '"':
                    self._fail("looking for beginning of object key string")
                self._string()
                if self._peek() != ":":
                    self._fail("after object key")
                self._at += 1
            self.value()
            char = self._peek()
            self._at += char in (",", end)
            if char == end:
                return
            if char != ",":
                self._fail("after object key:value pair" if keyed else "after array element")

    def _string(self) -> None:
        self._at += 1
        while self._at < len(self._text):
            char = self._text[self._at]
            if char == '"':
                self._at += 1
                return
            if char < " ":
                self._fail("in string literal")
            self._at += 2 if char == "\\" else 1
        raise JsonError("unexpected EOF")

    def _number(self) -> None:
        start = self._at
        while self._at < len(self._text) and self._text[self._at] in "+-.eE0123456789":
            self._at += 1
        try:
            json.loads(self._text[start : self._at])
        except ValueError:
            if self._at >= len(self._text):
                raise JsonError("unexpected EOF") from None
            self._fail("in numeric literal")

    def _literal(self, word: str) -> None:
        for want in word:
            if self._at >= len(self._text):
                raise JsonError("unexpected EOF")
            if self._text[self._at] != want:
                self._fail(f"in literal {word} (expecting '{want}')")
            self._at += 1
