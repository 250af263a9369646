# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hands agent.py to a host of the lab and waits for what it found."""

from __future__ import annotations

import json
import subprocess
import threading
import typing as t
from pathlib import Path

__all__ = ["Agent", "Task"]

_PROGRAM = (Path(__file__).parent / "agent.py").read_text()


class Task:
    """Something that the agent does meanwhile."""

    def __init__(self, name: str, do: str, values: t.Mapping[str, t.Any]) -> None:
        command = ["docker", "exec", "-i", name, "python3", "-c", _PROGRAM]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self._ready = threading.Event()
        self._errors: list[str] = []
        self._output = ""
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._read, self._listen)]
        assert self._process.stdin is not None
        for thread in self._threads:
            thread.start()
        with self._process.stdin as stdin:
            json.dump({"do": do, **values}, stdin)

    def _read(self) -> None:
        assert self._process.stdout is not None
        self._output = self._process.stdout.read()

    def _listen(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if line == "ready\n":
                self._ready.set()
            else:
                self._errors.append(line)
        self._ready.set()

    def wait_until_ready(self) -> None:
        assert self._ready.wait(60), "the agent is not ready"
        assert not self._errors, "".join(self._errors)

    def result(self, timeout: float = 240) -> t.Any:
        code = self._process.wait(timeout)
        for thread in self._threads:
            thread.join()
        assert code == 0, "".join(self._errors)
        return json.loads(self._output)


class Agent:
    """The agent on one host."""

    def __init__(self, name: str) -> None:
        self._name = name

    def start(self, do: str, **values: t.Any) -> Task:
        return Task(self._name, do, values)

    def sh(self, command: str) -> str:
        """What a command prints on the host, whatever bytes it is made of."""
        run = ["docker", "exec", self._name, "sh", "-c", command]
        return subprocess.run(run, check=True, capture_output=True, text=True, errors="replace").stdout.strip()

    def __call__(self, do: str, **values: t.Any) -> t.Any:
        return self.start(do, **values).result()
