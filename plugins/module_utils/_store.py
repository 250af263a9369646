# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An Ollama store on disk: what lies there, what is left over, and what a download still needs.

PRIVATE to the collection: it can change at any time without notice.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import stat
import time
import typing as t

from ansible_collections.llm.host.plugins.module_utils._compat import Holding
from ansible_collections.llm.host.plugins.module_utils._names import ModelName
from ansible_collections.llm.host.plugins.module_utils._room import free_bytes

__all__ = ["Layer", "Store", "StoreDamaged", "StoreError", "StoreFile", "Survey", "blobs_of"]

_BLOB = re.compile(r"sha256-[0-9a-f]{64}\Z")
_PARTIAL = re.compile(r"sha256-[0-9a-f]{64}-partial(-[0-9]+)?\Z")
_DIGEST = re.compile(r"sha256[:-][0-9a-f]{64}\Z")


class StoreError(Exception):
    """The store cannot be read or changed."""


class StoreDamaged(StoreError):
    """Manifests are not readable, so nobody knows which blobs they need."""


class Layer(t.Protocol):
    """A blob of a model: its digest is ``sha256:`` and 64 hex digits."""

    @property
    def digest(self) -> str: ...

    @property
    def size(self) -> int: ...


@dataclasses.dataclass(frozen=True)
class StoreFile:
    """A file in the directory of blobs: the bytes that it occupies, and the seconds since it was written."""

    name: str
    size: int
    age: float


@dataclasses.dataclass(frozen=True)
class Survey:
    """What the store holds."""

    blobs: int = 0
    bytes: int = 0
    orphans: tuple[StoreFile, ...] = ()
    partials: tuple[StoreFile, ...] = ()
    damaged_manifests: tuple[str, ...] = ()


class Store:
    """The store at a path, which need not be there."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._blobs = os.path.join(path, "blobs")
        self._manifests = os.path.join(path, "manifests")

    @property
    def exists(self) -> bool:
        return os.path.isdir(self.path) and os.access(self.path, os.R_OK | os.X_OK)

    def free_bytes(self) -> int:
        """What an ordinary user can still write on the file system of the blobs."""
        try:
            return free_bytes(self._blobs)
        except OSError as exc:
            raise self._error(exc) from exc

    def missing(self, layers: t.Iterable[Layer]) -> int:
        """The bytes of these layers that are not on disk yet."""
        total = 0
        for digest, size in {layer.digest: layer.size for layer in layers}.items():
            path = os.path.join(self._blobs, digest.replace(":", "-"))
            if self._stat(path) is None:
                partial = self._stat(f"{path}-partial")
                total += size - min(size, partial.st_blocks * 512 if partial else 0)
        return total

    def survey(self, clock: t.Callable[[], float] = time.time) -> Survey:
        """Look at every blob and every manifest."""
        # Blobs before manifests: a model that is finished in between has no orphans.
        now, blobs, partials = clock(), [], []
        for name in self._names(self._blobs):
            kind = blobs if _BLOB.match(name) else partials if _PARTIAL.match(name) else None
            found = self._stat(os.path.join(self._blobs, name)) if kind is not None else None
            if kind is not None and found is not None:
                kind.append(StoreFile(name, found.st_blocks * 512, max(0.0, now - found.st_mtime)))
        named, damaged = self._read_manifests()
        return Survey(
            blobs=len(blobs),
            bytes=sum(file.size for file in blobs),
            orphans=tuple(file for file in blobs if file.name not in named),
            partials=tuple(partials),
            damaged_manifests=damaged,
        )

    def remove(self, files: t.Iterable[StoreFile], *, min_age: float = 3600) -> tuple[StoreFile, ...]:
        """Delete those that nobody touched for this long; returns them."""
        wanted = tuple(files)
        whole = any(_BLOB.match(file.name) for file in wanted)
        if whole and not os.path.isdir(self._manifests):
            raise StoreDamaged(f"No blob is removed from {self.path}, because {self._manifests} is missing: that is no whole store.")
        named, damaged = self._read_manifests()
        if damaged and whole:
            raise StoreDamaged(
                f"No blob is removed from {self.path}, because these manifests are not readable and may need it:"
                f" {', '.join(damaged)}; pull or remove their models first."
            )
        removed = []
        for file in wanted:
            if file.name in named or not (_BLOB.match(file.name) or _PARTIAL.match(file.name)):
                continue
            path = os.path.join(self._blobs, file.name)
            found = self._stat(path)
            if found is None or time.time() - found.st_mtime < min_age:
                continue
            try:
                os.unlink(path)
            except FileNotFoundError:
                continue
            except OSError as exc:
                raise self._error(exc) from exc
            removed.append(file)
        return tuple(removed)

    def _read_manifests(self) -> tuple[set[str], tuple[str, ...]]:
        named: set[str] = set()
        damaged = []
        for path in self._manifest_paths(self._manifests, 4):
            try:
                with open(path, encoding="utf-8") as stream:
                    named |= blobs_of(json.load(stream))
            except FileNotFoundError:
                continue
            except PermissionError as exc:
                raise self._error(exc) from exc
            except (OSError, ValueError, RecursionError):
                damaged.append(os.path.relpath(path, self.path))
        return named, tuple(damaged)

    def holdings(self) -> list[Holding]:
        """The models, with what a server must be able to do for them. What cannot be read is left out."""
        found = []
        for path in self._manifest_paths(self._manifests, 4):
            host, namespace, model, tag = os.path.relpath(path, self._manifests).split(os.sep)
            try:
                with open(path, encoding="utf-8") as stream:
                    manifest = json.load(stream)
                with open(os.path.join(self._blobs, manifest["config"]["digest"].replace(":", "-")), encoding="utf-8") as stream:
                    requires = str(json.load(stream).get("requires") or "")
                layers = frozenset(str(layer["mediaType"]) for layer in manifest["layers"])
            except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
                continue
            found.append(Holding(ModelName(host, namespace, model, tag).short, requires, layers))
        return found

    def _manifest_paths(self, directory: str, depth: int) -> t.Iterator[str]:
        for name in self._names(directory):
            path = os.path.join(directory, name)
            found = self._stat(path)
            if found is None and os.path.islink(path):
                # What is behind it may need blobs, and must not be taken for nothing.
                raise StoreError(f"Cannot work on the store {self.path}: {path} leads nowhere; mend or remove that link.")
            is_directory = found is not None and stat.S_ISDIR(found.st_mode)
            if depth > 1 and is_directory:
                yield from self._manifest_paths(path, depth - 1)
            elif depth == 1 and found is not None and not is_directory:
                yield path

    def _names(self, directory: str) -> list[str]:
        try:
            return sorted(os.listdir(directory))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as exc:
            raise self._error(exc) from exc

    def _stat(self, path: str) -> os.stat_result | None:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            try:
                return os.stat(path)
            except PermissionError as exc:
                raise self._error(exc) from exc
        return None

    def _error(self, exc: OSError) -> StoreError:
        return StoreError(f"Cannot work on the store {self.path}: {exc}; say become: true, or another store_dir.")


def blobs_of(manifest: t.Any) -> set[str]:
    """The names of the files that a manifest needs."""
    try:
        layers = [manifest["config"], *(manifest["layers"] or ())]
        digests = {layer["digest"] for layer in layers if layer["digest"]}
    except (KeyError, TypeError) as exc:
        raise ValueError("not a manifest") from exc
    if not all(isinstance(digest, str) and _DIGEST.match(digest) for digest in digests):
        raise ValueError("not a digest")
    return {digest.replace(":", "-") for digest in digests}
