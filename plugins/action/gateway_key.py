# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fresh API key for one user, made and shown on the controller."""

from __future__ import annotations

import re
import secrets
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.llm.host.plugins.module_utils._gateway_users import NAME

_BYTES = 32
_INDENT = " " * 10
_TEXT = """
A key for {user} alone. It is not shown again:

{key}

Into group_vars/gateway/vault.yml, with ansible-vault edit:

{variable}: {key}
{entry}
Into gateway_users; then run llm.host.site:

  - name: {user}
    key: "{{{{ {variable} }}}}"
"""


class ActionModule(ActionBase):
    """Nothing runs on a host. The key goes to the screen once, and nowhere else."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _VALID_ARGS = frozenset({"user"})

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars or {})
        user = str(self._task.args.get("user") or "")
        if not NAME.match(user):
            raise AnsibleActionFail(
                f"user {user!r} is no name for a user: write 1 to 64 letters, digits, '.', '_' and '-', as in -e user=alice."
            )
        variable = f"vault_{re.sub(r'[^A-Za-z0-9]', '_', user).lower()}_key"
        key = secrets.token_hex(_BYTES)
        entry = self._encrypted(variable, key)
        Display().display(
            _TEXT.format(
                user=user, key=key, variable=variable, entry=f"\nor, where that file is not encrypted:\n\n{entry}" if entry else ""
            )
        )
        return {"changed": False, "variable": variable, "entry": entry}

    def _encrypted(self, variable: str, key: str) -> str:
        """The variable with the key encrypted; empty where Ansible was given no vault password."""
        vault = self._loader._vault
        if not vault.secrets:
            return ""
        lines = vault.encrypt(key).decode().splitlines()
        return "\n".join([f"{variable}: !vault |", *(f"{_INDENT}{line}" for line in lines)]) + "\n"
