# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters of the role monitoring: what is wrong with its settings, whom it asks, and whom it tells."""

from __future__ import annotations

import typing as t

from ansible_collections.llm.host.plugins.plugin_utils import _monitoring
from ansible_collections.llm.host.plugins.plugin_utils._bundles import write_bundle
from ansible_collections.llm.host.plugins.plugin_utils._monitoring_problems import problems


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {
            "monitoring_addresses": _monitoring.addresses,
            "monitoring_alertmanager": _monitoring.alertmanager,
            "monitoring_bundle": write_bundle,
            "monitoring_certificates": _monitoring.certificates,
            "monitoring_probe_modules": _monitoring.probe_modules,
            "monitoring_probe_targets": _monitoring.probe_targets,
            "monitoring_probes": _monitoring.probes,
            "monitoring_problems": problems,
            "monitoring_secrets": _monitoring.secrets,
            "monitoring_targets": _monitoring.targets,
        }
