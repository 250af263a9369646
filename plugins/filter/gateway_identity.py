# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that picks somebody in whose name an endpoint can be tried."""

from __future__ import annotations

import typing as t

from ansible.module_utils.parsing.convert_bool import boolean

DOCUMENTATION = r"""
name: gateway_identity
short_description: Somebody in whose name an endpoint can be tried
version_added: 0.1.0
author: llm.host contributors (@llm-host)
description:
  - The first user of the gateway who is an administrator, or the first who is not. Users who may only use certain models, or are known by Tailscale alone,
    are passed over.
positional: _input
options:
  _input:
    description: The list C(gateway_users) of the role P(llm.host.gateway#role).
    type: list
    elements: dict
    required: true
  admin:
    description: Whether to pick an administrator.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Try the endpoint
  llm.host.gateway_probe:
    url: https://ollama.example.com
    user: "{{ gateway_users | llm.host.gateway_identity }}"
    admin: "{{ gateway_users | llm.host.gateway_identity(admin=true) }}"
"""

RETURN = r"""
_value:
  description: C(name), C(key) and C(password) for the module P(llm.host.gateway_probe#module), empty when there is nobody.
  type: dict
"""


def gateway_identity(users: t.Iterable[t.Mapping[str, t.Any]], *, admin: bool = False) -> dict[str, str]:
    """Name, key and password of the first user of that kind who sees all models."""
    for user in users:
        if (
            boolean(user.get("admin", False), strict=False) == admin
            and not user.get("models")
            and (user.get("key") or user.get("password"))
        ):
            return {field: str(user.get(field) or "") for field in ("name", "key", "password")}
    return {}


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"gateway_identity": gateway_identity}
