# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What verify.yml says of a host."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.llm.host.plugins.plugin_utils._drift import drifts_of


def drift(results: t.Mapping[str, t.Any], host: str, declared: t.Mapping[str, t.Any] | None = None) -> list[dict[str, str]]:
    """One entry for each thing that is not as declared."""
    return [{"host": host, **dataclasses.asdict(item), "text": f"{host}: {item.text}"} for item in drifts_of(results, declared or {})]


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"drift": drift}
