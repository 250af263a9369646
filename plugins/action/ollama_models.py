# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of ``ollama_models``: it reads and renders the Modelfiles."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.llm.host.plugins.plugin_utils._modelfiles import ModelfileReader


class ActionModule(ActionBase):
    """Fill ``modelfile_content`` of every entry that has a ``modelfile``, then run the module once."""

    TRANSFERS_FILES = False
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        variables = task_vars or {}
        super().run(tmp, variables)
        arguments = dict(self._task.args)
        models = arguments.get("models")
        if isinstance(models, list):
            reader = ModelfileReader(self, variables)
            filled = []
            for index, entry in enumerate(models):
                if isinstance(entry, dict):
                    entry = reader.fill(entry, label=f"models[{index}]")
                filled.append(entry)
            arguments["models"] = filled
        elif models is not None and not isinstance(models, str):
            raise AnsibleActionFail("models is no list: write a list of models, each with a name.")
        return self._execute_module(
            module_name="llm.host.ollama_models", module_args=arguments, task_vars=variables, wrap_async=self._task.async_val
        )
