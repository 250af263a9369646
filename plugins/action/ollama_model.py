# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of ``ollama_model``: it reads and renders the Modelfile."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.llm.host.plugins.plugin_utils._modelfiles import ModelfileReader


class ActionModule(ActionBase):
    """Fill ``modelfile_content`` when there is a ``modelfile``, then run the module."""

    TRANSFERS_FILES = False
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        variables = task_vars or {}
        super().run(tmp, variables)
        arguments = ModelfileReader(self, variables).fill(dict(self._task.args), label="ollama_model")
        return self._execute_module(
            module_name="llm.host.ollama_model", module_args=arguments, task_vars=variables, wrap_async=self._task.async_val
        )
