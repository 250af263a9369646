#!/usr/bin/python
# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_ingress
short_description: Let into a host what is declared, and drop the rest
version_added: 0.1.0
author: llm.host contributors (@llm-host)
description:
  - Keeps a table of nftables, C(inet llm_host_firewall), with one chain for what comes in to the host itself. It never touches other tables. What they drop
    stays dropped, and what is forwarded, as to containers, is their business.
  - Connections that are there, what comes over loopback, the messages of ICMP that networks need and the answers of DHCP servers are let in always.
  - So is SSH, at the ports on which a server listens or over which the connection of this run came. O(ssh_sources) and O(ssh_interfaces)
    narrow it; the run is refused where whoever runs it would not come in any more.
  - New rules are on trial at first. What was there before comes back by itself after O(confirm_within) seconds, and after a boot, unless
    the module is called with O(step=confirm) over a new connection. Only then they are written to the disk.
  - The service C(llm-host-ingress) loads the table at boot, before the network is up. A drop-in of C(nftables.service), which empties the kernel
    of all tables when it is reloaded or stopped, puts this one back.
  - What is to be done is decided from what the kernel and the disk have, so that a run which was killed is finished by the next one.
extends_documentation_fragment: [llm.host.attributes]
attributes:
  check_mode:
    support: full
    details: Announces what both steps do together.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  state:
    description: V(absent) removes table, service and files.
    type: str
    choices: [present, absent]
    default: present
  step:
    description:
      - V(load) puts the rules on trial, V(confirm) keeps them.
      - V(open) adds to a table that is there what it lacks, and takes nothing away, for the time in which what is let in is being set up.
    type: str
    choices: [open, load, confirm]
    default: load
  openings:
    description: What is let in besides.
    type: list
    elements: dict
    default: []
    suboptions:
      ports:
        description: Ports, and ranges such as V(11434-11436).
        type: list
        elements: str
        required: true
      protocol:
        description: Of the ports.
        type: str
        choices: [tcp, udp]
        default: tcp
      sources:
        description: Addresses and networks, of IPv4 and IPv6, or V(any).
        type: list
        elements: str
        default: []
      interfaces:
        description: Interfaces through which everybody may come. They need not exist.
        type: list
        elements: str
        default: []
  ssh_sources:
    description: Addresses and networks that SSH is open to. Without any, and without O(ssh_interfaces), it is open to everybody.
    type: list
    elements: str
    default: []
  ssh_interfaces:
    description: Interfaces through which everybody may come to SSH.
    type: list
    elements: str
    default: []
  ssh_port:
    description: The port of the connection of this run, where that cannot be found on the host.
    type: int
  confirm_within:
    description: Seconds after which rules that are on trial go.
    type: int
    default: 60
notes:
  - Needs C(nft), C(systemd-run), and C(unshare) of util-linux.
"""

EXAMPLES = r"""
- name: SSH from everywhere, HTTPS from the office
  llm.host.host_ingress:
    openings:
      - ports: [443]
        sources: [10.20.0.0/16]
  register: ingress

- name: Connect anew
  ansible.builtin.meta: reset_connection

- name: Keep it, now that a new connection came through
  llm.host.host_ingress:
    step: confirm
    openings:
      - ports: [443]
        sources: [10.20.0.0/16]

- name: Everything as it was
  llm.host.host_ingress:
    state: absent
"""

RETURN = r"""
actions:
  description:
    - What was done, would be in check mode, or in O(step=load) is done once it is confirmed. Any of V(write), V(enable), V(start), V(load),
      V(disable), V(drop), V(remove), V(open), and V(settle) for what a trial has left.
  type: list
  elements: str
  returned: success
  sample: [write, enable, start]
installed:
  description: Whether C(nft) is on the host.
  type: bool
  returned: success
ssh_ports:
  description: The ports at which SSH is let in.
  type: list
  elements: int
  returned: success and O(state=present)
  sample: [22]
closed:
  description: Whether the table is there.
  type: bool
  returned: success and O(state=present)
operator:
  description: From where the connection of this run comes, empty where it does not come over SSH.
  type: str
  returned: success and O(state=present)
  sample: 10.20.0.9
closes:
  description: Ports at which somebody listens for others now, and that are not let in.
  type: list
  elements: int
  returned: success and O(state=present)
  sample: [9100]
