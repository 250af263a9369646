# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create: from a stored model or from uploaded GGUF files, with the exact bytes of the real server."""

from __future__ import annotations

import dataclasses
import os
import struct
import typing as t

from ollama_standin import gguf, gojson, gotemplate, model, names, rewrite
from ollama_standin.errors import ApiError
from ollama_standin.store import CONFIG_TYPE, INVALID_DIGEST, MEDIA, Layer, Manifest, Store, is_digest

__all__ = ["CreateError", "Creator"]

Progress = t.Callable[[dict[str, t.Any]], None]
QUANTIZE = {"F32": 0, "F16": 1, "BF16": 32, "Q8_0": 7, "Q4_K_S": 14, "Q4_K_M": 15, "Q4_K": 15}
_CONFIG_KEYS = (
    "model_format",
    "model_family",
    "model_families",
    "model_type",
    "file_type",
    "renderer",
    "parser",
    "requires",
    "remote_host",
    "remote_model",
    "capabilities",
    "context_length",
    "embedding_length",
    "base_name",
    "draft",
    "architecture",
    "os",
)
_ALWAYS = {"model_format": "", "model_family": "", "model_families": None, "model_type": "", "file_type": "", "architecture": "", "os": ""}
_UPLOADED = "uploaded"


class CreateError(Exception):
    """A failure after the stream began; becomes its last line."""


def check_files(files: t.Mapping[str, str]) -> None:
    """The check that comes before anything is streamed."""
    for key, digest in files.items():
        if key != "." and any(part in ("", ".", "..") for part in key.split("/")):
            raise ApiError(400, "file path must be relative")
        if not digest:
            raise ApiError(400, INVALID_DIGEST)


def _floats(value: t.Any) -> t.Any:
    """Numbers pass through float64, as they do in the server."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return float(value)
    if isinstance(value, list):
        return [_floats(item) for item in value]
    if isinstance(value, dict):
        return {key: _floats(value[key]) for key in sorted(value)}
    return value


def _inherited(base: model.Model) -> dict[str, t.Any]:
    """What the base's config hands down; one that cannot be read hands down nothing."""
    try:
        return {key: base.config[key] for key in ("model_format", "renderer", "parser", "requires", "capabilities") if key in base.config}
    except (gojson.JsonError, OSError, model.Broken):
        return {}


