# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of ``ollama_store``: what takes a while runs on the host by itself, and people see how far it is."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.llm.host.plugins.plugin_utils._job import run_job
from ansible_collections.llm.host.plugins.plugin_utils._library_action import Lines

MODULE = "llm.host.ollama_store"


class ActionModule(ActionBase):
    """One call where nothing is to be copied."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        variables = task_vars or {}
        super().run(tmp, variables)
        arguments = dict(self._task.args)
        if self._task.check_mode or arguments.get("look_only"):
            return self._execute_module(module_name=MODULE, module_args=arguments, task_vars=variables)
        look = self._execute_module(module_name=MODULE, module_args={**arguments, "look_only": True}, task_vars=variables)
        if look.get("failed"):
            return look
        if not look["pending"]:
            return self._execute_module(module_name=MODULE, module_args=arguments, task_vars=variables)
        lines = Lines(str(variables.get("inventory_hostname")), silent=bool(self._task.no_log))
        state_dir = self._remote_expand_user(str(arguments.get("state_dir") or "/var/lib/llm-host"))
        return run_job(self, MODULE, arguments, variables=variables, watch=f"{state_dir}/models.progress", show=lines.show)
