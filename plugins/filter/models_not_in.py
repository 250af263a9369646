# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that compares names of models as Ollama does."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.llm.host.plugins.module_utils._names import InvalidName, ModelName

DOCUMENTATION = r"""
name: models_not_in
short_description: Names of models that are missing from another list
version_added: 0.1.0
author: llm.host contributors (@llm-host)
description:
  - Compares as Ollama does, so V(Llama3.2) is V(registry.ollama.ai/library/llama3.2:latest), and not V(llama3.2:1b).
positional: _input, listed
options:
  _input:
    description: Names to look for.
    type: list
    elements: str
    required: true
  listed:
    description: Names to look among.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Show what is missing
  ansible.builtin.debug:
    msg: "{{ ['llama3.2', 'tiny'] | llm.host.models_not_in(['llama3.2:1b', 'tiny:latest']) }}"
  # -> ['llama3.2']
"""

RETURN = r"""
_value:
  description: The names that are missing, as they were written.
  type: list
  elements: str
"""


def models_not_in(names: t.Iterable[str], listed: t.Iterable[str]) -> list[str]:
    """The names, as they were written, that mean no model of ``listed``."""
    try:
        present = {ModelName.parse(name).key for name in listed}
        return [name for name in names if ModelName.parse(name).key not in present]
    except InvalidName as exc:
        raise AnsibleFilterError(str(exc)) from None


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"models_not_in": models_not_in}
