# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters of the role metrics for what a gateway's log becomes: its labels, which are bounded, and the bounds of its histograms."""

from __future__ import annotations

import typing as t

from ansible_collections.llm.host.plugins.plugin_utils._metrics_gateway import buckets, labels


def metrics_labels(
    users: t.Iterable[t.Mapping[str, t.Any]], models: t.Iterable[str], shown: str = "name", salt: str = ""
) -> dict[str, t.Any]:
    """Which users and models have a label, and which."""
    return dict(labels(users, models, shown, salt))


def metrics_buckets(what: str) -> list[float]:
    """The upper bounds of a histogram of ``seconds``."""
    return {"seconds": buckets}[what]()


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"metrics_buckets": metrics_buckets, "metrics_labels": metrics_labels}
