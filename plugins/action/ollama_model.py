# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of ``ollama_model``: a Modelfile and weights that lie there, and the progress that people see."""

from __future__ import annotations

import typing as t

from ansible_collections.llm.host.plugins.plugin_utils._controller_files import ControllerFiles
from ansible_collections.llm.host.plugins.plugin_utils._library_action import LibraryAction
from ansible_collections.llm.host.plugins.plugin_utils._modelfiles import ModelfileReader


class ActionModule(LibraryAction):
    """Fill in what lies on the controller, then run the module."""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        variables = task_vars or {}
        super().run(tmp, variables)
        reader = ModelfileReader(self, variables)
        files = ControllerFiles(self, reader)
        arguments = files.describe(reader.fill(dict(self._task.args), label="ollama_model"), label="ollama_model")
        return self.run_library("llm.host.ollama_model", arguments, variables=variables, files=files)
