# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab's internet serves: releases at both kinds of URL, manifests that can move, and blobs."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pathlib
import platform
import re
import tempfile
import threading
import typing as t

__all__ = ["Content", "Item", "Registry"]

MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
MEDIA = "application/vnd.ollama.image."
_PIECE = 1 << 16
_RELEASE = re.compile(r"/ollama/ollama/releases/download/v([0-9][^/]*)/([A-Za-z0-9._-]+)")
_MIRROR = re.compile(r"(?:/[\w./-]*)?/v([0-9]+\.[0-9]+\.[0-9]+)/([A-Za-z0-9._-]+)")
_DOWNLOAD = re.compile(r"/download/(ollama-linux-[A-Za-z0-9._-]+|sha256sum\.txt)")
_MANIFEST = re.compile(r"/v2/([\w.-]+/[\w.-]+)/manifests/([\w.-]+)")
_BLOB = re.compile(r"/v2/[\w.-]+/[\w.-]+/blobs/(sha256:[0-9a-f]{64})")


@dataclasses.dataclass(frozen=True)
class Item:
    """One thing to send: bytes, or a file."""

    source: bytes | pathlib.Path
    content_type: str = "application/octet-stream"
    headers: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    locatable: bool = False
    redirect: str = ""

    @property
    def size(self) -> int:
        return len(self.source) if isinstance(self.source, bytes) else self.source.stat().st_size

    def pieces(self, start: int, end: int) -> t.Iterator[bytes]:
        if isinstance(self.source, bytes):
            for position in range(start, end, _PIECE):
                yield self.source[position : min(position + _PIECE, end)]
            return
        with self.source.open("rb") as stream:
            stream.seek(start)
            while start < end:
                piece = stream.read(min(_PIECE, end - start))
                if not piece:
                    return
                start += len(piece)
                yield piece


class Registry:
    """The tags of a model store, and those that a test has moved since."""

    def __init__(self, store: pathlib.Path | None) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._moved: dict[tuple[str, str], bytes] = {}
        self._made: dict[str, bytes] = {}
        self._blobs: dict[str, bytes] = {}

    def _stored(self) -> dict[tuple[str, str], bytes]:
        found: dict[tuple[str, str], bytes] = {}
        for path in sorted((self._store / "manifests").glob("*/*/*/*")) if self._store else []:
            found[f"{path.parts[-3]}/{path.parts[-2]}", path.name] = path.read_bytes()
        return found

    def _all(self) -> dict[tuple[str, str], bytes]:
        return {**self._stored(), **self._moved}

    def tags(self) -> dict[str, str]:
        with self._lock:
            return {f"{model}:{tag}": hashlib.sha256(data).hexdigest() for (model, tag), data in self._all().items()}

    def reset(self) -> None:
        with self._lock:
            self._moved.clear()

    def manifest(self, model: str, tag: str) -> bytes | None:
        with self._lock:
            return self._all().get((model, tag))

    def blob(self, digest: str) -> bytes | pathlib.Path | None:
        if digest in self._blobs:
            return self._blobs[digest]
        path = self._store / "blobs" / digest.replace(":", "-") if self._store else None
        return path if path is not None and path.is_file() else None

    def move(self, request: t.Mapping[str, t.Any]) -> str:
        """Point model:tag at another manifest; gives back its digest.

        ``digest`` names a manifest that this registry has had, ``from`` another model:tag of it.
        ``layers`` is a list of {kind, text} or {kind, size}, that many zeros, to append, and ``variant`` is short for one licence layer
        with that text: so a new version exists without new weights.
        """
        model = str(request["model"])
        target = (model if "/" in model else f"library/{model}", str(request.get("tag") or "latest"))
        with self._lock:
            data = self._source(request, target)
            layers = list(request.get("layers") or ())
            if request.get("variant"):
                layers.append({"kind": "license", "text": str(request["variant"])})
            if layers:
                data = self._extended(data, layers)
            digest = hashlib.sha256(data).hexdigest()
            self._made[digest] = data
            before = self._all().get(target)
            if before is not None:
                self._made[hashlib.sha256(before).hexdigest()] = before
            self._moved[target] = data
            return digest

    def _source(self, request: t.Mapping[str, t.Any], target: tuple[str, str]) -> bytes:
        known = self._all()
        if request.get("digest"):
            want = str(request["digest"]).removeprefix("sha256:")
            for data in (*known.values(), *self._made.values()):
                if hashlib.sha256(data).hexdigest() == want:
                    return data
            raise ValueError(f"no manifest with digest {want} was ever here")
        source = target
        if request.get("from"):
            model, _, tag = str(request["from"]).partition(":")
            source = (model if "/" in model else f"library/{model}", tag or "latest")
        if source not in known:
            raise ValueError(f"no model {':'.join(source)} here: name an existing one in 'from'")
        return known[source]

    def _extended(self, data: bytes, layers: t.Iterable[t.Mapping[str, t.Any]]) -> bytes:
        value = json.loads(data)
        for layer in layers:
            blob = Item(_zeros(int(layer["size"]), self._store) if "size" in layer else layer["text"].encode())
            content = hashlib.sha256()
            for piece in blob.pieces(0, blob.size):
                content.update(piece)
            digest = f"sha256:{content.hexdigest()}"
            self._blobs[digest] = blob.source
            value["layers"].append({"mediaType": MEDIA + layer["kind"], "digest": digest, "size": blob.size})
        return json.dumps(value, separators=(",", ":")).encode()


