# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules against the stand-in: the requests, the store and the registry are as in production."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import shutil
import threading
import time
import typing as t

import pytest
from local import GGUF, call

from ansible_collections.llm.host.plugins.module_utils import _library_module
from ansible_collections.llm.host.plugins.module_utils._server import OllamaServer
from ansible_collections.llm.host.plugins.module_utils._store import Store


def actions(result: dict[str, t.Any]) -> list[tuple[str, bool]]:
    return [(item["action"], item["digest_before"] != item["digest_after"]) for item in result["models"]]


def test_pull_again_move_the_pin_again_remove_again(lab):
    first = lab.registry_digest("tiny:latest")
    pinned = lab.pulled("tiny", digest=first)

    done = lab.both([pinned])
    assert actions(done) == [("pull", True)]
    assert done["models"][0]["digest_after"] == f"sha256:{first}"
    assert lab.tags() == {f"{lab.name('tiny')}:latest": first}
    assert actions(lab.both([pinned])) == [("none", False)]

    second = lab.move("tiny:latest", "a licence")
    moved = lab.pulled("tiny", digest=f"sha256:{second}")
    assert actions(lab.both([pinned])) == [("none", False)]
    assert actions(lab.both([moved])) == [("pull", True)]
    assert lab.tags() == {f"{lab.name('tiny')}:latest": second, f"{lab.name('tiny')}:latest-{first[:12]}": first}
    assert actions(lab.both([moved])) == [("none", False)]

    gone = {"name": lab.name("tiny"), "state": "absent"}
    assert actions(lab.both([gone])) == [("remove", True)]
    assert actions(lab.both([gone])) == [("none", False)]


def test_a_moved_tag_is_refused_and_the_old_model_is_still_there(lab):
    first = lab.registry_digest("tiny:latest")
    lab.run([lab.pulled("tiny", digest=first)])
    wanted = "0" * 64
    lab.move("tiny:latest", "upstream moved")
    for check in (True, False):
        result = lab.run([lab.pulled("tiny", digest=wanted)], check=check)
        assert result["failed"]
        assert result["msg"].startswith("Nothing was pulled.")
    assert lab.tags() == {f"{lab.name('tiny')}:latest": first}


def test_going_back_to_the_kept_version_needs_no_registry(lab):
    first = lab.registry_digest("tiny:latest")
    lab.run([lab.pulled("tiny", digest=first)])
    second = lab.move("tiny:latest", "second")
    lab.run([lab.pulled("tiny", digest=second)])
    call("PUT", f"{lab.upstream}/_upstream/faults", [{"path": "/v2/", "status": 500}])
    assert actions(lab.both([lab.pulled("tiny", digest=first)])) == [("copy", True)]
    assert lab.tags() == {f"{lab.name('tiny')}:latest": first, f"{lab.name('tiny')}:latest-{second[:12]}": second}


def test_the_order_of_builds_follows_from_what_they_are_made_of(lab):
    models = [
        {"name": "top", "from": "middle", "parameters": {"temperature": 0.1}},
        {"name": "middle", "from": lab.name("tiny"), "system": "Be brief."},
        lab.pulled("tiny"),
    ]
    done = lab.both(models)
    assert [item["name"] for item in done["models"]] == [f"{lab.name('tiny')}:latest", "middle:latest", "top:latest"]
    assert actions(done) == [("pull", True), ("create", True), ("create", True)]
    assert actions(lab.both(models)) == [("none", False)] * 3


def test_a_build_is_repeated_when_and_only_when_something_changed(lab):
    base = lab.pulled("tiny")
    team = {"name": "team", "modelfile_content": f"FROM {lab.name('tiny')}\nSYSTEM one\nLICENSE MIT\n"}
    lab.both([base, team])
    assert actions(lab.both([base, team])) == [("none", False), ("none", False)]

    comment = {**team, "modelfile_content": "# a comment\n" + team["modelfile_content"]}
    assert actions(lab.both([base, comment])) == [("none", False), ("none", False)]

    changed = {**team, "modelfile_content": team["modelfile_content"].replace("one", "two")}
    done = lab.both([base, changed])
    assert actions(done) == [("none", False), ("create", True)]
    assert set(done["diff"]["before"].splitlines()) - set(done["diff"]["after"].splitlines()) > {"  SYSTEM one"}

    call("POST", f"{lab.api}/api/create", {"model": "team", "from": lab.name("tiny"), "system": "by hand", "stream": False})
    assert actions(lab.both([base, changed])) == [("none", False), ("create", True)]

    moved = {**base, "digest": lab.move("tiny:latest", "a new base")}
    assert actions(lab.both([moved, changed])) == [("pull", True), ("create", True)]
    assert actions(lab.both([moved, changed])) == [("none", False), ("none", False)]


