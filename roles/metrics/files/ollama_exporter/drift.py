# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server has, and what was declared."""

from __future__ import annotations

import typing as t

from .config import Declared
from .ollama import Installed

__all__ = ("model_drift", "needed", "version_drift")


def version_drift(version: str, declared: Declared) -> int:
    """1 where it is another one; build metadata does not count."""
    return int(bool(declared.version) and version.partition("+")[0] != declared.version.partition("+")[0])


def model_drift(installed: t.Iterable[Installed], declared: Declared) -> dict[str, int]:
    """How many models, by kind."""
    have = {model.name.key: model for model in installed}
    undeclared = [key for key, model in have.items() if key not in {*declared.models, *declared.kept} and not model.is_kept_copy]
    return {
        "missing": sum(key not in have for key in declared.models),
        "digest": sum(bool(digest) and key in have and have[key].digest != digest for key, digest in declared.models.items()),
        "undeclared": len(undeclared) if declared.exclusive else 0,
    }


def needed(installed: t.Iterable[Installed], declared: Declared) -> int:
    """The bytes of the largest declared model that is there."""
    return max((model.size for model in installed if model.name.key in declared.models), default=0)
