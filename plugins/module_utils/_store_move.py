# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moving the models of a host into another directory: what there is, what is to be done, and how it is done without a moment in which one is not whole.

PRIVATE to the collection: it can change at any time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import re
import shutil
import typing as t
from pathlib import Path

from ansible_collections.llm.host.plugins.module_utils._names import ModelName
from ansible_collections.llm.host.plugins.module_utils._room import free_bytes, nearest

__all__ = (
    "Blob",
    "Contents",
    "Manifest",
    "MoveError",
    "Mover",
    "Plan",
    "check_apart",
    "contents_of",
    "make_plan",
    "missing_models",
    "model_name",
)

BLOB = re.compile(r"sha256-[0-9a-f]{64}")
OURS_TO_REMOVE = re.compile(r"sha256-[0-9a-f]{64}(-partial(-\d+)?)?")
DIGEST = re.compile(r"sha256[:-][0-9a-f]{64}")
WORK = ".llm-host-move"
CHUNK = 1 << 20
RESERVE = 64 << 20
Tell = t.Callable[[str, int, int], None]


class MoveError(Exception):
    """Models cannot be moved; the text is a sentence that says why and what to do."""


@dataclasses.dataclass(frozen=True)
class Manifest:
    """A model: its path below C(manifests), when it was written, its text, and the blobs that it needs with their sizes."""

    path: str
    mtime_ns: int
    text: str
    blobs: dict[str, int]


@dataclasses.dataclass(frozen=True)
class Contents:
    """What a store holds. ``device`` tells on which file system its blobs lie, ``removable`` whatever Ollama put there."""

    root: str
    manifests: dict[str, Manifest] = dataclasses.field(default_factory=dict)
    blobs: dict[str, int] = dataclasses.field(default_factory=dict)
    device: int = 0
    removable: bool = False


@dataclasses.dataclass(frozen=True)
class Blob:
    """A file to bring, from the store that has it; ``link`` where that needs no room."""

    name: str
    size: int
    source: str
    link: bool


@dataclasses.dataclass(frozen=True)
class Plan:
    """First the blobs are brought, then the manifests, and only then ``clear`` says which stores lose theirs."""

    root: str
    blobs: tuple[Blob, ...] = ()
    manifests: tuple[Manifest, ...] = ()
    clear: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        return bool(self.blobs or self.manifests or self.clear)

    @property
    def bytes_to_copy(self) -> int:
        return sum(blob.size for blob in self.blobs if not blob.link) + sum(len(item.text) for item in self.manifests)

    @property
    def bytes_to_link(self) -> int:
        return sum(blob.size for blob in self.blobs if blob.link)

    @property
    def models(self) -> list[str]:
        return sorted(model_name(item.path) for item in self.manifests)


def model_name(path: str) -> str:
    """The name of the model whose manifest has this path below C(manifests)."""
    return ModelName(*path.split("/")).short


def missing_models(source: str, wanted: str) -> list[str]:
    """The models that are in one directory and not in the other."""
    have = set(_manifest_paths(wanted))
    return sorted(model_name(path) for path in _manifest_paths(source) if path not in have)


def check_apart(wanted: str, source: str) -> None:
    """Raises MoveError where one store lies in the other, or is in part the same."""
    parts = {os.path.realpath(os.path.join(root, name)) for root in (wanted, source) for name in ("blobs", "manifests")}
    inside = any(os.path.realpath(root).startswith(f"{part}/") for root in (wanted, source) for part in parts)
    if inside or len(parts) < 4:
        raise MoveError(
            f"{wanted} and {source} share blobs or manifests, or one lies among those of the other: choose a directory that is apart."
        )


def contents_of(root: str) -> Contents:
    """Look at a store, which need not be there. Raises MoveError, and OSError."""
    manifests = {path: _read_manifest(root, path) for path in _manifest_paths(root)}
    blobs: dict[str, int] = {}
    removable = bool(manifests)
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(os.path.join(root, "blobs")) as entries:
        for entry in entries:
            removable = removable or bool(OURS_TO_REMOVE.fullmatch(entry.name))
            if BLOB.fullmatch(entry.name) and entry.is_file():
                blobs[entry.name] = entry.stat().st_size
    return Contents(root, manifests, blobs, device=_device(os.path.join(root, "blobs")), removable=removable)


