#!/usr/bin/python
# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ollama_gpu_info
short_description: Which GPUs each instance of Ollama found, and how much of its models is there
version_added: 0.1.0
author: llm.host contributors (@llm-host)
description:
  - Asks each instance which models are in memory, and reads in its journal which GPUs it found when it was started.
  - Compares what the unit may do with the device nodes that are there.
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
  instances:
    description: The instances.
    type: list
    elements: dict
    required: true
    suboptions:
      unit:
        description: Name of the systemd unit.
        type: str
        required: true
      url:
        description: Where its API answers, seen from the host itself.
        type: str
        required: true
seealso:
  - module: llm.host.ollama_info
"""

EXAMPLES = r"""
- name: Look where the models are
  llm.host.ollama_gpu_info:
    instances:
      - {unit: ollama.service, url: "http://127.0.0.1:11434"}
  register: memory
"""

RETURN = r"""
nodes:
  description: The device nodes for computing that are there.
  returned: success
  type: list
  elements: str
  sample: [/dev/nvidia0, /dev/nvidiactl, /dev/nvidia-uvm]
instances:
  description: The instances, in the same order.
  returned: success
  type: list
  elements: dict
  contains:
    unit:
      description: Name of the systemd unit.
      type: str
    gpus:
      description: The GPUs that it found. Graphics units of the processor do not count. Null where the journal does not tell.
      type: list
      elements: str
    blocked:
      description: Why the unit cannot use the devices of the GPUs, each with the cure. Nothing where it can, or where there are none.
      type: list
      elements: str
    loaded:
      description: The models in memory, with C(name), and C(size) and C(size_vram) in bytes. None where the instance does not answer.
      type: list
      elements: dict
  sample:
    - unit: ollama.service
      gpus: ["CUDA NVIDIA L40S"]
      blocked: []
      loaded: [{name: "llama3.2:1b", size: 2151677952, size_vram: 2151677952}]
"""

import dataclasses
import grp
import os
import pwd
import re
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llm.host.plugins.module_utils._gpu_access import PROPERTIES, Unit, blocked, is_needed
from ansible_collections.llm.host.plugins.module_utils._gpu_host import device_nodes
from ansible_collections.llm.host.plugins.module_utils._http import OpenUrlTransport
from ansible_collections.llm.host.plugins.module_utils._machine import Machine
from ansible_collections.llm.host.plugins.module_utils._server import ApiError, OllamaServer
from ansible_collections.llm.host.plugins.module_utils._units import UnitError, Units, UnitState

# It looks for GPUs within this time after its start.
DISCOVERY = 120
WORD = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|\S*)')


def found_gpus(lines: t.Iterable[str]) -> list[str] | None:
    """What Ollama said about the devices that it computes on, since it was started last."""
    found: list[str] | None = None
    for line in lines:
        if "discovering available GPUs" in line or "looking for compatible GPUs" in line:
            found = None
        if 'msg="inference compute"' not in line:
            continue
        words = {name: value.strip('"') for name, value in WORD.findall(line)}
        found = found or []
        if words.get("library", "cpu").lower() != "cpu" and words.get("type") != "iGPU":
            found.append(f"{words['library']} {words.get('description') or words.get('name') or words.get('id', '')}".strip())
    return found


def journal(module: AnsibleModule, state: UnitState) -> list[str]:
    if not state.running or state.started is None:
        return []
    since, until = int(state.started) - 1, int(state.started) + DISCOVERY
    command = ["journalctl", "--quiet", "--output=cat", f"--unit={state.name}", f"--since=@{since}", f"--until=@{until}"]
    code, output = module.run_command(command)[:2]
    return output.splitlines() if code == 0 else []


def groups_of(user: str) -> list[str]:
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        return []
    known = {group.gr_gid: group.gr_name for group in grp.getgrall()}
    return [known[number] for number in os.getgrouplist(user, entry.pw_gid) if number in known]


def reasons(module: AnsibleModule, name: str, nodes: list[dict[str, str]]) -> list[str]:
    code, output = module.run_command(["systemctl", "show", f"--property={','.join(PROPERTIES)}", name])[:2]
    return blocked(Unit.read(output, groups_of), nodes) if code == 0 else []


def loaded(url: str) -> list[dict[str, t.Any]]:
    server = OllamaServer(OpenUrlTransport(use_proxy=False), url, timeout=10)
    try:
        return [{"name": item.name.short, "size": item.size, "size_vram": item.size_vram} for item in server.running()]
    except ApiError:
        return []


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "instances": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {"unit": {"type": "str", "required": True}, "url": {"type": "str", "required": True}},
            },
        },
        supports_check_mode=True,
    )
    module.run_command_environ_update = {"LANG": "C", "LC_ALL": "C"}
    urls = {entry["unit"]: entry["url"] for entry in module.params["instances"]}
    try:
        states = Units(module.run_command).states(list(urls))
    except UnitError as exc:
        module.fail_json(msg=str(exc))
    nodes = [dataclasses.asdict(node) for node in device_nodes(Machine())]
    module.exit_json(
        changed=False,
        nodes=[node["path"] for node in nodes if is_needed(node["path"])],
        instances=[
            {
                "unit": state.name,
                "gpus": found_gpus(journal(module, state)),
                "blocked": reasons(module, state.name, nodes),
                "loaded": loaded(urls[state.name]),
            }
            for state in states
        ],
    )


if __name__ == "__main__":
    main()
