# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Model names: host/namespace/model:tag, with Ollama's defaults and character rules; and references to models."""

from __future__ import annotations

import dataclasses
import re

__all__ = ["DEFAULT_HOST", "DEFAULT_NAMESPACE", "Conflict", "Name", "Reference", "parse", "reference"]

DEFAULT_HOST = "registry.ollama.ai"
DEFAULT_NAMESPACE = "library"
DEFAULT_TAG = "latest"
MISSING = "!MISSING!"
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,349}")
_NAMESPACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,79}")
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}")


@dataclasses.dataclass(frozen=True)
class Name:
    """A complete name; every part is filled."""

    host: str
    namespace: str
    model: str
    tag: str

    @property
    def valid(self) -> bool:
        return bool(
            _HOST.fullmatch(self.host)
            and _NAMESPACE.fullmatch(self.namespace)
            and _PART.fullmatch(self.model)
            and _PART.fullmatch(self.tag)
        )

    @property
    def short(self) -> str:
        """The form of every reply: defaults dropped, the tag always there."""
        tail = f"{self.model}:{self.tag}"
        if self.host != DEFAULT_HOST:
            return f"{self.host}/{self.namespace}/{tail}"
        return tail if self.namespace == DEFAULT_NAMESPACE else f"{self.namespace}/{tail}"

    @property
    def path(self) -> str:
        return f"{self.host}/{self.namespace}/{self.model}/{self.tag}"


def parse(text: str) -> Name:
    """Split a name and fill in the defaults; check ``.valid`` afterwards."""
    rest = text.partition("://")[2] if "://" in text else text
    head, slash, tail = rest.rpartition("/")
    model, colon, tag = tail.rpartition(":")
    if not colon:
        model, tag = tail, DEFAULT_TAG
    host, second, namespace = head.rpartition("/") if slash else ("", "", "")
    # A separator with nothing before it is a mistake, not a default.
    namespace = namespace or (MISSING if slash else "")
    host = host or (MISSING if second else "")
    return Name(
        host=host or DEFAULT_HOST,
        namespace=namespace or DEFAULT_NAMESPACE,
        model=model,
        tag=tag,
    )


class Conflict(Exception):
    """The text says twice where the model runs."""


@dataclasses.dataclass(frozen=True)
class Reference:
    """A model as requests name it: ``:cloud``, ``-cloud`` and ``:local`` at the end say where it runs."""

    base: str
    source: str = ""

    @property
    def name(self) -> Name:
        return parse(self.base)

    @property
    def pull_name(self) -> Name:
        """The name that is pulled or deleted: a cloud model has a tag of its own."""
        if self.source != "cloud":
            return self.name
        tagged = ":" in self.base.rpartition("/")[2]
        return parse(f"{self.base}-cloud" if tagged else f"{self.base}:cloud")


def reference(text: str) -> Reference:
    """Raises Conflict; an empty text gives an empty base."""
    text = text.strip()
    found = _split_source(text)
    if found.source and _split_source(found.base).source:
        raise Conflict(f'use either :local or :cloud, not both: "{text}"')
    return found


def _split_source(text: str) -> Reference:
    head, colon, tag = text.rpartition(":")
    word = tag.strip().lower()
    if colon and word in ("cloud", "local"):
        return Reference(head, word)
    if colon and "/" not in tag and word.endswith("-cloud"):
        return Reference(f"{head}:{tag.strip()[: -len('-cloud')]}", "cloud")
    return Reference(text)
