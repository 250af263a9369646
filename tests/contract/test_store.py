# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names, digests and files: the store on disk as the API shows it."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import shutil
import time
import typing as t

import pytest
from suite import MODELS, add_models, digest_of

if t.TYPE_CHECKING:
    from serverunder import Server
    from suite import Launch

LIBRARY = "manifests/registry.ollama.ai/library"
HOUR = 3600
VECTORS = [
    pytest.param(
        {"temperature": 1, "top_k": 10, "stop": ["USER:", "ASSISTANT:"]},
        "1d0ad71299d48c2fb7ae2b98e683643e771f8a5b72be34942af90d97a91c1e37",
        id="numbers-and-stops",
    ),
    pytest.param(
        {"temperature": 0.6, "top_k": 10, "top_p": 0.7, "stop": ["<|endoftext|>"]},
        "12f58bb75cb3042d69a7e013ab87fb3c3c7088f50ddc62f0c77bd332f0d44d35",
        id="fractions-and-escapes",
    ),
]


def blobs(server: Server) -> set[str]:
    return {path.name for path in (server.models / "blobs").iterdir()}


def test_digest_in_tags_is_the_hash_of_the_manifest_file(server: Server) -> None:
    for name, item in server.tags().items():
        data = (server.models / LIBRARY / name.replace(":", "/")).read_bytes()
        assert item["digest"] == hashlib.sha256(data).hexdigest()
        manifest = json.loads(data)
        sizes = [layer["size"] for layer in [*manifest["layers"], manifest["config"]]]
        assert item["size"] == sum(sizes)


@pytest.mark.parametrize(("parameters", "digest"), VECTORS)
def test_parameters_are_stored_as_predicted(server: Server, parameters: dict[str, t.Any], digest: str) -> None:
    lines = server.create("x", **{"from": "tiny", "parameters": parameters})
    assert {"status": f"creating new layer sha256:{digest}"} in lines


def test_texts_are_stored_without_a_newline(server: Server) -> None:
    lines = server.create("x", **{"from": "tiny", "license": "MIT", "template": "{{ .Prompt }}"})
    layers = [line["status"].rpartition(":")[2] for line in lines if "layer" in line["status"]]
    assert layers[1:] == [hashlib.sha256(text).hexdigest() for text in (b"{{ .Prompt }}", b"MIT")]


def test_numbers_pass_through_float64(server: Server) -> None:
    server.create("x", **{"from": "tiny", "parameters": {"num_ctx": 4096, "seed": 1048576, "top_p": 0.95}})
    manifest = json.loads((server.models / LIBRARY / "x" / "latest").read_text())
    blob = server.models / "blobs" / manifest["layers"][-1]["digest"].replace(":", "-")
    assert blob.read_text() == '{"num_ctx":4096,"seed":1048576,"top_p":0.95}\n'
    shown = server.post("/api/show", {"model": "x"}).json()["parameters"]
    assert sorted(shown.splitlines()) == [
        "num_ctx                        4096",
        "seed                           1.048576e+06",
        "top_p                          0.95",
    ]


def test_same_recipe_gives_the_same_digest_and_a_new_time(server: Server) -> None:
    recipe = {"from": "tiny", "system": "Be brief."}
    server.create("x", **recipe)
    before = server.tags()["x:latest"]
    time.sleep(0.01)
    server.create("x", **recipe)
    after = server.tags()["x:latest"]
    assert before["digest"] == after["digest"]
    assert before["modified_at"] != after["modified_at"]


def test_empty_values_unset_nothing(server: Server) -> None:
    server.create("x", **{"from": "tiny", "system": "Be brief.", "parameters": {"seed": 1}})
    server.create("y", **{"from": "x", "system": "", "parameters": None, "messages": []})
    shown = server.post("/api/show", {"model": "y"}).json()
    assert (shown["system"], shown["parameters"].split()) == ("Be brief.", ["seed", "1"])


def test_creating_from_itself_piles_up_licences(server: Server) -> None:
    server.create("x", **{"from": "tiny", "license": "MIT"})
    server.create("x", **{"from": "x", "license": "MIT"})
    assert server.post("/api/show", {"model": "x"}).json()["license"] == "MIT\nMIT"


def test_replaced_layers_are_removed_and_shared_ones_stay(server: Server) -> None:
    server.create("x", **{"from": "tiny", "system": "one"})
    server.create("y", **{"from": "tiny", "system": "one"})
    one = f"sha256-{hashlib.sha256(b'one').hexdigest()}"
    server.create("x", **{"from": "tiny", "system": "two"})
    assert one in blobs(server)
    server.create("y", **{"from": "tiny", "system": "two"})
    assert one not in blobs(server)


def test_names_are_the_same_in_any_case_and_the_first_spelling_wins(server: Server) -> None:
    server.create("Team-X", **{"from": "tiny"})
    server.create("team-x", **{"from": "tiny", "system": "two"})
    assert "Team-X:latest" in server.tags()
    assert "team-x:latest" not in server.tags()
    assert server.post("/api/show", {"model": "TEAM-x:LATEST"}).json()["system"] == "two"
    assert server.ask("DELETE", "/api/delete", {"model": "tEAM-X"}).status == 200


