# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rendering a template on the controller, for actions that send its text to a module. PRIVATE to the collection."""

from __future__ import annotations

import os
import typing as t

from ansible.template import trust_as_template

if t.TYPE_CHECKING:
    from ansible.plugins.action import ActionBase

__all__ = ("render",)


def render(action: ActionBase, found: str, *, variables: t.Mapping[str, t.Any]) -> str:
    """The text of the template at the path ``found``, rendered as ansible.builtin.template does by default."""
    text = action._loader.get_text_file_contents(found)
    search = [os.path.dirname(found), *variables.get("ansible_search_path", ())]
    templar = action._templar.copy_with_new_env(searchpath=search, available_variables=dict(variables))
    rendered = templar.template(trust_as_template(text), escape_backslashes=False, overrides={"trim_blocks": True, "lstrip_blocks": False})
    return "" if rendered is None else str(rendered)
