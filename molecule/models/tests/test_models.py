# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The library as its clients see it, and what runs, restarts, interruptions and strangers do to it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.llm.host.plugins.module_utils._probe import Credentials

ALICE = Credentials(key="alice-has-a-key-of-enough-length")
ROOT = Path(__file__).resolve().parents[3]
PLAYBOOK = "playbooks/models.yml"
INSTANCES = (11434, 11444)
DECLARED = {"tiny:latest", "embed:latest", "llama3.2:3b", "assistant:latest", "greeter:latest", "own:latest", "reviewer:latest"}


class Library:
    """The host's models, and runs that want other ones."""

    def __init__(self, host: t.Any, run: t.Callable[..., t.Any]) -> None:
        self.host = host
        self._run = run

    def call(self, path: str, body: t.Any = None, *, port: int = 11434, method: str = "") -> t.Any:
        """Ask an instance on the host itself, as an administrator there would."""
        data = None if body is None else json.dumps(body)
        method = method or ("GET" if body is None else "POST")
        script = (
            "import json, sys, urllib.request as u; data = sys.argv[3].encode() if len(sys.argv) > 3 else None;"
            "print(u.urlopen(u.Request(sys.argv[2], data, method=sys.argv[1]), timeout=60).read().decode())"
        )
        arguments = " ".join(["%s"] * (3 if data is None else 4))
        given = [script, method, f"http://127.0.0.1:{port}{path}", *([] if data is None else [data])]
        text = self.host.check_output(f"python3 -c {arguments}", *given).strip()
        return json.loads(text) if text.startswith("{") and "\n" not in text else text

    def digests(self) -> dict[str, str]:
        return {model["name"]: model["digest"] for model in self.call("/api/tags")["models"]}

    def loaded(self) -> list[set[str]]:
        return [{model["name"] for model in self.call("/api/ps", port=port)["models"]} for port in INSTANCES]

    def await_loaded(self, names: set[str]) -> None:
        deadline = time.monotonic() + 120
        while True:
            try:
                seen = self.loaded()
            except AssertionError:
                seen = []
            if seen == [names] * len(INSTANCES):
                return
            assert time.monotonic() < deadline, (seen, self.host.run("journalctl -u 'ollama-preload@*' -o cat | tail").stdout)
            time.sleep(0.5)

    @contextlib.contextmanager
    def without_registry(self) -> t.Iterator[None]:
        """Nobody listens where the host looks for the registry; other hosts of the lab go on pulling."""
        self.host.check_output("cp /etc/hosts /root/hosts && echo 127.0.0.1 registry.ollama.ai >> /etc/hosts")
        try:
            with pytest.raises(AssertionError):
                self.call("/api/pull", {"model": "odd", "stream": False})
            yield
        finally:
            self.host.check_output("cat /root/hosts > /etc/hosts")

    def apply(self, *options: str, **variables: t.Any) -> t.Any:
        return self._run(PLAYBOOK, "--extra-vars", json.dumps(variables), *options)


@pytest.fixture
def library(host, run_playbook) -> Library:
    return Library(host, run_playbook)


