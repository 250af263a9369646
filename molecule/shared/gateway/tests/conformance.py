# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract that both web servers keep: who may ask what, and what becomes of odd requests.

A verdict is "forwarded", or the status with which the gateway itself answers, or "closed" when it closes the connection without an
answer. Whatever else comes on the same connection is told behind it: "forwarded, then 401".
"""

from __future__ import annotations

import base64
import dataclasses
import itertools
import json
import typing as t

__all__ = [
    "ENDPOINTS",
    "IDENTITIES",
    "METHODS",
    "ODD",
    "ROLES",
    "Endpoint",
    "Identity",
    "Odd",
    "Request",
    "endpoint_requests",
    "odd_requests",
]

DIGEST = "sha256:" + "0" * 62 + "ab"
# The same harmless body for everything: none of these models exists.
BODY = json.dumps({"model": "no-such-model", "source": "no-such-model", "destination": "no-such-copy", "stream": False})
METHODS = ("GET", "HEAD", "POST", "DELETE", "PUT", "OPTIONS")
ROLES = ("nobody", "user", "admin")


def _basic(name: str, password: str) -> str:
    return "Authorization: Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


@dataclasses.dataclass(frozen=True)
class Identity:
    """Somebody, by the headers that prove it."""

    label: str
    role: str
    name: str = ""
    headers: tuple[str, ...] = ()


IDENTITIES = (
    Identity("no identity", "nobody"),
    Identity("wrong key", "nobody", headers=("Authorization: Bearer no-such-key-no-such-key-no-such",)),
    Identity("wrong x-api-key", "nobody", headers=("X-API-Key: no-such-key-no-such-key-no-such",)),
    Identity("wrong password", "nobody", headers=(_basic("alice", "a wrong pass phrase"),)),
    Identity("user by key", "user", "alice", ("Authorization: Bearer alice-has-a-key-of-enough-length",)),
    Identity("user by x-api-key", "user", "alice", ("X-API-Key: alice-has-a-key-of-enough-length",)),
    Identity("user by password", "user", "alice", (_basic("alice", "alice has a pass phrase"),)),
    Identity("admin by key", "admin", "ops", ("Authorization: Bearer ops-has-a-key-of-enough-length",)),
    Identity("admin by password", "admin", "ops", (_basic("ops", "ops has a pass phrase"),)),
)
NOBODY, USER, ADMIN = IDENTITIES[0], IDENTITIES[4], IDENTITIES[7]


@dataclasses.dataclass(frozen=True)
class Request:
    """The bytes of one request, and what the contract says of it."""

    id: str
    data: str
    method: str
    target: str
    identity: Identity
    verdict: t.Mapping[str, str]
    """By engine."""
    pour: int = 0
    chunked: bool = False


# --- Every endpoint -------------------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """A path, and the methods that users and admins may use on it; what neither may use does not exist."""

    path: str
    user: tuple[str, ...] = ()
    admin: tuple[str, ...] = ()
    answered: bool = False
    """By the gateway itself."""

    def verdict(self, role: str, method: str) -> str:
        if self.path in ("/healthz", "/readyz"):
            return "200"
        if role == "nobody":
            return "401"
        if self.admin and role == "user":
            return "403"
        methods = self.user or self.admin
        if not methods:
            return "404"
        if method not in methods:
            return "405"
        return "200" if self.answered else "forwarded"


ENDPOINTS = (
    *(Endpoint(path, user=("GET", "HEAD"), answered=True) for path in ("/", "/ca.crt", "/status", "/status.js", "/status.json")),
    *(Endpoint(path, user=METHODS, answered=True) for path in ("/healthz", "/readyz")),
    *(Endpoint(f"/api/{name}", user=("POST",)) for name in ("generate", "chat", "embed", "embeddings")),
    *(Endpoint(f"/api/{name}", user=("GET", "HEAD")) for name in ("version", "tags")),
    *(
        Endpoint(f"/v1/{name}", user=("POST",))
        for name in ("chat/completions", "completions", "embeddings", "responses", "messages", "audio/transcriptions")
    ),
    *(Endpoint(path, user=("GET",)) for path in ("/v1/models", "/v1/models/tiny", "/v1/models/tiny:latest")),
    *(Endpoint(f"/api/{name}", admin=("POST",)) for name in ("pull", "push", "create", "copy", "show")),
    Endpoint("/api/delete", admin=("DELETE",)),
    Endpoint("/api/ps", admin=("GET",)),
    *(Endpoint(f"/api/blobs/{digest}", admin=("HEAD", "POST")) for digest in (DIGEST, DIGEST.replace(":", "-"))),
    # What Ollama has, or once had, and what others have at such places: for nobody.
    *(Endpoint(f"/api/{name}") for name in ("status", "me", "signout", "user/keys/abc")),
    *(Endpoint(f"/api/experimental/{name}") for name in ("web_search", "web_fetch", "model-recommendations")),
    *(Endpoint(f"/v1/{name}") for name in ("images/generations", "images/edits", "messages/count_tokens")),
    *(
        Endpoint(path)
        for path in ("/metrics", "/_standin/seen", "/debug/pprof/", "/api", "/api/", "/v1", "/v1/", "/index.html", "/favicon.ico")
    ),
    *(Endpoint(path) for path in ("/api/blobs/", "/api/blobs/..", "/v1/models/", "/none", "/error", "/@error")),
)


def endpoint_requests() -> t.Iterator[Request]:
    for endpoint, method, identity in itertools.product(ENDPOINTS, METHODS, IDENTITIES):
        body = BODY if method in ("POST", "DELETE", "PUT") else ""
        case = f"{method} {endpoint.path} as {identity.label}"
        lines = [f"{method} {endpoint.path} HTTP/1.1", "Host: llm.test", *identity.headers, f"X-Case: {case}"]
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"] if body else []
        verdict = endpoint.verdict(identity.role, method)
        yield Request(case, _joined(lines, body), method, endpoint.path, identity, {"nginx": verdict, "caddy": verdict})


def _joined(lines: t.Iterable[str], body: str = "") -> str:
    return "".join(f"{line}\r\n" for line in lines) + "\r\n" + body


# --- Odd requests ---------------------------------------------------------------------------------------------------------------------

WHO = "{who}"


@dataclasses.dataclass(frozen=True)
class Odd:
    """A request that is not as it should be, with its verdict for nobody, a user and an admin."""

    label: str
    data: str
    """With {who} in place of the lines that say who it is, and of the line that marks the case."""
    verdicts: str
    nginx: str = ""
    caddy: str = ""
    reason: str = ""
    """Why the engines differ, where they do."""
    section: str = "paths"
    target: str = ""
    """What the backend is to see as path; empty for the path of the request line."""
    pour: int = 0
    chunked: bool = False
    changes_identity: bool = False
    """Whether the request itself says who it is, on purpose."""

    def verdict(self, engine: str, role: str) -> str:
        own = {"nginx": self.nginx, "caddy": self.caddy}[engine] or self.verdicts
        words = own.split(" | ")
        return words[ROLES.index(role)] if len(words) > 1 else words[0]

    @property
    def method(self) -> str:
        return self.data.split(None, 1)[0]


def _path(path: str, verdicts: str, *, method: str = "POST", label: str = "", **values: t.Any) -> Odd:
    body = BODY if method == "POST" else ""
    lines = [f"{method} {path} HTTP/1.1", "Host: llm.test", WHO, "Content-Type: application/json", f"Content-Length: {len(body)}"]
    return Odd(label or f"`{method} {path}`", _joined(lines, body), verdicts, **values)


def _raw(label: str, lines: t.Sequence[str], verdicts: str, *, body: str = "", section: str = "framing", **values: t.Any) -> Odd:
    return Odd(label, _joined(lines, body), verdicts, section=section, **values)


def _chat(*headers: str, target: str = "/api/chat", version: str = "HTTP/1.1") -> list[str]:
    return [f"POST {target} {version}", "Host: llm.test", WHO, "Content-Type: application/json", *headers]


def _list(*headers: str, target: str = "/api/tags", host: str | None = "Host: llm.test", version: str = "HTTP/1.1") -> list[str]:
    return [line for line in (f"GET {target} {version}", host, WHO, *headers) if line is not None]


UNKNOWN = "401 | 404 | 404"
USERS = "401 | forwarded | forwarded"
ADMINS = "401 | 403 | forwarded"
TWICE = "nginx refuses the second Authorization; Caddy reads both as one, which is nobody's key."
UNREAD = "nginx refuses what it cannot normalise before anything else, Caddy looks only for what is on the list."
SPLIT = "Caddy follows RFC 9112 and takes the chunks, so what follows is a request of its own, by nobody; nginx refuses the ambiguity."
LATE = (
    "Caddy passes a body on while it arrives, so that the backend sees the start of a request which is then broken off, and does nothing."
)
BROKEN = "Caddy passes a body on while it arrives; the balancer waits for all of it, and the backend sees nothing of one that breaks off."
# What would be a request of its own, were the first one's end seen elsewhere: it has no identity.
INNER = "DELETE /api/delete HTTP/1.1\r\nHost: llm.test\r\nX-Case: smuggled\r\nContent-Length: 0\r\n\r\n"
THEN = "401, then 401 | forwarded, then 401 | forwarded, then 401"
CHUNKED = f"{len(BODY):x}\r\n{BODY}\r\n0\r\n\r\n"
LENGTH = f"Content-Length: {len(BODY)}"
ALICE_KEY, OPS_KEY = USER.headers[0], ADMIN.headers[0]
WRONG_KEY = IDENTITIES[1].headers[0]

PATHS = (
    *(
        _path(path, UNKNOWN)
        for path in (
            "//api/pull",
            "/api//pull",
            "/api/pull/",
            "/API/PULL",
            "/Api/Chat",
            "/api/./pull",
            "/v1/../api/pull",
            "/api/chat/../pull",
            "/api/chat/..%2fpull",
            "/api/%70ull",
            "/api/%63hat",
            "/%2fapi%2fpull",
            "/api%2fpull",
            "/api/pull;x",
            "/api/chat;x",
            "/api/pull%20",
            "/api/chat%3Fx",
            "/api/chat%0a",
            "/api\\pull",
        )
    ),
    _path("/api/pull?x", ADMINS),
    _path("/api/chat?x=/api/pull", USERS),
    _path("/api/chat?", USERS),
    _path("/v1/models/tiny%3Alatest", USERS, method="GET"),
    _path("/v1/models/library%2Ftiny", UNKNOWN, method="GET"),
    *(_path(path, UNKNOWN, nginx="400", reason=UNREAD) for path in ("/../api/pull", "/api/chat%00", "/api/pull%00.html")),
    _path("/api/chat%zz", "400"),
    _path("%2fapi%2fpull", "400"),
    _path("api/pull", "400"),
    _path("*", UNKNOWN, nginx="400", reason=UNREAD),
    _path(
        "/" + "x" * 30000,
        UNKNOWN,
        nginx="414",
        reason="nginx bounds the request line at 16 KB, Caddy all headers together at 64 KB.",
        label="a path of 30,000 letters",
    ),
    _path("https://llm.test/api/pull", ADMINS, target="/api/pull", label="`POST https://llm.test/api/pull`"),
    _path("https://llm.test/api/chat?x", USERS, target="/api/chat?x"),
    _path("http://localhost:11434/api/pull", ADMINS, target="/api/pull"),
    _path("http://evil.example.com/api/chat", USERS, target="/api/chat"),
    _path("http://evil.example.com/api/me", UNKNOWN),
)

IDENTITY = (
    _raw("the right key, then a wrong one", _list(ALICE_KEY, WRONG_KEY), "400", section="identity", changes_identity=True, caddy="401", reason=TWICE),
    _raw("a wrong key, then the right one", _list(WRONG_KEY, ALICE_KEY), "400", section="identity", changes_identity=True, caddy="401", reason=TWICE),
    _raw("a user's key, then an admin's", _list(ALICE_KEY, OPS_KEY, target="/api/ps"), "400", section="identity", changes_identity=True, caddy="401", reason=TWICE),
    _raw("`bearer` in lower case", _list(ALICE_KEY.replace("Bearer", "bearer")), "forwarded", section="identity", changes_identity=True),
    _raw("a wrong key in Authorization, an admin's in x-api-key", _list(WRONG_KEY, "X-API-Key: " + OPS_KEY.split()[-1]), "401", section="identity", changes_identity=True),
    _raw("a user's key in Authorization, an admin's in x-api-key", _list(ALICE_KEY, "X-API-Key: " + OPS_KEY.split()[-1], target="/api/ps"), "403", section="identity", changes_identity=True),
    _raw("two x-api-key, a wrong one and a right one", _list("X-API-Key: no-such-key-no-such-key-no-such", "X-API-Key: " + OPS_KEY.split()[-1]), "401", section="identity", changes_identity=True),
    _raw("the key in other letters", _list("Authorization: Bearer " + ALICE_KEY.split()[-1].upper()), "401", section="identity", changes_identity=True),
    _raw("the key and something behind it", _list(ALICE_KEY + "x"), "401", section="identity", changes_identity=True),
    _raw("an empty key", _list("Authorization: Bearer "), "401", section="identity", changes_identity=True),
    _raw("`Authorization: Basic` that is no Base64", _list("Authorization: Basic ???"), "401", section="identity", changes_identity=True),
    _raw("a key as a cookie, and in the query", _list("Cookie: key=a-key-in-the-query", target="/api/tags?key=a-key-in-the-query"), USERS, section="identity"),
    _raw("`X-LLM-User: ops`, `X-LLM-Role: admin`", _list("X-LLM-User: ops", "X-LLM-Role: admin", target="/api/ps"), ADMINS, section="identity"),
    _raw("`X_LLM_User: ops`, `X_LLM_Role: admin`", _list("X_LLM_User: ops", "X_LLM_Role: admin"), USERS, section="identity"),
    _raw("`Tailscale-User-Login` of an admin", _list("Tailscale-User-Login: ops@example.com", "Tailscale-User-Name: Ops", target="/api/ps"), ADMINS, section="identity"),
    _raw("`Connection: X-LLM-User, X-LLM-Role`", _list("Connection: X-LLM-User, X-LLM-Role", "X-LLM-User: ops"), USERS, section="identity"),
    _raw(
        "headers that say where it comes from",
        _list(
            "X-Forwarded-For: 10.1.2.3",
            "X-Forwarded-Host: evil.example.com",
            "X-Forwarded-Proto: gopher",
            "Forwarded: for=10.1.2.3",
            "X-Real-IP: 10.1.2.3",
            "Cookie: a=b",
            "Origin: https://evil.example.com",
            "Referer: https://evil.example.com/",
            "Proxy-Authorization: Basic b3BzOm9wcw==",
        ),
        USERS,
        section="identity",
    ),
    _raw("a preflight of a listed origin", ["OPTIONS /api/chat HTTP/1.1", "Host: llm.test", WHO, "Origin: https://chat.example.com", "Access-Control-Request-Method: POST"], "204", section="identity"),
    _raw("a preflight of another origin", ["OPTIONS /api/chat HTTP/1.1", "Host: llm.test", WHO, "Origin: https://evil.example.com", "Access-Control-Request-Method: POST"], "401 | 405 | 405", section="identity"),
    _raw("a request of a listed origin", _list("Origin: https://chat.example.com"), USERS, section="identity"),
    _raw("a request of an origin in capitals", _list("Origin: HTTPS://CHAT.EXAMPLE.COM"), USERS, section="identity"),
)  # fmt: skip

FRAMING = (
    _raw("no Host", _list(host=None), "400"),
    _raw("two Hosts", _list("Host: evil.example.com"), "400"),
    _raw("another Host", _list(host="Host: evil.example.com"), USERS),
    _raw("Host with a path", _list(host="Host: llm.test/api/pull"), "400"),
    _raw("HTTP/1.0", _list(version="HTTP/1.0"), USERS),
    _raw("HTTP/1.0 without Host", _list(host=None, version="HTTP/1.0"), USERS),
    _raw("HTTP/2.0 in a request line", _list(version="HTTP/2.0"), "505"),
    _raw("HTTP/0.9", ["GET /api/tags"], "400", nginx="no status", reason="nginx answers in the way of HTTP/0.9, with the text of its 401 and nothing else."),
    _raw("`CONNECT evil.example.com:443`", ["CONNECT evil.example.com:443 HTTP/1.1", "Host: evil.example.com:443", WHO], UNKNOWN, nginx="400", reason=UNREAD),
    _raw("`TRACE /api/tags`", ["TRACE /api/tags HTTP/1.1", "Host: llm.test", WHO], "401 | 405 | 405", nginx="405", reason="nginx knows no TRACE at all."),
    _raw("`get /api/tags`", ["get /api/tags HTTP/1.1", "Host: llm.test", WHO], UNKNOWN, nginx="400", reason=UNREAD),
    Odd("bare line feeds", _joined(_list()).replace("\r\n", "\n"), USERS, section="framing"),
    _raw("a header folded into two lines", _list("X-Folded: a", " b"), "400", caddy=USERS, reason="Caddy joins the lines, as RFC 9112 allows."),
    _raw("a header with a blank before the colon", _list("X-Blank : a"), "400"),
    _raw("a header without a colon", _list("X-Nothing"), "400", nginx=USERS, reason="nginx leaves the line out."),
    _raw("a header with a null byte", _list("X-Null: a\0b"), "400"),
    _raw("80 KB of headers", _list(*(f"X-Many-{n}: {'x' * 1000}" for n in range(80))), "431"),
    _raw("one header of 80 KB", _list("X-Large: " + "x" * 80000), "431"),
    _raw("80 short headers", _list(*(f"X-Many-{n}: x" for n in range(80))), USERS),
    _raw("`Expect: 100-continue`", _chat("Expect: 100-continue", LENGTH), USERS, body=BODY),
    _raw("`Upgrade: h2c`", _list("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"), USERS),
    _raw("`Upgrade: websocket`", _list("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="), USERS),
    _raw("a chunked body", _chat("Transfer-Encoding: chunked"), USERS, body=CHUNKED),
    _raw("a chunked body, `Transfer-Encoding: Chunked`", _chat("Transfer-Encoding: Chunked"), USERS, body=CHUNKED),
    _raw("a length and `Transfer-Encoding: chunked`", _chat("Content-Length: 6", "Transfer-Encoding: chunked"), "400", caddy=THEN, reason=SPLIT, body="0\r\n\r\n" + INNER),
    _raw("`Transfer-Encoding: chunked` and a length behind it", _chat("Transfer-Encoding: chunked", "Content-Length: 6"), "400", caddy=THEN, reason=SPLIT, body="0\r\n\r\n" + INNER),
    _raw("`Transfer-Encoding : chunked`", _chat("Content-Length: 5", "Transfer-Encoding : chunked"), "400", body="0\r\n\r\n" + INNER),
    _raw("`Transfer-Encoding: xchunked`", _chat("Content-Length: 5", "Transfer-Encoding: xchunked"), "501", body="0\r\n\r\n" + INNER),
    _raw("`Transfer-Encoding: chunked, identity`", _chat("Content-Length: 5", "Transfer-Encoding: chunked, identity"), "501", body="0\r\n\r\n" + INNER),
    _raw("`Transfer-Encoding: identity, chunked`", _chat("Content-Length: 5", "Transfer-Encoding: identity, chunked"), "501", body="0\r\n\r\n" + INNER),
    _raw("`Transfer-Encoding:<tab>chunked`, and a length", _chat("Content-Length: 5", "Transfer-Encoding:\tchunked"), "501", caddy=THEN, reason=SPLIT, body="0\r\n\r\n" + INNER),
    _raw("`Transfer-Encoding: <vertical tab>chunked`", _chat("Content-Length: 5", "Transfer-Encoding: \x0bchunked"), "501", caddy="400 or 501", reason="Both refuse; what Caddy says depends on the Go that it was built with.", body="0\r\n\r\n" + INNER),
    _raw("Transfer-Encoding twice", _chat("Transfer-Encoding: chunked", "Transfer-Encoding: identity"), "400", caddy="501", reason="Both refuse.", body="0\r\n\r\n" + INNER),
    _raw("`Transfer-Encoding: chunked` in HTTP/1.0", _chat("Transfer-Encoding: chunked", version="HTTP/1.0"), "400", caddy=USERS, reason="Caddy takes the chunks and closes the connection behind them.", body="0\r\n\r\n" + INNER),
    _raw("two lengths that differ", _chat("Content-Length: 0", f"Content-Length: {len(INNER)}"), "400", body=INNER),
    _raw("two lengths that agree", _chat(LENGTH, LENGTH), "400", caddy=USERS, reason="RFC 9112 allows both to refuse it and to count it once.", body=BODY),
    _raw("a negative length", _chat("Content-Length: -1"), "400", body=INNER),
    _raw("a length with a sign", _chat("Content-Length: +5"), "400", body="0\r\n\r\n" + INNER),
    _raw("a length in hexadecimal", _chat("Content-Length: 0x5"), "400", body="0\r\n\r\n" + INNER),
    _raw("a length of 30 digits", _chat("Content-Length: " + "9" * 30), "400"),
    _raw("a list as length", _chat("Content-Length: 5, 5"), "400", body="0\r\n\r\n" + INNER),
    _raw("a chunk with a size that is no number", _chat("Transfer-Encoding: chunked"), "400", caddy="401 | 502 | 502", reason=BROKEN, body="zz\r\n0\r\n\r\n" + INNER),
    _raw("a chunk with a size beyond all numbers", _chat("Transfer-Encoding: chunked"), "400", caddy="401 | 502 | 502", reason=BROKEN, body="f" * 17 + "\r\n0\r\n\r\n" + INNER),
    _raw("a GET with a body that looks like a request", _list(f"Content-Length: {len(INNER)}"), USERS, body=INNER),
    _raw("a second request behind the first", _list(), THEN, body=INNER),
    _raw("a line break in the path", _list(target="/api/tags%0d%0aX-LLM-User:%20ops"), UNKNOWN),
    _raw("65 MB with their length", _chat(f"Content-Length: {65 << 20}"), "401 | 413 | 413", pour=65 << 20),
    _raw("65 MB by chunks", _chat("Transfer-Encoding: chunked"), "401 | 413 | 413", caddy="401 | 413 (begun) | 413 (begun)", reason=LATE, pour=65 << 20, chunked=True),
)  # fmt: skip
ODD = (*PATHS, *IDENTITY, *FRAMING)


def odd_requests() -> t.Iterator[Request]:
    for odd, identity in itertools.product(ODD, (NOBODY, USER, ADMIN)):
        if odd.changes_identity and identity is not NOBODY:
            continue
        case = f"{odd.label[:80]} as {identity.label}"
        newline = "\r\n" if "\r\n" in odd.data else "\n"
        who = newline.join((*identity.headers, f"X-Case: {case}"))
        target = odd.target or odd.data.split(None, 2)[1]
        yield Request(
            case,
            odd.data.replace(WHO, who),
            odd.method,
            target,
            identity,
            {engine: odd.verdict(engine, identity.role) for engine in ("nginx", "caddy")},
            odd.pour,
            odd.chunked,
        )
