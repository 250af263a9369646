# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of ``ollama_lock``: it reads and renders the Modelfiles of every host."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.llm.host.plugins.plugin_utils._modelfiles import ModelfileReader


class ActionModule(ActionBase):
    """Fill ``modelfile_content`` with the variables of the host that an entry belongs to, then run the module once."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        variables = task_vars or {}
        super().run(tmp, variables)
        arguments = dict(self._task.args)
        libraries = arguments.get("libraries")
        if not isinstance(libraries, list):
            raise AnsibleActionFail("libraries is no list: write a list with host and models of every host.")
        arguments["libraries"] = [self._filled(library, variables) for library in libraries]
        return self._execute_module(module_name="llm.host.ollama_lock", module_args=arguments, task_vars=variables)

    def _filled(self, library: t.Any, variables: dict[str, t.Any]) -> t.Any:
        if not isinstance(library, dict) or not isinstance(library.get("models"), list):
            return library
        host, hostvars = str(library.get("host")), variables.get("hostvars")
        own = hostvars.raw_get(host) if hostvars is not None and host in hostvars else {}
        reader = ModelfileReader(self, {**variables, **own})
        models = [
            reader.fill(entry, label=f"{host}: ollama_models[{index}]") if isinstance(entry, dict) else entry
            for index, entry in enumerate(library["models"])
        ]
        return {**library, "models": models}