@pytest.fixture
def more(library) -> t.Callable[..., dict[str, t.Any]]:
    """The declared library with some entries more, or others in their places."""
    declared = json.loads(
        subprocess.run(
            ["ansible-inventory", "-i", os.environ["MOLECULE_INVENTORY_FILE"], "--host", "library"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    )["ollama_models"]

    def entries(*others: dict[str, t.Any]) -> dict[str, t.Any]:
        replaced = {other["name"] for other in others}
        return {"ollama_models": [entry for entry in declared if entry["name"] not in replaced] + list(others)}

    return entries


@pytest.fixture
def slow(upstream) -> t.Callable[[int], None]:
    """Have a new version of ``odd``, with 300 kB that nobody has yet, come at so many bytes per second."""

    def publish(bytes_per_second: int) -> None:
        upstream.move("odd:latest", os.urandom(150_000).hex())
        upstream.faults({"path": "/library/odd/blobs/", "bytes_per_second": bytes_per_second})

    return publish


def test_preloaded_models_are_in_the_memory_of_every_instance_and_come_back(library):
    wanted = {"tiny:latest", "embed:latest"}
    library.await_loaded(wanted)
    library.host.check_output("systemctl restart ollama.service")
    library.await_loaded(wanted)
    library.host.check_output("kill -9 $(systemctl show -P MainPID ollama@second.service)")
    library.await_loaded(wanted)
    expires = {model["name"]: model["expires_at"] for model in library.call("/api/ps")["models"]}
    assert expires["tiny:latest"] > "2100" > expires["embed:latest"]
    subprocess.run(["docker", "restart", "library"], check=True, capture_output=True)
    library.await_loaded(wanted)
    assert library.host.check_output("systemctl list-units --failed --plain --no-legend") == ""


def test_what_is_not_loaded_is_loaded_by_a_run_and_that_is_no_change(library):
    library.await_loaded({"tiny:latest", "embed:latest"})
    library.call("/api/generate", {"model": "tiny", "keep_alive": 0, "stream": False}, port=11444)
    assert library.apply().changed == {"library": 0}
    library.await_loaded({"tiny:latest", "embed:latest"})


def test_models_are_what_their_recipes_say(library):
    def show(name: str) -> dict[str, t.Any]:
        return t.cast("dict[str, t.Any]", library.call("/api/show", {"model": name}))

    assert show("assistant")["system"] == "\nYou are the assistant of the lab.\n"
    assert show("greeter")["system"] == "Greet in the name of the lab."
    assert show("greeter")["template"] == "{{ .System }} {{ .Prompt }}"
    assert re.search(r"num_ctx +512", show("own")["parameters"])
    reviewer = show("reviewer")
    assert reviewer["system"] == "You review merge requests."
    assert re.search(r"temperature +0\.1", reviewer["parameters"])
    assert re.search(r'stop +"<\|end\|>"', reviewer["parameters"])


def test_a_tag_that_moves_is_followed_when_the_pin_says_so_and_the_way_back_needs_no_network(library, more, upstream):
    before = library.digests()
    second = upstream.move("llama3.2:3b", "moved by its publisher")
    assert library.apply().changed == {"library": 0}
    assert library.digests() == before

    registry = {"ollama_models_registry_url": upstream.url}
    refused = library.apply(**more(), **registry, ollama_models_lock={"llama3.2:3b": f"sha256:{'0' * 64}"})
    (said,) = refused.failures
    assert all(text in said for text in ("Nothing was pulled.", "0" * 64, second, "goes on serving"))
    assert library.digests() == before

    pins = {"tiny": before["tiny:latest"], "embed": before["embed:latest"]}
    forward = {**more(), **registry, "ollama_models_lock": {**pins, "llama3.2:3b": second}}
    assert library.apply("--check", **forward).changed == {"library": 1}
    assert library.digests() == before
    assert library.apply(**forward).changed == {"library": 1}
    kept = f"llama3.2:3b-{before['llama3.2:3b'][:12]}"
    assert library.digests() == {**before, "llama3.2:3b": second, kept: before["llama3.2:3b"]}
    assert library.apply(**forward).changed == {"library": 0}

    with library.without_registry():
        assert library.apply().changed == {"library": 1}
        assert library.digests()["llama3.2:3b"] == before["llama3.2:3b"]
        assert library.apply().changed == {"library": 0}


def test_what_somebody_pulled_by_hand_is_removed_because_the_library_is_exclusive(library):
    library.call("/api/pull", {"model": "odd", "stream": False})
    library.call("/api/copy", {"source": "tiny", "destination": "toy"})
    assert {"odd:latest", "toy:latest"} <= set(library.digests())
    foreseen = library.apply("--check", "--diff")
    assert (foreseen.changed, "-odd:latest" in foreseen.output) == ({"library": 1}, True)
    assert library.apply().changed == {"library": 1}
    assert not {"odd:latest", "toy:latest"} & set(library.digests())
    assert set(library.digests()) >= DECLARED


def test_what_somebody_altered_by_hand_is_built_again(library):
    before = library.digests()
    library.call("/api/create", {"model": "assistant", "from": "tiny", "system": "I am somebody else.", "stream": False})
    assert library.digests()["assistant:latest"] != before["assistant:latest"]
    assert library.apply().changed == {"library": 1}
    assert library.call("/api/show", {"model": "assistant"})["system"] == "\nYou are the assistant of the lab.\n"
    assert library.apply().changed == {"library": 0}


def test_check_mode_shows_the_lines_of_a_recipe_that_differ(library, more):
    before = library.digests()
    change = more({"name": "reviewer", "from": "assistant", "system": "You review nothing.", "parameters": {"num_ctx": 1024}})
    run = library.apply("--check", "--diff", **change)
    assert run.changed == {"library": 1}
    for line in ("-  SYSTEM You review merge requests.", "+  SYSTEM You review nothing.", "-  PARAMETER temperature 0.1"):
        assert line in run.output
    assert "SYSTEM Greet" not in "".join(line for line in run.output.splitlines() if line[:1] in "+-")
    assert library.digests() == before


def test_a_slow_pull_is_seen_and_a_run_without_changes_prints_nothing(library, more, slow):
    slow(30_000)
    run = library.apply(**more({"name": "odd"}))
    assert run.changed == {"library": 1}, run.output
    lines = [line for line in run.output.splitlines() if line.startswith("library  odd:latest  ")]
    assert lines, run.output
    assert re.fullmatch(r"library  odd:latest  \d+ %  \d+/\d+ [kM]?B(  \d+ k?B/s  eta \d+ s)?", lines[0])
    run = library.apply(**more({"name": "odd"}))
    assert (run.changed, "library  odd" in run.output) == ({"library": 0}, False)
    assert library.apply().changed == {"library": 1}


def test_a_pull_outlives_its_controller_and_the_next_run_waits_for_it(library, more, upstream, slow):
    slow(20_000)
    library.host.run("rm -f /var/lib/llm-host/models.progress")
    wanted = ["--extra-vars", json.dumps(more({"name": "odd"}))]
    command = ["ansible-playbook", "-i", os.environ["MOLECULE_INVENTORY_FILE"], ROOT / PLAYBOOK, *wanted]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True) as first:
        deadline = time.monotonic() + 60
        while not library.host.file("/var/lib/llm-host/models.progress").exists:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        os.killpg(first.pid, signal.SIGINT)
        first.communicate(timeout=30)
    assert first.returncode != 0
    assert "odd:latest" not in library.digests()
    run = library.apply(**more({"name": "odd"}))
    assert (run.code, run.changed) == (0, {"library": 0}), run.output
    assert "odd:latest" in library.digests()
    upstream.faults()
    assert library.apply().changed == {"library": 1}


def test_two_plays_at_once_take_turns(library, more, upstream, slow):
    slow(60_000)
    command = [
        "ansible-playbook",
        "-i",
        os.environ["MOLECULE_INVENTORY_FILE"],
        ROOT / PLAYBOOK,
        "--extra-vars",
        json.dumps(more({"name": "odd"})),
    ]
    plays = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in range(2)]
    outputs = [play.communicate(timeout=180)[0] for play in plays]
    assert [play.returncode for play in plays] == [0, 0], outputs
    assert sorted(re.findall(r"changed=(\d)", "".join(outputs))) == ["0", "1"]
    upstream.faults()
    assert library.apply().changed == {"library": 1}


