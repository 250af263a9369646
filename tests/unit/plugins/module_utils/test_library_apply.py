# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carrying a plan out, request by request: what is not in the script must not be sent, and what is must be."""

from __future__ import annotations

import contextlib
import hashlib
import json
import typing as t

import pytest
from scripted import API, Call, Script, digest, tags

from ansible_collections.llm.host.plugins.module_utils._files import find_files
from ansible_collections.llm.host.plugins.module_utils._http import TransportError
from ansible_collections.llm.host.plugins.module_utils._library import read_library
from ansible_collections.llm.host.plugins.module_utils._library_apply import (
    Applier,
    BuildInput,
    Offer,
    PinRefused,
    StepFailed,
    check_pins,
    check_space,
    preload,
)
from ansible_collections.llm.host.plugins.module_utils._names import ModelName
from ansible_collections.llm.host.plugins.module_utils._plan import Record, fingerprint, make_plan
from ansible_collections.llm.host.plugins.module_utils._registry import Registry
from ansible_collections.llm.host.plugins.module_utils._server import OllamaServer, Present
from ansible_collections.llm.host.plugins.module_utils._state import State, StateDir, StateError
from ansible_collections.llm.host.plugins.module_utils._store import Store

A, B, C = digest("a"), digest("b"), digest("c")
KEPT_A, KEPT_B = f"x:latest-{A[:12]}", f"x:latest-{B[:12]}"
DONE = [{"status": "pulling manifest"}, {"status": "success"}]
TEAM = {"name": "team", "from": "base", "system": "hi"}


class Host:
    """A script, a state directory and what they lead to."""

    def __init__(self, directory: t.Any) -> None:
        self.directory = StateDir(str(directory))
        self.state = State()
        self.outcomes: list[t.Any] = []

    def run(self, want: list[dict[str, t.Any]], have: list[tuple[str, str]], *calls: Call, **options: t.Any) -> list[tuple[t.Any, ...]]:
        library = read_library(want)
        builds = {}
        for spec in library.present:
            if spec.recipe:
                files = {path: find_files(path, self.state.digests) for path in spec.recipe.files}
                builds[spec.name.key] = BuildInput(
                    files=tuple(file for found in files.values() for file in found),
                    fingerprint=fingerprint(spec, {path: {file.key: file.digest for file in found} for path, found in files.items()}),
                )
        present = [Present(ModelName.parse(name), value) for name, value in have]
        plan = make_plan(
            have=present,
            want=library,
            records=self.state.records,
            fingerprints={key: build.fingerprint for key, build in builds.items()},
            exclusive=options.pop("exclusive", False),
        )
        with Script(*calls) as script:
            applier = Applier(
                server=OllamaServer(script, API),
                have=present,
                state=self.state,
                state_dir=self.directory,
                builds=builds,
                sleep=lambda _seconds: None,
                **options,
            )
            self.outcomes = applier.outcomes
            applier.run(plan)
        return [(item.action, item.name.short, item.digest_before, item.digest_after, item.changed) for item in self.outcomes]


@pytest.fixture(name="host")
def _host(tmp_path):
    return Host(tmp_path / "state")


def pull(lines: list[dict[str, t.Any]] | None = None) -> Call:
    return Call("POST", "/api/pull", expect={"model": "x:latest"}, lines=DONE if lines is None else lines)


def copy(source: str, destination: str) -> Call:
    return Call("POST", "/api/copy", expect={"source": source, "destination": destination})


def delete(name: str, **reply: t.Any) -> Call:
    return Call("DELETE", "/api/delete", expect={"model": name}, **reply)


def listed(*models: tuple[str, str]) -> Call:
    return Call("GET", "/api/tags", tags(*models))


def test_models_that_are_as_declared_cost_no_request(host):
    want = [{"name": f"m{n}", "digest": A} for n in range(30)]
    outcomes = host.run(want, [(f"m{n}:latest", A) for n in range(30)])
    assert {(action, changed) for action, _name, _before, _after, changed in outcomes} == {("none", False)}


