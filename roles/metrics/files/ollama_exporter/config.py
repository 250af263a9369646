# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the exporter is told: a JSON file.

| key | what |
|---|---|
| ``port`` | where to listen on 127.0.0.1 (9778) |
| ``poll_seconds`` | how often each server is asked which models are loaded (2) |
| ``servers`` | the Ollama servers of this host: ``name``, ``url`` and ``gpus_expected``, whether its models belong onto GPUs (false) |
| ``stores`` | where they keep their models: ``path``, and ``at`` where this process finds it elsewhere, as its unit arranges it |
| ``models`` | the declared models that are to be there: ``name``, and ``digest`` where it is pinned or locked |
| ``kept`` | names of further models that are not undeclared, as the bases of those that are built |
| ``exclusive`` | whether a model that is not declared is drift (false) |
| ``version`` | the declared version of Ollama; null or empty where any will do |
| ``gpus_expected`` | how many GPUs this host is to have; null where nobody said |
| ``tailscale`` | whether this host is in a tailnet (false) |

A key that is left out has the value in parentheses, or is empty.
"""

from __future__ import annotations

import dataclasses
import json
import typing as t

from ansible_collections.llm.host.plugins.module_utils._names import InvalidName, ModelName

__all__ = ("Config", "ConfigError", "Declared", "Server", "StorePlace", "read_config")


class ConfigError(Exception):
    """The file is not there, or says what nobody understands."""


@dataclasses.dataclass(frozen=True)
class Server:
    """An Ollama server of this host."""

    name: str
    url: str
    gpus_expected: bool = False


@dataclasses.dataclass(frozen=True)
class StorePlace:
    """A store of this host: the path that everybody knows, and where this process finds it."""

    path: str
    at: str


@dataclasses.dataclass(frozen=True)
class Declared:
    """What servers are to have. ``models`` are the digests, without ``sha256:``, by ``ModelName.key``, and empty where any will do."""

    models: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    kept: frozenset[str] = frozenset()
    exclusive: bool = False
    version: str = ""


@dataclasses.dataclass(frozen=True)
class Config:
    """All of it. ``poll_seconds`` are seconds."""

    port: int = 9778
    poll_seconds: float = 2
    servers: tuple[Server, ...] = ()
    stores: tuple[StorePlace, ...] = ()
    declared: Declared = Declared()
    gpus_expected: int | None = None
    tailscale: bool = False


def read_config(path: str) -> Config:
    """Raises ConfigError with a sentence."""
    try:
        with open(path, encoding="utf-8") as stream:
            said = json.load(stream)
        return _config(said)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as exc:
        reason = f"{exc} is missing" if isinstance(exc, KeyError) else str(exc)
        raise ConfigError(f"Cannot read the configuration {path}: {reason}.") from exc


def _config(said: t.Mapping[str, t.Any]) -> Config:
    return Config(
        port=int(said.get("port", Config.port)),
        poll_seconds=float(said.get("poll_seconds", Config.poll_seconds)),
        servers=tuple(Server(str(item["name"]), str(item["url"]), bool(item.get("gpus_expected"))) for item in said.get("servers") or ()),
        stores=tuple(StorePlace(str(item["path"]), str(item.get("at") or item["path"])) for item in said.get("stores") or ()),
        declared=Declared(
            models={_key(item["name"]): _digest(item.get("digest")) for item in said.get("models") or ()},
            kept=frozenset(_key(name) for name in said.get("kept") or ()),
            exclusive=bool(said.get("exclusive")),
            version=str(said.get("version") or "").lstrip("v"),
        ),
        gpus_expected=None if said.get("gpus_expected") is None else int(said["gpus_expected"]),
        tailscale=bool(said.get("tailscale")),
    )


def _key(name: t.Any) -> str:
    try:
        return ModelName.parse(str(name)).key
    except InvalidName as exc:
        raise ValueError(str(exc).rstrip(".")) from exc


def _digest(text: t.Any) -> str:
    digest = str(text or "").lower()
    return digest[len("sha256:") :] if digest.startswith("sha256:") else digest
