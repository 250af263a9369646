# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The canary against the stand-in: what it measures, and what it says of servers that do not answer as they should."""

from __future__ import annotations

import json
import socket
import threading
import time

import pytest
from local import free_port
from ollama_standin.gotime import unix


def test_models_in_memory_are_measured_and_others_left_alone(canary, ollama):
    ollama.generate()
    ollama.faults(token_ms=100, prompt_ms=300)
    found = canary.run()
    assert found["success tiny:latest"] == 1
    assert 6 < found["tokens_per_second tiny:latest"] < 10.4
    assert 0.4 < found["first_token_seconds tiny:latest"] < 1.5
    assert abs(found["timestamp_seconds tiny:latest"] - time.time()) < 20
    assert found["runs_total tiny:latest"] == 1
    assert "load_seconds tiny:latest" not in found
    assert not [name for name in found if "embed" in name and "runs_total" not in name]
    assert set(ollama.resident()) == {"tiny:latest"}


def test_all_measures_what_is_not_in_memory_with_its_load_and_lets_it_go(canary, ollama):
    ollama.faults(load_ms=700)
    found = canary.run("all")
    assert (found["success tiny:latest"], found["success embed:latest"]) == (1, 1)
    assert 0.7 < found["load_seconds tiny:latest"] < 3
    assert 0.7 < found["load_seconds embed:latest"] < 3
    assert found["first_token_seconds tiny:latest"] < 0.7
    assert "tokens_per_second embed:latest" not in found
    assert ollama.resident() == {}


def test_what_was_learned_of_a_load_stays_known_while_the_model_is_in_memory(canary, ollama):
    load = canary.run("all")["load_seconds tiny:latest"]
    ollama.generate()
    assert canary.run()["load_seconds tiny:latest"] == load


def test_a_model_stays_no_longer_than_once_more_after_its_last_use(canary, ollama):
    ollama.generate(keep_alive="10m")
    assert canary.run()["runs_total tiny:latest"] == 1
    left = ollama.resident()["tiny:latest"]["expires_at"]
    assert canary.run()["runs_total tiny:latest"] == 1
    assert ollama.resident()["tiny:latest"]["expires_at"] == left
    ollama.generate()
    assert canary.run()["runs_total tiny:latest"] == 2


def test_how_long_a_model_stays_after_the_next_use_is_as_before(canary, ollama):
    ollama.generate(keep_alive="10m")
    time.sleep(3)
    assert canary.run()["success tiny:latest"] == 1
    ollama.generate()
    assert unix(ollama.resident()["tiny:latest"]["expires_at"]) - time.time() > 598


def test_a_model_that_stays_for_ever_is_measured_each_time_and_stays(canary, ollama):
    ollama.generate(keep_alive=-1)
    assert canary.run()["runs_total tiny:latest"] == 1
    assert canary.run()["runs_total tiny:latest"] == 2
    assert ollama.resident()["tiny:latest"]["expires_at"] > "2100"


def test_a_model_with_a_context_of_its_own_is_not_loaded_anew(canary, ollama):
    ollama.generate(options={"num_ctx": 64})
    loads = ollama.counters()["loads"]
    assert canary.run()["success tiny:latest"] == 1
    assert ollama.counters()["loads"] == loads
    assert ollama.resident()["tiny:latest"]["context_length"] == 64


def test_a_preloaded_model_that_had_to_go_is_loaded_again(canary, ollama, lab):
    lab.stop()
    lab.start(OLLAMA_MAX_LOADED_MODELS="1")
    canary.models[0].update(preload=True, keep_alive="-1")
    ollama.generate(keep_alive=-1)
    found = canary.run("all")
    assert (found["success tiny:latest"], found["success embed:latest"]) == (1, 1)
    assert list(ollama.resident()) == ["tiny:latest"]
    assert ollama.resident()["tiny:latest"]["expires_at"] > "2100"


@pytest.mark.parametrize(
    "faults",
    [
        {"status": {"/api/generate": 500}},
        {"generate_500": True},
        {"error_after": 3},
        {"cut_after": 3},
        {"status": {"/api/ps": 500}},
    ],
    ids=lambda faults: "-".join(faults),
)
def test_a_server_that_answers_wrongly_has_failed_and_nothing_else_is_said(canary, ollama, faults):
    ollama.generate()
    assert canary.run()["success tiny:latest"] == 1
    ollama.generate()
    ollama.faults(**faults)
    found = canary.run()
    assert {name for name in found if "tiny" in name} == {"success tiny:latest", "timestamp_seconds tiny:latest", "runs_total tiny:latest"}
    assert (found["success tiny:latest"], found["runs_total tiny:latest"]) == (0, 2)


def test_a_model_that_is_not_there_has_failed(canary):
    canary.models = [{"name": "nothing:latest"}]
    assert canary.run("all")["success nothing:latest"] == 0
    assert "404" in canary.said


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n\xff\xfe\n",
        b"HTTP/1.1 200 OK\r\n\r\n[1]\n",
        b'HTTP/1.1 200 OK\r\n\r\n{"models": 7}\n',
        b'HTTP/1.1 200 OK\r\n\r\n{"models": [{}]}\n',
        b'HTTP/1.1 200 OK\r\n\r\n{"done": true, "eval_count": "x", "eval_duration": "y", "models": null}\n',
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}",
    ],
    ids=["silence", "no-http", "empty", "no-text", "a-list", "a-number", "no-name", "no-numbers", "too-short"],
)
def test_garbage_has_failed(canary, answer):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _peer = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        canary.address = f"127.0.0.1:{server.getsockname()[1]}"
        canary.models = canary.models[:1]
        found = canary.run("all")
        server.shutdown(socket.SHUT_RDWR)
    assert found["success tiny:latest"] == 0


def test_an_instance_that_refuses_connections_has_failed(canary):
    canary.address = f"127.0.0.1:{free_port()}"
    assert canary.run()["success tiny:latest"] == 0


def test_what_is_not_declared_any_more_disappears_and_counters_go_on(canary, ollama):
    ollama.generate(keep_alive=-1)
    canary.run()
    canary.models = canary.models[:1]
    found = canary.run()
    assert not [name for name in found if "embed" in name]
    assert found["runs_total tiny:latest"] == 2


@pytest.mark.parametrize("content", ["", "{", "[1]", '[{"host": "gpu-01"}]'])
def test_a_broken_memory_is_begun_anew(canary, ollama, content):
    ollama.generate()
    (canary.directory / "results.json").write_text(content)
    assert canary.run()["runs_total tiny:latest"] == 1


def test_a_configuration_that_is_none_is_said_in_a_sentence(canary):
    canary.models = [{}]
    process = canary.start()
    output, errors = process.communicate(timeout=20)
    assert (process.returncode, output) == (1, "")
    assert errors == f"{canary.directory}/canary.json cannot be used (KeyError: 'name'): run the playbook again.\n"


def test_no_word_of_the_answer_is_kept(canary, ollama):
    ollama.generate()
    answer = ollama.generate()["response"]
    canary.run()
    kept = canary.said + json.dumps([path.read_text() for path in canary.directory.iterdir()])
    assert not [word for word in answer.split() if len(word) > 5 and word in kept]
