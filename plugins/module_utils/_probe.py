# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a stranger, a user and an administrator see of an endpoint. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import base64
import dataclasses
import http.client
import json
import ssl
import time
import typing as t
from urllib.parse import urlsplit

__all__ = ("Check", "Credentials", "Endpoint", "Reply", "probe")

OLD_PROTOCOL = "TLSv1.1"


@dataclasses.dataclass(frozen=True)
class Credentials:
    """A key, or a name with a password; neither for a stranger."""

    key: str = ""
    name: str = ""
    password: str = ""

    def headers(self) -> dict[str, str]:
        if self.key:
            return {"Authorization": f"Bearer {self.key}"}
        if self.password:
            return {"Authorization": "Basic " + base64.b64encode(f"{self.name}:{self.password}".encode()).decode()}
        return {}


@dataclasses.dataclass(frozen=True)
class Reply:
    """An answer; ``arrivals`` are the seconds after the request at which each piece of the body came."""

    status: int
    body: bytes
    arrivals: tuple[float, ...] = ()
    headers: t.Mapping[str, str] = dataclasses.field(default_factory=dict)

    def json(self) -> t.Any:
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@dataclasses.dataclass(frozen=True)
class Check:
    """One promise of the endpoint, and whether it was kept."""

    name: str
    ok: bool
    seen: str


class Endpoint:
    """An HTTPS endpoint, verified against a CA in PEM form, reachable at another address than its name when ``connect_to`` says so."""

    def __init__(self, url: str, *, ca: str = "", connect_to: str = "", timeout: float = 60) -> None:
        parts = urlsplit(url)
        self.url = url.rstrip("/")
        self.host = parts.hostname or ""
        self.port = parts.port or 443
        self.address = connect_to or self.host
        self.timeout = timeout
        self._ca = ca or None

    def request(self, method: str, path: str, *, who: Credentials = Credentials(), body: t.Any = None) -> Reply:
        """One request on a fresh connection. Raises OSError (ssl.SSLError included) and http.client.HTTPException."""
        connection = self._connect(ssl.create_default_context(cadata=self._ca))
        try:
            data = None if body is None else json.dumps(body).encode()
            headers = {"Host": self.host if self.port == 443 else f"{self.host}:{self.port}", **who.headers()}
            if data is not None:
                headers["Content-Type"] = "application/json"
            start = time.monotonic()
            connection.request(method, path, body=data, headers=headers)
            response = connection.getresponse()
            pieces, arrivals = [], []
            while True:
                piece = response.read1(65536)
                if not piece:
                    break
                pieces.append(piece)
                arrivals.append(time.monotonic() - start)
            return Reply(status=response.status, body=b"".join(pieces), arrivals=tuple(arrivals), headers=dict(response.getheaders()))
        finally:
            connection.close()

    def handshake(self, *, newest: ssl.TLSVersion | None = None) -> tuple[str, dict[str, t.Any], bytes]:
        """The protocol, the certificate as ssl.getpeercert() shows it, and its DER bytes."""
        context = ssl.create_default_context(cadata=self._ca)
        if newest is not None:
            context.minimum_version, context.maximum_version = ssl.TLSVersion.MINIMUM_SUPPORTED, newest
            context.set_ciphers("ALL:@SECLEVEL=0")
        connection = self._connect(context)
        try:
            connection.connect()
            sock = t.cast(ssl.SSLSocket, connection.sock)
            return str(sock.version()), dict(sock.getpeercert() or {}), sock.getpeercert(binary_form=True) or b""
        finally:
            connection.close()

    def _connect(self, context: ssl.SSLContext) -> http.client.HTTPSConnection:
        connection = _NamedConnection(self.address, self.port, timeout=self.timeout, context=context)
        connection.server_name = self.host
        return connection


class _NamedConnection(http.client.HTTPSConnection):
    """Connects to one address and expects the certificate of another name."""

    server_name = ""

    def connect(self) -> None:
        http.client.HTTPConnection.connect(self)
        self.sock = self._context.wrap_socket(self.sock, server_hostname=self.server_name)  # type: ignore[attr-defined]


