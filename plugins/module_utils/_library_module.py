# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules for models share: their options, and the way from options to a result.

PRIVATE to the collection: it can change at any time without notice.
"""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.llm.host.plugins.module_utils._files import FilesError, HostFile, find_files
from ansible_collections.llm.host.plugins.module_utils._http import OpenUrlTransport
from ansible_collections.llm.host.plugins.module_utils._library import InputError, Library, Spec, read_library
from ansible_collections.llm.host.plugins.module_utils._library_apply import (
    Applier,
    BuildInput,
    Outcome,
    PinRefused,
    StepFailed,
    check_pins,
    check_space,
    preload,
    see_loaded,
)
from ansible_collections.llm.host.plugins.module_utils._plan import CREATE, Plan, fingerprint, make_plan, plan_diff
from ansible_collections.llm.host.plugins.module_utils._progress import Progress
from ansible_collections.llm.host.plugins.module_utils._proxy import proxy_options, use_proxies
from ansible_collections.llm.host.plugins.module_utils._registry import Registry
from ansible_collections.llm.host.plugins.module_utils._server import ApiError, OllamaServer, Present, Unreachable
from ansible_collections.llm.host.plugins.module_utils._state import (
    State,
    StateDamaged,
    StateDir,
    StateError,
    host_lock,
)
from ansible_collections.llm.host.plugins.module_utils._store import Store, StoreError

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

__all__ = ["api_options", "library_options", "model_options", "models_options", "read_declaration", "run_library"]

# Ollama itself spares blobs for this long, so that one run does not take what another one just fetched.
_UNTOUCHED = 3600.0

Options = t.Dict[str, t.Dict[str, t.Any]]


def models_options() -> Options:
    """All options of the module that takes a library."""
    return {
        "models": {"type": "list", "elements": "dict", "required": True, "options": model_options()},
        "exclusive": {"type": "bool", "default": False},
        "allow_empty": {"type": "bool", "default": False},
        "validate_only": {"type": "bool", "default": False},
        "server_version": {"type": "str", "default": ""},
        **library_options(),
        **api_options(),
    }


def api_options() -> Options:
    """The options of the doc fragment C(llm.host.api)."""
    return {
        "api_url": {"type": "str", "default": "http://127.0.0.1:11434"},
        "api_timeout": {"type": "int", "default": 30},
    }


def library_options() -> Options:
    """The options of how to work that both modules have."""
    return {
        "keep": {"type": "int", "default": 1},
        "lock": {"type": "dict"},
        "lock_timeout": {"type": "int", "default": 3600},
        "look_only": {"type": "bool", "default": False},
        "parallel": {"type": "int", "default": 2},
        "preload_urls": {"type": "list", "elements": "str", "default": []},
        "progress_timeout": {"type": "int", "default": 600},
        "registry_url": {"type": "str"},
        "remove_orphans": {"type": "bool", "default": False},
        "state_dir": {"type": "path", "default": "/var/lib/llm-host"},
        "store_dir": {"type": "path"},
        **proxy_options(),
    }


def model_options() -> Options:
    """What can be said about one model."""
    return {
        "name": {"type": "str", "required": True},
        "description": {"type": "str"},
        "digest": {"type": "str"},
        "modelfile": {"type": "str"},
        "modelfile_content": {"type": "str"},
        "controller_files": {
            "type": "list",
            "elements": "dict",
            "options": {
                "path": {"type": "str", "required": True},
                "name": {"type": "str", "required": True},
                "digest": {"type": "str", "required": True},
                "size": {"type": "int", "required": True},
                "staged": {"type": "path"},
            },
        },
        "from": {"type": "str"},
        "system": {"type": "str"},
        "template": {"type": "str"},
        "parameters": {"type": "dict"},
        "license": {"type": "raw"},
        "messages": {
            "type": "list",
            "elements": "dict",
            "options": {
                "role": {"type": "str", "required": True, "choices": ["system", "user", "assistant"]},
                "content": {"type": "str", "required": True},
            },
        },
        "renderer": {"type": "str"},
        "parser": {"type": "str"},
        "requires": {"type": "str"},
        "preload": {"type": "bool", "default": False},
        "keep_alive": {"type": "str"},
        "insecure": {"type": "bool", "default": False},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    }


def read_declaration(
    entries: t.Sequence[t.Mapping[str, t.Any]],
    *,
    option: str | None,
    lock: t.Mapping[str, t.Any] | None,
    exclusive: bool = False,
    allow_empty: bool = False,
) -> Library:
    """What the options declare.

    :raises InputError: for what is wrong with them.
    """
    library = read_library(entries, option=option, lock=lock)
    if exclusive and not library.present and not allow_empty:
        raise InputError(
            f"{option} declares no model and exclusive is true, which would remove every model from the host: say"
            " allow_empty: true if that is meant."
        )
    return library


def run_library(
    module: AnsibleModule,
    *,
    entries: t.Sequence[t.Mapping[str, t.Any]],
    option: str | None,
    exclusive: bool = False,
    allow_empty: bool = False,
) -> None:
    """Read, plan, and unless in check mode apply; ends the module."""
    run = _Run(module)
    try:
        library = read_declaration(entries, option=option, lock=module.params["lock"], exclusive=exclusive, allow_empty=allow_empty)
        run.warn(library.warnings)
        try:
            run.work(library, exclusive=exclusive)
        finally:
            if not module.check_mode:
                run.drop_staged(library)
        if not run.pending:
            run.tidy()
    except (FilesError, InputError, StateError, StoreError, PinRefused, StepFailed) as exc:
        module.fail_json(msg=str(exc), **run.result)
    except ApiError as exc:
        module.fail_json(msg=exc.message, **run.result)
    module.exit_json(**run.result)


class _Run:
    """One run of a module; ``result`` is true at any time, also when it ends early."""

    def __init__(self, module: AnsibleModule) -> None:
        params = module.params
        use_proxies(params)
        self._module = module

        def server(url: str) -> OllamaServer:
            # A proxy is for the way out; the server is on this host or beside it.
            transport = OpenUrlTransport(use_proxy=False)
            return OllamaServer(transport, url, timeout=params["api_timeout"], patience=params["progress_timeout"])

        self._server = server(params["api_url"])
        self._preload_servers = [server(url) for url in params["preload_urls"] or [params["api_url"]]]
        self._registry = Registry(
            OpenUrlTransport(use_proxy=True),
            mirror=params["registry_url"] or "",
            timeout=params["api_timeout"],
        )
        self._state_dir = StateDir(params["state_dir"])
        self._progress = Progress(self._state_dir.path / "models.progress")
        self._outcomes: t.Sequence[Outcome] = ()
        self._orphans: dict[str, int] | None = None
        self._diff: dict[str, str] = {}
        self._needs_files: list[str] = []
        self.pending = False

    @property
    def result(self) -> dict[str, t.Any]:
        result: dict[str, t.Any] = {
            "changed": any(outcome.changed for outcome in self._outcomes) or bool(self._orphans and self._orphans["removed"]),
            "models": [outcome.result for outcome in self._outcomes],
            "orphans": self._orphans,
        }
        if self._diff and self._module._diff:
            result["diff"] = self._diff
        if self._module.params["look_only"]:
            result.update(pending=self.pending, needs_files=self._needs_files)
        return result

    def warn(self, warnings: t.Iterable[str]) -> None:
        for warning in warnings:
            self._module.warn(warning)

    def work(self, library: Library, *, exclusive: bool) -> None:
        state = self._read_state() if any(spec.recipe for spec in library.present) else State()
        known = dict(state.digests)
        builds = {spec.name.key: self._read_build(spec, state) for spec in library.present if spec.recipe is not None}

        def plan_for(have: t.Sequence[Present]) -> Plan:
            return make_plan(
                have=have,
                want=library,
                records=state.records,
                fingerprints={key: build.fingerprint for key, build in builds.items()},
                exclusive=exclusive,
            )

        have = self._read_tags()
        plan = plan_for(have)
        if self._module.check_mode:
            self._show(plan, state)
            self._look_ahead(plan, forgive_silence=True)
            self._outcomes = [Outcome.foreseen(step) for step in plan.steps]
            return
        look_only = self._module.params["look_only"]
        if state.digests != known:
            self._state_dir.write(state)
        if look_only and plan.changed:
            self.pending = True
            self._needs_files = self._missing_files(plan)
            return
        if not plan.changed:
            self._show(plan, state)
            self._outcomes = [Outcome.foreseen(step) for step in plan.steps]
        else:
            params = self._module.params
            with host_lock(params["state_dir"], patience=params["lock_timeout"]) as waited:
                if waited:
                    state.records = self._read_state().records
                    have = self._server.tags()
                    plan = plan_for(have)
                # What a killed run left there would be taken for the present.
                self._progress.close()
                self._show(plan, state)
                sizes, downloads = self._look_ahead(plan)
                applier = Applier(
                    server=self._server,
                    have=have,
                    state=state,
                    state_dir=self._state_dir,
                    builds=builds,
                    keep=params["keep"],
                    parallel=params["parallel"],
                    registry=self._registry,
                    sizes=sizes,
                    downloads=downloads,
                    progress=self._progress,
                )
                self._outcomes = applier.outcomes
                try:
                    applier.run(plan)
                finally:
                    self._progress.close()
        if look_only:
            self._outcomes = see_loaded(self._preload_servers, library.present, self._outcomes)
            loaded = {outcome.name.key for outcome in self._outcomes if outcome.loaded}
            self.pending = any(spec.preload and spec.name.key not in loaded for spec in library.present)
            return
        try:
            self._outcomes = preload(self._preload_servers, library.present, self._outcomes, tell=self._progress.tell)
        finally:
            self._progress.close()

    def drop_staged(self, library: Library) -> None:
        """Remove what the controller put here for this run; whoever may not leaves it to the controller."""
        for file in (file for spec in library.specs for file in spec.sent_files):
            if file.path.is_absolute():
                with contextlib.suppress(OSError):
                    file.path.unlink()

    def tidy(self) -> None:
        """Report what the store holds for no model, and remove it where that is asked for."""
        params = self._module.params
        store = Store(params["store_dir"] or "")
        if not params["store_dir"] or not store.exists:
            return
        try:
            found = store.survey()
        except StoreError:
            if params["remove_orphans"]:
                raise
            return
        unused = (*found.orphans, *found.partials)
        removed = tuple(file for file in unused if file.age >= _UNTOUCHED) if params["remove_orphans"] else ()
        if removed and not self._module.check_mode:
            with host_lock(params["state_dir"], patience=params["lock_timeout"]):
                removed = store.remove(removed, min_age=_UNTOUCHED)
        self._orphans = {"count": len(unused), "bytes": sum(file.size for file in unused), "removed": len(removed)}

    def _look_ahead(self, plan: Plan, *, forgive_silence: bool = False) -> tuple[dict[str, int], dict[str, int]]:
        """Check the pins and the room, before anything is pulled; returns the sizes of what will be, and what of it is missing."""
        offer = check_pins(plan, self._registry, forgive_silence=forgive_silence)
        self.warn(offer.warnings)
        store_dir = self._module.params["store_dir"]
        downloads = check_space(plan, offer, Store(store_dir)) if store_dir else {}
        return {key: manifest.size for key, manifest in offer.manifests.items()}, downloads

    def _missing_files(self, plan: Plan) -> list[str]:
        """The digests of the controller's files that the server lacks and a step needs."""
        needed = [file.digest for step in plan.having(CREATE) if step.spec for file in step.spec.sent_files]
        return [digest for digest in dict.fromkeys(needed) if not self._server.has_blob(digest)]

    def _show(self, plan: Plan, state: State) -> None:
        self._diff = plan_diff(plan, state.records)

    def _read_tags(self) -> tuple[Present, ...]:
        try:
            return self._server.tags()
        except Unreachable as exc:
            if self._module.check_mode and exc.refused:
                # Ollama is not installed or not started yet: what it will find then is an empty store.
                return ()
            raise

    def _read_state(self) -> State:
        try:
            return self._state_dir.read()
        except StateDamaged as exc:
            self._module.warn(str(exc))
            return State()

    def _read_build(self, spec: Spec, state: State) -> BuildInput:
        recipe = spec.recipe
        if recipe is None:
            return BuildInput()
        found: dict[str, tuple[HostFile, ...]] = {}
        for path in recipe.paths:
            if path in spec.sent:
                found[path] = spec.sent[path]
                continue
            if not path.startswith("/"):
                raise InputError(
                    f"{spec.label}: {path!r} is a relative path, which means a file on the controller: run the module as a"
                    " task, or write the absolute path of a file on the managed host."
                )
            try:
                found[path] = find_files(path, state.digests)
            except FilesError as exc:
                if not self._module.check_mode:
                    raise FilesError(f"{spec.label}: on the managed host, {exc}") from exc
                self._module.warn(f"{spec.label}: on the managed host, {exc}")
        drafts = [file for path in recipe.drafts for file in found.get(path, ())]
        sources = [file for path in recipe.files for file in found.get(path, ())] if not recipe.base else []
        return BuildInput(
            files=tuple(sources),
            adapters=found.get(recipe.adapter, ()),
            draft_files=tuple(drafts),
            fingerprint=fingerprint(spec, {path: {file.key: file.digest for file in files} for path, files in found.items()}),
        )
