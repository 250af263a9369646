# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of the modules for models: a look, and when there is work, work in the background that can be watched.

PRIVATE to the collection: it can change at any time without notice.
"""

from __future__ import annotations

import time
import typing as t

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.llm.host.plugins.module_utils._library_module import library_options
from ansible_collections.llm.host.plugins.plugin_utils._controller_files import ControllerFiles
from ansible_collections.llm.host.plugins.plugin_utils._job import run_job
from ansible_collections.llm.host.plugins.plugin_utils._progress_line import Report, progress_line, read_report

__all__ = ["LibraryAction", "Lines"]

_FIRST_LINE = 3.0
_NEXT_LINE = 5.0
_STALE = 1800.0


class LibraryAction(ActionBase):
    """Runs a module that has the options of the doc fragment C(llm.host.library)."""

    TRANSFERS_FILES = False
    _supports_async = True

    def run_library(
        self,
        module: str,
        arguments: dict[str, t.Any],
        *,
        variables: dict[str, t.Any],
        files: ControllerFiles,
    ) -> dict[str, t.Any]:
        """One call of the module where nothing is to be done, and in check mode."""
        if self._task.check_mode or self._task.async_val:
            return self._module(module, arguments, variables, wrap_async=self._task.async_val)
        result = self._module(module, {**arguments, "look_only": True}, variables)
        pending, needed = result.pop("pending", False), result.pop("needs_files", ())
        if not pending or result.get("failed"):
            return result
        lines = Lines(str(variables.get("inventory_hostname")), silent=bool(self._task.no_log))
        with files.staged(needed, tell=lines.tell) as stage:
            state_dir = self._remote_expand_user(str(arguments.get("state_dir") or library_options()["state_dir"]["default"]))
            return run_job(self, module, stage(arguments), variables=variables, watch=f"{state_dir}/models.progress", show=lines.show)

    def _module(
        self, module: str, arguments: dict[str, t.Any], variables: dict[str, t.Any], *, wrap_async: t.Any = False
    ) -> dict[str, t.Any]:
        return t.cast(
            "dict[str, t.Any]",
            self._execute_module(module_name=module, module_args=arguments, task_vars=variables, wrap_async=wrap_async),
        )


class Lines:
    """What of a host's reports is printed: the first after a while, then one at a time with pauses."""

    def __init__(self, host: str, *, silent: bool = False) -> None:
        self._host = host
        self._silent = silent
        self._next = time.monotonic() + _FIRST_LINE
        self._last: Report | None = None
        self._seen: tuple[str, float] = ("", 0.0)

    def tell(self, text: str) -> None:
        """Print something about the host. Standard output is for the result."""
        if not self._silent:
            Display().display(f"{self._host}  {text}", stderr=True)

    def show(self, text: str) -> None:
        """Print what a report says when it is time for it."""
        now = time.monotonic()
        if text != self._seen[0]:
            self._seen = (text, now)
        quiet = now - self._seen[1]
        report = read_report(text)
        if report is None or now < self._next or quiet > _STALE:
            return
        self._next = now + max(_NEXT_LINE, quiet / 2)
        self.tell(progress_line(report, self._last, quiet=quiet))
        self._last = report
