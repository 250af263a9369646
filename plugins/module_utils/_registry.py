# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a registry says a tag is, without downloading the model.

PRIVATE to the collection: it can change at any time without notice.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json

from ansible_collections.llm.host.plugins.module_utils._http import Transport, TransportError
from ansible_collections.llm.host.plugins.module_utils._names import DEFAULT_HOST, ModelName

__all__ = ["MANIFEST_TYPE", "Layer", "Manifest", "Registry", "RegistryError"]

MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"


class RegistryError(Exception):
    """The registry did not give the manifest. ``unreachable`` says that it did not answer at all."""

    def __init__(self, message: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.status = status

    @property
    def unreachable(self) -> bool:
        return self.status == 0


@dataclasses.dataclass(frozen=True)
class Layer:
    """A blob of a model: its digest is ``sha256:`` and 64 hex digits."""

    digest: str
    size: int


@dataclasses.dataclass(frozen=True)
class Manifest:
    """A tag's manifest. ``digest`` is what C(/api/tags) shows after a pull: 64 hex digits."""

    digest: str
    layers: tuple[Layer, ...] = ()
    config: str = ""

    @classmethod
    def read(cls, body: bytes) -> Manifest:
        """Take a manifest as the registry sent it, byte for byte; the configuration counts as a layer."""
        content = json.loads(body)
        parts = [*content["layers"], content["config"]]
        return cls(
            digest=hashlib.sha256(body).hexdigest(),
            layers=tuple(Layer(digest=str(part["digest"]), size=int(part["size"])) for part in parts),
            config=str(content["config"]["digest"]),
        )

    @property
    def size(self) -> int:
        return sum(layer.size for layer in self.layers)


class Registry:
    """The registries that names point to. ``mirror`` stands in for the default one."""

    def __init__(self, transport: Transport, *, mirror: str = "", timeout: float = 30) -> None:
        self._transport = transport
        self._mirror = mirror.rstrip("/")
        self._timeout = timeout

    def manifest(self, name: ModelName, *, insecure: bool = False) -> Manifest:
        """Ask for the manifest that the tag has now."""
        url = self.manifest_url(name, insecure=insecure)
        try:
            with self._transport.open("GET", url, headers={"Accept": MANIFEST_TYPE}, timeout=self._timeout) as reply:
                status, body = reply.status, reply.read()
        except TransportError as exc:
            raise RegistryError(f"cannot reach the registry at {url}: {exc.reason}") from exc
        if status == 404:
            raise RegistryError(f"the registry does not know {name}: {url} answered 404", status=404)
        if status != 200:
            raise RegistryError(f"{url} answered {status}: {_excerpt(body)}", status=status)
        try:
            return Manifest.read(body)
        except (ValueError, KeyError, TypeError) as exc:
            raise RegistryError(f"{url} answered with something that is no manifest: {_excerpt(body)}", status=200) from exc

    def requires(self, name: ModelName, *, insecure: bool = False) -> str:
        """The version of Ollama that a model asks for, as far as it can be learnt; else empty."""
        try:
            digest = self.manifest(name, insecure=insecure).config
            url = self.manifest_url(name, insecure=insecure).rpartition("/manifests/")[0] + f"/blobs/{digest}"
            with self._transport.open("GET", url, timeout=self._timeout) as reply:
                content = json.loads(reply.read()) if reply.status == 200 else {}
        except (RegistryError, TransportError, ValueError):
            return ""
        return str(content.get("requires") or "") if isinstance(content, dict) else ""

    def manifest_url(self, name: ModelName, *, insecure: bool = False) -> str:
        """Where the manifest of a name is, by the registry protocol."""
        default = name.host.lower() == DEFAULT_HOST
        base = self._mirror if default and self._mirror else f"{'http' if insecure else 'https'}://{name.host}"
        return f"{base}/v2/{name.namespace}/{name.model}/manifests/{name.tag}"


def _excerpt(body: bytes) -> str:
    text = " ".join(body[:300].decode("utf-8", "replace").split())
    return text or "(no text)"
