# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a Python program for hosts, with the parts of the collection that it imports. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

__all__ = ("program_files",)

COLLECTION = "ansible_collections/llm/host"
MODULE_UTILS = "plugins/module_utils"
IMPORT = re.compile(rf"^\s*from {COLLECTION.replace('/', '[.]')}[.]plugins[.]module_utils[.](\w+) import ", re.MULTILINE)
ROOT = Path(__file__).parents[2]


def program_files(source: str, library: str, root: Path = ROOT) -> list[dict[str, t.Any]]:
    """The package in the directory ``source`` and all that it needs, as llm.host.host_files takes them, below the directory ``library``."""
    package = sorted(Path(source).glob("*.py"))
    files = {f"{library}/{Path(source).name}/{path.name}": path.read_text(encoding="utf-8") for path in package}
    needed = _imports(files.values())
    for name in needed:
        text = (root / MODULE_UTILS / f"{name}.py").read_text(encoding="utf-8")
        files[f"{library}/{COLLECTION}/{MODULE_UTILS}/{name}.py"] = text
        needed += [found for found in _imports([text]) if found not in needed]
    return [{"path": path, "content": text, "shown": False} for path, text in sorted(files.items())]


def _imports(texts: t.Iterable[str]) -> list[str]:
    return list(dict.fromkeys(name for text in texts for name in IMPORT.findall(text)))