"""

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llm.host.plugins.module_utils._ingress import ANY, TABLE, Opening, additions, admits, opening, ruleset
from ansible_collections.llm.host.plugins.module_utils._listeners import reachable
from ansible_collections.llm.host.plugins.module_utils._nftables import KeptTable, Look
from ansible_collections.llm.host.plugins.module_utils._ssh import Connection, connection, interface_to, ssh_ports
from ansible_collections.llm.host.plugins.module_utils._trial import Trial
from ansible_collections.llm.host.plugins.module_utils._units import UnitError, Units


class LockedOut(Exception):
    """Whoever runs this would be; the text is a sentence."""


class Ingress:
    """What the options say of this host."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        self._nft = module.get_bin_path("nft")
        self.kept = KeptTable(TABLE, run=module.run_command, nft=self._nft)
        self.trial = Trial(self.kept, systemctl=Units(module.run_command), nft=self._nft or "")

    def present(self) -> dict[str, t.Any]:
        params, run = self._module.params, self._module.run_command
        operator = connection(os.environ)
        ports = ssh_ports(run, self._module.get_bin_path("sshd", opt_dirs=["/usr/sbin"]))
        ports |= {operator.port} if operator else {params["ssh_port"]} - {None}
        ssh = ssh_opening(ports, params["ssh_sources"], params["ssh_interfaces"])
        if operator:
            self._admitted(ssh, operator)
        openings = [ssh, *(opening(one["ports"], one["sources"], one["interfaces"], one["protocol"]) for one in params["openings"])]
        text = ruleset(openings)
        look = self.kept.look(text)
        said = {
            "installed": self.kept.installed,
            "ssh_ports": sorted(ports),
            "closed": bool(look.table),
            "operator": operator.client if operator else "",
            "closes": shut(openings),
        }
        if params["step"] == "open":
            return {**self._opened(look, openings), **said}
        if self._module.check_mode:
            return {**look.as_result(), **said}
        if not self.kept.installed:
            raise UnitError("nft is not on this host: install Debian's package nftables first.")
        if params["step"] == "confirm":
            self.trial.end()
            look = self.kept.look(text)
            if look.table != look.wanted_table:
                raise UnitError(
                    f"The rules of the firewall went, because nobody confirmed them within {params['confirm_within']} seconds: run it again, "
                    "with a greater firewall_confirm_within if that is too short."
                )
            self.kept.apply(look.plan, text)
        elif look.plan.changed:
            self.trial.begin(text, params["confirm_within"])
        return {**look.as_result(), **said}

    def absent(self) -> dict[str, t.Any]:
        look, left = self.kept.look(""), self.trial.left
        result = look.as_result()
        if not self._module.check_mode:
            if left:
                self.trial.end()
            self.kept.apply(look.plan, "")
        actions = (["settle"] if left else []) + result["actions"]
        return {**result, "actions": actions, "changed": bool(actions), "installed": self.kept.installed}

    def _opened(self, look: Look, openings: t.Sequence[Opening]) -> dict[str, t.Any]:
        due = bool(look.table) and look.table != look.wanted_table
        if due and not self._module.check_mode:
            self.kept.must(self._nft or "", "-f", "-", data=additions(openings))
        return {"changed": due, "actions": ["open"] if due else [], "diff": []}

    def _admitted(self, ssh: Opening, operator: Connection) -> None:
        interface = interface_to(operator.client, self._module.run_command, self._module.get_bin_path("ip", opt_dirs=["/usr/sbin"]))
        if not admits(ssh, operator.client, interface):
            raise LockedOut(
                f"The firewall would lock you out: this connection comes from {operator.client}, and firewall_ssh_from lets only "
                f"{', '.join(self._module.params['ssh_sources'] + self._module.params['ssh_interfaces'])} reach SSH: add your address or its network."
            )


def ssh_opening(ports: t.Iterable[int], sources: t.Sequence[str], interfaces: t.Sequence[str]) -> Opening:
    return opening(ports, sources or ([] if interfaces else [ANY]), interfaces)


def shut(openings: t.Iterable[Opening]) -> list[int]:
    """Ports at which somebody listens for others, and that nobody outside will reach."""
    open_ports = [ports for one in openings if one.protocol == "tcp" for ports in one.ports]
    return sorted(port for port in reachable(range(1, 65536)) if not any(low <= port <= high for low, high in open_ports))


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "step": {"type": "str", "choices": ["open", "load", "confirm"], "default": "load"},
            "openings": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "ports": {"type": "list", "elements": "str", "required": True},
                    "protocol": {"type": "str", "choices": ["tcp", "udp"], "default": "tcp"},
                    "sources": {"type": "list", "elements": "str", "default": []},
                    "interfaces": {"type": "list", "elements": "str", "default": []},
                },
            },
            "ssh_sources": {"type": "list", "elements": "str", "default": []},
            "ssh_interfaces": {"type": "list", "elements": "str", "default": []},
            "ssh_port": {"type": "int"},
            "confirm_within": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    module.run_command_environ_update = {"LANG": "C", "LC_ALL": "C"}
    ingress = Ingress(module)
    try:
        result = ingress.present() if module.params["state"] == "present" else ingress.absent()
    except (LockedOut, UnitError, OSError, ValueError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
