# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the suite share: the test models and their names, and the test registry."""

from __future__ import annotations

import hashlib
import pathlib
import typing as t

if t.TYPE_CHECKING:
    import serverunder
    import upstream

__all__ = ["MODELS", "Launch", "Registry", "add_models", "digest_of"]

MODELS = pathlib.Path(__file__).resolve().parent.parent / "data" / "models"


def digest_of(path: pathlib.Path) -> str:
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


class Launch(t.Protocol):
    def __call__(
        self, *, env: t.Mapping[str, str] | None = None, home: pathlib.Path | None = None, **values: t.Any
    ) -> serverunder.Server: ...


def add_models(server: serverunder.Server) -> None:
    """The two test models, named tiny and embed."""
    for name in ("tiny", "embed"):
        digest = digest_of(MODELS / f"{name}.gguf")
        server.upload(MODELS / f"{name}.gguf", digest)
        server.create(name, files={f"{name}.gguf": digest})


class Registry:
    """The lab's registry over plain http, in this process."""

    def __init__(self, listener: upstream.Listener) -> None:
        self.state = listener.state
        self.address = f"127.0.0.1:{listener.server_address[1]}"

    def name(self, model: str, tag: str = "latest") -> str:
        return f"{self.address}/library/{model}:{tag}"

    def move(self, model: str, **values: t.Any) -> str:
        return self.state.content.registry.move({"model": model, **values})

    def faults(self, *values: t.Mapping[str, t.Any]) -> None:
        self.state.faults.replace(list(values))

    def requests(self, part: str) -> list[dict[str, t.Any]]:
        return [entry for entry in self.state.seen() if part in entry["path"]]
