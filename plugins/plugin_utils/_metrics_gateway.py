# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which labels the metrics of a gateway may have, and their buckets. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import hashlib
import re
import typing as t

from ansible_collections.llm.host.plugins.module_utils._names import DEFAULT_HOST, DEFAULT_NAMESPACE, DEFAULT_TAG, ModelName

__all__ = ("buckets", "labels", "user_label")

# From which bound on, in seconds, by what factor they grow: finest where requests of people are.
GROWTH = ((0.005, 1.5), (0.05, 1.15), (60.0, 1.5))
LAST = 900.0
HASH_DIGITS = 8


class Label(t.TypedDict):
    """What a line of the log says, as a regular expression of RE2 for between slashes, and the label that it gets."""

    pattern: str
    label: str


def labels(users: t.Iterable[t.Mapping[str, t.Any]], models: t.Iterable[str], shown: str, salt: str = "") -> dict[str, list[Label]]:
    """``users`` and ``models`` with the labels that they get; whoever and whatever is not among them gets none of its own.

    ``shown`` is how users are: by ``name``, by ``hash`` (of the name and the salt), or not at all with ``none``.
    """
    named: dict[str, ModelName] = {}
    for name in map(ModelName.parse, models):
        named.setdefault(name.key, name)
    return {
        "users": [{"pattern": _escaped(str(user["name"])), "label": user_label(str(user["name"]), shown, salt)} for user in users],
        # As Ollama lists them, and so as the metrics of the hosts have them.
        "models": [{"pattern": _spellings(name), "label": name.short} for name in named.values()],
    }


def user_label(name: str, shown: str, salt: str = "") -> str:
    """The label of one user."""
    hashed = hashlib.sha256((name + salt).encode()).hexdigest()[:HASH_DIGITS]
    return {"name": name, "hash": hashed, "none": ""}[shown]


def buckets() -> list[float]:
    """The upper bounds of a histogram of seconds, so close that a quantile read from them is within a tenth of the real one."""
    bounds: list[float] = []
    for (start, factor), end in zip(GROWTH, [step[0] for step in GROWTH[1:]] + [LAST]):
        bound = start
        while bound < end * 0.95:
            bounds.append(float(f"{bound:.3g}"))
            bound *= factor
    return [*bounds, LAST]


def _spellings(name: ModelName) -> str:
    """Every way to write the name of a model, but for the case of its letters."""
    namespace = f"{_escaped(name.namespace)}\\/"
    if name.host != DEFAULT_HOST:
        before = f"{_escaped(name.host)}\\/{namespace}"
    elif name.namespace != DEFAULT_NAMESPACE:
        before = f"(?:{_escaped(name.host)}\\/)?{namespace}"
    else:
        before = f"(?:(?:{_escaped(name.host)}\\/)?{namespace})?"
    tag = f":{_escaped(name.tag)}"
    return before + _escaped(name.model) + (f"(?:{tag})?" if name.tag == DEFAULT_TAG else tag)


def _escaped(text: str) -> str:
    return re.escape(text).replace("/", "\\/")
