# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of ``host_files``: it renders the templates, and keeps secrets apart."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase
from ansible.template import generate_ansible_template_vars

from ansible_collections.llm.host.plugins.plugin_utils._templates import render


class ActionModule(ActionBase):
    """Render every entry that has a ``template``, then run the module once."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        variables = task_vars or {}
        super().run(tmp, variables)
        arguments = dict(self._task.args)
        for option in ("files", "secret_files"):
            arguments[option] = [self._rendered(entry, variables) for entry in arguments.get(option) or []]
        return self._execute_module(module_name="llm.host.host_files", module_args=arguments, task_vars=variables)

    def _rendered(self, entry: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        if not entry.get("template"):
            return entry
        source = str(entry["template"])
        found = self._find_needle("templates", source)
        known = {**variables, **generate_ansible_template_vars(source, found, entry.get("path")), **(entry.get("variables") or {})}
        kept = {key: value for key, value in entry.items() if key not in ("template", "variables")}
        return {**kept, "content": render(self, found, variables=known)}