def test_a_missing_model_is_pulled_and_looked_at(host):
    assert host.run([{"name": "x"}], [], pull(), listed(("x:latest", A))) == [("pull", "x:latest", "", A, True)]


def test_a_version_that_is_replaced_is_kept(host):
    assert host.run(
        [{"name": "x", "digest": B}],
        [("x:latest", A)],
        copy("x:latest", KEPT_A),
        pull(),
        listed(("x:latest", B), (KEPT_A, A)),
    ) == [("pull", "x:latest", A, B, True)]


def test_no_more_versions_are_kept_than_asked_for(host):
    host.run(
        [{"name": "x", "digest": C}],
        [("x:latest", B), (KEPT_A, A)],
        copy("x:latest", KEPT_B),
        pull(),
        listed(("x:latest", C), (KEPT_B, B), (KEPT_A, A)),
        delete(KEPT_A),
    )


def test_no_version_is_kept_when_none_is_asked_for(host):
    host.run(
        [{"name": "x", "digest": B}],
        [("x:latest", A)],
        copy("x:latest", KEPT_A),
        pull(),
        listed(("x:latest", B), (KEPT_A, A)),
        delete(KEPT_A),
        keep=0,
    )


def test_going_back_copies_the_kept_version_and_keeps_the_present_one(host):
    assert host.run(
        [{"name": "x", "digest": A}],
        [("x:latest", B), (KEPT_A, A)],
        copy("x:latest", KEPT_B),
        copy(KEPT_A, "x:latest"),
        listed(("x:latest", A), (KEPT_B, B), (KEPT_A, A)),
        delete(KEPT_A),
    ) == [("copy", "x:latest", B, A, True)]


def test_a_tag_that_moves_during_the_pull_is_refused_and_the_old_model_is_back(host):
    with pytest.raises(StepFailed) as caught:
        host.run(
            [{"name": "x", "digest": B}],
            [("x:latest", A)],
            copy("x:latest", KEPT_A),
            pull(),
            listed(("x:latest", C), (KEPT_A, A)),
            copy(KEPT_A, "x:latest"),
            delete(KEPT_A),
        )
    assert str(caught.value) == (
        f"x:latest: the tag moved while it was pulled: it is sha256:{C}, the pin is sha256:{B}; the version from before is back."
    )


def test_a_tag_that_moves_during_a_first_pull_leaves_nothing_behind(host):
    with pytest.raises(StepFailed, match="it was removed again"):
        host.run([{"name": "x", "digest": B}], [], pull(), listed(("x:latest", C)), delete("x:latest"))


def test_a_pull_that_fails_leaves_no_copy_behind_and_says_what_the_server_said(host):
    with pytest.raises(StepFailed) as caught:
        host.run(
            [{"name": "x", "digest": B}],
            [("x:latest", A)],
            copy("x:latest", KEPT_A),
            pull([{"status": "pulling manifest"}, {"error": "pull model manifest: file does not exist"}]),
            delete(KEPT_A),
        )
    assert str(caught.value) == "x:latest: the pull failed at 'pulling manifest': pull model manifest: file does not exist"


def test_a_model_that_needs_a_newer_server_says_which_one_is_there(host):
    error = {"error": "pull model manifest: 412: this model requires a newer version of Ollama"}
    with pytest.raises(StepFailed, match=r"requires a newer version of Ollama \(Ollama 0\.32\.15 is installed here\)"):
        host.run([{"name": "x"}], [], pull([error]), Call("GET", "/api/version", {"version": "0.32.15"}))


def test_what_was_done_before_a_failure_is_known(host):
    with pytest.raises(StepFailed):
        host.run(
            [{"name": "y"}, {"name": "x"}],
            [],
            Call("POST", "/api/pull", expect={"model": "y:latest"}, lines=DONE),
            listed(("y:latest", A)),
            pull([{"error": "no"}]),
        )
    assert [(item.action, item.name.short) for item in host.outcomes] == [("pull", "y:latest")]


def test_a_pull_that_leaves_no_model_is_a_failure(host):
    with pytest.raises(StepFailed, match="reported success, but does not list the model: one of its files is damaged"):
        host.run([{"name": "x"}], [], pull(), listed(), delete("x:latest"), pull(), listed())


