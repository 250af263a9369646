# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A transport that follows a script: an unexpected call fails the test, and so does one that never came."""

from __future__ import annotations

import dataclasses
import io
import json
import typing as t

from ansible_collections.llm.host.plugins.module_utils._http import Response, TransportError

API = "http://127.0.0.1:11434"


class Pieces:
    """A body that arrives in the given pieces, and may break off."""

    def __init__(self, pieces: t.Iterable[bytes], error: Exception | None = None) -> None:
        self._pieces = iter(pieces)
        self._error = error

    def read1(self, _size: int) -> bytes:
        for piece in self._pieces:
            return piece
        if self._error:
            raise self._error
        return b""

    read = read1

    def close(self) -> None:
        pass


@dataclasses.dataclass
class Call:
    """One expected request and its reply. ``expect`` is compared with the JSON body."""

    method: str
    path: str
    reply: t.Any = None
    status: int = 200
    expect: t.Any = None
    lines: t.Sequence[dict[str, t.Any]] | None = None
    raises: TransportError | None = None
    breaks: Exception | None = None

    def body(self) -> t.Any:
        if self.lines is not None:
            return Pieces((json.dumps(line).encode() + b"\n" for line in self.lines), self.breaks)
        if isinstance(self.reply, bytes):
            return io.BytesIO(self.reply)
        return io.BytesIO(b"" if self.reply is None else json.dumps(self.reply).encode())


class Script:
    """The transport."""

    def __init__(self, *calls: Call) -> None:
        self.calls = list(calls)
        self.sent: list[tuple[str, t.Any]] = []

    def open(
        self,
        method: str,
        url: str,
        *,
        body: t.Any = None,
        headers: t.Mapping[str, str] | None = None,
        timeout: float,
    ) -> Response:
        assert self.calls, f"unexpected {method} {url} {body!r}"
        call = self.calls.pop(0)
        wanted = call.path if "://" in call.path else API + call.path
        assert (method, url) == (call.method, wanted), f"{method} {url} came, {call.method} {wanted} was expected"
        content = body.read() if hasattr(body, "read") else body
        if call.expect is not None:
            got = content if isinstance(call.expect, bytes) else json.loads(content)
            assert got == call.expect, f"{method} {url} carries {got!r}"
        self.sent.append((f"{method} {url}", content))
        if call.raises:
            raise call.raises
        return Response(status=call.status, headers={}, raw=call.body())

    def __enter__(self) -> Script:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        if kind is None:
            assert not self.calls, f"never asked: {self.calls}"


def tags(*models: tuple[str, str]) -> dict[str, t.Any]:
    """A reply of ``/api/tags``: pairs of name and digest, the newest first."""
    return {"models": [{"name": name, "model": name, "digest": digest, "size": 7} for name, digest in models]}


def digest(digit: str) -> str:
    return digit * 64
