# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters of the role balancer: what is wrong with its settings, and what its configuration says."""

from __future__ import annotations

import typing as t

from ansible_collections.llm.host.plugins.plugin_utils._balancer import (
    balancer_limits,
    balancer_problems,
    balancer_texts,
    balancer_users,
)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {
            "balancer_limits": balancer_limits,
            "balancer_problems": balancer_problems,
            "balancer_texts": balancer_texts,
            "balancer_users": balancer_users,
        }