def test_what_no_model_uses_is_removed_when_that_is_asked_for(library):
    blobs = "/usr/share/ollama/.ollama/models/blobs"
    partial = f"{blobs}/sha256-{'1' * 64}-partial"
    library.host.check_output(f"touch -d '2 hours ago' {partial}")
    assert library.apply().changed == {"library": 0}
    assert library.host.file(partial).exists
    assert library.apply(ollama_models_remove_orphans=True).changed == {"library": 1}
    assert not library.host.file(partial).exists
    assert set(library.digests()) >= DECLARED


def test_a_mistake_in_the_library_is_said_before_anything_changes(library, more, run_playbook):
    before = library.digests()
    wrong = more({"name": "assistant", "modelfile_content": "FROM tiny\n\nPARAMETER num_ctx much\n"})
    run = run_playbook("site.yml", "--extra-vars", json.dumps({**wrong, "ollama_keep_alive": "7m"}))
    assert "modelfile_content:3: invalid int value 'much'" in " ".join(run.failures)
    assert run.changed == {"library": 0}
    assert library.digests() == before


# The last one: models of the same weights share a place in memory, under the name that came first.
def test_clients_find_and_use_what_is_declared_and_nothing_else(endpoint):
    reply = endpoint("https://llm.test").request("GET", "/v1/models", who=ALICE)
    assert {model["id"] for model in reply.json()["data"] if not re.search(r"-[0-9a-f]{12}$", model["id"])} == DECLARED
    for name in ("own", "reviewer", "greeter"):
        body = {"model": name, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 4}
        reply = endpoint("https://llm.test").request("POST", "/v1/chat/completions", who=ALICE, body=body)
        assert reply.status == 200, (name, reply.body)
        assert reply.json()["choices"][0]["message"]["role"] == "assistant"
