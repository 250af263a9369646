#!/usr/bin/python
# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_firewall
short_description: Let only some addresses reach some TCP ports of a host
version_added: 0.1.0
author: llm.host contributors (@llm-host)
description:
  - Keeps a table of nftables, C(inet llm_host), which concerns O(ports) and nothing else. It never touches other tables, and no other
    rule can let in what it refuses. What it refuses is answered with a TCP reset, so that whoever is shut out by mistake sees it at once.
  - What comes from the host itself is let in, over loopback as well as over its own addresses.
  - The service C(llm-host-firewall) loads the table at boot, before the network is up. A drop-in of C(nftables.service), which empties the kernel
    of all tables when it is reloaded or stopped, puts this one back.
  - Whether the table is to be loaded is decided from what the kernel has. A run that was killed between writing and loading is finished by
    the next one, and a table that somebody changed or flushed is put back.
  - C(nft) loads the rules in an empty network namespace first. Rules that it refuses never get into their place.
extends_documentation_fragment:
  - llm.host.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  ports:
    description: The TCP ports to close for all but O(sources). Without any, and nothing to O(keep), table, service and files are removed.
    type: list
    elements: int
    required: true
  sources:
    description: Addresses and networks, of IPv4 and IPv6, that may reach them.
    type: list
    elements: str
    default: []
  interfaces:
    description: Interfaces of private networks, from which everybody may reach them. They need not exist.
    type: list
    elements: str
    default: []
  keep:
    description:
      - Which ports that an earlier run closed, and that O(ports) does not name, stay closed.
      - V(listening) keeps those on which somebody still listens at another address than loopback, V(all) keeps all, for as long as
        the programs that listen there are not yet stopped, V(none) keeps none.
    type: str
    choices: [all, listening, none]
    default: listening
  leave:
    description: Ports that V(listening) of O(keep) does not keep, because who listens there is about to leave.
    type: list
    elements: int
    default: []
notes:
  - Needs C(nft), and C(unshare) of util-linux.
"""

EXAMPLES = r"""
- name: Only the gateway reaches Ollama
  llm.host.host_firewall:
    ports: [11434, 11435]
    sources: [10.20.0.5]

- name: What is not there needs no rules
  llm.host.host_firewall:
    ports: []
"""

RETURN = r"""
actions:
  description:
    - What was done, or would be in check mode. Any of V(write), V(enable), V(start), V(load), V(disable), V(drop), V(remove).
  type: list
  elements: str
  returned: success
  sample: [write, load]
kept:
  description: Ports that are closed and that O(ports) does not name.
  type: list
  elements: int
  returned: success
  sample: [11435]
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llm.host.plugins.module_utils._firewall import TABLE, closed_ports, ruleset
from ansible_collections.llm.host.plugins.module_utils._host_file import read_text
from ansible_collections.llm.host.plugins.module_utils._listeners import reachable
from ansible_collections.llm.host.plugins.module_utils._nftables import KeptTable
from ansible_collections.llm.host.plugins.module_utils._units import UnitError


def ports_to_keep(params: t.Mapping[str, t.Any]) -> set[int]:
    closed = closed_ports(read_text(TABLE.config)) - set(params["ports"])
    if params["keep"] == "listening":
        return reachable(closed - set(params["leave"]))
    return set(closed) if params["keep"] == "all" else set()


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "ports": {"type": "list", "elements": "int", "required": True},
            "sources": {"type": "list", "elements": "str", "default": []},
            "interfaces": {"type": "list", "elements": "str", "default": []},
            "keep": {"type": "str", "choices": ["all", "listening", "none"], "default": "listening"},
            "leave": {"type": "list", "elements": "int", "default": []},
        },
        supports_check_mode=True,
    )
    module.run_command_environ_update = {"LANG": "C", "LC_ALL": "C"}
    firewall = KeptTable(TABLE, run=module.run_command, nft=module.get_bin_path("nft"))
    try:
        kept = ports_to_keep(module.params)
        ports = {*module.params["ports"], *kept}
        if ports and not firewall.installed and not module.check_mode:
            module.fail_json(msg="nft is not on this host: install Debian's package nftables first.")
        text = ruleset(ports, module.params["sources"], module.params["interfaces"]) if ports else ""
        look = firewall.look(text)
        if not module.check_mode:
            firewall.apply(look.plan, text)
    except (UnitError, OSError, ValueError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(kept=sorted(kept), **look.as_result())


if __name__ == "__main__":
    main()