def make_plan(wanted: Contents, sources: t.Sequence[Contents], *, clear: bool) -> Plan:
    """What of the sources is not in the wanted store; of two versions of a model the one written last holds. Raises MoveError."""
    newest: dict[str, tuple[Manifest, Contents]] = {}
    for source in sources:
        for path, manifest in source.manifests.items():
            if path not in newest or newest[path][0].mtime_ns < manifest.mtime_ns:
                newest[path] = manifest, source
    manifests, blobs = [], {}
    for path, (manifest, source) in sorted(newest.items()):
        present = wanted.manifests.get(path)
        if present and (present.text == manifest.text or present.mtime_ns > manifest.mtime_ns):
            continue
        manifests.append(manifest)
        for name, size in manifest.blobs.items():
            if wanted.blobs.get(name) == size:
                continue
            holder = next((item for item in (source, *sources) if item.blobs.get(name) == size), None)
            if holder is None:
                raise MoveError(
                    f"{model_name(path)} is not whole in {source.root}: blobs/{name} is missing or not of {size} bytes. "
                    "Pull or remove this model, and run again. Nothing was moved."
                )
            blobs[name] = Blob(name, size, holder.root, link=holder.device == wanted.device)
    cleared = tuple(source.root for source in sources if source.removable) if clear else ()
    return Plan(wanted.root, tuple(blobs.values()), tuple(manifests), cleared)


