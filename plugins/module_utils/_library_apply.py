# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry a plan out, one step after the other, and say truthfully what happened.

PRIVATE to the collection: it can change at any time without notice.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.llm.host.plugins.module_utils._files import HostFile
from ansible_collections.llm.host.plugins.module_utils._library import Spec
from ansible_collections.llm.host.plugins.module_utils._names import ModelName
from ansible_collections.llm.host.plugins.module_utils._plan import (
    COPY,
    CREATE,
    NONE,
    PULL,
    REMOVE,
    Plan,
    Record,
    Step,
    kept_copies,
    why_rebuild,
)
from ansible_collections.llm.host.plugins.module_utils._progress import Progress
from ansible_collections.llm.host.plugins.module_utils._registry import Layer, Manifest, Registry, RegistryError
from ansible_collections.llm.host.plugins.module_utils._server import ApiError, NotFound, OllamaServer, Present, Unreachable, Watch
from ansible_collections.llm.host.plugins.module_utils._state import State, StateDir
from ansible_collections.llm.host.plugins.module_utils._store import Store

__all__ = ["Applier", "BuildInput", "Offer", "Outcome", "PinRefused", "StepFailed", "check_pins", "check_space", "preload", "see_loaded"]

_UNLOAD_PATIENCE = 15.0
_QUESTIONS_AT_ONCE = 8


class StepFailed(Exception):
    """A step failed; the text names the model, the phase and what the server said."""


class PinRefused(Exception):
    """A registry's tag is not what a pin says, or there is no room for it; nothing was pulled."""


