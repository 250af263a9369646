# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding, reading and rendering Modelfiles on the controller.

PRIVATE to the collection: it can change at any time without notice.
"""

from __future__ import annotations

import os
import typing as t

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.llm.host.plugins.plugin_utils._templates import render

__all__ = ["ModelfileReader"]


class ModelfileReader:
    """Reads for one task. A file that several entries name is read and rendered once."""

    def __init__(self, action: ActionBase, variables: dict[str, t.Any]) -> None:
        self._action = action
        self._variables = variables
        self._texts: dict[str, str] = {}

    def fill(self, entry: dict[str, t.Any], *, label: str) -> dict[str, t.Any]:
        """The entry with the text of its Modelfile in it."""
        path = entry.get("modelfile")
        if path is None:
            return entry
        if entry.get("modelfile_content") is not None:
            raise AnsibleActionFail(f"{label}: modelfile and modelfile_content are both given: keep one of them.")
        return {**entry, "modelfile_content": self._text(str(path), label)}

    def find_beside(self, path: str, *, modelfile: str | None, label: str) -> str:
        """Where a file on the controller is that a Modelfile names by a relative path, or that is named without one."""
        path = os.path.expanduser(path)
        if modelfile is not None:
            return os.path.realpath(os.path.join(os.path.dirname(self._find(str(modelfile), label)), path))
        return self._find(path, label, what="file")

    def _text(self, path: str, label: str) -> str:
        if path not in self._texts:
            found = self._find(path, label)
            if path.endswith(".j2"):
                self._texts[path] = render(self._action, found, variables=self._variables)
            else:
                self._texts[path] = self._action._loader.get_text_file_contents(found)
        return self._texts[path]

    def _find(self, path: str, label: str, *, what: str = "Modelfile") -> str:
        directories = ("templates", "files") if path.endswith(".j2") else ("files", "templates")
        for directory in directories:
            try:
                return self._action._find_needle(directory, path)
            except AnsibleError:
                continue
        bases = self._bases()
        for base in bases:
            candidate = os.path.join(base, path)
            if os.path.exists(candidate):
                return candidate
        raise AnsibleActionFail(
            f"{label}: the {what} {path!r} is not on the controller: it is searched for in files and templates as"
            f" usual, and in {', '.join(bases) or 'the directory of the inventory'}."
        )

    def _bases(self) -> list[str]:
        sources = self._variables.get("ansible_inventory_sources") or ()
        names = [self._variables.get("inventory_dir"), *(_directory(source) for source in sources)]
        names.append(self._variables.get("playbook_dir"))
        return list(dict.fromkeys(str(name) for name in names if name))


def _directory(source: t.Any) -> str | None:
    name = str(source)
    if "," in name:
        return None
    return name if os.path.isdir(name) else os.path.dirname(name)
