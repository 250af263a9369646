#!/usr/bin/python
# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: port_reach_info
short_description: Tell which TCP ports of another host answer from here
version_added: 0.1.0
author: llm.host contributors (@llm-host)
description:
  - Tries to connect to every one of O(ports) at every one of O(addresses), and sends nothing, or with O(says) asks for C(/) by HTTP.
  - Run it from where nobody should get in, with C(delegate_to), to prove that nobody does.
  - An address that the host has on which this runs is left out.
extends_documentation_fragment: [llm.host.attributes]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
    details: Nothing is changed.
  idempotent:
    support: full
options:
  addresses:
    description: Addresses or names of the other host.
    type: list
    elements: str
    required: true
  ports:
    description: TCP ports.
    type: list
    elements: int
    required: true
  says:
    description: A text in the answer by which the program is known. Without it, whoever takes the connection counts, be it a proxy on the way.
    type: str
    default: ""
  timeout:
    description: Seconds to wait for an answer. All are tried at the same time.
    type: int
    default: 3
seealso:
  - module: ansible.builtin.wait_for
"""

EXAMPLES = r"""
- name: Ollama answers nobody from here
  llm.host.port_reach_info:
    addresses: ["{{ ansible_host }}"]
    ports: [11434]
    says: Ollama is running
  delegate_to: localhost
  register: reach
  failed_when: reach.reached | length > 0
"""

RETURN = r"""
reached:
  description: What answered.
  returned: success
  type: list
  elements: dict
  contains:
    address:
      description: The address.
      type: str
    port:
      description: The port.
      type: int
    source:
      description: The address from which this host came.
      type: str
  sample: [{address: 10.20.0.7, port: 11434, source: 10.20.0.9}]
"""

import dataclasses

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llm.host.plugins.module_utils._reach import reached


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "addresses": {"type": "list", "elements": "str", "required": True},
            "ports": {"type": "list", "elements": "int", "required": True},
            "says": {"type": "str", "default": ""},
            "timeout": {"type": "int", "default": 3},
        },
        supports_check_mode=True,
    )
    found = reached(module.params["addresses"], module.params["ports"], module.params["timeout"], module.params["says"])
    module.exit_json(changed=False, reached=[dataclasses.asdict(entry) for entry in found])


if __name__ == "__main__":
    main()