def test_a_lost_record_means_a_build_but_no_change(lab):
    models = [lab.pulled("tiny"), {"name": "team", "from": lab.name("tiny"), "system": "hi"}]
    lab.both(models)
    shutil.rmtree(lab.directory / "state")
    done = lab.run(models)
    assert (done["changed"], actions(done)) == (False, [("none", False), ("create", False)])


def test_a_gguf_file_on_the_host_becomes_a_model_once(lab):
    models = [{"name": "mine", "from": str(GGUF)}]
    assert actions(lab.both(models)) == [("create", True)]
    assert actions(lab.both(models)) == [("none", False)]


def test_exclusive_removes_what_is_not_declared_but_not_what_is_needed(lab):
    lab.run([lab.pulled("tiny"), lab.pulled("embed"), {"name": "team", "from": lab.name("tiny"), "system": "hi"}])
    second = lab.move("tiny:latest", "second")
    lab.run([lab.pulled("tiny", digest=second)])
    names = set(lab.tags())
    done = lab.both([{"name": "team", "from": lab.name("tiny"), "system": "hi"}], exclusive=True)
    assert [item["name"] for item in done["models"] if item["action"] == "remove"] == [f"{lab.name('embed')}:latest"]
    assert set(lab.tags()) == names - {f"{lab.name('embed')}:latest"}


def test_preloaded_models_are_in_memory_and_are_not_loaded_twice(lab):
    models = [lab.pulled("tiny", preload=True, keep_alive="-1"), lab.pulled("embed", preload=True)]
    assert [item["loaded"] for item in lab.run(models)["models"]] == [True, True]
    assert len(call("GET", f"{lab.api}/api/ps")["models"]) == 2
    call("DELETE", f"{lab.api}/_standin/seen")
    assert not lab.run(models)["changed"]
    seen = [item["path"] for item in call("GET", f"{lab.api}/_standin/seen")["requests"]]
    assert [path for path in seen if path.startswith("/api/")] == ["/api/tags", "/api/ps"]


def test_a_run_without_changes_asks_once(lab):
    models = [lab.pulled("tiny"), {"name": "team", "from": lab.name("tiny"), "system": "hi"}]
    lab.run(models)
    call("DELETE", f"{lab.api}/_standin/seen")
    lab.run(models)
    seen = [item["path"] for item in call("GET", f"{lab.api}/_standin/seen")["requests"]]
    assert [path for path in seen if path.startswith("/api/")] == ["/api/tags"]


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        pytest.param({"path": "/manifests/", "status": 404}, "file does not exist", id="404"),
        pytest.param({"path": "/manifests/", "status": 500, "text": "out of order"}, "out of order", id="500"),
        pytest.param({"path": "/manifests/", "status": 429, "text": "slow down"}, "slow down", id="429"),
        pytest.param({"path": "/manifests/", "status": 401}, "the pull failed", id="401"),
        pytest.param({"path": "/blobs/sha256:79dc5e55", "wrong_bytes": True}, "digest mismatch", id="wrong-bytes"),
    ],
)
def test_a_pull_that_fails_says_why_and_the_next_run_repairs(lab, fault, says):
    call("PUT", f"{lab.upstream}/_upstream/faults", [fault])
    result = lab.run([lab.pulled("tiny")])
    assert result["failed"]
    assert says in result["msg"]
    assert result["msg"].startswith(f"{lab.name('tiny')}:latest: the pull failed at '")
    assert lab.tags() == {}
    call("DELETE", f"{lab.upstream}/_upstream/faults")
    assert actions(lab.both([lab.pulled("tiny")])) == [("pull", True)]


def test_a_stream_that_ends_without_success_is_a_failure(lab):
    call("PUT", f"{lab.api}/_standin/faults", {"pull_cut": True})
    result = lab.run([lab.pulled("tiny")])
    assert result["failed"]
    assert "the pull failed at" in result["msg"]


