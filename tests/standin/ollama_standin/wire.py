# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP requests to a registry, with errors in Go's words."""

from __future__ import annotations

import http.client
import os
import ssl
import typing as t
import urllib.parse

__all__ = ["Reply", "WireError", "request"]

_TIMEOUT = 30.0
_REDIRECTS = 10


class WireError(Exception):
    """The request got no answer, or the answer broke off."""


class Reply:
    """An answer whose body is still to be read."""

    def __init__(self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> None:
        self._connection = connection
        self._response = response
        self.status = response.status
        self.headers = response.headers

    def read(self, size: int | None = None) -> bytes:
        try:
            return self._response.read() if size is None else self._response.read(size)
        except (OSError, http.client.HTTPException) as error:
            raise WireError("unexpected EOF" if isinstance(error, http.client.IncompleteRead) else str(error)) from None

    def __enter__(self) -> Reply:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()


def _describe(error: Exception, host: str, port: int) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = "x509: certificate signed by unknown authority"
        if "mismatch" in str(error):
            reason = f"x509: certificate is not valid for {host}"
        elif "expired" in str(error):
            reason = "x509: certificate has expired or is not yet valid"
        return f"tls: failed to verify certificate: {reason}"
    if isinstance(error, ssl.SSLError):
        return "tls: first record does not look like a TLS handshake"
    if isinstance(error, ConnectionRefusedError):
        return f"dial tcp {host}:{port}: connect: connection refused"
    if isinstance(error, TimeoutError):
        return f"dial tcp {host}:{port}: i/o timeout"
    if isinstance(error, OSError) and error.__class__.__name__ == "gaierror":
        return f"dial tcp: lookup {host}: no such host"
    if isinstance(error, OSError) and error.errno:
        return f"dial tcp {host}:{port}: connect: {os.strerror(error.errno).lower()}"
    return "EOF"


def request(method: str, url: str, headers: t.Mapping[str, str] | None = None, *, follow: bool = True) -> Reply:
    """Send one request; raises WireError when nothing comes back."""
    for _ in range(_REDIRECTS):
        reply = _once(method, url, headers or {})
        location = reply.headers.get("Location")
        if not follow or reply.status not in (301, 302, 303, 307, 308) or not location:
            return reply
        reply.__exit__()
        url = urllib.parse.urljoin(url, location)
    raise WireError(f'{method.capitalize()} "{url}": stopped after {_REDIRECTS} redirects')


def _once(method: str, url: str, headers: t.Mapping[str, str]) -> Reply:
    parts = urllib.parse.urlsplit(url)
    host = parts.hostname or ""
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    connection: http.client.HTTPConnection
    if secure:
        connection = http.client.HTTPSConnection(host, port, timeout=_TIMEOUT, context=ssl.create_default_context())
    else:
        connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT)
    try:
        target = urllib.parse.urlunsplit(("", "", parts.path, parts.query, ""))
        connection.request(method, target, headers={"Accept-Encoding": "identity", **headers})
        return Reply(connection, connection.getresponse())
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        raise WireError(f'{method.capitalize()} "{url}": {_describe(error, host, port)}') from None