def probe(endpoint: Endpoint, *, user: Credentials, admin: Credentials, model: str) -> tuple[list[Check], list[dict[str, t.Any]]]:
    """All checks that can be made with what is known, and the models that the endpoint lists."""
    checks, models = [_tls(endpoint), _old_tls(endpoint)], []
    stranger = Credentials()
    checks.append(_status("a stranger gets 401", endpoint, "GET", "/v1/models", stranger, (401,)))
    checks.append(_status("a wrong key gets 401", endpoint, "GET", "/v1/models", Credentials(key="wrong-key-" + "x" * 24), (401,)))
    somebody = user if user.headers() else admin
    if somebody.headers():
        checks.append(_status("a user gets the list of models", endpoint, "GET", "/v1/models", somebody, (200,)))
        listed = _try(endpoint, "GET", "/api/tags", somebody)
        if isinstance(listed, Reply) and listed.status == 200:
            models = (listed.json() or {}).get("models") or []
        chosen = model or _first_model(models)
        if chosen:
            checks.append(_streams(endpoint, somebody, chosen))
    if user.headers():
        checks.append(_status("a user cannot pull", endpoint, "POST", "/api/pull", user, (403,), body={"model": "no/such:model"}))
        checks.append(_status("a user cannot delete", endpoint, "DELETE", "/api/delete", user, (403,), body={"model": "no-such-model"}))
    checks.append(_status("unknown paths stay here", endpoint, "GET", "/api/experimental/model-recommendations", somebody, (401, 403, 404)))
    return checks, models


def _try(endpoint: Endpoint, method: str, path: str, who: Credentials, body: t.Any = None) -> Reply | Exception:
    try:
        return endpoint.request(method, path, who=who, body=body)
    except (OSError, http.client.HTTPException) as exc:
        return exc


def _status(
    name: str, endpoint: Endpoint, method: str, path: str, who: Credentials, expected: tuple[int, ...], body: t.Any = None
) -> Check:
    reply = _try(endpoint, method, path, who, body)
    if isinstance(reply, Exception):
        return Check(name, False, f"{method} {path}: {_text(reply)}")
    return Check(name, reply.status in expected, f"{method} {path}: {reply.status}")


def _streams(endpoint: Endpoint, who: Credentials, model: str) -> Check:
    """A streamed chat: several pieces, in time and not all at the end, with an end mark."""
    name = "a chat streams"
    body = {"model": model, "stream": True, "max_tokens": 16, "messages": [{"role": "user", "content": "Say hello."}]}
    reply = _try(endpoint, "POST", "/v1/chat/completions", who, body)
    if isinstance(reply, Exception):
        return Check(name, False, f"{model}: {_text(reply)}")
    if reply.status != 200:
        return Check(name, False, f"{model}: {reply.status} {reply.body[:200].decode(errors='replace')}")
    events = [line for line in reply.body.splitlines() if line.startswith(b"data: ")]
    whole = bool(events) and events[-1] == b"data: [DONE]"
    seen = f"{model}: {len(events)} events in {len(reply.arrivals)} pieces, first after {reply.arrivals[0] if reply.arrivals else 0:.2f} s"
    return Check(name, whole and len(events) > 1, seen)


def _tls(endpoint: Endpoint) -> Check:
    name = "TLS is verified"
    try:
        protocol, certificate = endpoint.handshake()[:2]
    except OSError as exc:
        return Check(name, False, _text(exc))
    left = (ssl.cert_time_to_seconds(certificate["notAfter"]) - time.time()) / 86400
    return Check(name, left > 0, f"{protocol}, certificate for {endpoint.host}, {left:.0f} days left")


def _old_tls(endpoint: Endpoint) -> Check:
    name = "TLS 1.1 is refused"
    try:
        protocol = endpoint.handshake(newest=ssl.TLSVersion.TLSv1_1)[0]
    except ssl.SSLError:
        return Check(name, True, "refused")
    except OSError as exc:
        # A server may close the connection without an alert.
        return Check(name, isinstance(exc, ConnectionError), _text(exc))
    return Check(name, False, f"{protocol} accepted")


def _first_model(models: t.Sequence[t.Mapping[str, t.Any]]) -> str:
    """A model that can chat, the smallest; servers before 0.30 do not tell capabilities."""
    able = [entry for entry in models if "completion" in (entry.get("capabilities") or ["completion"])]
    return min(able, key=lambda entry: entry.get("size", 0))["name"] if able else ""


def _text(exc: Exception) -> str:
    return str(getattr(exc, "verify_message", "") or exc) or type(exc).__name__