def _zeros(size: int, folder: pathlib.Path | None) -> pathlib.Path:
    """A file of zeros that takes no room on the disk."""
    with tempfile.NamedTemporaryFile(dir=folder, prefix="zeros-", delete=False) as stream:
        stream.truncate(size)
    return pathlib.Path(stream.name)


def asset_name(archive: pathlib.Path) -> str:
    """The name under which a real release archive is published, also when the file has another name."""
    if archive.name.startswith("ollama-linux-"):
        return archive.name
    with archive.open("rb") as stream:
        suffix = "tgz" if stream.read(2) == b"\x1f\x8b" else "tar.zst"
    return f"ollama-linux-{'arm64' if platform.machine() == 'aarch64' else 'amd64'}.{suffix}"


class Content:
    """Finds what a path stands for."""

    def __init__(
        self,
        releases: pathlib.Path | None,
        store: pathlib.Path | None,
        *,
        archive: pathlib.Path | None = None,
        version: str | None = None,
    ) -> None:
        self._releases = releases
        self.registry = Registry(store)
        self._archive = archive
        self._archive_version = (version or "").removeprefix("v")
        self._archive_name = asset_name(archive) if archive else ""
        self._archive_sum = ""

    def find(self, path: str, query: t.Mapping[str, t.Sequence[str]], *, host: str = "") -> Item | None:
        if match := _BLOB.fullmatch(path):
            blob = self.registry.blob(match[1])
            return None if blob is None else Item(blob, headers={"Docker-Content-Digest": match[1]}, locatable=True)
        if match := _MANIFEST.fullmatch(path):
            return self._manifest(match[1], match[2])
        if match := _RELEASE.fullmatch(path) or _MIRROR.fullmatch(path):
            return self._asset(match[1], match[2])
        if match := _DOWNLOAD.fullmatch(path):
            version = (query.get("version") or [self._latest()])[0]
            asset = self._asset(version, match[1])
            if asset is None or host.partition(":")[0] != "ollama.com":
                return asset
            return Item(b"", redirect=f"https://github.com/ollama/ollama/releases/download/v{version}/{match[1]}")
        return None

    def _manifest(self, model: str, tag: str) -> Item | None:
        data = self.registry.manifest(model, tag)
        if data is None:
            return None
        digest = hashlib.sha256(data).hexdigest()
        headers = {"ollama-content-digest": digest, "Docker-Content-Digest": f"sha256:{digest}"}
        return Item(data, MANIFEST_TYPE, headers)

    def _latest(self) -> str:
        def key(text: str) -> list[int]:
            return [int(part) for part in re.findall(r"\d+", text)]

        found = [path.name[1:] for path in self._releases.glob("v*")] if self._releases else []
        found += [self._archive_version] if self._archive else []
        return max(found, key=key, default="")

    def _asset(self, version: str, name: str) -> Item | None:
        if self._archive is not None and version == self._archive_version:
            if name == self._archive_name:
                return Item(self._archive)
            if name == "sha256sum.txt":
                return Item(f"{self._checksum()}  ./{self._archive_name}\n".encode(), "text/plain")
            return None
        path = self._releases / f"v{version}" / name if self._releases else None
        return Item(path) if path is not None and path.is_file() else None

    def _checksum(self) -> str:
        if not self._archive_sum and self._archive is not None:
            with self._archive.open("rb") as stream:
                self._archive_sum = hashlib.file_digest(stream, "sha256").hexdigest()
        return self._archive_sum
