#!/usr/bin/python
# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_preflight
short_description: Learn in one round trip what a role must know about a host before it changes anything
version_added: 0.1.0
author: llm.host contributors (@llm-host)
description:
  - Reads the architecture, which programs and groups exist, and who listens on the ports that are about to be used.
  - Finds units of Ollama that this collection wrote and that are not wanted any more. Such a unit may listen on a wanted port.
  - Fails with one sentence when a port belongs to a program that is not the one it is wanted for, or when the architecture is not supported.
  - Changes nothing.
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
  architectures:
    description: Architectures to accept, as C(uname -m) prints them. Empty accepts any.
    type: list
    elements: str
    default: []
  groups:
    description: Groups to look for.
    type: list
    elements: str
    default: []
  programs:
    description: Programs to look for in the system's directories of programs.
    type: list
    elements: str
    default: []
  paths:
    description: Paths to look for.
    type: list
    elements: path
    default: []
  names:
    description: Names of hosts whose addresses are to be looked up. An address stands for itself.
    type: list
    elements: str
    default: []
  ports:
    description: TCP ports that are about to be used.
    type: list
    elements: dict
    default: []
    suboptions:
      port:
        description: The port.
        type: int
        required: true
      unit:
        description: The systemd unit that may listen there already.
        type: str
        required: true
      advice:
        description: What to do when something else listens there, for the error message.
        type: str
        default: stop it, or choose another port
seealso:
  - module: community.general.listen_ports_facts
"""

EXAMPLES = r"""
- name: Look before touching anything
  llm.host.host_preflight:
    architectures: [x86_64, aarch64]
    groups: [render, video]
    programs: [zstd]
    ports:
      - port: 11434
        unit: ollama.service
        advice: stop it, or give the instance another port in ollama_instances
  register: preflight
"""

RETURN = r"""
architecture:
  description: What C(uname -m) prints.
  returned: always
  type: str
  sample: x86_64
groups:
  description: Those of O(groups) that exist, in the same order.
  returned: always
  type: list
  elements: str
  sample: [render, video]
programs:
  description: Those of O(programs) that exist, in the same order.
  returned: always
  type: list
  elements: str
  sample: [zstd]
paths:
  description: Those of O(paths) that exist, in the same order.
  returned: always
  type: list
  elements: str
  sample: [/etc/llm-host/firewall.nft]
addresses:
  description: The addresses of each of O(names), as this host knows them, none where it knows none.
  returned: always
  type: dict
  sample: {edge-01: ["10.20.0.5"]}
listeners:
  description: Who listens on each of O(ports) that is in use. Only root sees programs of other users.
  returned: always
  type: list
  elements: dict
  contains:
    port:
      description: The port.
      type: int
    pid:
      description: Process id, 0 where it is not known.
      type: int
    program:
      description: Name of the program, empty where it is not known.
      type: str
    unit:
      description: The systemd unit of the process, empty where it has none.
      type: str
  sample: [{port: 11434, pid: 812, program: ollama, unit: ollama.service}]
running:
  description: The units of O(ports) and of RV(undeclared) that run.
  returned: always
  type: list
  elements: str
  sample: [ollama.service]
undeclared:
  description: Units of Ollama that the role C(ollama) wrote, and that no entry of O(ports) names.
  returned: always
  type: list
  elements: str
  sample: [ollama@gpu1.service]
"""

import grp
import os
import platform
import socket
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llm.host.plugins.module_utils._listeners import listeners
from ansible_collections.llm.host.plugins.module_utils._retire import own_units
from ansible_collections.llm.host.plugins.module_utils._units import Units


def existing_groups(names: list[str]) -> list[str]:
    known = {entry.gr_name for entry in grp.getgrall()}
    return [name for name in names if name in known]


def addresses(name: str) -> list[str]:
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return sorted({str(entry[4][0]) for entry in found})


def running(units: Units, names: list[str]) -> list[str]:
    return [state.name for state in units.states(sorted(names)) if state.running] if names else []


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "architectures": {"type": "list", "elements": "str", "default": []},
            "groups": {"type": "list", "elements": "str", "default": []},
            "programs": {"type": "list", "elements": "str", "default": []},
            "paths": {"type": "list", "elements": "path", "default": []},
            "names": {"type": "list", "elements": "str", "default": []},
            "ports": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "port": {"type": "int", "required": True},
                    "unit": {"type": "str", "required": True},
                    "advice": {"type": "str", "default": "stop it, or choose another port"},
                },
            },
        },
        supports_check_mode=True,
    )
    params: dict[str, t.Any] = module.params
    architecture = platform.machine()
    if params["architectures"] and architecture not in params["architectures"]:
        module.fail_json(
            msg=f"The host's architecture is {architecture}, which is not supported: use one with {' or '.join(params['architectures'])}."
        )
    wanted = {entry["port"]: entry for entry in params["ports"]}
    declared = {entry["unit"] for entry in params["ports"]}
    undeclared = {unit: port for unit, port in own_units().items() if unit not in declared}
    expected = {
        port: [entry["unit"], *(unit for unit, its_port in undeclared.items() if its_port == port)] for port, entry in wanted.items()
    }
    found = listeners(ports=set(wanted), units=expected)
    for listener in found:
        entry = wanted[listener.port]
        if listener.unit not in expected[listener.port]:
            module.fail_json(
                msg=f"Port {listener.port} is wanted by {entry['unit']} but {listener.described()} listens there: {entry['advice']}."
            )
    module.exit_json(
        changed=False,
        architecture=architecture,
        groups=existing_groups(params["groups"]),
        programs=[name for name in params["programs"] if module.get_bin_path(name)],
        paths=[path for path in params["paths"] if os.path.lexists(path)],
        addresses={name: addresses(name) for name in params["names"]},
        listeners=[listener.as_dict() for listener in found],
        undeclared=list(undeclared),
        running=running(Units(module.run_command), [*declared, *undeclared]),
    )


if __name__ == "__main__":
    main()
