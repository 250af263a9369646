# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Ollama API as values and typed errors. It raises; it never ends a module.

PRIVATE to the collection: it can change at any time without notice.
"""

from __future__ import annotations

import dataclasses
import json
import time
import typing as t

from ansible_collections.llm.host.plugins.module_utils._http import Response, Transport, TransportError, json_lines
from ansible_collections.llm.host.plugins.module_utils._names import InvalidName, ModelName

__all__ = ["ApiError", "Blob", "Loaded", "NotFound", "OllamaServer", "Present", "Transfer", "Unreachable", "Watch"]

_NO_GENERATE = "does not support generate"


class ApiError(Exception):
    """Ollama said no, or broke off. ``phase`` is the last status that a stream reported."""

    def __init__(self, message: str, *, status: int = 0, phase: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.phase = phase


class NotFound(ApiError):
    """The model or blob does not exist."""


class Unreachable(ApiError):
    """No whole reply. ``refused`` says that nothing listens there."""

    def __init__(self, message: str, *, refused: bool = False, phase: str = "") -> None:
        super().__init__(message, phase=phase)
        self.refused = refused


@dataclasses.dataclass(frozen=True)
class Present:
    """A model in the store."""

    name: ModelName
    digest: str
    size: int = 0
    capabilities: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Loaded:
    """A model in memory."""

    name: ModelName
    digest: str
    size: int = 0
    size_vram: int = 0
    context_length: int = 0
    expires_at: str = ""


@dataclasses.dataclass(frozen=True)
class Transfer:
    """How a pull went: the bytes that the server reports as downloaded."""

    bytes: int = 0


class Blob(t.Protocol):
    """A file that can be sent: its digest is ``sha256:`` and 64 hex digits."""

    @property
    def digest(self) -> str: ...

    @property
    def size(self) -> int: ...

    def open(self) -> t.BinaryIO: ...


#: Told what a long request is at: the phase, and bytes done and in all (0 where there are none).
Watch = t.Callable[[str, int, int], None]


class _Stream:
    """What a stream of status lines has said so far, and since when it says nothing new."""

    def __init__(self, *, patience: float, clock: t.Callable[[], float], watch: Watch | None = None) -> None:
        self._patience = patience
        self._clock = clock
        self._watch = watch
        self._since = clock()
        self._last: tuple[t.Any, ...] = ()
        self.phase = ""
        self.succeeded = False
        self.first: dict[str, int] = {}
        self.latest: dict[str, int] = {}
        self.totals: dict[str, int] = {}

    def take(self, event: t.Mapping[str, t.Any]) -> None:
        status = str(event.get("status", ""))
        self.succeeded = status == "success"
        self.phase = self.phase if self.succeeded else status
        digest, completed = event.get("digest"), event.get("completed", 0)
        if isinstance(digest, str) and isinstance(completed, int):
            self.first.setdefault(digest, completed)
            self.latest[digest] = completed
            self.totals[digest] = event["total"] if isinstance(event.get("total"), int) else completed
        if self._watch:
            self._watch("pulling" if isinstance(digest, str) else status, sum(self.latest.values()), sum(self.totals.values()))
        now = self._clock()
        if (status, digest, completed) != self._last:
            self._last, self._since = (status, digest, completed), now
        elif now - self._since > self._patience:
            raise Unreachable(f"no progress for {self._patience:g} s", phase=self.phase)

    @property
    def downloaded(self) -> int:
        return sum(max(0, self.latest[digest] - start) for digest, start in self.first.items())


class _Counted:
    """A file that tells how much of it was read."""

    def __init__(self, stream: t.BinaryIO, size: int, watch: Watch) -> None:
        self._stream = stream
        self._size = size
        self._watch = watch
        self._done = 0

    def read(self, size: int = -1) -> bytes:
        piece = self._stream.read(size)
        self._done += len(piece)
        self._watch("sending", self._done, self._size)
        return piece


class OllamaServer:
    """One Ollama server.

    ``timeout`` bounds the short requests; ``patience`` is how long a pull, a build or a load may go without
    any progress.
    """

    def __init__(
        self,
        transport: Transport,
        url: str,
        *,
        timeout: float = 30,
        patience: float = 600,
        clock: t.Callable[[], float] = time.monotonic,
    ) -> None:
        self._transport = transport
        self.url = url.rstrip("/")
        self._timeout = timeout
        self._patience = patience
        self._clock = clock

    def version(self) -> str:
        """The server's version, build metadata included."""
        return str(self._json("GET", "/api/version").get("version", ""))

    def tags(self) -> tuple[Present, ...]:
        """Every model in the store, the one written last first."""
        found = []
        for item in self._json("GET", "/api/tags").get("models") or ():
            try:
                name = ModelName.parse(str(item["name"]))
            except InvalidName:
                continue
            found.append(
                Present(
                    name=name,
                    digest=str(item.get("digest", "")).lower(),
                    size=int(item.get("size", 0)),
                    capabilities=tuple(item.get("capabilities") or ()),
                )
            )
        return tuple(found)

    def running(self) -> tuple[Loaded, ...]:
        """Every model in memory."""
        return tuple(
            Loaded(
                name=ModelName.parse(str(item["name"])),
                digest=str(item.get("digest", "")).lower(),
                size=int(item.get("size", 0)),
                size_vram=int(item.get("size_vram", 0)),
                context_length=int(item.get("context_length") or 0),
                expires_at=str(item.get("expires_at") or ""),
            )
            for item in self._json("GET", "/api/ps").get("models") or ()
        )

    def pull(self, name: ModelName, *, insecure: bool = False, watch: Watch | None = None) -> Transfer:
        """Pull a tag and wait for ``success``."""
        payload: dict[str, t.Any] = {"model": name.short}
        if insecure:
            payload["insecure"] = True
        return Transfer(bytes=self._follow("/api/pull", payload, watch).downloaded)

    def create(self, name: ModelName, fields: t.Mapping[str, t.Any], *, watch: Watch | None = None) -> None:
        """Create a model from a base or from blobs that are there, and wait for ``success``."""
        self._follow("/api/create", {"model": name.short, **fields}, watch)

    def copy(self, source: ModelName, destination: ModelName) -> None:
        """Give a model a second name; the digest is the same."""
        self._call("POST", "/api/copy", {"source": source.short, "destination": destination.short})

    def delete(self, name: ModelName) -> None:
        """Remove a name, and the layers that no other name uses."""
        self._call("DELETE", "/api/delete", {"model": name.short})

    def has_blob(self, digest: str) -> bool:
        """Whether the store holds this blob."""
        try:
            self._call("HEAD", f"/api/blobs/{digest}")
        except NotFound:
            return False
        return True

    def upload(self, blob: Blob, *, watch: Watch | None = None) -> None:
        """Send a file, piece by piece."""
        with blob.open() as stream:
            reply = self._raw(
                "POST",
                f"/api/blobs/{blob.digest}",
                body=t.cast(t.BinaryIO, _Counted(stream, blob.size, watch)) if watch else stream,
                headers={"Content-Type": "application/octet-stream", "Content-Length": str(blob.size)},
                timeout=self._patience,
            )
            reply.close()

    def load(self, name: ModelName, *, keep_alive: str | int | None = None) -> None:
        """Load a model into memory, or with ``keep_alive`` 0 have it unloaded."""
        payload: dict[str, t.Any] = {"model": name.short}
        if keep_alive is not None:
            payload["keep_alive"] = keep_alive
        try:
            self._call("POST", "/api/generate", payload, timeout=self._patience)
        except ApiError as exc:
            if exc.status != 400 or _NO_GENERATE not in exc.message:
                raise
            self._call("POST", "/api/embed", payload, timeout=self._patience)

    def answer(self, name: ModelName) -> None:
        """Have a model say a few words, or embed them. Raises ApiError when nothing comes."""
        payload = {"model": name.short, "prompt": "Say hello.", "stream": False, "options": {"num_predict": 8}}
        try:
            reply = self._json("POST", "/api/generate", payload, timeout=self._patience)
            said = reply.get("eval_count") or reply.get("response")
        except ApiError as exc:
            if exc.status != 400 or _NO_GENERATE not in exc.message:
                raise
            reply = self._json("POST", "/api/embed", {"model": name.short, "input": "hello"}, timeout=self._patience)
            said = reply.get("embeddings")
        if not said:
            raise ApiError(f"{name} answered without a word: {str(reply)[:200]}")

    def _follow(self, path: str, payload: t.Mapping[str, t.Any], watch: Watch | None = None) -> _Stream:
        stream = _Stream(patience=self._patience, clock=self._clock, watch=watch)
        try:
            with self._send("POST", path, payload, timeout=self._patience) as response:
                for event in json_lines(response.chunks()):
                    if "error" in event:
                        raise ApiError(str(event["error"]), status=response.status, phase=stream.phase)
                    stream.take(event)
        except TransportError as exc:
            raise Unreachable(exc.reason, phase=stream.phase) from exc
        if not stream.succeeded:
            raise Unreachable("the reply ended without success", phase=stream.phase)
        return stream

    def _json(
        self,
        method: str,
        path: str,
        payload: t.Mapping[str, t.Any] | None = None,
        *,
        timeout: float | None = None,
    ) -> dict[str, t.Any]:
        with self._send(method, path, payload, timeout=timeout) as response:
            try:
                value = json.loads(response.read())
            except TransportError as exc:
                raise Unreachable(f"Ollama at {self.url} broke off its reply to {path}: {exc.reason}") from exc
            except ValueError as exc:
                raise ApiError(f"What answers at {self.url}{path} is not Ollama: the reply is not JSON") from exc
        if not isinstance(value, dict):
            raise ApiError(f"What answers at {self.url}{path} is not Ollama: the reply is not a JSON object")
        return value

    def _call(
        self,
        method: str,
        path: str,
        payload: t.Mapping[str, t.Any] | None = None,
        *,
        timeout: float | None = None,
    ) -> None:
        """Send a request whose reply says nothing but that it worked, and wait for its end."""
        with self._send(method, path, payload, timeout=timeout) as response:
            try:
                response.read()
            except TransportError as exc:
                raise Unreachable(f"Ollama at {self.url} broke off its reply to {path}: {exc.reason}") from exc

    def _send(
        self,
        method: str,
        path: str,
        payload: t.Mapping[str, t.Any] | None = None,
        *,
        timeout: float | None = None,
    ) -> Response:
        body = None if payload is None else json.dumps(payload, ensure_ascii=False).encode("utf-8")
        headers = {} if body is None else {"Content-Type": "application/json"}
        return self._raw(method, path, body=body, headers=headers, timeout=timeout or self._timeout)

    def _raw(
        self,
        method: str,
        path: str,
        *,
        body: bytes | t.BinaryIO | None,
        headers: t.Mapping[str, str],
        timeout: float,
    ) -> Response:
        try:
            response = self._transport.open(method, self.url + path, body=body, headers=headers, timeout=timeout)
        except TransportError as exc:
            raise Unreachable(f"Cannot reach Ollama at {self.url}: {exc.reason}", refused=exc.refused) from exc
        if response.status < 400:
            return response
        with response:
            raise self._error(response, path)

    def _error(self, response: Response, path: str) -> ApiError:
        try:
            text = response.read().decode("utf-8", "replace").strip()
        except TransportError as exc:
            text = f"(the error text broke off: {exc.reason})"
        try:
            decoded = json.loads(text)
            message = str(decoded["error"]) if isinstance(decoded, dict) and "error" in decoded else text
        except ValueError:
            message = text
        if response.status == 403 and not message:
            message = f"Ollama refuses requests for the host name in {self.url}: use its address, such as 127.0.0.1, as api_url"
        message = message or f"{path} answered with status {response.status}"
        if response.status == 404:
            return NotFound(message, status=404)
        return ApiError(message, status=response.status)
