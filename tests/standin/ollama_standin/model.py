# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stored model as the API sees it: layers, metadata, capabilities, parameters."""

from __future__ import annotations

import dataclasses
import functools
import json
import typing as t

from ollama_standin import gguf, names
from ollama_standin.store import Manifest, Store

__all__ = ["Model", "find", "load"]


@dataclasses.dataclass(frozen=True, eq=False)
class Model:
    """One manifest with its blobs."""

    name: names.Name
    manifest: Manifest
    store: Store

    @property
    def short(self) -> str:
        return self.name.short

    @functools.cached_property
    def config(self) -> dict[str, t.Any]:
        return dict(json.loads(self.store.read_blob(self.manifest.config.digest)))

    @functools.cached_property
    def header(self) -> gguf.Gguf | None:
        layers = self.manifest.of_kind("model")
        try:
            return gguf.read(self.store.blob_path(layers[0].digest)) if layers else None
        except (OSError, gguf.GgufError):
            return None

    @property
    def runner_key(self) -> str:
        kinds = ("model", "adapter", "projector")
        return " ".join(layer.digest for kind in kinds for layer in self.manifest.of_kind(kind)) or self.manifest.digest

    def _text(self, kind: str) -> str | None:
        layers = self.manifest.of_kind(kind)
        return self.store.read_blob(layers[-1].digest).decode("utf-8", "replace") if layers else None

    @functools.cached_property
    def template(self) -> str | None:
        text = self._text("template")
        return text if text is not None else self._text("prompt")

    @functools.cached_property
    def system(self) -> str:
        return self._text("system") or ""

    @functools.cached_property
    def params(self) -> dict[str, t.Any]:
        return dict(json.loads(self._text("params") or "{}"))

    @functools.cached_property
    def messages(self) -> list[dict[str, str]]:
        return list(json.loads(self._text("messages") or "[]"))

    @functools.cached_property
    def licenses(self) -> list[str]:
        return [self.store.read_blob(layer.digest).decode("utf-8", "replace") for layer in self.manifest.of_kind("license")]

    def details(self, *, lengths: bool) -> dict[str, t.Any]:
        layers = self.manifest.of_kind("model")
        value: dict[str, t.Any] = {
            "parent_model": layers[0].origin if layers else "",
            "format": self.config.get("model_format", ""),
            "family": self.config.get("model_family", ""),
            "families": self.config.get("model_families"),
            "parameter_size": self.config.get("model_type", ""),
            "quantization_level": self.config.get("file_type", ""),
        }
        if lengths and self.header is not None:
            for key in ("context_length", "embedding_length"):
                if self.header.arch_value(key):
                    value[key] = self.header.arch_value(key)
        return value

    @functools.cached_property
    def capabilities(self) -> list[str]:
        header = self.header
        if header is not None and header.embedding_only:
            return ["embedding"]
        found = ["completion"]
        template = (self.template or "") + (header.chat_template if header else "")
        found += ["tools"] if ".Tools" in template or "tools" in template else []
        found += ["insert"] if ".Suffix" in template else []
        found += ["vision"] if self.manifest.of_kind("projector") else []
        found += ["thinking"] if ".Thinking" in template or "</think>" in template else []
        return found

    @property
    def context_length(self) -> int:
        return self.header.arch_value("context_length") if self.header else 0

    @property
    def embedding_length(self) -> int:
        return (self.header.arch_value("embedding_length") if self.header else 0) or 32

    @property
    def embedding_only(self) -> bool:
        return self.capabilities == ["embedding"]

    @property
    def weights_size(self) -> int:
        kinds = ("model", "adapter", "projector")
        return sum(layer.size for kind in kinds for layer in self.manifest.of_kind(kind))


def load(store: Store, name: names.Name) -> Model | None:
    manifest = store.manifest(name)
    return None if manifest is None else Model(name=name, manifest=manifest, store=store)


def find(store: Store, text: str) -> Model | None:
    """The stored model of that name, whatever its case; ``:local`` asks for a local one."""
    name = names.parse(text.removesuffix(":local"))
    return load(store, store.existing(name)) if name.valid else None
