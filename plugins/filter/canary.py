# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters of the canary in the role metrics."""

from __future__ import annotations

import typing as t

from ansible_collections.llm.host.plugins.plugin_utils._canary import canary_problems


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"canary_problems": canary_problems}
