# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The declared library: from what a user writes to checked values in the order of their dependencies.

PRIVATE to the collection: it can change at any time without notice.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t
from pathlib import Path

from ansible_collections.llm.host.plugins.module_utils._files import HostFile
from ansible_collections.llm.host.plugins.module_utils._modelfile import (
    ModelfileError,
    ParameterValue,
    Recipe,
    compose,
    is_path,
    parameter_value,
    parse,
    requires_version,
)
from ansible_collections.llm.host.plugins.module_utils._names import InvalidName, ModelName

__all__ = ["InputError", "Library", "Spec", "read_digest", "read_keep_alive", "read_library"]

RECIPE_FIELDS = (
    "from",
    "system",
    "template",
    "parameters",
    "license",
    "messages",
    "renderer",
    "parser",
    "requires",
)

_HEX64 = re.compile(r"[0-9a-f]{64}\Z")
_SECONDS = re.compile(r"-?[0-9]+\Z")
_DURATION = re.compile(r"-?(?:[0-9]+(?:\.[0-9]*)?(?:ns|us|µs|ms|s|m|h))+\Z")


class InputError(ValueError):
    """The declaration is wrong; the text says where and what to write instead."""


@dataclasses.dataclass(frozen=True)
class Spec:
    """One declared model. ``label`` is how messages refer to it, ``sent`` has the files from the controller by their path in the recipe."""

    name: ModelName
    label: str = ""
    present: bool = True
    digest: str = ""
    recipe: Recipe | None = None
    base: ModelName | None = None
    insecure: bool = False
    preload: bool = False
    keep_alive: str | int | None = None
    sent: t.Mapping[str, tuple[HostFile, ...]] = dataclasses.field(default_factory=dict)

    @property
    def sent_files(self) -> tuple[HostFile, ...]:
        return tuple(file for files in self.sent.values() for file in files)


@dataclasses.dataclass(frozen=True)
class Library:
    """All declared models, each after the ones it is built from. ``lock`` has the digests of names that need none here."""

    specs: tuple[Spec, ...] = ()
    warnings: tuple[str, ...] = ()
    lock: t.Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def present(self) -> tuple[Spec, ...]:
        return tuple(spec for spec in self.specs if spec.present)


def read_library(
    entries: t.Sequence[t.Mapping[str, t.Any]],
    *,
    option: str | None = "models",
    lock: t.Mapping[str, t.Any] | None = None,
) -> Library:
    """Check the entries of a list option, or with ``option`` None a single one that has no position.

    ``lock`` gives digests to models that have none of their own.
    """
    specs: dict[str, Spec] = {}
    warnings: list[str] = []
    locked = _read_lock(lock or {})
    for index, entry in enumerate(entries):
        where = f"{option}[{index}] " if option else ""
        spec, said = _read_entry(entry, label=f"{where}{str(entry['name'])!r}")
        earlier = specs.setdefault(spec.name.key, spec)
        if earlier is not spec:
            raise InputError(f"{earlier.label} and {spec.label} are the same model, {earlier.name}: remove one of them.")
        warnings += said
    specs = {key: _pin(spec, locked) for key, spec in specs.items()}
    # One model by hand may well be missing in the lock of the library.
    warnings += _not_locked(specs, locked) if option else []
    return Library(specs=_by_dependency(tuple(specs.values())), warnings=tuple(warnings), lock=locked)


def _read_lock(lock: t.Mapping[str, t.Any]) -> dict[str, str]:
    locked: dict[str, str] = {}
    for name, digest in lock.items():
        try:
            locked[ModelName.parse(str(name)).key] = read_digest(str(digest))
        except (InvalidName, InputError) as exc:
            raise InputError(f"lock, {name!r}: {exc}") from exc
    return locked


def _pin(spec: Spec, locked: t.Mapping[str, str]) -> Spec:
    digest = locked.get(spec.name.key, "")
    if not digest or spec.recipe or not spec.present:
        return spec
    if spec.digest and spec.digest != digest:
        raise InputError(
            f"{spec.label}: its digest is sha256:{spec.digest}, and the lock says sha256:{digest}:"
            " remove the digest, or write the lock anew with playbooks/lock.yml."
        )
    return dataclasses.replace(spec, digest=digest)


def _not_locked(specs: t.Mapping[str, Spec], locked: t.Mapping[str, str]) -> list[str]:
    if not locked:
        return []
    pulled = [spec.name for spec in specs.values() if spec.present and spec.recipe is None and not spec.digest]
    pulled += [spec.base for spec in specs.values() if spec.base and spec.base.key not in {*specs, *locked}]
    names = ", ".join(dict.fromkeys(name.short for name in pulled))
    return (
        [f"The lock is stale: {names} is declared and not in it, so whatever the tag is now is used; run playbooks/lock.yml."]
        if names
        else []
    )


def read_digest(text: str) -> str:
    """A manifest digest as 64 lower-case hex digits, from either of its notations."""
    digest = text.strip().lower().removeprefix("sha256:")
    if not _HEX64.match(digest):
        raise InputError(f"digest {text!r} is not one: write sha256: and 64 hex digits, as ollama_info or /api/tags shows it.")
    return digest