def test_a_model_with_a_damaged_file_is_removed_and_pulled_again(host):
    calls = (pull(), listed(), delete("x:latest"), pull(), listed(("x:latest", A)))
    assert host.run([{"name": "x"}], [], *calls) == [("pull", "x:latest", "", A, True)]


def test_a_failure_ends_no_other_model_but_what_is_built_on_it(host):
    want = [{"name": "x"}, {"name": "team", "from": "x", "system": "hi"}, {"name": "y"}, {"name": "old", "state": "absent"}]
    with pytest.raises(StepFailed, match=r"^x:latest: the pull failed: no$"):
        host.run(
            want,
            [("old:latest", C)],
            pull([{"error": "no"}]),
            Call("POST", "/api/pull", expect={"model": "y:latest"}, lines=DONE),
            listed(("y:latest", A), ("old:latest", C)),
        )
    assert [(item.action, item.name.short) for item in host.outcomes] == [("pull", "y:latest")]


def test_a_server_that_is_gone_is_named_once(host):
    gone = Call("POST", "/api/pull", raises=TransportError("connection refused", refused=True))
    with pytest.raises(StepFailed) as caught:
        host.run([{"name": "x"}, {"name": "y"}, {"name": "z"}], [], gone)
    assert str(caught.value) == f"x:latest: the pull failed: Cannot reach Ollama at {API}: connection refused"


def create(expect: dict[str, t.Any], lines: list[dict[str, t.Any]] | None = None) -> Call:
    return Call("POST", "/api/create", expect=expect, lines=[{"status": "success"}] if lines is None else lines)


CREATE_TEAM = create({"model": "team:latest", "from": "base", "system": "hi"})


def test_a_build_is_recorded_and_not_repeated(host):
    base = ("base:latest", A)
    assert host.run([TEAM], [base], CREATE_TEAM, listed(("team:latest", B), base)) == [("create", "team:latest", "", B, True)]
    key = ModelName.parse("team").key
    assert host.directory.read().records[key].base_digest == A
    assert host.run([TEAM], [base, ("team:latest", B)]) == [("none", "team:latest", B, B, False)]


def test_a_build_that_comes_out_the_same_is_no_change(host):
    base, team = ("base:latest", A), ("team:latest", B)
    assert host.run([TEAM], [base, team], CREATE_TEAM, listed(team, base)) == [("create", "team:latest", B, B, False)]


def test_a_build_that_fails_is_not_recorded_and_tried_again(host):
    error = [{"status": "creating new layer"}, {"error": "no space left on device"}]
    with pytest.raises(StepFailed, match="team:latest: the build failed at 'creating new layer': no space left on device"):
        host.run([TEAM], [("base:latest", A)], create(CREATE_TEAM.expect, error))
    assert host.state.records == {}


def test_a_build_whose_record_cannot_be_kept_is_not_begun(host, tmp_path):
    (tmp_path / "state").write_text("a file is in the way")
    with pytest.raises(StateError, match="Cannot write the record"):
        host.run([TEAM], [("base:latest", A)])


def test_a_base_that_came_out_the_same_spares_the_builds_on_it(host):
    top = {"name": "top", "from": "team"}
    base, team, there = ("base:latest", A), ("team:latest", B), ("top:latest", C)
    host.run(
        [TEAM, top], [base], CREATE_TEAM, listed(team, base), create({"model": "top:latest", "from": "team"}), listed(there, team, base)
    )
    del host.state.records[ModelName.parse("team").key]
    assert host.run([TEAM, top], [base, team, there], CREATE_TEAM, listed(team, base, there)) == [
        ("create", "team:latest", B, B, False),
        ("none", "top:latest", C, C, False),
    ]


def test_a_base_is_named_to_the_server_as_the_server_spells_it(host):
    there, built = ("Base:latest", A), ("team:latest", B)
    host.run([TEAM], [there], create({**CREATE_TEAM.expect, "from": "Base:latest"}), listed(built, there))


