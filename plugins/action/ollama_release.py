# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of ollama_release: archives go to a host that needs them, and to no other."""

from __future__ import annotations

import dataclasses
import os
import typing as t
from pathlib import Path

from ansible.errors import AnsibleActionFail, AnsibleFileNotFound
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase

from ansible_collections.llm.host.plugins.module_utils._release_assets import clean_checksum
from ansible_collections.llm.host.plugins.module_utils._release_source import file_digest
from ansible_collections.llm.host.plugins.module_utils._release_values import BASE, ReleaseError

MODULE = "llm.host.ollama_release"


@dataclasses.dataclass(frozen=True)
class Local:
    """An archive on the controller: as it was given, where it is, its checksum."""

    part: str
    given: str
    path: str
    sha256: str = ""


class ActionModule(ActionBase):
    """One call of the module; a second one, after a transfer, for a host that asks for the archives."""

    _supports_check_mode = True
    _supports_diff = True
    _supports_async = True
    _requires_connection = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        args = dict(self._task.args)
        if not args.get("archive") or boolean(args.get("remote_src", False), strict=False):
            return self._execute_module(module_name=MODULE, module_args=args, task_vars=task_vars, wrap_async=self._task.async_val)
        if self._task.async_val:
            raise AnsibleActionFail("ollama_release with an archive from the controller does not run with async: remove async.")
        result = self._execute_module(module_name=MODULE, module_args=args, task_vars=task_vars)
        if result.get("failed") or not result.get("archive_needed"):
            return result
        archives = self._archives(args)
        if self._task.check_mode:
            return result
        return self._transferred(args, archives, task_vars=task_vars)

    def _archives(self, args: t.Mapping[str, t.Any]) -> list[Local]:
        """The archives, found and verified on the controller."""
        overlays = args.get("overlay_archives") or {}
        checksums = args.get("overlay_checksums") or {}
        found = [self._archive(BASE, str(args["archive"]), "checksum", args.get("checksum"))]
        for overlay, given in overlays.items():
            option = f"overlay_checksums['{overlay}']"
            found.append(self._archive(overlay, str(given), option, checksums.get(overlay)))
        names: dict[str, Local] = {}
        for local in found:
            other = names.setdefault(os.path.basename(local.path), local)
            if other is not local:
                raise AnsibleActionFail(
                    f"The archives '{other.given}' and '{local.given}' have the same file name: give each its own name."
                )
        return found

    def _archive(self, part: str, given: str, option: str, checksum: t.Any) -> Local:
        try:
            path = self._find_needle("files", os.path.expanduser(given))
        except AnsibleFileNotFound:
            path = ""
        if not os.path.isfile(path):
            what = "archive" if part == BASE else f"overlay_archives['{part}']"
            raise AnsibleActionFail(
                f"{what} '{given}' is no file on the controller: give the path of one, absolute, or relative to the"
                " playbook or its files directory."
            )
        try:
            wanted = clean_checksum(str(checksum or ""), option=option)
        except ReleaseError as exc:
            raise AnsibleActionFail(str(exc)) from exc
        sha256 = file_digest(Path(path))
        if wanted and wanted != sha256:
            raise AnsibleActionFail(
                f"The archive '{given}' on the controller has the SHA-256 {sha256} and not {wanted} as {option} says:"
                " nothing was transferred and the active version goes on serving; check the checksum, or copy the"
                " archive again."
            )
        return Local(part, given, path, sha256)

    def _transferred(self, args: dict[str, t.Any], archives: t.Sequence[Local], *, task_vars: dict[str, t.Any] | None) -> dict[str, t.Any]:
        shell = self._connection._shell
        directory = shell.tmpdir or self._make_tmp_path()
        try:
            remote = {local.part: shell.join_path(directory, os.path.basename(local.path)) for local in archives}
            for local in archives:
                self._transfer_file(local.path, remote[local.part])
            self._fixup_perms2((directory, *remote.values()), execute=False)
            return self._execute_module(
                module_name=MODULE,
                module_args={
                    **args,
                    "remote_src": True,
                    "archive": remote[BASE],
                    "checksum": archives[0].sha256,
                    "overlay_archives": {part: path for part, path in remote.items() if part != BASE},
                    "overlay_checksums": {local.part: local.sha256 for local in archives if local.part != BASE},
                },
                task_vars=task_vars,
            )
        finally:
            self._remove_tmp_path(directory)
