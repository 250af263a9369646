# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Model names as Ollama reads them: C([host[:port]/][namespace/]model[:tag]), compared without case.

PRIVATE to the collection: it can change at any time without notice.
"""

from __future__ import annotations

import dataclasses
import re

__all__ = ["DEFAULT_HOST", "DEFAULT_NAMESPACE", "DEFAULT_TAG", "InvalidName", "ModelName"]

DEFAULT_HOST = "registry.ollama.ai"
DEFAULT_NAMESPACE = "library"
DEFAULT_TAG = "latest"
_LONGEST_TAG = 80

_PARTS = {
    "host": (re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,349}\Z"), "letters, digits and _ - . : (at most 350)"),
    "namespace": (re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,79}\Z"), "letters, digits, _ and - (at most 80, no dot)"),
    "model": (re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}\Z"), "letters, digits and _ - . (at most 80)"),
    "tag": (re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}\Z"), "letters, digits and _ - . (at most 80)"),
}
_FORM = "write [host[:port]/][namespace/]model[:tag]"


class InvalidName(ValueError):
    """A text that is no model name."""


@dataclasses.dataclass(frozen=True)
class ModelName:
    """A complete name. Two names mean the same model when their ``key`` is the same."""

    host: str
    namespace: str
    model: str
    tag: str

    @classmethod
    def parse(cls, text: str) -> ModelName:
        """Read a name; the parts that are left out get Ollama's defaults."""
        if "://" in text:
            raise InvalidName(
                f"{text!r} is not a model name: leave {text.split('://', 1)[0]}:// out, and say insecure: true for a registry without TLS."
            )
        if "@" in text:
            raise InvalidName(
                f"{text!r} is not a model name: Ollama cannot pull by digest; give the tag as the name and the digest as digest."
            )
        path, slash, last = text.rpartition("/")
        model, colon, tag = last.partition(":")
        if ":" in tag:
            # Ollama cuts at the last colon, so the model part would hold one, which is not allowed.
            raise InvalidName(f"{text!r} is not a model name: it has two tags; {_FORM}.")
        parts = path.split("/") if slash else []
        if len(parts) > 2:
            raise InvalidName(f"{text!r} is not a model name: it has more than three parts; {_FORM}.")
        if len(parts) == 1 and ":" in parts[0]:
            raise InvalidName(
                f"{text!r} is not a model name: {parts[0]!r} would be a namespace; a name with a registry host needs"
                f" all of host/namespace/model, for example {parts[0]}/{DEFAULT_NAMESPACE}/{last}."
            )
        name = cls(
            host=parts[0] if len(parts) == 2 else DEFAULT_HOST,
            namespace=parts[-1] if parts else DEFAULT_NAMESPACE,
            model=model,
            tag=tag if colon else DEFAULT_TAG,
        )
        for field, (pattern, allowed) in _PARTS.items():
            value = getattr(name, field)
            if not pattern.match(value):
                problem = f"the {field} is empty" if not value else f"the {field} {value!r} is not valid"
                raise InvalidName(
                    f"{text!r} is not a model name: {problem}; it starts with a letter, a digit or _ and consists of {allowed}; {_FORM}."
                )
        return name

    @property
    def key(self) -> str:
        """The form in which names are compared."""
        return f"{self.host}/{self.namespace}/{self.model}:{self.tag}".lower()

    @property
    def short(self) -> str:
        """The form in which Ollama shows names: defaults left out, the tag always there."""
        last = f"{self.model}:{self.tag}"
        if self.host.lower() != DEFAULT_HOST:
            return f"{self.host}/{self.namespace}/{last}"
        if self.namespace.lower() != DEFAULT_NAMESPACE:
            return f"{self.namespace}/{last}"
        return last

    def with_tag(self, tag: str) -> ModelName:
        """The same model under another tag."""
        return dataclasses.replace(self, tag=tag)

    def kept_copy(self, digest: str) -> ModelName:
        """The name under which the version with this digest is kept before it is replaced."""
        suffix = f"-{digest[:12]}"
        return self.with_tag(self.tag[: _LONGEST_TAG - len(suffix)] + suffix)

    def __str__(self) -> str:
        return self.short