def test_files_of_a_build_are_sent_only_when_they_are_missing(host, tmp_path):
    path = tmp_path / "m.gguf"
    path.write_bytes(b"weights")
    blob = "sha256:" + hashlib.sha256(b"weights").hexdigest()
    fields = {"model": "x:latest", "files": {"m.gguf": blob}}
    host.run(
        [{"name": "x", "from": str(path)}],
        [],
        Call("HEAD", f"/api/blobs/{blob}", status=404),
        Call("POST", f"/api/blobs/{blob}", status=201, expect=b"weights"),
        create(fields),
        listed(("x:latest", A)),
    )
    path.write_bytes(b"other weights")
    other = "sha256:" + hashlib.sha256(b"other weights").hexdigest()
    assert host.run(
        [{"name": "x", "from": str(path)}],
        [("x:latest", A)],
        Call("HEAD", f"/api/blobs/{other}"),
        create({"model": "x:latest", "files": {"m.gguf": other}}),
        listed(("x:latest", B)),
    ) == [("create", "x:latest", A, B, True)]


def test_a_loaded_model_is_unloaded_before_it_is_removed(host):
    loaded = {"models": [{"name": "x:latest", "digest": A}]}
    assert host.run(
        [{"name": "x", "state": "absent"}],
        [("x:latest", A)],
        Call("GET", "/api/ps", loaded),
        Call("POST", "/api/generate", {"done_reason": "unload"}, expect={"model": "x:latest", "keep_alive": 0}),
        Call("GET", "/api/ps", loaded),
        Call("GET", "/api/ps", {"models": []}),
        delete("x:latest"),
    ) == [("remove", "x:latest", A, "", True)]


def test_a_model_that_somebody_removed_meanwhile_is_removed(host):
    host.run(
        [{"name": "x", "state": "absent"}],
        [("x:latest", A)],
        Call("GET", "/api/ps", {"models": []}),
        delete("x:latest", status=404, reply={"error": "model 'x' not found"}),
    )


def test_the_record_of_a_removed_build_goes_with_it(host):
    host.state.records[ModelName.parse("x").key] = Record("f", A)
    host.run([{"name": "x", "state": "absent"}], [("x:latest", A)], Call("GET", "/api/ps", {}), delete("x:latest"))
    assert host.directory.read().records == {}


MANIFEST = json.dumps({"layers": [], "config": {"digest": "sha256:c", "size": 1}}).encode()
FOUND = hashlib.sha256(MANIFEST).hexdigest()
URL = "https://registry.ollama.ai/v2/library/x/manifests/latest"


def pins(want: list[dict[str, t.Any]], have: list[tuple[str, str]], *calls: Call, **options: t.Any) -> Offer:
    present = [Present(ModelName.parse(name), value) for name, value in have]
    plan = make_plan(have=present, want=read_library(want), records={}, fingerprints={})
    with Script(*calls) as script:
        return check_pins(plan, Registry(script), **options)


def test_a_pin_that_the_registry_has_is_no_obstacle():
    offer = pins([{"name": "x", "digest": FOUND}], [], Call("GET", URL, MANIFEST))
    assert (offer.warnings, [manifest.digest for manifest in offer.manifests.values()]) == ((), [FOUND])


def test_only_models_that_would_be_pulled_are_asked_for():
    assert pins([{"name": "x", "digest": A}, {"name": "y"}], [("x:latest", A), ("y:latest", B)]) == Offer()


def test_a_registry_that_does_not_answer_hinders_no_model_without_a_pin():
    assert pins([{"name": "x"}], [], Call("GET", URL, raises=TransportError("no route to host"))) == Offer()


def test_the_base_of_a_build_is_pinned_by_the_lock():
    library = read_library([{"name": "team", "from": "x", "system": "hi"}], lock={"x": B})
    plan = make_plan(have=[Present(ModelName.parse("x"), A)], want=library, records={}, fingerprints={})
    assert [(step.action, step.name.short, step.pin) for step in plan.steps] == [("pull", "x:latest", B), ("create", "team:latest", "")]


