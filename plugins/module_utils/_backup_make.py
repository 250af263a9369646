# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a host cannot be downloaded again, and how it gets into an archive. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import dataclasses
import glob
import grp
import hashlib
import io
import json
import os
import posixpath
import pwd
import stat
import tarfile
import typing as t
from pathlib import Path

from ansible_collections.llm.host.plugins.module_utils._backup import (
    DESCRIPTION,
    DIRECTORY,
    FILE,
    HOME,
    LINK,
    LINKED,
    LOCK,
    MODELS,
    SYSTEM,
    BackupError,
    Description,
    Entry,
    Places,
)
from ansible_collections.llm.host.plugins.module_utils._names import ModelName
from ansible_collections.llm.host.plugins.module_utils._plan import Record
from ansible_collections.llm.host.plugins.module_utils._store import blobs_of

__all__ = ("Contents", "StoredModel", "collect", "read_models", "write_archive")

# Fast, since the weights of models hardly get smaller.
COMPRESSION = 1
SMALL = 64 * 1024
IDENTITY = ("id_ed25519", "id_ed25519.pub")

# Whole trees, and patterns of files. What site.yml writes from the inventory is not here.
TREES = (
    "etc/letsencrypt/accounts",
    "etc/letsencrypt/archive/llm-gateway",
    "etc/letsencrypt/live/llm-gateway",
    "var/lib/caddy/.local/share/caddy/acme",
    "var/lib/caddy/.local/share/caddy/certificates",
    "etc/ollama",
)
FILES = (
    "etc/letsencrypt/renewal/llm-gateway.conf",
    "etc/llm-gateway/acme/account",
    "etc/llm-gateway/tls/ca.crt",
    "etc/llm-gateway/tls/ca.key",
    "etc/llm-gateway/tls/selfsigned.crt",
    "etc/llm-gateway/tls/selfsigned.key",
    "etc/systemd/system/ollama.service.d/*",
    "etc/systemd/system/ollama@*.service.d/*",
    "etc/systemd/system/caddy.service.d/*",
    "etc/systemd/system/certbot.service.d/*",
    "etc/systemd/system/haproxy.service.d/*",
    "etc/systemd/system/nginx.service.d/*",
)
WRITTEN_BY_US = ("secret.env", "preload.json")
OURS = "llm-host"
# Where directories have modes and owners of their own.
OWN_DIRECTORIES = ("etc/letsencrypt/", "etc/ollama/", "var/lib/caddy")


@dataclasses.dataclass(frozen=True)
class StoredModel:
    """A manifest of the store: its name in it, its content, and what it needs."""

    name: ModelName
    path: str
    content: bytes
    blobs: frozenset[str]

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    def is_built(self, records: t.Mapping[str, Record], pulled: t.Collection[str]) -> bool:
        """Whether it was made here: as the record says, or since it ends with a line break and is not among those that the inventory has pulled.

        Ollama ends the manifests that it writes itself with a line break, and keeps those that it pulls as they were sent. A mirror
        of another host's store sends the former too.
        """
        record = records.get(self.name.key)
        if record is not None and record.digest == self.digest:
            return True
        kept = f"-{self.digest[:12]}"
        declared = {self.name.key, self.name.key[: -len(kept)] if self.name.key.endswith(kept) else ""}
        return self.content.endswith(b"\n") and not declared & {*pulled}


@dataclasses.dataclass(frozen=True)
class Contents:
    """A description, and the small files that it names, by their names in the archive. The blobs stay where they are."""

    description: Description
    files: t.Mapping[str, bytes] = dataclasses.field(default_factory=dict, repr=False)
    damaged: tuple[str, ...] = ()


def collect(places: Places, *, host: str, made: str, records: t.Mapping[str, Record], pulled: t.Collection[str] = ()) -> Contents:
    """Look at the host, while it serves: what is read first needs what is read later, and not the other way round.

    ``pulled`` are the keys of models that the inventory has pulled.
    """
    files: dict[str, bytes] = {}
    models, damaged = read_models(places.models)
    built = [model for model in models if model.is_built(records, pulled)]
    others = [model for model in models if model not in built]
    system = list(_system_entries(places, files))
    home = [entry for name in IDENTITY for entry in _entries(places, HOME, name, files)]
    pulled_blobs = {blob for model in others for blob in model.blobs}
    needed = [_blob(places, blob) for blob in sorted({blob for model in built for blob in model.blobs})]
    # Ollama reads the small ones to list a model.
    blobs = [entry for entry in needed if entry.size <= SMALL or posixpath.basename(entry.path) not in pulled_blobs]
    manifests = [Entry(MODELS, model.path, size=len(model.content), digest=hashlib.sha256(model.content).hexdigest()) for model in built]
    files.update({f"{MODELS}/{model.path}": model.content for model in built})
    names = {model.name.key for model in built}
    entries = (*system, *home, *blobs, *manifests)
    return Contents(
        Description(
            host=host,
            made=made,
            entries=entries,
            owners=_owners(entries),
            records={key: dataclasses.asdict(record) for key, record in sorted(records.items()) if key in names},
            models={model.name.short: model.digest for model in models},
            left_out=tuple({"name": model.name.short, "digest": model.digest, "bytes": _bytes(places, model)} for model in others),
        ),
        files=files,
        damaged=damaged,
    )