@pytest.mark.parametrize(
    "name",
    ["a b", "a/b/c/d", "host:5000/model", "a.b/model", "-a", "a:b:c", "a@sha256:00", "é", "a" * 81, "/a", "a:"],
)
def test_invalid_names_are_refused(shared: Server, name: str) -> None:
    reply = shared.post("/api/create", {"model": name, "from": "tiny"})
    assert (reply.status, reply.json()) == (400, {"error": "invalid model name"})


@pytest.mark.parametrize(
    ("name", "short"),
    [
        pytest.param("registry.ollama.ai/library/n1", "n1:latest", id="defaults-are-dropped"),
        pytest.param("team/n2:v1", "team/n2:v1", id="a-namespace-stays"),
        pytest.param("hf.co/team/n3.gguf:Q4_0", "hf.co/team/n3.gguf:Q4_0", id="a-host-stays"),
        pytest.param("mirror.lan:5000/library/n4", "mirror.lan:5000/library/n4:latest", id="a-host-keeps-the-namespace"),
    ],
)
def test_names_are_shown_in_their_short_form(server: Server, name: str, short: str) -> None:
    assert server.post("/api/copy", {"source": "tiny", "destination": name}).status == 200
    assert short in server.tags()


def test_name_is_an_alias_of_model_in_management(server: Server) -> None:
    assert server.post("/api/show", {"name": "tiny"}).status == 200
    assert server.ask("DELETE", "/api/delete", {"name": "tiny"}).status == 200


def test_copy_overwrites_and_keeps_the_digest(server: Server) -> None:
    server.create("x", **{"from": "tiny", "system": "old"})
    assert server.post("/api/copy", {"source": "tiny", "destination": "x"}).status == 200
    tags = server.tags()
    assert tags["x:latest"]["digest"] == tags["tiny:latest"]["digest"]


def test_delete_keeps_blobs_that_another_model_uses(server: Server) -> None:
    server.post("/api/copy", {"source": "tiny", "destination": "second"})
    before = blobs(server)
    server.ask("DELETE", "/api/delete", {"model": "tiny"})
    assert blobs(server) == before
    server.ask("DELETE", "/api/delete", {"model": "second"})
    assert len(blobs(server)) < len(before)


def test_deleting_a_loaded_model_does_not_unload_it(server: Server) -> None:
    server.post("/api/generate", {"model": "tiny", "keep_alive": 0.5})
    server.ask("DELETE", "/api/delete", {"model": "tiny"})
    assert "tiny:latest" in server.loaded()


def test_models_that_another_process_writes_appear_at_once(server: Server) -> None:
    source = server.models / LIBRARY / "tiny" / "latest"
    target = server.models / LIBRARY / "mirrored" / "v1"
    target.parent.mkdir(parents=True)
    shutil.copyfile(source, target)
    assert "mirrored:v1" in server.tags()


def restart_with_loose_blobs(launch: Launch, tmp_path: pathlib.Path, *, spoil: bool = False, **env: str) -> set[str]:
    """Of an old and a young blob that no manifest names: what is left after a restart."""
    home = tmp_path / "store"
    first = launch(home=home)
    add_models(first)
    first.stop()
    folder = home / "models" / "blobs"
    old, young = folder / f"sha256-{'0' * 64}", folder / f"sha256-{'1' * 64}"
    for path in (old, young):
        path.write_bytes(b"loose")
    stamp = time.time() - 2 * HOUR
    os.utime(old, (stamp, stamp))
    for path in folder.iterdir():
        if path != young:
            os.utime(path, (stamp, stamp))
    if spoil:
        (home / "models" / LIBRARY / "tiny" / "latest").write_text("{")
    second = launch(home=home, env=env)
    assert "embed:latest" in second.tags()
    return {path.name[-1] for path in (old, young) if path.exists()}


def test_start_prunes_loose_blobs_older_than_an_hour(launch: Launch, tmp_path: pathlib.Path) -> None:
    assert restart_with_loose_blobs(launch, tmp_path) == {"1"}


def test_start_prunes_nothing_with_noprune(launch: Launch, tmp_path: pathlib.Path) -> None:
    assert restart_with_loose_blobs(launch, tmp_path, OLLAMA_NOPRUNE="1") == {"0", "1"}


def test_noprune_takes_any_unknown_word_for_true(launch: Launch, tmp_path: pathlib.Path) -> None:
    assert restart_with_loose_blobs(launch, tmp_path, OLLAMA_NOPRUNE="off") == {"0", "1"}


def test_start_prunes_nothing_when_a_manifest_is_corrupt(launch: Launch, tmp_path: pathlib.Path) -> None:
    assert restart_with_loose_blobs(launch, tmp_path, spoil=True) == {"0", "1"}


def test_blob_is_stored_once_and_found_by_either_form_of_its_digest(empty_server: Server) -> None:
    server = empty_server
    path = MODELS / "tiny.gguf"
    digest = digest_of(path)
    assert server.post(f"/api/blobs/{digest}", path.read_bytes()).status == 201
    assert server.post(f"/api/blobs/{digest}", path.read_bytes()).status == 200
    assert server.ask("HEAD", f"/api/blobs/{digest.replace(':', '-')}").status == 200
