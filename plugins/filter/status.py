# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters for the status page: which monitors a gateway asks, and where they are."""

from __future__ import annotations

import typing as t

from ansible_collections.llm.host.plugins.plugin_utils._bundles import reached_at, read_bundle
from ansible_collections.llm.host.plugins.plugin_utils._listen import bracketed
from ansible_collections.llm.host.plugins.plugin_utils._metrics import PORT

Hostvars = t.Mapping[str, t.Mapping[str, t.Any]]


def status_certificates(bundle: str) -> dict[str, str]:
    """The certificates of a bundle, by the names of their hosts."""
    return {owner.partition(" ")[2]: text for owner, text in read_bundle(bundle).items() if owner.startswith("host ")}


def status_monitors(names: t.Mapping[str, t.Sequence[str]], hostvars: Hostvars) -> dict[str, str]:
    """Where each monitor is asked, as address:port, from the subject alternative names of its certificate."""
    return {
        host: f"{bracketed(reached_at(host, given))}:{int(hostvars[host].get('metrics_port') or PORT)}" for host, given in names.items()
    }


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"status_certificates": status_certificates, "status_monitors": status_monitors}
