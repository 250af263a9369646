# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a playbook did on its hosts, as the callback plugin beside this file wrote it down."""

from __future__ import annotations

import dataclasses
import json
import typing as t
from pathlib import Path

__all__ = ("MODEL_MODULE", "MOST_TASKS", "Task", "budget", "environment", "read")

MOST_TASKS = 12
MODEL_MODULE = "llm.host.ollama_models"


@dataclasses.dataclass
class Task:
    """One task on one host."""

    host: str
    name: str
    role: str
    began: float
    ended: float
    changed: bool = False
    modules: list[str] = dataclasses.field(default_factory=list)
    trips: int = 0

    @property
    def touches_host(self) -> bool:
        return self.trips > 0

    @property
    def seconds(self) -> float:
        return self.ended - self.began


def environment(path: Path) -> dict[str, str]:
    """What ansible-playbook needs in its environment to write its operations to this file."""
    return {
        "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).resolve().parent / "callback"),
        "ANSIBLE_CALLBACKS_ENABLED": "operations",
        "LLM_HOST_OPERATIONS": str(path),
    }


def read(path: Path) -> list[Task]:
    """The tasks of a run, in the order in which they began."""
    tasks: dict[tuple[str, str], Task] = {}
    for text in path.read_text(encoding="utf-8").splitlines():
        line = json.loads(text)
        at = float(line["at"])
        task = tasks.setdefault((line["host"], line["id"]), Task(line["host"], line["name"], line["role"], began=at, ended=at))
        task.ended = at
        match line["kind"]:
            case "end":
                task.changed = bool(line["changed"])
            case "module":
                task.modules.append(line["module"])
            case "command" | "transfer":
                task.trips += 1
    return list(tasks.values())


def budget(tasks: t.Iterable[Task]) -> dict[str, bool]:
    """What a run of the roles ollama and ollama_models that changes nothing may do on one host."""
    tasks = list(tasks)
    touching = sum(task.touches_host for task in tasks)
    calls = sum(task.modules.count(MODEL_MODULE) for task in tasks)
    changed = [task.name for task in tasks if task.changed]
    return {
        f"{touching} tasks touch the host, {MOST_TASKS} may": 0 < touching <= MOST_TASKS,
        f"{calls} call of {MODEL_MODULE}, 1 is needed": calls == 1,
        f"changed: {', '.join(changed) or 'nothing'}": not changed,
    }
