# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of ``host_backup``: it knows the newest archive, and fetches the next one where only its user can read it."""

from __future__ import annotations

import os
import shutil
import tempfile
import typing as t
from pathlib import Path

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.path import unfrackpath

from ansible_collections.llm.host.plugins.module_utils._backup import BackupError, read_description
from ansible_collections.llm.host.plugins.module_utils._release_source import file_digest
from ansible_collections.llm.host.plugins.plugin_utils._archives import archive_name, archives_of, make_private, private_folder

Result = t.Dict[str, t.Any]


class ActionModule(ActionBase):
    """Look, and fetch what is new."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> Result:
        variables = task_vars or {}
        super().run(tmp, variables)
        host = str(variables["inventory_hostname"])
        directory = Path(unfrackpath(str(self._task.args.get("dest") or "backups"), follow=False))
        newest = next(reversed(archives_of(directory, host)), None)
        arguments = {**self._task.args, "dest": str(directory), "host": host, "known": _fingerprint(newest)}
        with private_folder(self) as stage:
            result: Result = self._execute_module(
                module_name="llm.host.host_backup", module_args={**arguments, "stage": stage}, task_vars=variables
            )
            result.pop("invocation", None)
            if result.get("staged"):
                newest = directory / archive_name(host, str(result["made"]))
                self._fetch(result, newest)
        for field in ("staged", "digest", "size", "made"):
            result.pop(field, None)
        if not result.get("failed"):
            result["archive"] = str(newest or "")
            result["summary"] = _summary(result)
        return result

    def _fetch(self, result: Result, archive: Path) -> None:
        mask = os.umask(0o077)
        try:
            make_private(archive.parent)
            if shutil.disk_usage(archive.parent).free < int(result["size"]):
                raise AnsibleActionFail(
                    f"The archive has {result['size']} bytes, and {archive.parent} on the controller has less free: name another dest."
                )
            # A directory for each host: connections such as docker's first write to where out_path lies, under the file's name on the host.
            with tempfile.TemporaryDirectory(dir=archive.parent, prefix=f".{archive.name}.") as folder:
                part = Path(folder, "part")
                self._connection.fetch_file(str(result["staged"]), str(part))
                if file_digest(part) != result["digest"]:
                    raise AnsibleActionFail(f"The archive did not arrive at {archive.parent} as the host sent it: run again.")
                part.chmod(0o600)
                part.replace(archive)
        except OSError as error:
            raise AnsibleActionFail(f"The archive cannot be written to {archive.parent} on the controller: {error}.") from error
        finally:
            os.umask(mask)


def _fingerprint(archive: Path | None) -> str:
    """What it has; nothing where it cannot be read, so that there will be another one."""
    try:
        return read_description(str(archive)).fingerprint if archive else ""
    except BackupError:
        return ""


def _summary(result: Result) -> list[str]:
    files = result["files"]
    where = result["archive"] if not result["changed"] else result["archive"] or "a new archive"
    return [
        f"{len(files)} files, {sum(file['bytes'] for file in files)} bytes: {where}{'' if result['changed'] else ', as before'}",
        f"in it: {', '.join(result['built']) or 'no model'}",
        f"left out, to be pulled again: {', '.join(model['name'] for model in result['left_out']) or 'no model'}",
    ]
