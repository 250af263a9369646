# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of ``ollama_models``: Modelfiles and weights that lie there, and the progress that people see."""

from __future__ import annotations

import contextlib
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import UnsupportedError
from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.llm.host.plugins.module_utils._compat import older
from ansible_collections.llm.host.plugins.module_utils._library import InputError
from ansible_collections.llm.host.plugins.module_utils._library_module import models_options, read_declaration
from ansible_collections.llm.host.plugins.module_utils._release_assets import Version
from ansible_collections.llm.host.plugins.module_utils._release_values import ReleaseError
from ansible_collections.llm.host.plugins.plugin_utils._controller_files import ControllerFiles
from ansible_collections.llm.host.plugins.plugin_utils._library_action import LibraryAction
from ansible_collections.llm.host.plugins.plugin_utils._modelfiles import ModelfileReader


class ActionModule(LibraryAction):
    """Fill in what lies on the controller for every entry, then run the module."""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        variables = task_vars or {}
        super().run(tmp, variables)
        reader = ModelfileReader(self, variables)
        files = ControllerFiles(self, reader)
        arguments = dict(self._task.args)
        models = arguments.get("models")
        if isinstance(models, list):
            filled = []
            for index, entry in enumerate(models):
                if isinstance(entry, dict):
                    label = f"models[{index}]"
                    entry = files.describe(reader.fill(entry, label=label), label=label)
                filled.append(entry)
            arguments["models"] = filled
        elif models is not None and not isinstance(models, str):
            raise AnsibleActionFail("models is no list: write a list of models, each with a name.")
        if boolean(arguments.get("validate_only") or False):
            return _validated(arguments)
        return self.run_library("llm.host.ollama_models", arguments, variables=variables, files=files)


def _validated(arguments: dict[str, t.Any]) -> dict[str, t.Any]:
    """What the module would say of its options, said without a host."""
    checked = ArgumentSpecValidator(models_options()).validate(arguments)
    errors = checked.errors.errors
    if errors:
        said = (f"Unsupported parameters: {error.msg}" if isinstance(error, UnsupportedError) else error.msg for error in errors)
        raise AnsibleActionFail("; ".join(said))
    given = checked.validated_parameters
    try:
        library = read_declaration(
            given["models"], option="models", lock=given["lock"], exclusive=given["exclusive"], allow_empty=given["allow_empty"]
        )
    except InputError as exc:
        raise AnsibleActionFail(str(exc)) from None
    with contextlib.suppress(ReleaseError):
        version = Version.parse(given["server_version"])
        for spec in library.present:
            if spec.recipe and spec.recipe.requires and older(version, spec.recipe.requires):
                raise AnsibleActionFail(
                    f"{spec.name} requires Ollama {spec.recipe.requires} or newer, and ollama_version is {version}: raise ollama_version,"
                    " or take REQUIRES out of its recipe."
                )
    return {"changed": False}