def read_keep_alive(text: str) -> str | int:
    """How long a model stays loaded, in the form the API takes: seconds are a number, durations have a unit."""
    if _SECONDS.match(text):
        return int(text)
    if _DURATION.match(text):
        return text
    raise InputError(f"keep_alive {text!r} is no duration: write one such as 30m or 1h30m, a number of seconds, or -1 for ever.")


def _read_entry(entry: t.Mapping[str, t.Any], *, label: str) -> tuple[Spec, tuple[str, ...]]:
    try:
        name = ModelName.parse(str(entry["name"]))
        recipe, warnings = _read_recipe(entry)
        digest = read_digest(entry["digest"]) if entry.get("digest") else ""
        present = entry.get("state") != "absent"
        if digest and recipe:
            raise InputError(
                "a digest pins what is pulled, and this model is built here: remove the digest, or pin the model that it is built FROM."
            )
        base = ModelName.parse(recipe.base) if recipe and recipe.base else None
        if base and base.key == name.key:
            raise InputError(f"it is built FROM itself ({base}): build it from another model, or give it another name.")
        keep_alive = entry.get("keep_alive")
        return (
            Spec(
                name=name,
                label=label,
                present=present,
                digest=digest,
                recipe=recipe if present else None,
                base=base if present else None,
                insecure=bool(entry.get("insecure")),
                preload=bool(entry.get("preload")) and present,
                keep_alive=None if keep_alive is None else read_keep_alive(str(keep_alive)),
                sent=_read_sent(entry),
            ),
            warnings,
        )
    except InvalidName as exc:
        raise InputError(f"{label}: {exc}") from exc
    except ModelfileError as exc:
        raise InputError(str(exc)) from exc
    except InputError as exc:
        raise InputError(f"{label}: {exc}") from exc


def _read_sent(entry: t.Mapping[str, t.Any]) -> dict[str, tuple[HostFile, ...]]:
    sent: dict[str, tuple[HostFile, ...]] = {}
    for item in entry.get("controller_files") or ():
        file = HostFile(key=item["name"], path=Path(item["staged"] or item["path"]), digest=item["digest"], size=item["size"])
        sent[item["path"]] = (*sent.get(item["path"], ()), file)
    return sent


def _read_recipe(entry: t.Mapping[str, t.Any]) -> tuple[Recipe | None, tuple[str, ...]]:
    fields = {field: entry[field] for field in RECIPE_FIELDS if entry.get(field) not in (None, "", [], {})}
    path, text = entry.get("modelfile"), entry.get("modelfile_content")
    if path is not None and text is None:
        raise InputError(f"modelfile {path!r} was not read: run the module as a task, its action plugin reads the file.")
    if text is not None:
        if fields:
            raise InputError(f"it has a Modelfile and {', '.join(fields)} besides: put everything into one of the two forms.")
        source = str(path or "modelfile_content")
        return compose(parse(text, source=source), source=source)
    if not fields:
        return None, ()
    if "from" not in fields:
        raise InputError(f"{', '.join(fields)} is given without from: say which model it is built from.")
    return _structured(fields), ()


def _structured(fields: t.Mapping[str, t.Any]) -> Recipe:
    source = str(fields["from"])
    try:
        parameters: dict[str, ParameterValue] = {
            str(name): parameter_value(str(name), value) for name, value in fields.get("parameters", {}).items()
        }
        requires = requires_version(str(fields["requires"])) if "requires" in fields else ""
    except ValueError as exc:
        raise InputError(str(exc)) from exc
    licenses = fields.get("license", ())
    licenses = (licenses,) if isinstance(licenses, str) else licenses
    if not isinstance(licenses, (list, tuple)) or not all(isinstance(text, str) for text in licenses):
        raise InputError("license is neither a text nor a list of texts: write one of the two.")
    return Recipe(
        base="" if is_path(source) else source,
        files=(source,) if is_path(source) else (),
        template=str(fields.get("template", "")),
        system=str(fields.get("system", "")),
        licenses=tuple(licenses),
        parameters=tuple(sorted(parameters.items())),
        messages=tuple((str(item["role"]), str(item["content"])) for item in fields.get("messages", ())),
        renderer=str(fields.get("renderer", "")),
        parser=str(fields.get("parser", "")),
        requires=requires,
    )


def _by_dependency(specs: t.Sequence[Spec]) -> tuple[Spec, ...]:
    """The given order, but for models that are declared before what they are built from."""
    by_key = {spec.name.key: spec for spec in specs}
    ordered: dict[str, Spec] = {}

    def visit(spec: Spec, path: tuple[Spec, ...]) -> None:
        if spec in path:
            circle = " -> ".join(str(item.name) for item in (*path[path.index(spec) :], spec))
            raise InputError(f"{spec.label}: it is built from itself in a circle, {circle}: change one FROM.")
        if spec.name.key in ordered:
            return
        base = by_key.get(spec.base.key) if spec.base else None
        if base and not base.present:
            raise InputError(
                f"{spec.label} is built FROM {base.name}, and {base.label} says state: absent: keep the one or remove the other."
            )
        if base:
            visit(base, (*path, spec))
        ordered[spec.name.key] = spec

    for spec in specs:
        visit(spec, ())
    return tuple(ordered.values())
