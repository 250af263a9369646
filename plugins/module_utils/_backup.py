# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a backup of a host is: a description, and files below three places. PRIVATE to the collection: it can change at any time.

The archive is a tar, compressed with gzip. Its first member is the description, and the manifests of models come last.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import posixpath
import re
import tarfile
import typing as t

__all__ = ("DESCRIPTION", "LOCK", "BackupError", "Description", "Entry", "Places", "read_description")

FORMAT = 1
DESCRIPTION = "llm-host-backup.json"
LOCK = "models.lock.yml"
LARGEST_DESCRIPTION = 64 * 1024 * 1024

FILE, DIRECTORY, LINK = "file", "directory", "link"
HOME, MODELS, SYSTEM = "home", "models", "system"

LINKED = "etc/letsencrypt/"
# What may come out of an archive, below each place.
_BELONGS = {
    HOME: re.compile(r"id_ed25519(\.pub)?"),
    MODELS: re.compile(r"blobs/sha256-[0-9a-f]{64}|manifests(/[^/]+){4}"),
    SYSTEM: re.compile(
        r"etc/systemd/system/[^/]+\.service\.d/[^/]+|etc/ollama/.+|etc/llm-gateway/(tls|acme)/[^/]+|etc/letsencrypt/.+|var/lib/caddy(/.+)?"
    ),
}


class BackupError(Exception):
    """A backup cannot be made, read or put back; the text is a sentence for the user."""


@dataclasses.dataclass(frozen=True)
class Places:
    """Where on a host each place is."""

    home: str
    models: str
    system: str = "/"

    def path(self, entry: Entry) -> str:
        root = {HOME: posixpath.join(self.home, ".ollama"), MODELS: self.models, SYSTEM: self.system}[entry.place]
        return posixpath.join(root, entry.path)


@dataclasses.dataclass(frozen=True)
class Entry:
    """A file, a directory or a link. ``digest`` is the SHA-256 of a file in hex, ``owner`` and ``group`` are names."""

    place: str
    path: str
    kind: str = FILE
    mode: int = 0o644
    owner: str = "root"
    group: str = "root"
    size: int = 0
    digest: str = ""
    target: str = ""

    @property
    def name(self) -> str:
        """What it is called in the archive."""
        return f"{self.place}/{self.path}"

    @property
    def is_blob(self) -> bool:
        return self.place == MODELS and self.path.startswith("blobs/")

    @property
    def is_manifest(self) -> bool:
        return self.place == MODELS and self.path.startswith("manifests/")

    def checked(self) -> Entry:
        """Raises BackupError for one that would get somewhere else."""
        belongs = _BELONGS.get(self.place)
        here = belongs is not None and posixpath.normpath(self.path) == self.path and bool(belongs.fullmatch(self.path))
        led = posixpath.normpath(posixpath.join(posixpath.dirname(self.path), self.target)) if self.kind == LINK else LINKED
        if not here or not led.startswith(LINKED) or self.kind not in (FILE, DIRECTORY, LINK):
            raise BackupError(f"{self.name} is in no backup of this collection, so the archive was altered, and nothing is taken from it.")
        return self


@dataclasses.dataclass(frozen=True)
class Description:
    """What is in the archive, and what was left out. ``owners`` has home and group of each user but root, ``records`` how models were built."""

    host: str
    made: str = ""
    entries: tuple[Entry, ...] = ()
    owners: t.Mapping[str, t.Mapping[str, str]] = dataclasses.field(default_factory=dict)
    records: t.Mapping[str, t.Mapping[str, t.Any]] = dataclasses.field(default_factory=dict)
    models: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    left_out: tuple[t.Mapping[str, t.Any], ...] = ()

    @property
    def fingerprint(self) -> str:
        """The same for what was backed up a second time without a change."""
        content = {**self.as_dict(), "made": ""}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    @property
    def size(self) -> int:
        return sum(entry.size for entry in self.entries)

    def as_dict(self) -> dict[str, t.Any]:
        return {"format": FORMAT, **dataclasses.asdict(self)}

    @classmethod
    def from_dict(cls, content: t.Any) -> Description:
        try:
            if content["format"] != FORMAT:
                raise BackupError(
                    f"The archive has format {content['format']}, and this collection reads {FORMAT}: use the one that made it."
                )
            fields = {field.name: content[field.name] for field in dataclasses.fields(cls)}
            entries = tuple(Entry(**entry).checked() for entry in fields.pop("entries"))
            return cls(**{**fields, "entries": entries, "left_out": tuple(fields["left_out"])})
        except (KeyError, TypeError, AttributeError) as exc:
            raise BackupError("The archive is not a backup of this collection, or it is damaged: name another one.") from exc

    def lock(self) -> str:
        """The digests of all models, as a lock file has them."""
        lines = [f'  "{name}": sha256:{digest}\n' for name, digest in sorted(self.models.items())]
        return "---\nollama_models_lock:" + ("\n" + "".join(lines) if lines else " {}\n")


def read_description(path: str) -> Description:
    """Of an archive, without reading the rest of it."""
    try:
        with tarfile.open(path, "r|gz") as archive:
            first = archive.next()
            file = archive.extractfile(first) if first and first.name == DESCRIPTION and first.size <= LARGEST_DESCRIPTION else None
            if file is None:
                raise KeyError(DESCRIPTION)
            return Description.from_dict(json.loads(file.read()))
    except BackupError as exc:
        raise BackupError(f"{path}: {exc}") from exc
    except (OSError, EOFError, KeyError, ValueError, tarfile.TarError) as exc:
        raise BackupError(f"{path} cannot be read as a backup ({exc or type(exc).__name__}): name another archive.") from exc