@pytest.mark.parametrize(("free", "there", "refused"), [(99, 0, True), (100, 0, False), (40, 64, False), (0, 100, False)])
def test_nothing_is_pulled_into_a_store_without_room(monkeypatch, tmp_path, free, there, refused):
    layer = {"digest": f"sha256:{A}", "size": 100_000_000}
    manifest = json.dumps({"layers": [layer], "config": layer}).encode()
    plan = make_plan(have=[], want=read_library([{"name": "x"}]), records={}, fingerprints={})
    store = Store(str(tmp_path))
    monkeypatch.setattr(store, "free_bytes", lambda: free * 1_000_000)
    monkeypatch.setattr(store, "missing", lambda layers: max(item.size for item in layers) - there * 1_000_000)
    with Script(Call("GET", URL, manifest)) as script:
        offer = check_pins(plan, Registry(script))
    with (
        pytest.raises(PinRefused, match=r"100\.0 MB are still .* for x:latest, and .* has 99\.0 MB free")
        if refused
        else contextlib.nullcontext()
    ):
        check_space(plan, offer, store)


def test_a_moved_tag_is_refused_with_both_digests_and_the_way_on():
    with pytest.raises(PinRefused) as caught:
        pins([{"name": "x", "digest": B}], [("x:latest", A)], Call("GET", URL, MANIFEST))
    text = str(caught.value)
    assert text.startswith(f"Nothing was pulled. models[0] 'x': the pin is sha256:{B}, and the registry's tag is now sha256:{FOUND};")
    assert "the model on this host goes on serving" in text
    assert f"write digest: sha256:{FOUND}" in text


def test_all_moved_tags_are_named_at_once():
    with pytest.raises(PinRefused, match=r"models\[0\].*models\[1\]"):
        pins(
            [{"name": "x", "digest": B}, {"name": "y", "digest": B}],
            [],
            Call("GET", URL, MANIFEST),
            Call("GET", URL.replace("/x/", "/y/"), status=404),
        )


def test_a_registry_that_does_not_answer_is_a_warning_in_check_mode_only():
    silent = TransportError("no answer within 30 s")
    warnings = pins([{"name": "x", "digest": B}], [], Call("GET", URL, raises=silent), forgive_silence=True).warnings
    assert "the pin could not be checked" in warnings[0]
    with pytest.raises(PinRefused, match="the pin could not be checked"):
        pins([{"name": "x", "digest": B}], [], Call("GET", URL, raises=silent))


def load(want: list[dict[str, t.Any]], *calls: Call) -> list[bool]:
    library = read_library(want)
    have = [Present(spec.name, A) for spec in library.specs]
    plan = make_plan(have=have, want=library, records={}, fingerprints={})
    with Script(*calls) as script:
        applier = Applier(server=OllamaServer(script, API), have=have, state=State(), state_dir=StateDir("/nowhere"), builds={})
        applier.run(plan)
        return [outcome.loaded for outcome in preload([OllamaServer(script, API)], library.present, applier.outcomes)]


def test_nothing_to_preload_asks_nothing():
    assert load([{"name": "x"}]) == [False]


def test_what_is_loaded_already_is_not_loaded_again():
    assert load([{"name": "x", "preload": True}], Call("GET", "/api/ps", {"models": [{"name": "x:latest", "digest": A}]})) == [True]


def test_what_is_loaded_in_another_version_is_loaded_again():
    assert load(
        [{"name": "x", "preload": True, "keep_alive": "-1"}, {"name": "y"}],
        Call("GET", "/api/ps", {"models": [{"name": "x:latest", "digest": B}]}),
        Call("POST", "/api/generate", {"done_reason": "load"}, expect={"model": "x:latest", "keep_alive": -1}),
    ) == [True, False]


def test_a_model_that_does_not_load_is_a_failure_with_its_name():
    with pytest.raises(StepFailed, match=f"x:latest: loading into memory at {API} failed: model requires more system memory"):
        load(
            [{"name": "x", "preload": True}],
            Call("GET", "/api/ps", {"models": []}),
            Call("POST", "/api/generate", {"error": "model requires more system memory"}, 500),
        )
