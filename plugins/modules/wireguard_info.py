#!/usr/bin/python
# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: wireguard_info
short_description: What a host has of WireGuard
version_added: 0.1.0
author: llm.host contributors (@llm-host)
description:
  - Looks at the programs, the kernel, the interfaces of this collection and what is in their way, and tells the host's public key.
  - A private key is read by C(wg) alone and is in no result.
extends_documentation_fragment: [llm.host.attributes]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  interface:
    description: The interface that is wanted.
    type: str
    default: wg0
  rotation:
    description: As in M(llm.host.wireguard_key).
    type: str
    default: ""
  probe:
    description: Addresses in the tunnel, each with the name of who should answer there. Something is sent to each of them.
    type: dict
    default: {}
  probe_timeout:
    description: Seconds until who has not answered is silent. WireGuard itself answers within ten.
    type: int
    default: 15
"""

EXAMPLES = r"""
- name: Look at WireGuard
  llm.host.wireguard_info:

- name: Look whether another host answers through the tunnel
  llm.host.wireguard_info:
    probe:
      10.86.0.2: gpu-02
"""

RETURN = r"""
packages:
  description: Packages of Debian that are missing. C(wireguard-go) is one where the kernel has no WireGuard.
  type: list
  elements: str
  returned: success
  sample: [wireguard-tools]
tunnels:
  description: Whether the kernel has WireGuard, or the device that C(wireguard-go) needs.
  type: bool
  returned: success
ipv6:
  description: Whether a new interface may have addresses of IPv6.
  type: bool
  returned: success
taken:
  description: What somebody else has put where the interface would be, empty for nothing.
  type: str
  returned: success
  sample: /etc/wireguard/wg0.conf
interfaces:
  description: The interfaces of this collection.
  type: list
  elements: str
  returned: success
  sample: [wg0]
routes:
  description: Networks that the host reaches, but through these interfaces.
  type: list
  elements: dict
  returned: success
  sample: [{network: 192.168.1.0/24, device: eth0}]
public_key:
  description: The public key that is in use, empty for none.
  type: str
  returned: success
wanted_key:
  description: The public key of O(rotation), empty where it is not made yet.
  type: str
  returned: success
silent:
  description: The names in O(probe) that did not answer.
  type: list
  elements: str
  returned: success
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llm.host.plugins.module_utils._host_file import read_text
from ansible_collections.llm.host.plugins.module_utils._wireguard import key_file
from ansible_collections.llm.host.plugins.module_utils._wireguard_host import WireGuard, quietly


def kernel_has_it(release: str, root: str = "") -> bool:
    """Whether the running kernel has WireGuard built in, loaded or as a module."""
    if os.path.isdir(f"{root}/sys/module/wireguard"):
        return True
    lists = (f"{root}/lib/modules/{release}/{name}" for name in ("modules.dep", "modules.builtin"))
    return any("/wireguard.ko" in (read_text(path) or "") for path in lists)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "interface": {"type": "str", "default": "wg0"},
            "rotation": {"type": "str", "default": ""},
            "probe": {"type": "dict", "default": {}},
            "probe_timeout": {"type": "int", "default": 15},
        },
        supports_check_mode=True,
    )
    module.run_command_environ_update = {"LANG": "C", "LC_ALL": "C"}
    name, host, kernel = module.params["interface"], WireGuard(quietly(module.run_command)), kernel_has_it(os.uname().release)
    programs = {"wireguard-tools": "wg-quick", **({} if kernel else {"wireguard-go": "wireguard-go"})}
    missing = [package for package, program in programs.items() if not module.get_bin_path(program)]
    configured = host.configured(name)
    installed = "wireguard-tools" not in missing
    module.exit_json(
        packages=missing,
        tunnels=kernel or os.path.exists("/dev/net/tun"),
        ipv6=(read_text("/proc/sys/net/ipv6/conf/default/disable_ipv6") or "1").strip() == "0",
        taken=host.taken(name),
        interfaces=host.owned(),
        routes=host.routes(),
        public_key=host.public_key(configured.key) if configured and installed else "",
        wanted_key=host.public_key(key_file(module.params["rotation"])) if installed else "",
        silent=host.silent(module.params["probe"], name, module.params["probe_timeout"]) if module.params["probe"] and installed else [],
    )


if __name__ == "__main__":
    main()
