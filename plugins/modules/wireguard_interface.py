#!/usr/bin/python
# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: wireguard_interface
short_description: Keep a WireGuard interface and its peers as declared
version_added: 0.1.0
author: llm.host contributors (@llm-host)
description:
  - Writes the configuration that C(wg-quick) reads, enables C(wg-quick@) for the interface, and gives the running one what differs.
  - Peers, keys and the port change while it runs, and connections with other peers go on. Other addresses, another MTU, and a hub that is none any
    more make it start anew.
  - An interface of this collection with another name is taken down, since it holds the port and the addresses.
  - Peers whose endpoint has a name are looked up by a timer while nothing is heard of them, and not by C(wg-quick), which would not bring up
    the interface when one of them is unknown.
  - What is to be done is decided from what the host has. A run that was killed half-way is finished by the next one.
extends_documentation_fragment: [llm.host.attributes]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Shows the configuration, which holds no private key.
  idempotent:
    support: full
options:
  name:
    description: The interface.
    type: str
    default: wg0
  state:
    description: With V(absent) all interfaces of this collection go, with their keys.
    type: str
    choices: [present, absent]
    default: present
  addresses:
    description: Its addresses, with the length of their networks.
    type: list
    elements: str
    default: []
  port:
    description: The UDP port.
    type: int
    default: 51820
  mtu:
    description: Its MTU. Without one C(wg-quick) finds it.
    type: int
  rotation:
    description: As in M(llm.host.wireguard_key).
    type: str
    default: ""
  forward:
    description: Send on what comes from one peer for another one.
    type: bool
    default: false
  peers:
    description: All peers. Others that the interface has go.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Its name.
        type: str
        required: true
      public_key:
        description: Its public key. When it is empty, the one that this host has of it stays.
        type: str
        default: ""
      allowed:
        description: The addresses and networks behind it.
        type: list
        elements: str
        required: true
      endpoint:
        description: Its address or name, with a port. Empty for a peer that comes by itself.
        type: str
        default: ""
      keepalive:
        description: Seconds after which something is sent when nothing else is.
        type: int
        default: 0
"""

EXAMPLES = r"""
- name: Two hosts
  llm.host.wireguard_interface:
    addresses: [10.86.0.1/16]
    peers:
      - name: gpu-02
        public_key: NWZC0w8Mpm0DMjxpoSY/k/9WhEKpvFPPK7lPe5/+Ymo=
        allowed: [10.86.0.2/32]
        endpoint: gpu-02.example.com:51820

- name: Leave
  llm.host.wireguard_interface:
    state: absent
"""

RETURN = r"""
actions:
  description:
    - What was done, or would be in check mode. Any of V(write), V(retire), V(enable), V(start), V(restart), V(sync), V(forward), V(watch), V(remove).
  type: list
  elements: str
  returned: success
  sample: [write, sync]
reasons:
  description: Why it is started anew.
  type: list
  elements: str
  returned: success
kept:
  description: Peers without O(peers[].public_key) that keep the key that this host had of them.
  type: list
  elements: str
  returned: success
missing:
  description: Peers without O(peers[].public_key) of which this host had none, so that they are left out.
  type: list
  elements: str
  returned: success
added:
  description: Peers that are new.
  type: list
  elements: str
  returned: success
removed:
  description: Peers that are gone, by their names, or by their keys where the configuration does not name them.
  type: list
  elements: str
  returned: success
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llm.host.plugins.module_utils._units import UnitError
from ansible_collections.llm.host.plugins.module_utils._wireguard import Interface, Peer, fill_in, key_file
from ansible_collections.llm.host.plugins.module_utils._wireguard_host import WireGuard, quietly

PEER = {
    "name": {"type": "str", "required": True},
    "public_key": {"type": "str", "default": "", "no_log": False},
    "allowed": {"type": "list", "elements": "str", "required": True},
    "endpoint": {"type": "str", "default": ""},
    # Seconds, and no key.
    "keepalive": {"type": "int", "default": 0, "no_log": False},
}


def interface(params: t.Mapping[str, t.Any], peers: tuple[Peer, ...]) -> Interface:
    return Interface(
        name=params["name"],
        addresses=tuple(params["addresses"]),
        port=params["port"],
        key=key_file(params["rotation"]),
        mtu=params["mtu"] or 0,
        forward=params["forward"],
        peers=peers,
    )


def ensure(host: WireGuard, params: t.Mapping[str, t.Any], *, check_mode: bool) -> dict[str, t.Any]:
    if params["state"] == "absent":
        return {**host.ensure(None, check_mode=check_mode), "kept": [], "missing": [], "added": [], "removed": []}
    previous, live = host.configured(params["name"]), host.live(params["name"])
    peers = [Peer(**{**peer, "allowed": tuple(peer["allowed"])}) for peer in params["peers"]]
    filled, kept, missing = fill_in(peers, previous)
    names = {peer.public_key: peer.name for peer in (previous.peers if previous else ())}
    there = {*names, *(live.peers if live else ())}
    wanted = {peer.public_key for peer in filled}
    return {
        **host.ensure(interface(params, filled), check_mode=check_mode),
        "kept": kept,
        "missing": missing,
        "added": [peer.name for peer in filled if peer.public_key not in there],
        "removed": sorted(names.get(key) or key for key in there - wanted),
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "default": "wg0"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "addresses": {"type": "list", "elements": "str", "default": []},
            "port": {"type": "int", "default": 51820},
            "mtu": {"type": "int"},
            "rotation": {"type": "str", "default": ""},
            "forward": {"type": "bool", "default": False},
            "peers": {"type": "list", "elements": "dict", "default": [], "options": PEER},
        },
        supports_check_mode=True,
    )
    module.run_command_environ_update = {"LANG": "C", "LC_ALL": "C", "WG_ENDPOINT_RESOLUTION_RETRIES": "0"}
    host = WireGuard(quietly(module.run_command))
    if module.params["state"] == "present" and not module.check_mode and not module.get_bin_path("wg-quick"):
        module.fail_json(msg="wg-quick is not on this host: install Debian's package wireguard-tools first.")
    taken = host.taken(module.params["name"]) if module.params["state"] == "present" else ""
    if taken:
        module.fail_json(msg=f"{taken} is there and was not made by llm.host: choose another name, or remove it.")
    try:
        result = ensure(host, module.params, check_mode=module.check_mode)
    except (UnitError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
