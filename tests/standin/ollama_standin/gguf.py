# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the header of a GGUF file: metadata and tensor list, nothing of the weights."""

from __future__ import annotations

import dataclasses
import functools
import math
import os
import struct
import typing as t

from ollama_standin.gojson import F32

__all__ = ["FILE_TYPES", "Gguf", "GgufError", "read", "read_head"]

FILE_TYPES = {
    0: "F32",
    1: "F16",
    2: "Q4_0",
    3: "Q4_1",
    7: "Q8_0",
    8: "Q5_0",
    9: "Q5_1",
    10: "Q2_K",
    11: "Q3_K_S",
    12: "Q3_K_M",
    13: "Q3_K_L",
    14: "Q4_K_S",
    15: "Q4_K_M",
    16: "Q5_K_S",
    17: "Q5_K_M",
    18: "Q6_K",
    32: "BF16",
}
_TENSOR_TYPES = {
    0: "F32",
    1: "F16",
    2: "Q4_0",
    3: "Q4_1",
    6: "Q5_0",
    7: "Q5_1",
    8: "Q8_0",
    10: "Q2_K",
    11: "Q3_K",
    12: "Q4_K",
    13: "Q5_K",
    14: "Q6_K",
    30: "BF16",
}
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9


class GgufError(Exception):
    """The file is not GGUF, or is cut short."""


@dataclasses.dataclass(frozen=True)
class Tensor:
    name: str
    type: str
    shape: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Gguf:
    """The header of one file."""

    meta: t.Mapping[str, t.Any]
    tensors: tuple[Tensor, ...]
    offsets: t.Mapping[str, int]

    @property
    def architecture(self) -> str:
        return str(self.meta.get("general.architecture", "unknown"))

    @property
    def kind(self) -> str:
        """What the file is to Ollama: model, projector or adapter."""
        declared = str(self.meta.get("general.type", "model"))
        return {"adapter": "adapter", "projector": "projector", "mmproj": "projector"}.get(declared, "model")

    @functools.cached_property
    def parameter_count(self) -> int:
        return int(self.meta.get("general.parameter_count", 0)) or sum(math.prod(x.shape) for x in self.tensors)

    @property
    def file_type(self) -> str:
        return FILE_TYPES.get(self.meta.get("general.file_type", -1), "unknown")

    @property
    def parameter_size(self) -> str:
        count = self.parameter_count
        for limit, form in ((10**9, "{:.1f}B"), (10**6, "{:.2f}M"), (10**3, "{:.0f}K")):
            if count >= limit:
                return form.format(count / limit)
        return str(count)

    def arch_value(self, key: str) -> int:
        return int(self.meta.get(f"{self.architecture}.{key}", 0) or 0)

    @property
    def embedding_only(self) -> bool:
        return f"{self.architecture}.pooling_type" in self.meta

    @property
    def chat_template(self) -> str:
        return str(self.meta.get("tokenizer.chat_template", ""))


class _Reader:
    def __init__(self, stream: t.BinaryIO) -> None:
        self._stream = stream

    def take(self, form: str) -> t.Any:
        size = struct.calcsize("<" + form)
        data = self._stream.read(size)
        if len(data) < size:
            raise GgufError("unexpected EOF" if data else "EOF")
        return struct.unpack("<" + form, data)[0]

    def text(self) -> str:
        length = self.take("Q")
        data = self._stream.read(length)
        if len(data) < length:
            raise GgufError("unexpected EOF")
        return data.decode("utf-8", "replace")

    def value(self, kind: int) -> t.Any:
        if kind == _STRING:
            return self.text()
        if kind == _ARRAY:
            inner, count = self.take("I"), self.take("Q")
            if inner in _SCALARS and count:
                form = _SCALARS[inner]
                size = count * struct.calcsize("<" + form)
                data = self._stream.read(size)
                if len(data) < size:
                    raise GgufError("unexpected EOF")
                values = struct.unpack(f"<{count}{form}", data)
                return [F32(v) for v in values] if form == "f" else list(values)
            return [self.value(inner) for _ in range(count)]
        if kind not in _SCALARS:
            raise GgufError(f"unknown value type {kind}")
        value = self.take(_SCALARS[kind])
        return F32(value) if kind == 6 else value

    def offset(self) -> int:
        return self._stream.tell()


def read(path: str) -> Gguf:
    """Parse the header of the file; raises GgufError or OSError."""
    status = os.stat(path)
    return _read(path, status.st_mtime_ns, status.st_size, whole=True)


def read_head(path: str) -> Gguf:
    """The same without the tokenizer and the tensors, and whether they are there or not."""
    status = os.stat(path)
    return _read(path, status.st_mtime_ns, status.st_size, whole=False)


@functools.lru_cache(maxsize=64)
def _read(path: str, _modified_ns: int, _size: int, *, whole: bool) -> Gguf:
    with open(path, "rb") as stream:
        reader = _Reader(stream)
        if reader.take("4s") != b"GGUF":
            raise GgufError("invalid file magic")
        reader.take("I")
        tensor_count, pair_count = reader.take("Q"), reader.take("Q")
        meta: dict[str, t.Any] = {}
        offsets: dict[str, int] = {}
        for _ in range(pair_count):
            key, kind = reader.text(), reader.take("I")
            if not whole and key.startswith("tokenizer."):
                return Gguf(meta=meta, tensors=(), offsets=offsets)
            offsets[key] = reader.offset()
            meta[key] = reader.value(kind)
        tensors = []
        for _ in range(tensor_count):
            name, dimensions = reader.text(), reader.take("I")
            shape = tuple(reader.take("Q") for _ in range(dimensions))
            kind = reader.take("I")
            reader.take("Q")
            tensors.append(Tensor(name=name, type=_TENSOR_TYPES.get(kind, f"type{kind}"), shape=shape))
        return Gguf(meta=meta, tensors=tuple(tensors), offsets=offsets)
