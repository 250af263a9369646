# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The on-disk store: manifests/<host>/<namespace>/<model>/<tag> and blobs/sha256-<hex>."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
import tempfile
import threading
import time
import typing as t

from ollama_standin import gojson, log
from ollama_standin.names import Name

__all__ = ["INVALID_DIGEST", "MEDIA", "Layer", "Manifest", "Store", "is_digest"]

MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"
MEDIA = "application/vnd.ollama.image."
GRACE_SECONDS = 3600
_DIGEST = re.compile(r"sha256[:-][0-9a-fA-F]{64}")
_TEXT, _NUMBER = gojson.Field(str, "string"), gojson.Field(int, "int64")
_LAYER = gojson.Struct("Layer", {"mediaType": _TEXT, "digest": _TEXT, "size": _NUMBER, "from": _TEXT, "name": _TEXT})
_MANIFEST = gojson.Struct(
    "Manifest",
    {
        "schemaVersion": gojson.Field(int, "int"),
        "mediaType": _TEXT,
        "config": gojson.Field(dict, "manifest.Layer", _LAYER),
        "layers": gojson.Field(list, "[]manifest.Layer", _LAYER),
    },
)
INVALID_DIGEST = "invalid digest format"


def is_digest(text: str) -> bool:
    return _DIGEST.fullmatch(text) is not None


@dataclasses.dataclass(frozen=True)
class Layer:
    """One entry of a manifest."""

    media_type: str
    digest: str
    size: int
    origin: str = ""
    name: str = ""

    @property
    def kind(self) -> str:
        return self.media_type.removeprefix(MEDIA)

    def as_dict(self) -> dict[str, t.Any]:
        value: dict[str, t.Any] = {"mediaType": self.media_type, "digest": self.digest, "size": self.size}
        if self.origin:
            value["from"] = self.origin
        if self.name:
            value["name"] = self.name
        return value

    @classmethod
    def from_dict(cls, value: t.Mapping[str, t.Any]) -> Layer:
        return cls(
            media_type=value.get("mediaType") or "",
            digest=value.get("digest") or "",
            size=value.get("size") or 0,
            origin=value.get("from") or "",
            name=value.get("name") or "",
        )


@dataclasses.dataclass(frozen=True)
class Manifest:
    """A parsed manifest, with what its file says about it."""

    config: Layer
    layers: tuple[Layer, ...]
    digest: str = ""
    modified_ns: int = 0

    @property
    def size(self) -> int:
        return self.config.size + sum(layer.size for layer in self.layers)

    @property
    def digests(self) -> set[str]:
        return {layer.digest for layer in (*self.layers, self.config) if layer.digest}

    def of_kind(self, kind: str) -> list[Layer]:
        return [layer for layer in self.layers if layer.kind == kind]

    def encode(self) -> bytes:
        value = {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": self.config.as_dict(),
            "layers": [layer.as_dict() for layer in self.layers],
        }
        return (gojson.dumps(value) + "\n").encode()

    @classmethod
    def decode(cls, data: bytes, *, modified_ns: int = 0) -> Manifest:
        """Raises gojson.JsonError."""
        value = gojson.decode_as(data.decode("utf-8", "replace"), dict, "manifest.Manifest")
        _MANIFEST.check(value)
        return cls(
            config=Layer.from_dict(value.get("config") or {}),
            layers=tuple(Layer.from_dict(item or {}) for item in value.get("layers") or ()),
            digest=hashlib.sha256(data).hexdigest(),
            modified_ns=modified_ns,
        )