@dataclasses.dataclass
class Creator:
    """One create request on its way into the store."""

    store: Store
    request: t.Mapping[str, t.Any]
    progress: Progress
    pull: t.Callable[[names.Name], None]
    no_prune: bool

    def run(self, target: names.Name) -> None:
        """Write the model; ApiError and CreateError carry the words for the client."""
        try:
            self._run(target)
        except (model.Broken, gguf.GgufError, gojson.JsonError) as error:
            raise CreateError(str(error)) from None
        except FileNotFoundError as error:
            raise CreateError(f"open {error.filename}: no such file or directory") from None

    def _run(self, target: names.Name) -> None:
        self.fresh: set[str] = set()
        if self.request.get("from"):
            layers, config = self._from_model(str(self.request["from"]))
        elif self.request.get("files") is not None:
            layers, config = self._from_files(dict(self.request["files"])), {}
        else:
            raise ApiError(400, "neither 'from' or 'files' was specified")
        if self.request.get("adapters") is not None:
            layers += self._from_files(dict(self.request["adapters"]), adapters=True)
        layers = [self._quantized(layer) for layer in layers]
        config = self._described(layers, config)
        layers = self._with_given(layers)
        for layer in layers:
            verb = "creating new" if layer.digest in self.fresh else "using existing"
            self.progress({"status": f"{verb} layer {layer.digest}"})
        for key in ("renderer", "parser", "requires"):
            if self.request.get(key):
                config[key] = self.request[key]
        ordered = {key: config.get(key, _ALWAYS.get(key)) for key in _CONFIG_KEYS if key in _ALWAYS or config.get(key)}
        digest, size, _ = self.store.add_blob([(gojson.dumps(ordered) + "\n").encode()])
        manifest = Manifest(config=Layer(CONFIG_TYPE, digest, size), layers=tuple(layers))
        self.progress({"status": "writing manifest"})
        with self.store.lock:
            old = self.store.readable_manifest(target)
            self.store.write_manifest(target, manifest.encode())
            if old is not None and not self.no_prune:
                self.store.remove_unused(old.digests)

    def _from_model(self, text: str) -> tuple[list[Layer], dict[str, t.Any]]:
        try:
            ref = names.reference(text)
        except names.Conflict:
            ref = names.Reference("")
        if not ref.name.valid:
            raise ApiError(400, "invalid model name")
        if ref.source == "cloud":
            raise CreateError("the stand-in has no cloud models")
        # Unlike the model that is made, the base is looked for in exactly this spelling.
        name = ref.name
        base = model.load(self.store, name)
        if base is None:
            self.pull(name)
            base = model.load(self.store, name)
        if base is None:
            raise CreateError(f"model '{name.short}' not found")
        return [self._taken_over(layer, name.short) for layer in base.manifest.layers], _inherited(base)

    def _taken_over(self, layer: Layer, origin: str) -> Layer:
        """A layer of the base as it is now on disk: looked at, not verified."""
        if not layer.digest:
            raise CreateError("creating new layer from layer with empty digest")
        path = self._path(layer.digest)
        try:
            size = os.path.getsize(path)
        except FileNotFoundError:
            raise CreateError(f"stat {path}: no such file or directory") from None
        if layer.kind in ("model", "projector", "adapter"):
            gguf.read(path)
        return Layer(layer.media_type, layer.digest, size, origin=origin, name=layer.name)

    def _path(self, digest: str) -> str:
        if not is_digest(digest):
            raise CreateError(INVALID_DIGEST)
        return self.store.blob_path(digest)

    def _described(self, layers: list[Layer], config: dict[str, t.Any]) -> dict[str, t.Any]:
        """What the config says about the weights; of several files the first one counts."""
        headers = [gguf.read(self.store.blob_path(layer.digest)) for layer in layers if layer.kind == "model"]
        config = {**config, "architecture": "amd64", "os": "linux"}
        if headers:
            config |= {
                "model_format": config.get("model_format") or "gguf",
                "model_family": headers[0].architecture,
                "model_families": [header.architecture for header in headers],
                "model_type": headers[0].parameter_size,
                "file_type": headers[0].file_type,
            }
        return config

    def _from_files(self, files: dict[str, str], *, adapters: bool = False) -> list[Layer]:
        if not files or any(key.endswith(".safetensors") for key in files):
            raise ApiError(400, "unknown type")
        for key, digest in files.items():
            if not key.endswith(".gguf") and not self._is_gguf(digest):
                raise ApiError(400, "unknown type")
        if adapters and len(files) > 1:
            raise ApiError(400, "only one adapter is currently supported")
        return [self._gguf_layer(key, digest) for key, digest in sorted(files.items())]

    def _is_gguf(self, digest: str) -> bool:
        try:
            with open(self.store.blob_path(digest), "rb") as stream:
                return stream.read(4) == b"GGUF"
        except OSError:
            return False

    def _gguf_layer(self, key: str, digest: str) -> Layer:
        self.progress({"status": "parsing GGUF"})
        path = self._path(digest)
        if os.path.exists(path) and not self._is_gguf(digest):
            raise ApiError(400, "supplied file was not in GGUF format")
        header = gguf.read(path)
        if header.kind != "model":
            return Layer(f"{MEDIA}{header.kind}", digest, os.path.getsize(path), origin=key)
        return Layer(f"{MEDIA}model", digest, os.path.getsize(path), name=_UPLOADED)

    def _quantized(self, layer: Layer) -> Layer:
        """The weights as llama-quantize leaves them: uploaded ones are rewritten in any case."""
        wanted = str(self.request.get("quantize") or self.request.get("quantization") or "").upper()
        if layer.kind != "model" or not (wanted or layer.name == _UPLOADED):
            return layer
        data = self._requantized(self.store.blob_path(layer.digest), wanted) if wanted else None
        if data is None and layer.name != _UPLOADED:
            return layer
        self.progress({"status": "verifying conversion"})
        data = data or rewrite.result(layer.digest)
        if data is None:
            return dataclasses.replace(layer, name="")
        digest, size, created = self.store.add_blob([data])
        self.fresh.update([digest] if created else [])
        return Layer(f"{MEDIA}model", digest, size)

    def _requantized(self, path: str, wanted: str) -> bytes | None:
        """Only the file type in the metadata changes: enough for what the API tells about it."""
        header = gguf.read(path)
        if wanted not in QUANTIZE:
            raise CreateError(f"unsupported quantization type {wanted} - supported types are F32, F16, Q4_K_S, Q4_K_M, Q8_0")
        if header.file_type not in ("F16", "BF16", "F32"):
            raise CreateError("quantization is only supported for F16, BF16 and F32 models")
        if header.meta.get("general.file_type") == QUANTIZE[wanted]:
            return None
        size = os.path.getsize(path)
        line = {"status": f"quantizing {header.file_type} model to {wanted}", "digest": "0" * 19, "total": size}
        self.progress(line)
        self.progress({**line, "completed": size})
        with open(path, "rb") as stream:
            data = bytearray(stream.read())
        offset = header.offsets.get("general.file_type")
        if offset is not None:
            struct.pack_into("<I", data, offset, QUANTIZE[wanted])
        return bytes(data)

    def _with_given(self, layers: list[Layer]) -> list[Layer]:
        """Replace, append and merge what the request gives."""

        def add(kind: str, text: str) -> None:
            digest, size, created = self.store.add_blob([text.encode()])
            layers.append(Layer(f"{MEDIA}{kind}", digest, size))
            self.fresh.update([digest] if created else [])

        def drop(*kinds: str) -> None:
            layers[:] = [layer for layer in layers if layer.kind not in kinds]

        layers = list(layers)
        if template := self.request.get("template"):
            if fault := gotemplate.fault(str(template)):
                raise ApiError(400, f"template error: {fault}")
            drop("template", "prompt")
            add("template", str(template))
        if system := self.request.get("system"):
            drop("system")
            add("system", str(system))
        license_ = self.request.get("license") or []
        for text in [license_] if isinstance(license_, str) else license_:
            add("license", str(text))
        base: dict[str, t.Any] = {}
        for layer in layers:
            if layer.kind == "params":
                base |= gojson.decode_as(self.store.read_blob(layer.digest).decode("utf-8", "replace"), dict, "map[string]interface {}")
        given = {key: value for key, value in (self.request.get("parameters") or {}).items()}
        if base or given:
            drop("params")
            add("params", gojson.dumps(_floats({**base, **given})) + "\n")
        if messages := self.request.get("messages"):
            drop("messages")
            plain = [{"role": str(item.get("role", "")).lower(), "content": item.get("content", "")} for item in messages]
            add("messages", gojson.dumps(plain) + "\n")
        return layers
