# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes over HTTP: requests, streamed replies, and the words for what can go wrong on the way.

PRIVATE to the collection: it can change at any time without notice.
"""

from __future__ import annotations

import errno
import http.client
import json
import socket
import ssl
import types
import typing as t
import urllib.error

from ansible.module_utils.urls import ConnectionError as UrlsConnectionError
from ansible.module_utils.urls import SSLValidationError, open_url

__all__ = ["OpenUrlTransport", "Response", "Transport", "TransportError", "json_lines", "words_for"]

_CHUNK = 64 * 1024
_LONGEST_LINE = 8 * 1024 * 1024


class TransportError(Exception):
    """No reply, or a reply that broke off. ``refused`` says that nothing listens there."""

    def __init__(self, reason: str, *, refused: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.refused = refused


class Response:
    """A status, headers in lower case, and a body that is read once: whole or in pieces."""

    def __init__(self, *, status: int, headers: t.Mapping[str, str], raw: t.Any) -> None:
        self.status = status
        self.headers = {name.lower(): value for name, value in headers.items()}
        self._raw = raw

    def __enter__(self) -> Response:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection, read to the end or not."""
        self._raw.close()

    def read(self) -> bytes:
        """The whole body."""
        return b"".join(self.chunks())

    def chunks(self) -> t.Iterator[bytes]:
        """The body as it arrives; memory stays at one piece whatever the length."""
        read = getattr(self._raw, "read1", self._raw.read)
        while True:
            try:
                piece = read(_CHUNK)
            except (OSError, http.client.HTTPException) as exc:
                raise words_for(exc) from exc
            if not piece:
                return
            yield piece


class Transport(t.Protocol):
    """What the clients need. A reply with an error status is a reply; only its absence is an error."""

    def open(
        self,
        method: str,
        url: str,
        *,
        body: bytes | t.BinaryIO | None = None,
        headers: t.Mapping[str, str] | None = None,
        timeout: float,
    ) -> Response:
        """Send one request. ``timeout`` is the longest silence, not the length of the exchange."""


class OpenUrlTransport:
    """The transport of modules and of the controller alike.

    It stands on C(open_url) and not on C(fetch_url): the latter turns exceptions into text, and whether
    nothing listens (an empty store in check mode) or something else failed must not be guessed from text.
    """

    def __init__(self, *, use_proxy: bool, agent: str = "llm.host") -> None:
        self._use_proxy = use_proxy
        self._agent = agent

    def open(
        self,
        method: str,
        url: str,
        *,
        body: bytes | t.BinaryIO | None = None,
        headers: t.Mapping[str, str] | None = None,
        timeout: float,
    ) -> Response:
        try:
            raw = open_url(
                url,
                method=method,
                data=body,
                headers=dict(headers or {}),
                timeout=timeout,
                use_proxy=self._use_proxy,
                http_agent=self._agent,
                follow_redirects="safe",
                decompress=False,
                use_netrc=False,
            )
        except urllib.error.HTTPError as exc:
            return Response(status=exc.code, headers=dict(exc.headers.items()), raw=exc)
        except (OSError, http.client.HTTPException, ValueError, UrlsConnectionError, SSLValidationError) as exc:
            raise words_for(exc, timeout=timeout) from exc
        return Response(status=raw.status, headers=dict(raw.headers.items()), raw=raw)


def words_for(exc: BaseException, *, timeout: float | None = None) -> TransportError:
    """Say in a few plain words why there is no (complete) reply."""
    reason = getattr(exc, "reason", None)
    if isinstance(exc, urllib.error.URLError) and isinstance(reason, BaseException):
        return words_for(reason, timeout=timeout)
    if isinstance(exc, (socket.timeout, TimeoutError)):
        return TransportError(f"no answer within {timeout:g} s" if timeout else "no data arrived in time")
    if isinstance(exc, ssl.SSLError):
        return TransportError(f"TLS failed: {getattr(exc, 'verify_message', '') or reason or exc}")
    if isinstance(exc, (http.client.IncompleteRead, http.client.RemoteDisconnected, ConnectionResetError)):
        return TransportError("the connection was closed before the reply was complete")
    if isinstance(exc, socket.gaierror):
        return TransportError("the host name cannot be resolved")
    if isinstance(exc, OSError) and exc.errno == errno.ECONNREFUSED:
        return TransportError("connection refused", refused=True)
    if isinstance(exc, OSError) and exc.strerror:
        # Without a way there nothing listens there, as in a tunnel that is not up yet.
        return TransportError(exc.strerror.lower(), refused=exc.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH))
    return TransportError(str(exc) or type(exc).__name__)


def json_lines(chunks: t.Iterable[bytes]) -> t.Iterator[dict[str, t.Any]]:
    """Cut a byte stream into the JSON objects of its lines, wherever the network cut it."""
    buffer = bytearray()
    for chunk in chunks:
        searched = len(buffer)
        buffer += chunk
        while True:
            end = buffer.find(b"\n", searched)
            if end < 0:
                break
            line = bytes(buffer[:end])
            del buffer[: end + 1]
            searched = 0
            if line.strip():
                yield _object(line)
        if len(buffer) > _LONGEST_LINE:
            raise TransportError(f"a line of the reply is longer than {_LONGEST_LINE} bytes")
    if buffer.strip():
        yield _object(bytes(buffer))


def _object(line: bytes) -> dict[str, t.Any]:
    try:
        value = json.loads(line)
    except ValueError as exc:
        shown = line[:80].decode("utf-8", "replace")
        raise TransportError(f"the reply contains a line that is not whole JSON: {shown!r}") from exc
    if not isinstance(value, dict):
        raise TransportError(f"the reply contains a line that is not a JSON object: {line[:80]!r}")
    return value
