# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that go into a build: which ones a path means, and what is in them.

PRIVATE to the collection: it can change at any time without notice.
"""

from __future__ import annotations

import dataclasses
import hashlib
import typing as t
from pathlib import Path

__all__ = ["FilesError", "HostFile", "KnownDigests", "find_files"]

_PIECE = 1024 * 1024
_WEIGHTS = (
    "model*.safetensors",
    "consolidated*.safetensors",
    "pytorch_model*.bin",
    "consolidated*.pth",
    "*.gguf",
    "*.bin",
)


class FilesError(Exception):
    """A file of a build cannot be used; the text says what to do."""


@dataclasses.dataclass(frozen=True)
class HostFile:
    """A file on the managed host that goes into a build. ``key`` is its name in the create request."""

    key: str
    path: Path
    digest: str
    size: int

    def open(self) -> t.BinaryIO:
        return self.path.open("rb")


class KnownDigests(t.Dict[str, t.Tuple[int, int, str]]):
    """Spares reading gigabytes again: path to (size, mtime, digest)."""

    def of(self, path: Path) -> tuple[str, int]:
        """A file's digest (``sha256:`` and hex) and size, read again only when the file was written since."""
        info = path.stat()
        known = self.get(str(path))
        if known and known[:2] == (info.st_size, info.st_mtime_ns):
            return known[2], info.st_size
        content = hashlib.sha256()
        with path.open("rb") as stream:
            for piece in iter(lambda: stream.read(_PIECE), b""):
                content.update(piece)
        digest = f"sha256:{content.hexdigest()}"
        self[str(path)] = (info.st_size, info.st_mtime_ns, digest)
        return digest, info.st_size


def find_files(path: str, digests: KnownDigests) -> tuple[HostFile, ...]:
    """The files that a FROM, ADAPTER or DRAFT path means, as Ollama's own client picks them."""
    root = Path(path)
    try:
        if root.is_dir():
            chosen = _in_directory(root)
            if not chosen:
                raise FilesError(f"{path} holds no model: put *.gguf or model*.safetensors files there.")
        else:
            chosen = [root]
        found = []
        for item in chosen:
            digest, size = digests.of(item)
            key = item.relative_to(root).as_posix() if item != root else item.name
            found.append(HostFile(key=key, path=item, digest=digest, size=size))
        return tuple(found)
    except OSError as exc:
        raise FilesError(f"{path} cannot be read: {(exc.strerror or str(exc)).lower()}.") from exc


def _in_directory(root: Path) -> list[Path]:
    for pattern in _WEIGHTS:
        weights = sorted(root.glob(pattern))
        if weights:
            nested = sorted(root.glob(f"*/{pattern}")) if pattern == _WEIGHTS[0] else []
            config = sorted(root.glob("*.json")) + sorted(root.glob("*/*.json"))
            template = sorted(root.glob("chat_template.jinja"))
            tokenizer = sorted(root.glob("tokenizer.model")) or sorted(root.glob("*/tokenizer.model"))
            return weights + nested + config + template + tokenizer
    return []
