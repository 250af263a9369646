# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pull: the registry protocol into the store, with part files, resumption and digest checks."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
import typing as t
import urllib.parse

from ollama_standin import gojson, names, wire
from ollama_standin._version import VERSION
from ollama_standin.errors import ClientGone
from ollama_standin.store import MANIFEST_TYPE, Manifest, Store

if t.TYPE_CHECKING:
    from ollama_standin.faults import Faults

__all__ = ["PullError", "Registry"]

Progress = t.Callable[[dict[str, t.Any]], None]
_TICK = 0.06
_PIECE = 1 << 16
_RETRIES = 6


class PullError(Exception):
    """The pull failed; the message is what the client gets."""


class _Download:
    """One blob on its way; several pulls may wait for it."""

    def __init__(self, digest: str) -> None:
        self.digest = digest
        self.total = 0
        self.completed = 0
        self.waiters = 0
        self.error: str | None = None
        self.done = threading.Event()
        self.cancelled = threading.Event()

    def line(self) -> dict[str, t.Any]:
        value: dict[str, t.Any] = {"status": f"pulling {self.digest[7:19]}", "digest": self.digest, "total": self.total}
        return {**value, "completed": self.completed} if self.completed else value


class Registry:
    """The client side of the registry."""

    def __init__(self, store: Store, faults: Faults, *, no_prune: bool) -> None:
        self._store = store
        self._faults = faults
        self._no_prune = no_prune
        self._lock = threading.Lock()
        self._downloads: dict[str, _Download] = {}

    def pull(self, name: names.Name, *, insecure: bool, progress: Progress, gone: t.Callable[[], bool]) -> None:
        old = self._store.readable_manifest(name)
        progress({"status": "pulling manifest"})
        if text := self._faults.get("pull_error"):
            raise PullError(text)
        base = f"{'http' if insecure else 'https'}://{name.host}/v2/{name.namespace}/{name.model}"
        data = self._manifest(f"{base}/manifests/{name.tag}")
        try:
            manifest = Manifest.decode(data)
        except gojson.JsonError as error:
            raise PullError(f"pull model manifest: {error}") from None
        fresh: list[str] = []
        for layer in (*manifest.layers, *([manifest.config] if manifest.config.digest else [])):
            if self._blob(base, layer.digest, progress=progress, gone=gone):
                fresh.append(layer.digest)
        progress({"status": "verifying sha256 digest"})
        for digest in fresh:
            self._verify(digest)
        progress({"status": "writing manifest"})
        self._store.write_manifest(name, data)
        unused = (old.digests if old else set()) - manifest.digests
        if unused and not self._no_prune:
            progress({"status": "removing unused layers"})
            self._store.remove_unused(unused)

    def _manifest(self, url: str) -> bytes:
        try:
            reply = wire.request("GET", url, {"Accept": MANIFEST_TYPE, "User-Agent": f"ollama/{VERSION} (amd64 linux) Go/go1.26"})
        except wire.WireError as error:
            raise PullError(f"pull model manifest: {error}") from None
        with reply:
            body = reply.read()
            if reply.status == 404:
                raise PullError("pull model manifest: file does not exist")
            if reply.status == 401:
                raise PullError("pull model manifest: unauthorized: authentication required")
            if reply.status >= 400:
                raise PullError(f"pull model manifest: {reply.status}: {body.decode('utf-8', 'replace')}")
            return body

    def _blob(self, base: str, digest: str, *, progress: Progress, gone: t.Callable[[], bool]) -> bool:
        """Make the blob present; True when it was downloaded and is to be verified."""
        if self._store.has_blob(digest):
            size = os.path.getsize(self._store.blob_path(digest))
            progress({"status": f"pulling {digest[7:19]}", "digest": digest, "total": size, "completed": size})
            return False
        with self._lock:
            download = self._downloads.get(digest)
            if download is None:
                download = self._downloads[digest] = _Download(digest)
                threading.Thread(target=self._run, args=(download, base), daemon=True).start()
            download.waiters += 1
        try:
            while not download.done.wait(_TICK):
                progress(download.line())
                if gone():
                    raise ClientGone
        finally:
            with self._lock:
                download.waiters -= 1
                if not download.waiters and not download.done.is_set():
                    download.cancelled.set()
                    self._downloads.pop(digest, None)
        if download.error:
            raise PullError(download.error)
        return True

    def _run(self, download: _Download, base: str) -> None:
        try:
            self._fetch(download, f"{base}/blobs/{download.digest}")
        except (PullError, wire.WireError, OSError) as error:
            download.error = str(error)
        finally:
            with self._lock:
                if self._downloads.get(download.digest) is download:
                    del self._downloads[download.digest]
            download.done.set()

    def _fetch(self, download: _Download, url: str) -> None:
        path = self._store.blob_path(download.digest)
        part = _Part.resume(f"{path}-partial-0")
        if part is None:
            with wire.request("HEAD", url) as reply:
                if reply.status >= 400:
                    raise PullError("file does not exist" if reply.status == 404 else f"{reply.status}: ")
                part = _Part(f"{path}-partial-0", size=int(reply.headers.get("Content-Length") or 0))
                part.save()
        download.total, download.completed = part.size, part.completed
        target = self._locate(url)
        retries = int(self._faults.get("pull_retries", _RETRIES))
        last = ""
        for attempt in range(retries):
            try:
                self._part(download, part, target, f"{path}-partial")
                break
            except (wire.WireError, OSError) as error:
                last = str(error)
                if download.cancelled.wait(2**attempt):
                    raise PullError("context canceled") from None
        else:
            raise PullError(f"max retries exceeded: {last}")
        os.replace(f"{path}-partial", path)
        os.unlink(part.path)

    def _locate(self, url: str) -> str:
        """Follow redirects on the same host name; the answer must say where the bytes are."""
        deadline = time.monotonic() + 30
        while True:
            try:
                with wire.request("GET", url, follow=False) as reply:
                    location = reply.headers.get("Location")
                    status = reply.status
            except wire.WireError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)
                continue
            target = urllib.parse.urljoin(url, location) if location else ""
            same = urllib.parse.urlsplit(target).hostname == urllib.parse.urlsplit(url).hostname
            if status in (301, 302, 303, 307, 308) and target and same:
                url = target
                continue
            if status >= 400 and time.monotonic() <= deadline:
                time.sleep(0.5)
                continue
            if status not in (200, 307):
                raise PullError(f"unexpected status code {status}")
            if not target:
                raise PullError("http: no Location header in response")
            return target

    def _part(self, download: _Download, part: _Part, url: str, path: str) -> None:
        mode = "r+b" if os.path.exists(path) else "w+b"
        with open(path, mode) as stream:
            stream.truncate(max(part.size, os.path.getsize(path)))
            if part.completed >= part.size:
                return
            stream.seek(part.completed)
            headers = {"Range": f"bytes={part.completed}-{part.size - 1}"}
            with wire.request("GET", url, headers) as reply:
                try:
                    while part.completed < part.size:
                        if download.cancelled.is_set():
                            raise PullError("context canceled")
                        piece = reply.read(min(_PIECE, part.size - part.completed))
                        if not piece:
                            raise wire.WireError("unexpected EOF")
                        stream.write(piece)
                        part.completed += len(piece)
                        download.completed = part.completed
                finally:
                    stream.flush()
                    part.save()

    def _verify(self, digest: str) -> None:
        path = self._store.blob_path(digest)
        with open(path, "rb") as stream:
            got = f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"
        if got != digest:
            os.unlink(path)
            raise PullError(f"digest mismatch, file must be downloaded again: want {digest}, got {got}")


class _Part:
    """The JSON file beside a partial blob that says how far it got."""

    def __init__(self, path: str, *, size: int, completed: int = 0) -> None:
        self.path = path
        self.size = size
        self.completed = completed

    @classmethod
    def resume(cls, path: str) -> _Part | None:
        try:
            with open(path, encoding="utf-8") as stream:
                value = json.load(stream)
            return cls(path, size=value["Size"], completed=value["Completed"])
        except (OSError, ValueError, KeyError):
            return None

    def save(self) -> None:
        with open(self.path, "w", encoding="utf-8") as stream:
            json.dump({"N": 0, "Offset": 0, "Size": self.size, "Completed": self.completed}, stream)
