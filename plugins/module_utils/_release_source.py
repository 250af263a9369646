# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads that resume, and checksums. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import time
import typing as t
import urllib.error
from pathlib import Path

from ansible_collections.llm.host.plugins.module_utils._release_values import ReleaseError, shown_url

__all__ = ("Download", "NotThere", "fetch_text", "file_digest")

CHUNK = 1 << 20
TEXT_LIMIT = 1 << 20
RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
UNSATISFIED = re.compile(r"bytes \*/(\d+)")
BACKOFF_LIMIT = 30.0
TOTAL_ATTEMPTS = 100
AGENT = "llm.host.ollama_release"


class Interrupted(Exception):
    """The transfer ended early; trying again can help."""


class NotThere(ReleaseError):
    """The server has no such file."""


def file_digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def fetch_text(url: str, *, timeout: int, attempts: int = 5, sleep: t.Callable[[float], None] = time.sleep) -> str:
    """A small text file."""
    for attempt in range(1, attempts + 1):
        try:
            with _open(url, headers={}, timeout=timeout) as reply:
                expected = _length(reply)
                body = b""
                while len(body) <= TEXT_LIMIT and (chunk := _read(reply)):
                    body += chunk
            if len(body) > TEXT_LIMIT:
                raise ReleaseError(f"{shown_url(url)} is longer than a list of checksums can be: check url.")
            if len(body) < expected:
                raise Interrupted(f"the connection ended after {len(body)} of {expected} bytes")
            return body.decode("utf-8", "replace")
        except Interrupted as exc:
            if attempt == attempts:
                raise ReleaseError(f"Cannot read {shown_url(url)}: {exc} ({attempts} attempts).") from exc
            sleep(min(2.0**attempt, BACKOFF_LIMIT))
    raise AssertionError("unreachable")


