# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole program, as a host has it, against the stand-in of Ollama."""

from __future__ import annotations

import json
import math
import os
import shutil
import socket
import subprocess
import sys
import time
import typing as t
import urllib.request
from pathlib import Path

import pytest
from local import call, free_port
from ollama_exporter.table import METRICS
from prometheus_client.parser import text_string_to_metric_families
from strange import SILENCE, answers, wait_for

ROOT = Path(__file__).parents[3]
# What the program uses of the collection; nothing else of it is on a host.
UTILS = (
    "_compat", "_gpu_tools", "_gpus", "_hardware", "_machine", "_names", "_nvidia_chips", "_release_assets", "_release_values", "_room",
    "_store", "_tailscale",
)  # fmt: skip
POLL = 0.2
UP = "ollama_up", "default"


class Exporter:
    """A process, and what it tells, by name and values of labels."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._process: subprocess.Popen[str] | None = None
        self.port = free_port()

    def start(self, **config: t.Any) -> subprocess.Popen[str]:
        library = self._directory / "library"
        utils = library / "ansible_collections/llm/host/plugins/module_utils"
        utils.mkdir(parents=True)
        shutil.copytree(ROOT / "roles/metrics/files/ollama_exporter", library / "ollama_exporter")
        for name in UTILS:
            shutil.copy(ROOT / "plugins/module_utils" / f"{name}.py", utils)
        path = self._directory / "exporter.json"
        path.write_text(json.dumps({"port": self.port, "poll_seconds": POLL, **config}))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ollama_exporter", str(path)],
            env={**os.environ, "PYTHONPATH": str(library)},
            cwd=self._directory,
            stderr=subprocess.PIPE,
            text=True,
        )
        return self._process

    def stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.communicate()

    def text(self) -> str:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as reply:
            return reply.read().decode()

    def values(self) -> dict[tuple[str, ...], float]:
        try:
            families = list(text_string_to_metric_families(self.text()))
        except OSError:
            return {}
        samples = [sample for family in families for sample in family.samples]
        found = [((each.name, *(each.labels[label] for label in METRICS[each.name].labels)), each.value) for each in samples]
        assert len(dict(found)) == len(found), "a sample is there twice"
        return dict(found)

    def wait(self, *expected: tuple[tuple[str, ...], float | None], seconds: float = 25) -> dict[tuple[str, ...], float]:
        """Until all of these are told, or not told where None is expected."""
        last: dict[tuple[str, ...], float] = {}

        def arrived() -> bool:
            last.clear()
            last.update(self.values())
            return bool(last) and all(last.get(key) == value for key, value in expected)

        try:
            wait_for(arrived, seconds)
        except AssertionError:
            raise AssertionError(f"{expected} did not come, but {last}") from None
        return last


@pytest.fixture(name="exporter")
def _exporter(tmp_path):
    exporter = Exporter(tmp_path)
    yield exporter
    exporter.stop()


@pytest.fixture(name="names")
def _names(lab):
    """Two installed models, as Ollama lists them."""
    lab.run([lab.pulled("tiny"), lab.pulled("embed")])
    return f"{lab.name('tiny')}:latest", f"{lab.name('embed')}:latest"


def load(lab: t.Any, model: str, **more: t.Any) -> None:
    call("POST", f"{lab.api}/api/generate", {"model": model, "stream": False, **more})


def await_poll(lab: t.Any) -> None:
    """Until somebody has asked what is loaded, from now on."""

    def seen() -> list[dict[str, t.Any]]:
        return call("GET", f"{lab.api}/_standin/seen")["requests"]

    last = seen()[-1]["id"]
    wait_for(lambda: any(entry["id"] > last and entry["path"] == "/api/ps" and entry["status"] for entry in seen()))


def faults(lab: t.Any, **switched: t.Any) -> None:
    call("PUT", f"{lab.api}/_standin/faults", switched)


def server(url: str, name: str = "default", **more: t.Any) -> dict[str, t.Any]:
    return {"name": name, "url": url, **more}


def test_everything_of_a_server_and_its_store_is_told(exporter, lab, names):
    tiny, embed = names
    store = str(lab.directory / "models")
    size = {item["name"]: item["size"] for item in call("GET", f"{lab.api}/api/tags")["models"]}
    exporter.start(
        servers=[server(lab.api, gpus_expected=True)],
        stores=[{"path": store}],
        models=[{"name": tiny, "digest": "sha256:" + "0" * 64}, {"name": "missing"}],
        exclusive=True,
        version="0.0.1",
        gpus_expected=2,
    )
    exporter.wait((UP, 1))
    faults(lab, gpu=0.5)
    load(lab, tiny, keep_alive=-1, options={"num_ctx": 2048})
    found = exporter.wait((("ollama_model_loads_total", "default", tiny), 1), (("ollama_store_needed_bytes", store), size[tiny]))
    version = call("GET", f"{lab.api}/api/version")["version"]
    (listed,) = call("GET", f"{lab.api}/api/ps")["models"]
    model = ("default", tiny)
    assert {key: value for key, value in found.items() if key[0].startswith("ollama_") and key[0] not in ("ollama_exporter_errors_total", "ollama_scrape_seconds")} == {
        UP: 1,
        ("ollama_info", "default", version): 1,
        ("ollama_models", "default"): 2,
        ("ollama_model_bytes", *model): listed["size"],
        ("ollama_model_vram_bytes", *model): listed["size_vram"],
        ("ollama_model_context_tokens", *model): 2048,
        ("ollama_model_expiry_timestamp_seconds", *model): math.inf,
        ("ollama_model_loads_total", *model): 1,
        ("ollama_model_unloads_total", *model): 0,
        ("ollama_model_loads_total", "default", embed): 0,
        ("ollama_model_unloads_total", "default", embed): 0,
        ("ollama_gpu_expected", "default"): 1,
        ("ollama_model_on_cpu", *model): 1,
        ("ollama_drift", "default", "version"): 1,
        ("ollama_drift", "default", "missing"): 1,
        ("ollama_drift", "default", "digest"): 1,
        ("ollama_drift", "default", "undeclared"): 1,
        ("ollama_store_bytes", store): found["ollama_store_bytes", store],
        ("ollama_store_orphaned_bytes", store): 0,
        ("ollama_store_orphaned_blobs", store): 0,
        ("ollama_store_free_bytes", store): found["ollama_store_free_bytes", store],
        ("ollama_store_needed_bytes", store): size[tiny],
    }  # fmt: skip
    assert 0 < listed["size_vram"] < listed["size"]
    assert 0 < found["ollama_scrape_seconds", "default"] < 1
    assert found["llm_gpus_expected",] == 2
    faults(lab, gpu=1)
    exporter.wait((("ollama_model_on_cpu", *model), 0))


def test_loads_and_unloads_are_counted_also_between_two_scrapes_and_when_ollama_is_started_again(exporter, lab, names):
    tiny = names[0]
    loads, unloads = ("ollama_model_loads_total", "default", tiny), ("ollama_model_unloads_total", "default", tiny)
    exporter.start(servers=[server(lab.api)])
    exporter.wait((UP, 1), (loads, 0))
    for _number in range(2):
        load(lab, tiny)
        await_poll(lab)
        load(lab, tiny, keep_alive=0)
        await_poll(lab)
    load(lab, tiny)
    exporter.wait((loads, 3), (unloads, 2))
    load(lab, tiny, options={"num_ctx": 1024})
    exporter.wait((loads, 4), (unloads, 3))
    lab.stop()
    found = exporter.wait((UP, 0), (loads, 4), (unloads, 4))
    assert not {key for key in found if key[0] in ("ollama_info", "ollama_models", "ollama_model_bytes", "ollama_drift")}
    lab.start()
    load(lab, tiny)
    exporter.wait((UP, 1), (loads, 5), (unloads, 4), (("ollama_models", "default"), 2))


def test_one_that_answers_nonsense_is_down_and_nothing_is_told_of_what_it_had(exporter, lab, names):
    exporter.start(servers=[server(lab.api)])
    load(lab, names[0])
    bytes_ = ("ollama_model_bytes", "default", names[0])
    wait_for(lambda: bytes_ in exporter.values())
    errors = ("ollama_exporter_errors_total", "ps")
    for fault in ({"status": {"/api/ps": 500}}, {"unauthorized": True}):
        before = exporter.values()[errors]
        faults(lab, **fault)
        found = exporter.wait((UP, 0), (bytes_, None))
        assert found[errors] > before
        faults(lab)
        exporter.wait((UP, 1))
    assert exporter.values()["ollama_model_unloads_total", "default", names[0]] == 0, "it was there all the time"


def test_one_that_takes_requests_and_says_nothing_is_down_and_no_scrape_waits_for_it(exporter, lab, names):
    with answers({"/api/ps": {"models": []}, "/api/tags": SILENCE, "/api/version": {"version": "1.0"}}) as other:
        exporter.start(servers=[server(lab.api), server(other, "other"), server("http://127.0.0.1:1", "gone")])
        exporter.wait((UP, 1), (("ollama_up", "other"), 1), (("ollama_up", "gone"), 0), (("ollama_info", "other", "1.0"), 1))
        faults(lab, hang=True)
        scrapes, deadline = 0, time.monotonic() + 20
        while exporter.values()[UP] and time.monotonic() < deadline:
            scrapes += 1
            time.sleep(0.1)
        found = exporter.values()
        assert found[UP] == 0
        assert found["ollama_up", "other"] == 1
        assert ("ollama_models", "default") not in found
        assert ("ollama_models", "other") not in found
        # One that waited for the question, which has 5 s, would have been the only one.
        assert scrapes > 5


def test_another_version_after_a_restart_is_told_at_once(exporter, lab, names):
    exporter.start(servers=[server(lab.api)], version="0.0.0")
    exporter.wait((UP, 1), (("ollama_drift", "default", "version"), 0))
    lab.stop()
    exporter.wait((UP, 0))
    lab.start(OLLAMA_STANDIN_FAULTS='{"version": "9.9.9"}')
    began = time.monotonic()
    exporter.wait((("ollama_info", "default", "9.9.9"), 1), (("ollama_drift", "default", "version"), 1))
    assert time.monotonic() - began < 5


def test_a_host_without_ollama_has_an_exporter_too(exporter):
    exporter.start()
    found = exporter.wait((("ollama_exporter_errors_total", "ps"), 0))
    assert not {key for key in found if key[0] in ("ollama_up", "ollama_store_bytes", "llm_tailscale_key_expiry_timestamp_seconds")}


def test_a_configuration_that_nobody_understands_is_said_in_a_sentence(exporter):
    assert said_at_the_end(exporter.start(servers=[{}])).startswith("Cannot read the configuration ")


def test_a_port_that_is_taken_is_said_in_a_sentence(exporter):
    with socket.create_server(("127.0.0.1", exporter.port)):
        said = said_at_the_end(exporter.start())
    assert said.startswith(f"Cannot listen on 127.0.0.1:{exporter.port}: ")


def said_at_the_end(process: subprocess.Popen[str]) -> str:
    errors = process.communicate(timeout=20)[1]
    assert (process.returncode, len(errors.splitlines())) == (1, 1), errors
    return errors
