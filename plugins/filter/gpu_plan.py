# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters of the role gpu: what a host has and what the inventory wants in, what is to be done out."""

from __future__ import annotations

import typing as t

from ansible_collections.llm.host.plugins.plugin_utils._gpu_plan import plan
from ansible_collections.llm.host.plugins.plugin_utils._gpu_settings import settings_due, settings_files


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"gpu_plan": plan, "gpu_settings_due": settings_due, "gpu_files": settings_files}
