# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry, an Ollama and the modules called on them: the requests, the store and the registry are as in production."""

from __future__ import annotations

import json
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args
from local import call, free_port, start_ollama

from ansible_collections.llm.host.plugins.modules import ollama_model, ollama_models


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
        self._process = start_ollama(self.directory, self.api, through=through, **environment)

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