class Download:
    """One file on its way from ``url`` to ``part``.

    ``part`` survives a failed transfer and is where the next attempt, or the next run, goes on. A file with another
    checksum than ``checksum`` is deleted.
    """

    def __init__(
        self,
        url: str,
        part: Path,
        *,
        checksum: str,
        timeout: int,
        room: t.Callable[[int, int], None],
        attempts: int = 5,
        sleep: t.Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = url
        self.part = part
        self.checksum = checksum
        self.timeout = timeout
        self.room = room
        self.attempts = attempts
        self.sleep = sleep
        self.total = -1
        self._have = 0
        self._digest = hashlib.sha256()

    def run(self) -> int:
        """Fetch, verify, and return the size; ``room(remaining, total)`` may refuse before the first byte is"
        " written."""
        inherited = self._resume()
        while True:
            if not (inherited and self._digest.hexdigest() == self.checksum):
                self._transfer()
            found = self._digest.hexdigest()
            if found == self.checksum:
                return self._have
            self.part.unlink()
            if not inherited:
                raise ReleaseError(
                    f"{shown_url(self.url)} has the SHA-256 {found} and not {self.checksum}: the file was deleted"
                    " and the active version goes on serving; check the checksum, or whether a proxy or mirror"
                    " changes the"
                    " file."
                )
            # What an earlier run left was of another file: once more from its first byte.
            inherited = self._resume()

    def _resume(self) -> bool:
        self._digest = hashlib.sha256()
        self._have = 0
        try:
            with self.part.open("rb") as stream:
                while chunk := stream.read(CHUNK):
                    self._digest.update(chunk)
                    self._have += len(chunk)
        except FileNotFoundError:
            pass
        return self._have > 0

    def _transfer(self) -> None:
        failures = 0
        furthest = self._have
        for attempt in range(TOTAL_ATTEMPTS):
            try:
                return self._attempt()
            except Interrupted as exc:
                failures = 1 if self._have > furthest else failures + 1
                furthest = max(furthest, self._have)
                if failures >= self.attempts or attempt + 1 == TOTAL_ATTEMPTS:
                    raise ReleaseError(
                        f"Cannot download {shown_url(self.url)}: {exc} ({attempt + 1} attempts); {self._have} bytes"
                        f" are kept in {self.part}, and the next run goes on from there."
                    ) from exc
                self.sleep(min(2.0**failures, BACKOFF_LIMIT))

    def _attempt(self) -> None:
        """One request; returns when the file is complete."""
        start = self._have
        headers = {"Range": f"bytes={start}-"} if start else {}
        try:
            reply = _open(self.url, headers=headers, timeout=self.timeout)
        except _Unsatisfied as exc:
            if exc.total == start:
                self.total = start
                return
            self._restart()
            raise Interrupted(f"it has {exc.total} bytes, and {start} were here already") from exc
        with reply:
            match = RANGE.fullmatch(reply.headers.get("Content-Range", "")) if reply.status == 206 else None
            if start and not (match and int(match.group(1)) == start):
                self._restart()
                if reply.status == 206:
                    raise Interrupted("the server sent another part of the file than asked for")
                start = 0
            length = _length(reply)
            self.total = start + length if length >= 0 else -1
            self.room(max(length, 0), max(self.total, 0))
            with self.part.open("ab") as stream:
                try:
                    while chunk := _read(reply):
                        stream.write(chunk)
                        self._digest.update(chunk)
                        self._have += len(chunk)
                finally:
                    stream.flush()
                os.fsync(stream.fileno())
        if self.total >= 0 and self._have < self.total:
            raise Interrupted(f"the connection ended after {self._have} of {self.total} bytes")

    def _restart(self) -> None:
        self.part.unlink(missing_ok=True)
        self._have = 0
        self._digest = hashlib.sha256()


class _Unsatisfied(Exception):
    def __init__(self, total: int) -> None:
        super().__init__(total)
        self.total = total


def _length(reply: t.Any) -> int:
    text = reply.headers.get("Content-Length", "")
    return int(text) if text.isdigit() else -1


def _read(reply: t.Any) -> bytes:
    try:
        chunk: bytes = reply.read(CHUNK)
    except (OSError, http.client.HTTPException) as exc:
        raise Interrupted(f"the connection broke off ({_reason(exc)})") from exc
    return chunk


def _open(url: str, *, headers: t.Mapping[str, str], timeout: int) -> t.Any:
    # Imported when it is needed: a run that finds everything in place does not pay for it.
    from ansible.module_utils import urls

    try:
        return urls.open_url(
            url,
            headers={"Accept-Encoding": "identity", **headers},
            timeout=timeout,
            http_agent=AGENT,
            decompress=False,
            follow_redirects="all",
        )
    except urllib.error.HTTPError as exc:
        with exc:
            raise _refusal(url, exc) from exc
    except (urls.SSLValidationError, urls.NoSSLError) as exc:
        raise ReleaseError(
            f"Cannot trust {shown_url(url)}: {_reason(exc)}; add the certificate authority of the server to the host's trust store."
        ) from exc
    except (OSError, http.client.HTTPException, urls.ConnectionError, urls.ProxyError) as exc:
        reason = _reason(exc)
        if "CERTIFICATE_VERIFY_FAILED" in reason:
            raise ReleaseError(
                f"Cannot trust {shown_url(url)}: {reason}; add the certificate authority of the server to the host's trust store."
            ) from exc
        raise Interrupted(reason) from exc


def _refusal(url: str, exc: urllib.error.HTTPError) -> Exception:
    if exc.code == 416:
        match = UNSATISFIED.fullmatch(exc.headers.get("Content-Range", ""))
        return _Unsatisfied(int(match.group(1)) if match else -1)
    if exc.code in (408, 425, 429) or exc.code >= 500:
        return Interrupted(f"the server answers {exc.code} {exc.reason}")
    if exc.code in (404, 410):
        return NotThere(f"{shown_url(url)} does not exist (the server answers {exc.code}): check version, architecture and url.")
    return ReleaseError(f"Cannot download {shown_url(url)}: the server answers {exc.code} {exc.reason}; check url and its credentials.")


def _reason(exc: BaseException) -> str:
    reason = getattr(exc, "reason", None) or exc
    return re.sub(r"\s+", " ", str(reason) or type(reason).__name__).strip().rstrip(".")
