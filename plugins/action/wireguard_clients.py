# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All of ``wireguard_clients``, which writes on the controller: no key passes through a result or through arguments of a module."""

from __future__ import annotations

import subprocess
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.llm.host.plugins.plugin_utils._wireguard_clients import Clients

CLIENT = {
    "name": {"type": "str", "required": True},
    "public_key": {"type": "str", "default": ""},
    "addresses": {"type": "list", "elements": "str", "required": True},
    "peers": {"type": "list", "elements": "dict", "default": []},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


class ActionModule(ActionBase):
    """Keep the directory as declared."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        arguments = self.validate_argument_spec(
            {
                "clients": {"type": "list", "elements": "dict", "required": True, "options": CLIENT},
                "dest": {"type": "str", "default": ""},
            }
        )[1]
        keys = {client["name"]: client["public_key"] for client in arguments["clients"] if client["state"] == "present"}
        changed: list[str] = []
        clients = Clients(arguments["dest"])
        try:
            for client in arguments["clients"] if arguments["dest"] else ():
                key, paths = clients.ensure(client, check_mode=self._task.check_mode)
                changed += paths
                if client["state"] == "present":
                    keys[client["name"]] = key
        except (OSError, subprocess.CalledProcessError) as error:
            raise AnsibleActionFail(f"Cannot write the configurations of clients in {arguments['dest']}: {error}") from error
        told = {"public_keys": keys, "qrencode_missing": clients.codes_missing, "too_long": clients.too_long}
        return {**result, "changed": bool(changed), "paths": changed, **told}
