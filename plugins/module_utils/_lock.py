# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock file of a library: its text, what belongs into it, and what changed.

PRIVATE to the collection: it can change at any time without notice.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.llm.host.plugins.module_utils._library import InputError, Library, read_digest
from ansible_collections.llm.host.plugins.module_utils._names import InvalidName, ModelName

__all__ = ["Question", "Wanted", "changes", "parse_lock", "render_lock", "wanted_in"]

_HEADER = """\
---
# Written by `ansible-playbook llm.host.lock`: commit this file, change it by running that again.
# One model only: ansible-playbook llm.host.lock -e update=NAME
"""
_VARIABLE = "ollama_models_lock:"
_LINE = re.compile(
    r"""  (?P<quote>["']?)(?P<name>[^"'\s]+)(?P=quote):\s+(?P<mark>["']?)(?P<digest>sha256:[0-9a-fA-F]{64})(?P=mark)\s*(?:#.*)?\Z"""
)


@dataclasses.dataclass(frozen=True)
class Question:
    """A tag to ask a registry about. ``pin`` is set when the entry has its own digest, and is not locked therefore."""

    name: ModelName
    registry_url: str = ""
    insecure: bool = False
    pin: str = ""


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What the declared libraries need: tags to lock, by key, and tags that entries pin themselves."""

    locked: dict[str, Question]
    pinned: tuple[Question, ...]


def parse_lock(text: str, *, path: str) -> dict[str, str]:
    """The digests in a lock file, under the names as they are written there."""
    digests: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        bare = line.strip()
        if not bare or bare.startswith("#") or bare in ("---", _VARIABLE, f"{_VARIABLE} {{}}"):
            continue
        found = _LINE.match(line)
        if not found:
            raise InputError(
                f"{path}:{number} is no line of a lock file: {bare!r}; write two spaces and NAME: sha256:DIGEST, or remove the file."
            )
        try:
            name = ModelName.parse(found["name"]).short
        except InvalidName as exc:
            raise InputError(f"{path}:{number}: {exc}") from exc
        digests[name] = "sha256:" + read_digest(found["digest"])
    return digests


def render_lock(digests: t.Mapping[str, str]) -> str:
    """The text of a lock file; the same digests give the same text."""
    if not digests:
        return f"{_HEADER}{_VARIABLE} {{}}\n"
    lines = [f'  "{name}": {digests[name]}\n' for name in sorted(digests)]
    return f"{_HEADER}{_VARIABLE}\n{''.join(lines)}"


def wanted_in(libraries: t.Iterable[tuple[Library, str]]) -> Wanted:
    """The union of libraries, each with the URL of its registry. The first that names a tag says where it is asked for."""
    libraries = list(libraries)
    built = {spec.name.key for library, _url in libraries for spec in library.present if spec.recipe}
    locked: dict[str, Question] = {}
    pinned: dict[tuple[str, str], Question] = {}
    bases: list[Question] = []
    for library, url in libraries:
        own = {spec.name.key: spec for spec in library.present}
        for spec in library.present:
            if spec.recipe is None:
                question = Question(spec.name, url, spec.insecure, spec.digest)
                if spec.digest:
                    pinned.setdefault((spec.name.key, spec.digest), question)
                else:
                    locked.setdefault(spec.name.key, question)
            elif spec.base and spec.base.key not in own and spec.base.key not in built:
                bases.append(Question(spec.base, url, spec.insecure))
    for question in bases:
        locked.setdefault(question.name.key, question)
    return Wanted(locked=locked, pinned=tuple(pinned.values()))


def changes(before: t.Mapping[str, str], after: t.Mapping[str, str]) -> dict[str, list[t.Any]]:
    """What moved, what is new, what is gone; another spelling of a name is no change."""
    old = {ModelName.parse(name).key: name for name in before}
    new = {ModelName.parse(name).key: name for name in after}
    return {
        "moved": [
            {"name": name, "before": before[old[key]], "after": after[name]}
            for key, name in sorted(new.items())
            if key in old and before[old[key]] != after[name]
        ],
        "added": sorted(name for key, name in new.items() if key not in old),
        "removed": sorted(name for key, name in old.items() if key not in new),
    }
