# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what is there and what is wanted to what is to be done. Pure functions on values.

PRIVATE to the collection: it can change at any time without notice.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import typing as t

from ansible_collections.llm.host.plugins.module_utils._library import Library, Spec
from ansible_collections.llm.host.plugins.module_utils._names import ModelName
from ansible_collections.llm.host.plugins.module_utils._server import Present

__all__ = [
    "COPY",
    "CREATE",
    "NONE",
    "PULL",
    "REMOVE",
    "Plan",
    "Record",
    "Step",
    "fingerprint",
    "is_kept_copy",
    "kept_copies",
    "make_plan",
    "plan_diff",
    "why_rebuild",
]

NONE = "none"
PULL = "pull"
COPY = "copy"
CREATE = "create"
REMOVE = "remove"


@dataclasses.dataclass(frozen=True)
class Record:
    """How a model was built here: the recipe, what it was built from, and what came out."""

    fingerprint: str
    digest: str
    base_digest: str = ""
    lines: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Step:
    """What happens to one model, and why. ``source`` is the local model that a copy is made of."""

    action: str
    name: ModelName
    reason: str = ""
    before: Present | None = None
    spec: Spec | None = None
    source: ModelName | None = None

    @property
    def pin(self) -> str:
        return self.spec.digest if self.spec else ""


@dataclasses.dataclass(frozen=True)
class Plan:
    """All steps in the order in which they are taken; models that stay as they are have a step too."""

    steps: tuple[Step, ...] = ()

    @property
    def changed(self) -> bool:
        return any(step.action != NONE for step in self.steps)

    def having(self, action: str) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if step.action == action)


def make_plan(
    *,
    have: t.Sequence[Present],
    want: Library,
    records: t.Mapping[str, Record],
    fingerprints: t.Mapping[str, str],
    exclusive: bool = False,
) -> Plan:
    """Decide. ``have`` is ordered as C(/api/tags) is; ``records`` and ``fingerprints`` go by ``ModelName.key``."""
    store = {present.name.key: present for present in have}
    steps: dict[str, Step] = {}
    for spec in want.present:
        key = spec.name.key
        before = store.get(key)
        if spec.recipe is None:
            steps[key] = _plan_pull(spec, before, have)
            continue
        base_key = spec.base.key if spec.base else ""
        base_step = steps.get(base_key)
        reason = why_rebuild(
            record=records.get(key),
            fingerprint=fingerprints.get(key, ""),
            before=before,
            base=spec.base,
            base_digest=store[base_key].digest if base_key in store else "",
        )
        if not reason and base_step and base_step.action != NONE:
            reason = f"its base {spec.base} changes"
        if spec.base and base_step is None:
            fetch = _plan_base(spec, spec.base, store.get(base_key), have, want.lock.get(base_key, ""))
            if fetch.action != NONE:
                steps[base_key] = fetch
                reason = reason or f"its base {spec.base} changes"
        steps[key] = Step(CREATE if reason else NONE, spec.name, reason, before, spec)
    return Plan(steps=(*steps.values(), *_removals(store, want, steps, exclusive=exclusive)))


def _plan_pull(spec: Spec, before: Present | None, have: t.Sequence[Present]) -> Step:
    if before and spec.digest in ("", before.digest):
        return Step(NONE, spec.name, "", before, spec)
    if spec.digest:
        for present in have:
            if present.digest == spec.digest:
                # The digest is the content: another name of it on this host spares the download.
                return Step(COPY, spec.name, f"this digest is here as {present.name}", before, spec, present.name)
    return Step(PULL, spec.name, "its digest differs from the pin" if before else "it is missing", before, spec)


def _plan_base(spec: Spec, base: ModelName, before: Present | None, have: t.Sequence[Present], digest: str) -> Step:
    implied = Spec(name=base, label=f"{base}, the base of {spec.label},", digest=digest)
    step = _plan_pull(implied, before, have)
    return dataclasses.replace(step, reason=f"it is the base of {spec.name}") if step.action == PULL and not before else step


def why_rebuild(
    *,
    record: Record | None,
    fingerprint: str,
    before: Present | None,
    base: ModelName | None,
    base_digest: str,
) -> str:
    """Why a model that is built here has to be built again; empty when it has not."""
    if before is None:
        return "it is missing"
    if record is None:
        return "there is no record of how it was built"
    if record.digest != before.digest:
        return "it was altered since it was built"
    if record.fingerprint != fingerprint:
        return "its recipe changed"
    if base and not base_digest:
        return f"its base {base} is missing"
    if record.base_digest != base_digest:
        return f"its base {base} changed"
    return ""


def _removals(
    store: t.Mapping[str, Present],
    want: Library,
    steps: t.Mapping[str, Step],
    *,
    exclusive: bool,
) -> t.Iterator[Step]:
    for spec in want.specs:
        if not spec.present:
            before = store.get(spec.name.key)
            yield Step(REMOVE if before else NONE, spec.name, "it is declared absent" if before else "", before, spec)
    if not exclusive:
        return
    # A build needs its base again as soon as its recipe changes.
    needed = {*steps, *(spec.name.key for spec in want.specs), *(spec.base.key for spec in want.present if spec.base)}
    for key, present in store.items():
        if key not in needed and not is_kept_copy(present):
            yield Step(REMOVE, present.name, "it is not declared", present)


def is_kept_copy(present: Present) -> bool:
    """Whether this is a version that was kept when it was replaced: the tag ends with its own digest."""
    return present.name.tag.lower().endswith(f"-{present.digest[:12]}")


def kept_copies(have: t.Iterable[Present], name: ModelName) -> tuple[Present, ...]:
    """The kept versions of a model, the newest first."""
    return tuple(present for present in have if is_kept_copy(present) and name.kept_copy(present.digest).key == present.name.key)


def fingerprint(spec: Spec, files: t.Mapping[str, t.Mapping[str, str]]) -> str:
    """A recipe as one number. ``files`` is, for each path of the recipe, what was found there and its digest."""
    if spec.recipe is None:
        return ""
    content = {**spec.recipe.fields, "from": spec.base.key if spec.base else "", "files": files}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode("utf-8")).hexdigest()


def plan_diff(plan: Plan, records: t.Mapping[str, Record]) -> dict[str, str]:
    """The plan as the two texts of a diff: a line for each model, and below a build the lines of its recipe."""
    before: list[str] = []
    after: list[str] = []
    for step in plan.steps:
        shown = f"{step.name}  {step.before.digest}" if step.before else ""
        if step.action == NONE:
            before += [shown] if shown else []
            after += [shown] if shown else []
            continue
        record = records.get(step.name.key)
        recipe = step.spec.recipe if step.spec else None
        if shown:
            before += [shown, *(f"  {line}" for line in (record.lines if record and recipe else ()))]
        if step.action in (PULL, COPY):
            after.append(f"{step.name}  {step.pin or '(what the registry has)'}")
        elif recipe:
            after += [f"{step.name}  (built: {step.reason})", *(f"  {line}" for line in recipe.lines)]
    return {
        "before_header": "models",
        "after_header": "models",
        "before": "".join(f"{line}\n" for line in before),
        "after": "".join(f"{line}\n" for line in after),
    }
