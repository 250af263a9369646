# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stored model as the API sees it: layers, metadata, capabilities, parameters."""

from __future__ import annotations

import dataclasses
import functools
import typing as t

from ollama_standin import gguf, gojson, gotemplate, names
from ollama_standin.store import INVALID_DIGEST, Layer, Manifest, Store, is_digest

__all__ = ["Broken", "Model", "load", "resolve"]

_TEXT, _NUMBER, _TEXTS = gojson.Field(str, "string"), gojson.Field(int, "int"), gojson.Field(list, "[]string")
_CONFIG = gojson.Struct(
    "ConfigV2",
    {
        "model_format": _TEXT,
        "model_family": _TEXT,
        "model_families": _TEXTS,
        "model_type": _TEXT,
        "file_type": _TEXT,
        "renderer": _TEXT,
        "parser": _TEXT,
        "requires": _TEXT,
        "remote_host": _TEXT,
        "remote_model": _TEXT,
        "capabilities": _TEXTS,
        "context_length": _NUMBER,
        "embedding_length": _NUMBER,
        "base_name": _TEXT,
        "architecture": _TEXT,
        "os": _TEXT,
    },
)


class Broken(Exception):
    """A file of the model cannot be used; the message is the server's."""


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
        if not self.manifest.config.digest:
            return {}
        value = gojson.decode_as(self._read(self.manifest.config), dict, "model.ConfigV2")
        _CONFIG.check(value)
        return {key: item for key, item in value.items() if item is not None}

    def check(self) -> None:
        """Read every blob that the server reads before it uses a model.

        Raises Broken, or FileNotFoundError: to the server a model without one of its blobs does not exist.
        """
        self.check_for_list()
        for layer in self.manifest.layers:
            self._path(layer)
            if layer.kind in ("system", "license"):
                self._read(layer)
        try:
            _ = self.params, self.messages
        except gojson.JsonError as error:
            raise Broken(str(error)) from None

    def check_for_list(self) -> None:
        """The same with no more than the list of models shows."""
        try:
            _ = self.config
        except gojson.JsonError as error:
            raise Broken(str(error)) from None
        for layer in self.manifest.layers:
            if layer.kind == "model":
                self._path(layer)
            elif layer.kind in ("template", "prompt") and (fault := gotemplate.fault(self._read(layer))):
                raise Broken(fault)

    def _path(self, layer: Layer) -> str:
        if layer.digest and not is_digest(layer.digest):
            raise Broken(INVALID_DIGEST)
        return self.store.blob_path(layer.digest)

    def _read(self, layer: Layer) -> str:
        path = self._path(layer)
        try:
            with open(path, "rb") as stream:
                return stream.read().decode("utf-8", "replace")
        except IsADirectoryError:
            raise Broken(f"read {path}: is a directory") from None

    @functools.cached_property
    def header(self) -> gguf.Gguf | None:
        """What the first part of the weights' header says; that part of a file that is cut short counts too."""
        try:
            return gguf.read_head(self.weights)
        except (OSError, gguf.GgufError):
            return None

    @property
    def weights(self) -> str:
        """The file of the weights; raises FileNotFoundError for a model without any."""
        layers = self.manifest.of_kind("model")
        if not layers:
            raise FileNotFoundError(self.short)
        return self.store.blob_path(layers[-1].digest)

    def read_weights(self) -> gguf.Gguf:
        """The whole header, anew; raises Broken, or FileNotFoundError."""
        try:
            return gguf.read(self.weights)
        except gguf.GgufError as error:
            raise Broken(str(error)) from None

    @property
    def runner_key(self) -> str:
        kinds = ("model", "adapter", "projector")
        return " ".join(layer.digest for kind in kinds for layer in self.manifest.of_kind(kind)) or self.manifest.digest

    def _text(self, kind: str) -> str | None:
        layers = self.manifest.of_kind(kind)
        return self._read(layers[-1]) if layers else None

    @functools.cached_property
    def template(self) -> str | None:
        text = self._text("template")
        return text if text is not None else self._text("prompt")

    @functools.cached_property
    def system(self) -> str:
        return self._text("system") or ""

    @functools.cached_property
    def params(self) -> dict[str, t.Any]:
        text = self._text("params")
        return {} if text is None else gojson.decode_as(text, dict, "map[string]interface {}")

    @functools.cached_property
    def messages(self) -> list[dict[str, str]]:
        text = self._text("messages")
        return [] if text is None else gojson.decode_as(text, list, "[]api.Message")

    @functools.cached_property
    def licenses(self) -> list[str]:
        return [self._read(layer) for layer in self.manifest.of_kind("license")]

    def details(self, *, lengths: bool) -> dict[str, t.Any]:
        layers = self.manifest.of_kind("model")
        value: dict[str, t.Any] = {
            "parent_model": layers[-1].origin if layers else "",
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
        try:
            return self._capabilities(self.read_weights().chat_template)
        except (FileNotFoundError, Broken):
            return self.listed_capabilities

    @property
    def listed_capabilities(self) -> list[str]:
        """The list of models does without the chat template of the weights."""
        return self._capabilities("")

    def _capabilities(self, chat_template: str) -> list[str]:
        header = self.header
        if header is not None and header.embedding_only:
            return ["embedding"]
        found = ["completion"] if header is not None else []
        found += [item for item in self.config.get("capabilities") or [] if item not in found]
        template = (self.template or "") + chat_template
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
    """The stored model, unchecked; raises Broken when its manifest cannot be read."""
    try:
        manifest = store.manifest(name)
    except gojson.JsonError as error:
        raise Broken(str(error)) from None
    return None if manifest is None else Model(name=name, manifest=manifest, store=store)


def resolve(store: Store, name: names.Name) -> Model | None:
    """The stored model, checked when its manifest is a new one; None when it or one of its blobs is not there."""
    found = load(store, name)
    if found is None:
        return None

    def checked() -> Model:
        found.check()
        _ = found.capabilities
        return found

    try:
        return t.cast(Model, store.cached(("inference", name), found.manifest.digest, checked))
    except FileNotFoundError:
        return None
