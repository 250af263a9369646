# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters of the role metrics: what each host can be asked for, where, by whom, and with which certificates."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.llm.host.plugins.plugin_utils._bind import wait_file, waits
from ansible_collections.llm.host.plugins.plugin_utils._metrics import (
    Groups,
    Hostvars,
    address_of,
    alt_names,
    askers_of,
    bundle,
    certificates_of,
    identity_due,
    module_files,
    modules_of,
    openings,
    problems,
    source_of,
)
from ansible_collections.llm.host.plugins.plugin_utils._metrics_exporter import exporter_config
from ansible_collections.llm.host.plugins.plugin_utils._metrics_program import program_files

SERVICE = "llm-metrics"


def metrics_modules(host: str, hostvars: Hostvars, groups: Groups) -> dict[str, dict[str, t.Any]]:
    """What can be asked for at ``host``, by name."""
    return {name: dataclasses.asdict(module) for name, module in modules_of(host, hostvars, groups).items()}


def metrics_sources(hosts: t.Iterable[str], hostvars: Hostvars) -> dict[str, str]:
    """From where each of ``hosts`` asks, an address or a name."""
    return {host: source_of(host, hostvars[host]) for host in hosts}


def metrics_wait(address: str) -> dict[str, t.Any]:
    """How the exporter waits at boot until the host has this address: ``lines`` for ``[Unit]``, and the ``file`` that they need."""
    return {"lines": waits(SERVICE, [address] if address else []), "file": wait_file(SERVICE)}


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {
            "metrics_address": address_of,
            "metrics_alt_names": alt_names,
            "metrics_askers": askers_of,
            "metrics_bundle": bundle,
            "metrics_certificates": certificates_of,
            "metrics_exporter": exporter_config,
            "metrics_identity_due": identity_due,
            "metrics_module_files": module_files,
            "metrics_modules": metrics_modules,
            "metrics_openings": openings,
            "metrics_problems": problems,
            "metrics_program": program_files,
            "metrics_sources": metrics_sources,
            "metrics_wait": metrics_wait,
        }