def read_models(models_dir: str) -> tuple[list[StoredModel], tuple[str, ...]]:
    """The models of a store, and the manifests that cannot be read."""
    root = Path(models_dir)
    found, damaged = [], []
    for path in sorted(root.glob("manifests/*/*/*/*")):
        relative = path.relative_to(root).as_posix()
        try:
            content = path.read_bytes()
            found.append(StoredModel(ModelName(*relative.split("/")[1:]), relative, content, frozenset(blobs_of(json.loads(content)))))
        except (FileNotFoundError, IsADirectoryError):
            continue
        except (ValueError, RecursionError):
            damaged.append(relative)
    return found, tuple(damaged)


def write_archive(path: str, contents: Contents, places: Places, *, owner: int) -> tuple[str, int]:
    """Write it where only ``owner`` can read it; returns its digest and its size."""
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "w+b") as file:
        os.fchown(file.fileno(), owner, -1)
        description = contents.description
        with tarfile.open(fileobj=file, mode="w:gz", compresslevel=COMPRESSION, format=tarfile.PAX_FORMAT) as archive:
            _add(archive, DESCRIPTION, json.dumps(description.as_dict(), indent=1).encode())
            _add(archive, LOCK, description.lock().encode())
            for entry in description.entries:
                if entry.is_blob:
                    _add_blob(archive, entry, places.path(entry))
                elif entry.kind == FILE:
                    _add(archive, entry.name, contents.files[entry.name])
        file.flush()
        size = file.tell()
        file.seek(0)
        return _digest(file), size


class _Hashing:
    """A file that knows the digest of what was read of it."""

    def __init__(self, file: t.BinaryIO) -> None:
        self._file = file
        self.hash = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(size)
        self.hash.update(piece)
        return piece


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    archive.addfile(_member(name, len(content)), io.BytesIO(content))


def _add_blob(archive: tarfile.TarFile, entry: Entry, path: str) -> None:
    try:
        with open(path, "rb") as file:
            hashing = _Hashing(file)
            archive.addfile(_member(entry.name, entry.size), t.cast("t.IO[bytes]", hashing))
    except FileNotFoundError as exc:
        raise BackupError(f"{path} went while the backup was made: run again when nobody changes the models.") from exc
    if hashing.hash.hexdigest() != entry.digest:
        raise BackupError(f"{path} is damaged, since its content is not what its name says: build its model again, then run again.")


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    return member


def _digest(file: t.BinaryIO) -> str:
    content = hashlib.sha256()
    for piece in iter(lambda: file.read(1024 * 1024), b""):
        content.update(piece)
    return content.hexdigest()


def _system_entries(places: Places, files: dict[str, bytes]) -> t.Iterator[Entry]:
    root = places.system
    paths = [os.path.relpath(path, root) for pattern in FILES for path in sorted(glob.glob(os.path.join(root, pattern)))]
    for tree in TREES:
        for place, _folders, names in os.walk(os.path.join(root, tree)):
            paths += sorted(os.path.relpath(os.path.join(place, name), root) for name in names)
    chosen = [path for path in paths if os.path.basename(path) not in WRITTEN_BY_US and OURS not in os.path.basename(path)]
    directories = sorted({parent.as_posix() for path in chosen for parent in Path(path).parents})
    for path in directories:
        # The others are made for root as they are needed.
        if path.startswith(OWN_DIRECTORIES):
            yield from _entries(places, SYSTEM, path, files)
    for path in chosen:
        yield from _entries(places, SYSTEM, path, files)


def _entries(places: Places, place: str, path: str, files: dict[str, bytes]) -> t.Iterator[Entry]:
    """One, or none where there is nothing."""
    whole = places.path(Entry(place, path))
    try:
        # Only certbot's links are links for a reason.
        status = os.lstat(whole) if path.startswith(LINKED) else os.stat(whole)
        common: dict[str, t.Any] = {"place": place, "path": path, "mode": stat.S_IMODE(status.st_mode)}
        common.update(owner=_user(status.st_uid), group=_group(status.st_gid))
        if stat.S_ISLNK(status.st_mode):
            yield Entry(**common, kind=LINK, target=os.readlink(whole))
        elif stat.S_ISDIR(status.st_mode):
            yield Entry(**common, kind=DIRECTORY)
        elif stat.S_ISREG(status.st_mode):
            content = Path(whole).read_bytes()
            entry = Entry(**common, size=len(content), digest=hashlib.sha256(content).hexdigest())
            files[entry.name] = content
            yield entry
    except FileNotFoundError:
        return


def _blob(places: Places, name: str) -> Entry:
    entry = Entry(MODELS, f"blobs/{name}", digest=name.rpartition("-")[2])
    try:
        return dataclasses.replace(entry, size=os.stat(places.path(entry)).st_size)
    except FileNotFoundError as exc:
        raise BackupError(
            f"{places.path(entry)} is missing, which a model needs that was built here: build it again, then run again."
        ) from exc


def _bytes(places: Places, model: StoredModel) -> int:
    total = 0
    for blob in model.blobs:
        path = os.path.join(places.models, "blobs", blob)
        total += os.stat(path).st_size if os.path.exists(path) else 0
    return total


def _owners(entries: t.Iterable[Entry]) -> dict[str, dict[str, str]]:
    owners = {}
    for name in sorted({entry.owner for entry in entries if entry.place == SYSTEM} - {"root"}):
        user = pwd.getpwnam(name)
        owners[name] = {"home": user.pw_dir, "group": _group(user.pw_gid)}
    return owners


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return "root"


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return "root"
