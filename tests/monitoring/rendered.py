# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The templates of the role monitoring with its defaults, as Ansible renders them."""

from __future__ import annotations

import typing as t
from pathlib import Path

import jinja2
import yaml
from ansible.plugins.filter.core import FilterModule as Core

ROLE = Path(__file__).parents[2] / "roles" / "monitoring"
RULES = ("llm-recording.yml", "llm-alerts.yml")


def rendered(name: str, **variables: t.Any) -> str:
    double = name.startswith("rules/")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ROLE / "templates"),
        trim_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
        variable_start_string="[[" if double else "{{",
        variable_end_string="]]" if double else "}}",
    )
    environment.filters.update(Core().filters())
    defaults = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())
    constants = {"__monitoring_inference": yaml.safe_load((ROLE / "vars" / "main.yml").read_text())["__monitoring_inference"]}
    known = {"ansible_managed": "Ansible managed", "inventory_hostname": "mon", **defaults, **constants, **variables}
    return environment.get_template(f"{name}.j2").render(known)


def rules() -> dict[str, str]:
    """The text of each file of rules."""
    return {name: rendered(f"rules/{name}") for name in RULES}


def alerts() -> dict[str, dict[str, t.Any]]:
    """The alerts by name."""
    groups = yaml.safe_load(rules()["llm-alerts.yml"])["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}
