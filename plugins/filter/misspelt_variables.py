# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that finds variables which nobody reads because they are misspelt."""

from __future__ import annotations

import functools
import typing as t
from pathlib import Path

from ansible.module_utils.common.yaml import yaml_load

from ansible_collections.llm.host.plugins.plugin_utils._settings import misspelt

DOCUMENTATION = r"""
name: misspelt_variables
short_description: Variables that no role reads but that look like one that is read
version_added: 0.1.0
author: llm.host contributors (@llm-host)
description:
  - Ansible ignores a variable that nobody reads, so a misspelt setting has no effect and no error.
  - Variables of your own are left alone unless their name is close to that of a role's variable.
positional: _input
options:
  _input:
    description: Names of variables that are set.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Refuse misspelt settings
  ansible.builtin.assert:
    that: __misspelt | length == 0
    fail_msg: "{{ __misspelt | join(' ') }}"
  vars:
    __misspelt: "{{ query('ansible.builtin.varnames', '^ollama_') | llm.host.misspelt_variables }}"
"""

RETURN = r"""
_value:
  description: One sentence for each, such as C(ollama_keep_alvie is not a variable of this collection, did you mean ollama_keep_alive?).
  type: list
  elements: str
"""


ROLES = Path(__file__).parents[2] / "roles"


def misspelt_variables(names: t.Iterable[str], known: t.Collection[str] | None = None) -> list[str]:
    """One sentence for each name that is close to a variable of the collection's roles without being one."""
    return [
        f"{name} is not a variable of this collection: did you mean {close}?" for name, close in misspelt(names, known=variables_of_roles())
    ]


@functools.cache
def variables_of_roles() -> frozenset[str]:
    """The public variables of all roles, as their argument specs name them."""
    specs = (yaml_load(path.read_text())["argument_specs"] for path in ROLES.glob("*/meta/argument_specs.yml"))
    return frozenset(name for spec in specs for entry in spec.values() for name in entry["options"])


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"misspelt_variables": misspelt_variables}