def test_a_server_that_is_killed_during_a_pull_loses_nothing_that_works(lab):
    lab.run([lab.pulled("embed")])
    call("PUT", f"{lab.upstream}/_upstream/faults", [{"path": "/blobs/", "bytes_per_second": 50_000}])
    killer = threading.Timer(1.0, lab.stop)
    killer.start()
    result = lab.run([lab.pulled("embed"), lab.pulled("tiny")])
    killer.join()
    assert "the pull failed at 'pulling " in result["msg"]
    assert [item["name"] for item in result["models"]] == [f"{lab.name('embed')}:latest"]
    call("DELETE", f"{lab.upstream}/_upstream/faults")
    lab.start()
    assert set(lab.tags()) == {f"{lab.name('embed')}:latest"}
    assert actions(lab.both([lab.pulled("embed"), lab.pulled("tiny")])) == [("none", False), ("pull", True)]


def test_a_disk_that_fills_up_during_a_pull_loses_nothing_and_the_next_run_repairs(lab):
    lab.run([lab.pulled("embed")])
    before = lab.tags()
    lab.stop()
    lab.start(through=("prlimit", "--fsize=150000"))
    call("PUT", f"{lab.api}/_standin/faults", {"pull_retries": 1})
    result = lab.run([lab.pulled("embed"), lab.pulled("tiny")])
    assert "tiny:latest: the pull failed at 'pulling " in result["msg"]
    assert "File too large" in result["msg"]
    assert lab.tags() == before
    lab.stop()
    lab.start()
    assert actions(lab.both([lab.pulled("embed"), lab.pulled("tiny")])) == [("none", False), ("pull", True)]


def test_a_server_that_is_restarted_between_two_models_is_no_failure(lab, monkeypatch):
    pull, pulled = OllamaServer.pull, []

    def pull_and_restart(server: OllamaServer, name: t.Any, **options: t.Any) -> t.Any:
        result = pull(server, name, **options)
        pulled.append(name)
        if len(pulled) == 1:
            lab.stop()
            lab.start()
        return result

    monkeypatch.setattr(OllamaServer, "pull", pull_and_restart)
    assert actions(lab.run([lab.pulled("embed"), lab.pulled("tiny")], parallel=1)) == [("pull", True), ("pull", True)]
    assert len(lab.tags()) == 2


def test_a_blob_that_breaks_off_is_taken_up_where_it_was(lab):
    call("PUT", f"{lab.upstream}/_upstream/faults", [{"path": "/blobs/sha256:79dc5e55", "truncate": 100_000}])
    assert actions(lab.run([lab.pulled("tiny")])) == [("pull", True)]


def test_a_blob_that_always_breaks_off_is_a_failure_and_the_next_run_repairs(lab):
    call("PUT", f"{lab.api}/_standin/faults", {"pull_retries": 1})
    call("PUT", f"{lab.upstream}/_upstream/faults", [{"path": "/blobs/sha256:79dc5e55", "truncate": 100, "times": 50}])
    result = lab.run([lab.pulled("tiny")])
    assert "tiny:latest: the pull failed at 'pulling " in result["msg"]
    assert lab.tags() == {}
    call("DELETE", f"{lab.upstream}/_upstream/faults")
    assert actions(lab.both([lab.pulled("tiny")])) == [("pull", True)]


@pytest.mark.parametrize("there", [True, False], ids=["there", "new"])
def test_a_tag_that_moves_between_the_look_and_the_pull_is_undone(lab, monkeypatch, there):
    first = lab.registry_digest("tiny:latest")
    if there:
        lab.run([lab.pulled("tiny")])
    before = lab.tags()
    pin = lab.move("tiny:latest", "the pinned one")
    look = _library_module.check_pins

    def look_and_move(*arguments: t.Any, **options: t.Any) -> t.Any:
        offer = look(*arguments, **options)
        lab.move("tiny:latest", "moved meanwhile")
        return offer

    monkeypatch.setattr(_library_module, "check_pins", look_and_move)
    result = lab.run([lab.pulled("tiny", digest=pin)])
    assert "the tag moved while it was pulled" in result["msg"]
    assert ("the version from before is back" in result["msg"]) == there
    assert lab.tags() == before
    assert not there or set(lab.tags().values()) == {first}


