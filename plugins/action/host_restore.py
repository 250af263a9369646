# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of ``host_restore``: it finds the archive, and sends it when the host lacks something of it."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.path import unfrackpath

from ansible_collections.llm.host.plugins.module_utils._backup import BackupError, read_description
from ansible_collections.llm.host.plugins.plugin_utils._archives import archives_of, private_folder

Result = t.Dict[str, t.Any]


class ActionModule(ActionBase):
    """Compare first, and send only what is needed."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> Result:
        variables = task_vars or {}
        super().run(tmp, variables)
        archive = self._archive(str(variables["inventory_hostname"]))
        try:
            description = read_description(str(archive)).as_dict()
        except BackupError as error:
            raise AnsibleActionFail(str(error)) from error
        arguments = {**self._task.args, "archive": str(archive), "description": description, "size": os.path.getsize(archive)}
        with private_folder(self) as folder:
            result = self._ask({**arguments, "stage": folder}, variables)
            if result.get("changed") and not result.get("failed") and folder:
                staged = self._transfer_file(str(archive), self._connection._shell.join_path(folder, "backup.tar.gz"))
                result = self._ask({**arguments, "staged": staged}, variables)
        if not result.get("failed"):
            result["archive"] = str(archive)
        return result

    def _ask(self, arguments: Result, variables: dict[str, t.Any]) -> Result:
        result: Result = self._execute_module(module_name="llm.host.host_restore", module_args=arguments, task_vars=variables)
        result.pop("invocation", None)
        return result

    def _archive(self, host: str) -> Path:
        if self._task.args.get("archive"):
            return Path(unfrackpath(str(self._task.args["archive"]), follow=False))
        directory = Path(unfrackpath(str(self._task.args.get("dest") or "backups"), follow=False))
        name = str(self._task.args.get("from") or host)
        found = archives_of(directory, name)
        if not found:
            raise AnsibleActionFail(
                f"There is no backup of {name} in {directory}: name the directory (-e backup_dir=…), the host that it was (-e from=…) or the "
                f"archive (-e archive=…), or leave this host out."
            )
        return found[-1]