@dataclasses.dataclass(frozen=True)
class Offer:
    """What the registry has for the steps of a plan, by ``ModelName.key``, and what to say about the ones it did not tell."""

    manifests: t.Mapping[str, Manifest] = dataclasses.field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class BuildInput:
    """The files of a build by the field of the create request that takes them, and the recipe as one number."""

    files: tuple[HostFile, ...] = ()
    adapters: tuple[HostFile, ...] = ()
    draft_files: tuple[HostFile, ...] = ()
    fingerprint: str = ""

    @property
    def all(self) -> tuple[HostFile, ...]:
        return (*self.files, *self.adapters, *self.draft_files)

    @property
    def fields(self) -> dict[str, dict[str, str]]:
        given = {"files": self.files, "adapters": self.adapters, "draft_files": self.draft_files}
        return {field: {file.key: file.digest for file in files} for field, files in given.items() if files}


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What was done to one model, or in check mode would be: then it is not ``done``."""

    name: ModelName
    action: str
    reason: str = ""
    digest_before: str = ""
    digest_after: str = ""
    bytes: int = 0
    loaded: bool = False
    done: bool = True

    @property
    def changed(self) -> bool:
        if self.action == CREATE and self.done:
            return self.digest_before != self.digest_after
        return self.action != NONE

    @classmethod
    def foreseen(cls, step: Step) -> Outcome:
        """What check mode says about a step."""
        before = step.before.digest if step.before else ""
        after = {NONE: before, PULL: step.pin, COPY: step.pin}.get(step.action, "")
        return cls(step.name, step.action, step.reason, before, after, done=False)

    @property
    def result(self) -> dict[str, t.Any]:
        return {
            "name": self.name.short,
            "action": self.action,
            "reason": self.reason,
            "digest_before": f"sha256:{self.digest_before}" if self.digest_before else None,
            "digest_after": f"sha256:{self.digest_after}" if self.digest_after else None,
            "bytes": self.bytes,
            "loaded": self.loaded,
        }


def check_pins(plan: Plan, registry: Registry, *, forgive_silence: bool = False) -> Offer:
    """Ask what each tag that would be pulled is now, before anything is.

    A registry that does not tell is a failure for a pinned model only, and with ``forgive_silence`` a warning.
    """

    def ask(step: Step) -> Manifest | RegistryError:
        try:
            return registry.manifest(step.name, insecure=bool(step.spec and step.spec.insecure))
        except RegistryError as exc:
            return exc

    steps = plan.having(PULL)
    with ThreadPoolExecutor(max_workers=_QUESTIONS_AT_ONCE) as pool:
        answers = tuple(pool.map(ask, steps))
    refused: list[str] = []
    warnings: list[str] = []
    manifests: dict[str, Manifest] = {}
    for step, answer in zip(steps, answers):
        if isinstance(answer, Manifest):
            manifests[step.name.key] = answer
        if not step.pin:
            # Ollama may reach what this process cannot, and says itself what is wrong.
            continue
        label = step.spec.label if step.spec else step.name.short
        if isinstance(answer, RegistryError):
            exc = answer
            if forgive_silence and exc.unreachable:
                warnings.append(f"{label}: the pin could not be checked: {exc.message}.")
                continue
            refused.append(f"{label}: the pin could not be checked: {exc.message}.")
            continue
        found = answer.digest
        if found != step.pin:
            stays = "the model on this host goes on serving" if step.before else "the model is not on this host"
            refused.append(
                f"{label}: the pin is sha256:{step.pin}, and the registry's tag is now sha256:{found};"
                f" {stays}. To move the pin, write digest: sha256:{found} after having tried that version; to stay,"
                " pull from a mirror that still has the pinned one."
            )
    if refused:
        raise PinRefused("Nothing was pulled. " + " ".join(refused))
    return Offer(manifests, tuple(warnings))


def check_space(plan: Plan, offer: Offer, store: Store) -> dict[str, int]:
    """Compare what is still to be downloaded with the room that the store has; returns it by C(ModelName.key).

    A layer that several models have is counted for the first of them.
    """
    pulls = [step for step in plan.having(PULL) if step.name.key in offer.manifests]
    counted: set[Layer] = set()
    missing: dict[str, int] = {}
    for step in pulls:
        layers = set(offer.manifests[step.name.key].layers)
        missing[step.name.key] = store.missing(layers - counted)
        counted |= layers
    free, needed = store.free_bytes() if pulls else 0, sum(missing.values())
    if needed > free:
        names = ", ".join(step.name.short for step in pulls)
        raise PinRefused(
            f"Nothing was pulled. {_in_words(needed)} are still to be downloaded for {names}, and {store.path} has"
            f" {_in_words(free)} free: make room, or declare fewer models."
        )
    return missing


def _in_words(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def _unlisted(step: Step) -> StepFailed:
    # Ollama hides a model with a damaged file from its list, and takes a file that is there for a good one.
    return StepFailed(
        f"{step.name}: Ollama reported success, but does not list the model: one of its files is damaged."
        " Remove it, and every model that is built from it, with 'ollama rm'; then run again."
    )


class Applier:
    """Carries out steps. ``outcomes`` holds what is done, also when a later step fails."""

    def __init__(
        self,
        *,
        server: OllamaServer,
        have: t.Sequence[Present],
        state: State,
        state_dir: StateDir,
        builds: t.Mapping[str, BuildInput],
        keep: int = 1,
        parallel: int = 1,
        registry: Registry | None = None,
        sizes: t.Mapping[str, int] | None = None,
        downloads: t.Mapping[str, int] | None = None,
        progress: Progress | None = None,
        sleep: t.Callable[[float], None] = time.sleep,
    ) -> None:
        self._server = server
        self._have = tuple(have)
        self._state = state
        self._state_dir = state_dir
        self._builds = builds
        self._keep = keep
        self._parallel = parallel
        self._registry = registry
        self._sizes = sizes or {}
        self._downloads = downloads or {}
        self._progress = progress or Progress()
        self._sleep = sleep
        self._failures: dict[str, str] = {}
        self._gone = False
        self.outcomes: list[Outcome] = []

    def run(self, plan: Plan) -> None:
        """Take the steps. One that fails ends no other; what failed is told at the end by C(StepFailed)."""
        if plan.having(CREATE):
            # A build without its record would be built again at each run: find out before, not after.
            self._state_dir.write(self._state)
        # A copy can be of a version that a pull replaces.
        for step in plan.having(COPY):
            self._try(step)
        with ThreadPoolExecutor(max_workers=max(1, self._parallel)) as pool:
            tuple(pool.map(self._try, plan.having(PULL)))
        for step in plan.steps:
            if step.action in (NONE, CREATE):
                self._try(step)
        for step in plan.having(REMOVE):
            if not self._failures:
                self._try(step)
        order = {step.name.key: position for position, step in enumerate(plan.steps)}
        self.outcomes.sort(key=lambda outcome: order[outcome.name.key])
        if self._failures:
            raise StepFailed(" ".join(self._failures[key] for key in order if key in self._failures))

    def _try(self, step: Step) -> None:
        base = step.spec.base if step.spec else None
        if self._gone or (base and base.key in self._failures):
            return
        try:
            outcome = self._take(step)
        except StepFailed as exc:
            self._failures[step.name.key] = str(exc)
            self._gone = self._gone or (isinstance(exc.__cause__, Unreachable) and exc.__cause__.refused)
        else:
            self.outcomes.append(outcome)
        finally:
            self._progress.done(step.name.short)

    def _watch(self, step: Step, total: int = 0) -> Watch:
        return lambda phase, completed, known: self._progress.tell(step.name.short, phase, completed, max(total, known))

    def _take(self, step: Step) -> Outcome:
        if step.action == NONE:
            return Outcome.foreseen(step)
        if step.action == PULL:
            return self._replace(step, lambda: self._pull(step))
        if step.action == COPY:
            return self._replace(step, lambda: self._copy(step))
        if step.action == CREATE:
            return self._create(step)
        return self._remove(step)

    def _find(self, name: ModelName) -> Present | None:
        return next((present for present in self._have if present.name.key == name.key), None)

    def _refresh(self, step: Step) -> Present | None:
        with self._explain(step, "reading the list of models"):
            self._have = self._server.tags()
        return self._find(step.name)

    @contextlib.contextmanager
    def _explain(self, step: Step, doing: str) -> t.Iterator[None]:
        try:
            yield
        except ApiError as exc:
            at = f" at {exc.phase!r}" if exc.phase else ""
            more = ""
            if "412" in exc.message or "newer version" in exc.message:
                with contextlib.suppress(ApiError):
                    more = f" (Ollama {self._server.version()} is installed here{self._needs(step)})"
            raise StepFailed(f"{step.name}: {doing} failed{at}: {exc.message}{more}") from exc

    def _needs(self, step: Step) -> str:
        if self._registry is None:
            return ""
        needed = self._registry.requires(step.name, insecure=bool(step.spec and step.spec.insecure))
        return f", and the model needs {needed} or newer: raise ollama_version" if needed else "; raise ollama_version"

    def _pull(self, step: Step) -> int:
        watch = self._watch(step, self._sizes.get(step.name.key, 0))
        with self._explain(step, "the pull"):
            reported = self._server.pull(step.name, insecure=bool(step.spec and step.spec.insecure), watch=watch).bytes
        # The server does not tell of layers that it has faster than it reports.
        return self._downloads.get(step.name.key, reported)

    def _copy(self, step: Step) -> int:
        source = step.source or step.name
        with self._explain(step, f"copying {source}"):
            self._server.copy(source, step.name)
        return 0

    def _replace(self, step: Step, fetch: t.Callable[[], int]) -> Outcome:
        """Keep the present version under a second name, fetch, look, and go back if it is not what is pinned."""
        before = self._find(step.name)
        backup = step.name.kept_copy(before.digest) if before else None
        there = self._find(backup) if backup else None
        fresh = bool(before and backup and (there is None or there.digest != before.digest))
        if fresh and backup:
            with self._explain(step, f"keeping the present version as {backup}"):
                self._server.copy(step.name, backup)
        try:
            transferred = fetch()
        except StepFailed:
            if fresh and backup:
                with contextlib.suppress(ApiError):
                    self._server.delete(backup)
            raise
        after = self._refresh(step)
        if after is None and step.action == PULL:
            # A pull takes a damaged file that is there for a good one; only a removal makes room for it again.
            with contextlib.suppress(ApiError):
                self._server.delete(step.name)
            transferred += fetch()
            after = self._refresh(step)
        if after is None:
            raise _unlisted(step)
        if step.pin and after.digest != step.pin:
            self._go_back(step, backup, fresh=fresh)
            raise StepFailed(
                f"{step.name}: the tag moved while it was pulled: it is sha256:{after.digest}, the pin is"
                f" sha256:{step.pin}; {'the version from before is back' if backup else 'it was removed again'}."
            )
        if before and backup:
            self._forget_copies(step, before=before, after=after, backup=backup)
        return Outcome(
            name=step.name,
            action=step.action,
            reason=step.reason,
            digest_before=before.digest if before else "",
            digest_after=after.digest,
            bytes=transferred,
        )

    def _go_back(self, step: Step, backup: ModelName | None, *, fresh: bool) -> None:
        with self._explain(step, "putting the version from before back"):
            if backup is None:
                self._server.delete(step.name)
                return
            self._server.copy(backup, step.name)
            if fresh:
                self._server.delete(backup)

    def _forget_copies(self, step: Step, *, before: Present, after: Present, backup: ModelName) -> None:
        """Drop the copies beyond the number to keep, and those of the version that is in use."""
        kept = kept_copies(self._have, step.name)
        others = [item for item in kept if item.digest not in (before.digest, after.digest)]
        # Ollama orders its list by whole seconds, so the copy just made is put first here and not looked for there.
        wanted = [backup.key, *(item.name.key for item in others)][: self._keep]
        if before.digest == after.digest:
            wanted = []
        with self._explain(step, "removing versions that are no longer kept"):
            for present in kept:
                if present.name.key not in wanted:
                    self._server.delete(present.name)

    def _create(self, step: Step) -> Outcome:
        spec = step.spec
        if spec is None or spec.recipe is None:
            raise StepFailed(f"{step.name}: there is no recipe to build it from.")
        build = self._builds.get(step.name.key, BuildInput())
        before = self._find(step.name)
        base = self._find(spec.base) if spec.base else None
        if spec.base and base is None:
            raise StepFailed(f"{step.name}: its base {spec.base} is not there.")
        base_digest = base.digest if base else ""
        if not why_rebuild(
            record=self._state.records.get(step.name.key),
            fingerprint=build.fingerprint,
            before=before,
            base=spec.base,
            base_digest=base_digest,
        ):
            # Its base was to change and came out the same.
            digest = before.digest if before else ""
            return Outcome(step.name, NONE, "its base came out unchanged", digest, digest)
        for file in build.all:
            self._send(step, file)
        fields = {**spec.recipe.fields, **build.fields}
        if base and base.name != spec.base:
            # Ollama finds the base of a build by its exact spelling only, and would pull it otherwise.
            fields["from"] = str(base.name)
        with self._explain(step, "the build"):
            self._server.create(step.name, fields, watch=self._watch(step))
        after = self._refresh(step)
        if after is None:
            raise _unlisted(step)
        self._state.records[step.name.key] = Record(
            fingerprint=build.fingerprint,
            digest=after.digest,
            base_digest=base_digest,
            lines=spec.recipe.lines,
        )
        self._state_dir.write(self._state)
        return Outcome(
            name=step.name,
            action=CREATE,
            reason=step.reason,
            digest_before=before.digest if before else "",
            digest_after=after.digest,
            bytes=0,
        )

    def _send(self, step: Step, file: HostFile) -> None:
        try:
            with self._explain(step, f"sending {file.path}"):
                if self._server.has_blob(file.digest):
                    return
                if not file.path.is_absolute():
                    raise StepFailed(
                        f"{step.name}: {file.path} did not come from the controller: run again, in a task without async of its own."
                    )
                self._server.upload(file, watch=self._watch(step))
        except OSError as exc:
            raise StepFailed(f"{step.name}: {file.path} cannot be read: {(exc.strerror or str(exc)).lower()}.") from exc

    def _remove(self, step: Step) -> Outcome:
        with self._explain(step, "unloading"):
            if any(loaded.name.key == step.name.key for loaded in self._server.running()):
                self._server.load(step.name, keep_alive=0)
                self._await_unloaded(step.name)
        with self._explain(step, "removing"), contextlib.suppress(NotFound):
            self._server.delete(step.name)
        self._have = tuple(present for present in self._have if present.name.key != step.name.key)
        if self._state.records.pop(step.name.key, None):
            self._state_dir.write(self._state)
        return Outcome(step.name, step.action, step.reason, step.before.digest if step.before else "", "")

    def _await_unloaded(self, name: ModelName) -> None:
        pause, waited = 0.1, 0.0
        while waited < _UNLOAD_PATIENCE:
            self._sleep(pause)
            waited += pause
            pause = min(2.0, pause * 2)
            if all(loaded.name.key != name.key for loaded in self._server.running()):
                return


def see_loaded(servers: t.Sequence[OllamaServer], specs: t.Sequence[Spec], outcomes: t.Sequence[Outcome]) -> tuple[Outcome, ...]:
    """The outcomes with C(loaded) filled in, for the models that are to be loaded and on all servers are, in their present version."""
    wanted = {spec.name.key for spec in specs if spec.preload}
    if not wanted:
        return tuple(outcomes)
    seen = [_loaded(server) for server in servers]
    return tuple(
        dataclasses.replace(
            outcome,
            loaded=outcome.name.key in wanted and all(loaded.get(outcome.name.key) == outcome.digest_after for loaded in seen),
        )
        for outcome in outcomes
    )


def preload(
    servers: t.Sequence[OllamaServer],
    specs: t.Sequence[Spec],
    outcomes: t.Sequence[Outcome],
    *,
    tell: t.Callable[[str, str], None] = lambda name, phase: None,
) -> tuple[Outcome, ...]:
    """Load what is to be loaded and is not, in its present version; returns the outcomes with C(loaded) filled in."""
    wanted = {spec.name.key: spec for spec in specs if spec.preload}
    for server in servers if wanted else ():
        loaded = _loaded(server)
        for outcome in outcomes:
            spec = wanted.get(outcome.name.key)
            if spec is None or loaded.get(outcome.name.key) == outcome.digest_after:
                continue
            tell(spec.name.short, "loading into memory")
            try:
                server.load(spec.name, keep_alive=spec.keep_alive)
            except ApiError as exc:
                raise StepFailed(f"{spec.name}: loading into memory at {server.url} failed: {exc.message}") from exc
    return tuple(dataclasses.replace(outcome, loaded=outcome.name.key in wanted) for outcome in outcomes)


def _loaded(server: OllamaServer) -> dict[str, str]:
    try:
        return {item.name.key: item.digest for item in server.running()}
    except ApiError as exc:
        raise StepFailed(f"reading which models are loaded at {server.url} failed: {exc.message}") from exc