def test_the_bytes_of_a_pull_are_those_of_the_layers_that_were_missing(lab):
    store = str(lab.directory / "models")
    call("POST", f"{lab.upstream}/_upstream/tag", {"model": "twin", "from": "tiny:latest"})
    result = lab.run([lab.pulled("tiny"), lab.pulled("twin")], store_dir=store)
    assert "failed" not in result, result["msg"]
    first, second = result["models"]
    assert (first["bytes"] > 239_936, second["bytes"]) == (True, 0)
    lab.move("tiny:latest", "a licence of 26 characters")
    pinned = lab.pulled("tiny", digest=lab.registry_digest("tiny:latest"))
    (moved,) = lab.run([pinned], store_dir=store)["models"]
    assert 26 <= moved["bytes"] < 1000


def test_a_look_says_whether_there_is_work_and_does_none(lab):
    models = [lab.pulled("tiny", preload=True), {"name": "mine", "from": str(GGUF)}]
    look = lab.run(models, look_only=True)
    assert (look["pending"], look["changed"], look["needs_files"], lab.tags()) == (True, False, [], {})
    lab.run(models)
    look = lab.run(models, look_only=True)
    assert (look["pending"], [item["loaded"] for item in look["models"]]) == (False, [True, False])
    call("POST", f"{lab.api}/api/generate", {"model": lab.name("tiny"), "keep_alive": 0, "stream": False})
    assert lab.run(models, look_only=True)["pending"]


def test_a_file_from_the_controller_is_needed_once_and_removed_where_it_was_put(lab, tmp_path):
    staged = tmp_path / "staged"
    shutil.copy(GGUF, staged)
    digest = f"sha256:{hashlib.sha256(GGUF.read_bytes()).hexdigest()}"
    sent = {"path": "./tiny.gguf", "name": "tiny.gguf", "digest": digest, "size": GGUF.stat().st_size}
    model = {"name": "mine", "modelfile_content": "FROM ./tiny.gguf\nSYSTEM hi\n", "controller_files": [sent]}
    assert lab.run([model], look_only=True)["needs_files"] == [digest]
    result = lab.run([model])
    assert result["msg"] == "mine:latest: tiny.gguf did not come from the controller: run again, in a task without async of its own."
    done = lab.both([{**model, "controller_files": [{**sent, "staged": str(staged)}]}])
    assert (actions(done), staged.exists()) == ([("create", True)], False)
    assert actions(lab.both([model])) == [("none", False)]
    changed = {**model, "modelfile_content": "FROM ./tiny.gguf\nSYSTEM ho\n"}
    assert lab.run([changed], look_only=True)["needs_files"] == []
    assert actions(lab.both([changed])) == [("create", True)]


def test_a_relative_path_that_nobody_looked_up_is_refused(lab):
    result = lab.run([{"name": "mine", "from": "./tiny.gguf"}])
    assert result["msg"].startswith("models[0] 'mine': './tiny.gguf' is a relative path, which means a file on the controller")


def test_a_registry_that_stalls_is_given_up_after_the_time_that_is_asked_for(lab):
    call("PUT", f"{lab.upstream}/_upstream/faults", [{"path": "/blobs/", "stall": 8}])
    begun = time.monotonic()
    result = lab.run([lab.pulled("tiny")], progress_timeout=2)
    assert time.monotonic() - begun < 6
    assert "the pull failed at 'pulling " in result["msg"]


def test_two_runs_at_once_take_turns(lab):
    call("PUT", f"{lab.upstream}/_upstream/faults", [{"path": "/blobs/", "bytes_per_second": 300_000}])
    first = multiprocessing.get_context("fork").Process(target=lab.run, args=([lab.pulled("tiny")],))
    first.start()
    deadline = time.monotonic() + 10
    while not any(item["path"] == "/api/pull" for item in call("GET", f"{lab.api}/_standin/seen")["requests"]):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    second = lab.run([lab.pulled("tiny")])
    first.join(20)
    assert (first.exitcode, second["changed"], actions(second)) == (0, False, [("none", False)])


def test_a_build_that_fails_leaves_the_old_model_and_the_next_run_repairs(lab):
    models = [lab.pulled("tiny"), {"name": "team", "from": lab.name("tiny"), "system": "one"}]
    lab.run(models)
    before = lab.tags()
    models[1]["system"] = "two"
    call("PUT", f"{lab.api}/_standin/faults", {"create_error": "no space left on device"})
    result = lab.run(models)
    assert "team:latest: the build failed" in result["msg"]
    assert "no space left on device" in result["msg"]
    assert lab.tags() == before
    call("PUT", f"{lab.api}/_standin/faults", {})
    assert actions(lab.both(models)) == [("none", False), ("create", True)]


