# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes down, as one JSON line each, what tasks ran and what each of them did on its host.

It counts at the source, where an action runs a module, a command or a transfer over its connection. So nobody has to keep a
list of which actions stay on the controller, and a template that takes two modules counts as two.
"""

from __future__ import annotations

import functools
import json
import os
import time
import typing as t

from ansible.plugins.action import ActionBase
from ansible.plugins.callback import CallbackBase

if t.TYPE_CHECKING:
    from ansible.executor.task_result import CallbackTaskResult
    from ansible.inventory.host import Host
    from ansible.playbook.task import Task

DOCUMENTATION = r"""
name: operations
type: aggregate
short_description: What each task did on its host
description:
  - Appends JSON lines to the file that the environment variable E(LLM_HOST_OPERATIONS) names, and does nothing without it.
requirements:
  - enabled in C(callbacks_enabled)
"""
OBSERVED = {"_execute_module": "module", "_low_level_execute_command": "command", "_transfer_file": "transfer"}


class CallbackModule(CallbackBase):
    """The workers are forks of this process and therefore write to the same file."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "operations"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().__init__(*args, **kwargs)
        self._path = os.environ.get("LLM_HOST_OPERATIONS", "")
        self.disabled = not self._path
        if self._path:
            for method, kind in OBSERVED.items():
                self._observe(method, kind)

    def _observe(self, method: str, kind: str) -> None:
        original = getattr(ActionBase, method)

        @functools.wraps(original)
        def observed(action: ActionBase, *args: t.Any, **kwargs: t.Any) -> t.Any:
            if action._connection.transport != "local":
                host = str(action._templar.available_variables["inventory_hostname"])
                module = kwargs.get("module_name") or (args and args[0]) or action._task.action if kind == "module" else ""
                self._write(kind, host, action._task, module=str(module))
            return original(action, *args, **kwargs)

        setattr(ActionBase, method, observed)

    def _write(self, kind: str, host: str, task: Task, **more: t.Any) -> None:
        role = task._role.get_name() if task._role else ""
        line = {"kind": kind, "at": time.monotonic(), "host": host, "id": task._uuid, "name": task.get_name(), "role": role, **more}
        with open(self._path, "a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")

    def v2_runner_on_start(self, host: Host, task: Task) -> None:
        self._write("start", host.get_name(), task)

    def _end(self, result: CallbackTaskResult, **more: bool) -> None:
        self._write("end", result._host.get_name(), result._task, changed=result.is_changed())

    v2_runner_on_ok = v2_runner_on_failed = v2_runner_on_skipped = v2_runner_on_unreachable = _end
