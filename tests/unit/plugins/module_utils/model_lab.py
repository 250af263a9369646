# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry, an Ollama and the modules called on them: the requests, the store and the registry are as in production."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import typing as t
import urllib.request
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.llm.host.plugins.modules import ollama_model, ollama_models

TESTS = Path(__file__).parents[3]
STORE = TESTS / "data" / "models" / "store"
GGUF = TESTS / "data" / "models" / "tiny.gguf"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def call(method: str, url: str, body: t.Any = None) -> t.Any:
    data = None if body is None else json.dumps(body).encode()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(url, data=data, method=method), timeout=10) as reply:
        text = reply.read()
    return json.loads(text) if text else None


def start(command: list[str], url: str, log: Path, **environment: str) -> subprocess.Popen[bytes]:
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT, env={**os.environ, **environment})
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            call("GET", url)
            return process
        except OSError:
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
    process.kill()
    raise AssertionError(f"{command} does not answer: {log.read_text()}")


class Lab:
    """One registry and one Ollama, and the modules called on them."""

    def __init__(self, directory: Path, upstream: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.directory = directory
        self.upstream = upstream
        self.registry = upstream.removeprefix("http://")
        self.api = f"http://127.0.0.1:{free_port()}"
        self._capsys = capsys
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, through: tuple[str, ...] = (), **environment: str) -> None:
        self._process = start(
            [*through, sys.executable, "-m", "ollama_standin", "serve"],
            f"{self.api}/api/version",
            self.directory / "ollama.log",
            PYTHONPATH=str(TESTS / "standin"),
            OLLAMA_HOST=self.api.removeprefix("http://"),
            OLLAMA_MODELS=str(self.directory / "models"),
            HOME=str(self.directory),
            **environment,
        )

    def stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()

    def name(self, model: str) -> str:
        return f"{self.registry}/library/{model}"

    def pulled(self, model: str, **more: t.Any) -> dict[str, t.Any]:
        return {"name": self.name(model), "insecure": True, **more}

    def tags(self) -> dict[str, str]:
        return {item["name"]: item["digest"] for item in call("GET", f"{self.api}/api/tags")["models"]}

    def registry_digest(self, tag: str) -> str:
        return str(call("GET", f"{self.upstream}/_upstream/tags")[f"library/{tag}"])

    def move(self, tag: str, variant: str) -> str:
        model, _, name = tag.partition(":")
        return str(call("POST", f"{self.upstream}/_upstream/tag", {"model": model, "tag": name, "variant": variant})["digest"])

    def run(self, models: list[dict[str, t.Any]], *, check: bool = False, **options: t.Any) -> dict[str, t.Any]:
        return self._main(ollama_models, {"models": models, **options}, check=check)

    def run_one(self, *, check: bool = False, **options: t.Any) -> dict[str, t.Any]:
        return self._main(ollama_model, options, check=check)

    def _main(self, module: t.Any, options: dict[str, t.Any], *, check: bool) -> dict[str, t.Any]:
        arguments = {
            "api_url": self.api,
            "api_timeout": 5,
            "state_dir": str(self.directory / "state"),
            **options,
            "_ansible_check_mode": check,
            "_ansible_diff": True,
        }
        self._capsys.readouterr()
        with patch_module_args(arguments), pytest.raises(SystemExit):
            module.main()
        return t.cast("dict[str, t.Any]", json.loads(self._capsys.readouterr().out))

    def both(self, models: list[dict[str, t.Any]], **options: t.Any) -> dict[str, t.Any]:
        """A check run, which must change nothing and foresee everything, then the real one."""
        before = self.tags()
        foreseen = self.run(models, check=True, **options)
        assert self.tags() == before
        done = self.run(models, **options)
        assert "failed" not in done, done["msg"]
        assert (foreseen["changed"], foreseen["diff"]) == (done["changed"], done["diff"])
        summary = [[(item["name"], item["action"], item["reason"]) for item in run["models"]] for run in (foreseen, done)]
        assert summary[0] == summary[1]
        return done