def test_a_build_that_fails_after_its_file_was_sent_lists_nothing_and_the_next_run_repairs(lab):
    lab.run([lab.pulled("tiny")])
    before = lab.tags()
    models = [lab.pulled("tiny"), {"name": "mine", "from": str(GGUF)}]
    call("PUT", f"{lab.api}/_standin/faults", {"create_error": "no space left on device"})
    result = lab.run(models)
    assert result["msg"] == "mine:latest: the build failed: no space left on device"
    assert lab.tags() == before
    call("PUT", f"{lab.api}/_standin/faults", {})
    assert actions(lab.both(models)) == [("none", False), ("create", True)]
    assert actions(lab.both(models)) == [("none", False)] * 2


def test_a_damaged_manifest_is_pulled_again_and_harms_no_other_model(lab):
    models = [lab.pulled("tiny"), lab.pulled("embed")]
    lab.run(models)
    before = lab.tags()
    (manifest,) = (lab.directory / "models" / "manifests").glob("*/library/tiny/latest")
    manifest.write_text("{")
    assert actions(lab.both(models)) == [("pull", True), ("none", False)]
    assert lab.tags() == before


def test_one_model_that_fails_keeps_no_other_from_being_pulled(lab):
    models = [lab.pulled("tiny"), lab.pulled("embed"), {"name": "team", "from": lab.name("tiny"), "system": "hi"}]
    call("PUT", f"{lab.upstream}/_upstream/faults", [{"path": "/tiny/manifests/", "status": 500, "text": "out of order"}])
    result = lab.run(models)
    assert result["failed"]
    assert (result["changed"], [item["name"] for item in result["models"]]) == (True, [f"{lab.name('embed')}:latest"])
    assert result["msg"].count("latest:") == 1
    call("DELETE", f"{lab.upstream}/_upstream/faults")
    assert actions(lab.both(models)) == [("pull", True), ("none", False), ("create", True)]


def test_nothing_is_pulled_into_a_store_that_is_too_small(lab, monkeypatch):
    monkeypatch.setattr(Store, "free_bytes", lambda _store: 100_000)
    models = [lab.pulled("embed"), lab.pulled("tiny")]
    for check in (True, False):
        result = lab.run(models, check=check, store_dir=str(lab.directory / "models"))
        assert result["msg"].startswith("Nothing was pulled. 0.3 MB are still to be downloaded for ")
        assert not result["changed"]
    assert lab.tags() == {}


def test_check_mode_works_without_a_server_and_a_real_run_says_what_is_wrong(lab):
    lab.stop()
    assert lab.run([lab.pulled("tiny")], check=True)["changed"]
    assert lab.run([lab.pulled("tiny")])["msg"] == f"Cannot reach Ollama at {lab.api}: connection refused"


def test_one_model_by_hand(lab):
    options = lab.pulled("tiny")
    assert lab.run_one(check=True, **options)["changed"]
    assert lab.run_one(**options)["changed"]
    assert not lab.run_one(**options)["changed"]


def test_what_no_model_uses_is_reported_and_removed_when_it_is_old_and_asked_for(lab):
    lab.run([lab.pulled("tiny")])
    store = lab.directory / "models"
    blobs = store / "blobs"
    old, fresh = blobs / f"sha256-{'1' * 64}", blobs / f"sha256-{'2' * 64}-partial"
    for path in (old, fresh):
        path.write_bytes(b"x" * 10)
    os.utime(old, (1, 1))
    options = {"store_dir": str(store)}
    assert lab.both([lab.pulled("tiny")], **options)["orphans"] == {"count": 2, "bytes": 8192, "removed": 0}
    done = lab.both([lab.pulled("tiny")], remove_orphans=True, **options)
    assert (done["changed"], done["orphans"]["removed"]) == (True, 1)
    assert (old.exists(), fresh.exists()) == (False, True)
    again = lab.run([lab.pulled("tiny")], remove_orphans=True, **options)
    assert (again["changed"], again["orphans"]["count"]) == (False, 1)