class Mover:
    """Carries a plan out, with the owner that everything gets. What was brought before a kill is not brought again."""

    def __init__(self, plan: Plan, *, uid: int, gid: int, tell: Tell = lambda name, done, total: None) -> None:
        self._plan = plan
        self._uid, self._gid = uid, gid
        self._tell = tell
        self._work = os.path.join(plan.root, WORK)

    def check_room(self) -> None:
        """Raises MoveError where what is copied does not fit."""
        self._check_room([blob for blob in self._plan.blobs if not blob.link])

    def bring(self) -> None:
        """Every model whole, blobs before the manifests that name them. Raises MoveError, and OSError."""
        plan = self._plan
        shutil.rmtree(self._work, ignore_errors=True)
        self.check_room()
        for name in ("", "blobs", "manifests"):
            self._directory(os.path.join(plan.root, name).rstrip("/"))
        for folder, below, _files in os.walk(os.path.join(plan.root, "manifests")):
            for name in below:
                self._directory(os.path.join(folder, name))
        if not (plan.blobs or plan.manifests):
            return
        os.mkdir(self._work, 0o700)
        todo = list(plan.blobs)
        while todo:
            blob = todo.pop(0)
            if not (blob.link and self._link(blob)):
                if blob.link:
                    # One file system that is mounted twice: what was to be linked needs room after all.
                    self._check_room([dataclasses.replace(item, link=False) for item in (blob, *todo)])
                self._copy(blob)
        for manifest in plan.manifests:
            path = os.path.join(plan.root, "manifests", manifest.path)
            for parent in list(Path(manifest.path).parents)[-2::-1]:
                self._directory(os.path.join(plan.root, "manifests", str(parent)))
            work = os.path.join(self._work, "manifest")
            with open(work, "w", encoding="utf-8", newline="") as stream:
                stream.write(manifest.text)
                stream.flush()
                os.fsync(stream.fileno())
            # Ollama lists models by this time.
            os.utime(work, ns=(manifest.mtime_ns, manifest.mtime_ns))
            self._place(work, path)
        os.rmdir(self._work)
        # The old store may go only when this one survives a power cut.
        os.sync()

    def clear(self) -> tuple[list[str], list[str]]:
        """Manifests and blobs of the old stores, and directories that are empty then: which stores are gone, and what somebody else put there."""
        gone, left = [], []
        for root in self._plan.clear:
            for path in _manifest_paths(root):
                os.unlink(os.path.join(root, "manifests", path))
            blobs = os.path.join(root, "blobs")
            with contextlib.suppress(FileNotFoundError):
                for name in os.listdir(blobs):
                    if OURS_TO_REMOVE.fullmatch(name):
                        os.unlink(os.path.join(blobs, name))
            shutil.rmtree(os.path.join(root, WORK), ignore_errors=True)
            folders = [
                folder for name in ("manifests", "blobs") for folder, _below, _files in os.walk(os.path.join(root, name), topdown=False)
            ]
            for folder in (*folders, root):
                with contextlib.suppress(OSError):
                    os.rmdir(folder)
            remains = self._foreign(root)
            left += remains
            gone += [] if remains else [root]
        return gone, left

    def _foreign(self, root: str) -> list[str]:
        names = set(os.listdir(root)) - {"manifests", "blobs"} if os.path.isdir(root) else ()
        below = [
            os.path.join(folder, file)
            for name in ("manifests", "blobs")
            for folder, _dirs, files in os.walk(os.path.join(root, name))
            for file in files
        ]
        wanted = f"{os.path.realpath(self._plan.root)}/"
        return sorted(
            path for path in (*(os.path.join(root, name) for name in names), *below) if not wanted.startswith(f"{os.path.realpath(path)}/")
        )

    def _link(self, blob: Blob) -> bool:
        work = os.path.join(self._work, blob.name)
        try:
            os.link(os.path.realpath(os.path.join(blob.source, "blobs", blob.name)), work)
        except OSError:
            return False
        self._place(work, os.path.join(self._plan.root, "blobs", blob.name))
        return True

    def _copy(self, blob: Blob) -> None:
        """Its name is the digest of its content, so that what is read wrong is seen."""
        work, done, digest = os.path.join(self._work, blob.name), 0, hashlib.sha256()
        with open(os.path.join(blob.source, "blobs", blob.name), "rb") as source, open(work, "wb") as target:
            while chunk := source.read(CHUNK):
                digest.update(chunk)
                target.write(chunk)
                # What serves meanwhile needs the memory more.
                os.posix_fadvise(source.fileno(), done, len(chunk), os.POSIX_FADV_DONTNEED)
                done += len(chunk)
                self._tell(blob.name, done, blob.size)
            target.flush()
            os.fsync(target.fileno())
            os.posix_fadvise(target.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        if f"sha256-{digest.hexdigest()}" != blob.name:
            os.unlink(work)
            raise MoveError(
                f"{blob.source}/blobs/{blob.name} is damaged: its content has another digest. "
                "Pull the model that it belongs to again, or remove it, and run again. The old store serves on."
            )
        self._place(work, os.path.join(self._plan.root, "blobs", blob.name))

    def _place(self, work: str, path: str) -> None:
        os.chown(work, self._uid, self._gid)
        os.chmod(work, 0o644)
        os.replace(work, path)

    def _directory(self, path: str) -> None:
        """Of the store it belongs to its owner, above it to root; what is there keeps its mode."""
        if not os.path.isdir(path):
            os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
            os.mkdir(path)
            os.chmod(path, 0o755)
        found = os.stat(path)
        if (found.st_uid, found.st_gid) != (self._uid, self._gid):
            os.chown(path, self._uid, self._gid)

    def _check_room(self, blobs: t.Sequence[Blob]) -> None:
        needed = sum(blob.size for blob in blobs)
        free = free_bytes(self._plan.root)
        if needed and needed + RESERVE > free:
            raise MoveError(
                f"{self._plan.root} has {_readable(free)} free, and {_readable(needed + RESERVE)} are needed to copy the models there: "
                "make room, or choose another directory. The old store serves on."
            )


def _manifest_paths(root: str) -> list[str]:
    base = Path(root, "manifests")
    return sorted(str(path.relative_to(base)) for path in base.glob("*/*/*/*") if path.is_file())


def _read_manifest(root: str, path: str) -> Manifest:
    file = Path(root, "manifests", path)
    try:
        text = file.read_bytes().decode("utf-8")
        content = json.loads(text)
        layers = {layer["digest"]: int(layer["size"]) for layer in (content["config"], *(content["layers"] or ())) if layer["digest"]}
        if not all(DIGEST.fullmatch(digest) for digest in layers):
            raise ValueError("not a digest")
    except (ValueError, KeyError, TypeError, RecursionError):
        raise MoveError(
            f"{file} is not readable as a manifest, so nobody knows which blobs it needs: pull or remove {model_name(path)}, or remove this file, "
            "and run again. Nothing was moved."
        ) from None
    return Manifest(path, file.stat().st_mtime_ns, text, {digest.replace(":", "-"): size for digest, size in layers.items()})


def _device(path: str) -> int:
    return os.stat(nearest(path)).st_dev


def _readable(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