class Store:
    """Reads manifests anew at each call, as the real server does."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.lock = threading.RLock()
        self.cache: dict[tuple[t.Any, ...], tuple[str, t.Any]] = {}

    def cached(self, key: tuple[t.Any, ...], digest: str, build: t.Callable[[], t.Any]) -> t.Any:
        """What was built from a manifest of this digest; blobs are not looked at again while it stays the same."""
        found = self.cache.get(key)
        if found is None or found[0] != digest:
            found = (digest, build())
            self.cache[key] = found
        return found[1]

    def forget(self, kind: str, *, but: t.Collection[Name]) -> None:
        """Drop what was built for names that are no longer there."""
        for key in [key for key in list(self.cache) if key[0] == kind and key[1] not in but]:
            self.cache.pop(key, None)

    def prepare(self) -> None:
        os.makedirs(self.blobs_dir, mode=0o755, exist_ok=True)

    @property
    def blobs_dir(self) -> str:
        return os.path.join(self.root, "blobs")

    @property
    def manifests_dir(self) -> str:
        return os.path.join(self.root, "manifests")

    def blob_path(self, digest: str) -> str:
        return os.path.join(self.blobs_dir, digest.replace(":", "-")).rstrip("/")

    def has_blob(self, digest: str) -> bool:
        return os.path.exists(self.blob_path(digest))

    def read_blob(self, digest: str) -> bytes:
        with open(self.blob_path(digest), "rb") as stream:
            return stream.read()

    def add_blob(self, chunks: t.Iterable[bytes]) -> tuple[str, int, bool]:
        """Store the bytes under their digest; says digest, size, and whether they were new."""
        digest = hashlib.sha256()
        size = 0
        handle, path = tempfile.mkstemp(prefix="sha256-", dir=self.blobs_dir)
        try:
            with os.fdopen(handle, "wb") as stream:
                for chunk in chunks:
                    digest.update(chunk)
                    size += len(chunk)
                    stream.write(chunk)
            os.chmod(path, 0o644)
            name = f"sha256:{digest.hexdigest()}"
            new = not self.has_blob(name)
            if new:
                os.replace(path, self.blob_path(name))
            return name, size, new
        finally:
            if os.path.exists(path):
                os.unlink(path)

    def names(self) -> list[Name]:
        found = []
        for folder, _, files in os.walk(self.manifests_dir):
            parts = os.path.relpath(folder, self.manifests_dir).split(os.sep)
            if len(parts) == 3:
                found += [Name(parts[0], parts[1], parts[2], tag) for tag in files if not tag.startswith(".")]
        return sorted(found, key=lambda name: name.path)

    def existing(self, name: Name) -> Name:
        """Take each part's spelling from a stored manifest that matches it without regard to case."""
        parts = dataclasses.asdict(name)
        settled: set[str] = set()
        for other in self.names():
            for part in parts.keys() - settled:
                if getattr(other, part).casefold() == parts[part].casefold():
                    parts[part] = getattr(other, part)
                    settled.add(part)
        return Name(**parts)

    def manifest_path(self, name: Name) -> str:
        return os.path.join(self.manifests_dir, name.path)

    def manifest(self, name: Name) -> Manifest | None:
        try:
            with open(self.manifest_path(name), "rb") as stream:
                return Manifest.decode(stream.read(), modified_ns=os.fstat(stream.fileno()).st_mtime_ns)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def readable_manifest(self, name: Name) -> Manifest | None:
        """The same for those to whom a corrupt manifest is none."""
        try:
            return self.manifest(name)
        except gojson.JsonError:
            return None

    def manifest_bytes(self, name: Name) -> bytes:
        with open(self.manifest_path(name), "rb") as stream:
            return stream.read()

    def write_manifest(self, name: Name, data: bytes) -> None:
        path = self.manifest_path(name)
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        with open(path, "wb") as stream:
            stream.write(data)

    def delete_manifest(self, name: Name) -> None:
        path = self.manifest_path(name)
        os.unlink(path)
        for _ in range(3):
            path = os.path.dirname(path)
            try:
                os.rmdir(path)
            except OSError:
                break

    def remove_unused(self, digests: t.Iterable[str]) -> None:
        """Delete those blobs that no manifest refers to."""
        with self.lock:
            used = self._used()
            for digest in set(digests) - used:
                if is_digest(digest) and self.has_blob(digest):
                    os.unlink(self.blob_path(digest))

    def _used(self) -> set[str]:
        manifests = map(self.readable_manifest, self.names())
        return {digest for manifest in manifests if manifest for digest in manifest.digests}

    def prune(self) -> None:
        """At start: delete what no manifest refers to and is older than an hour."""
        blobs = sorted(os.listdir(self.blobs_dir))
        try:
            for model in self.names():
                self.manifest(model)
            used = {digest.replace(":", "-") for digest in self._used()}
        except gojson.JsonError:
            log.warn("routes.go:1731", "corrupt manifests detected, skipping prune operation.  Re-pull or delete to clear")
            return
        log.info("images.go:522", f"total blobs: {len(blobs)}")
        limit = time.time() - GRACE_SECONDS
        stale = [name for name in blobs if name not in used and self._mtime(name) < limit]
        for name in stale:
            os.unlink(os.path.join(self.blobs_dir, name))
        for folder, _, _ in os.walk(self.manifests_dir, topdown=False):
            if folder != self.manifests_dir and not os.listdir(folder):
                os.rmdir(folder)
        log.info("images.go:529", f"total unused blobs removed: {len(stale)}")

    def _mtime(self, name: str) -> float:
        return os.stat(os.path.join(self.blobs_dir, name)).st_mtime
