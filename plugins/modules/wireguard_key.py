#!/usr/bin/python
# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: wireguard_key
short_description: Make the private key of a host for WireGuard
version_added: 0.1.0
author: llm.host contributors (@llm-host)
description:
  - Makes the key on the host, in a file that only root can read, and tells the public one. The private key leaves the host in no way.
  - An interface uses it when M(llm.host.wireguard_interface) has configured that.
extends_documentation_fragment: [llm.host.attributes]
attributes:
  check_mode:
    support: full
    details: A key that is not made yet has no public key to tell.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  rotation:
    description: Any text. Another one means another key.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Have a key
  llm.host.wireguard_key:

- name: Have a new key
  llm.host.wireguard_key:
    rotation: the laptop of the administrator was stolen
"""

RETURN = r"""
public_key:
  description: The public key. In check mode V((made in the run\)) where it is not made yet.
  type: str
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llm.host.plugins.module_utils._units import UnitError
from ansible_collections.llm.host.plugins.module_utils._wireguard import PENDING, key_file
from ansible_collections.llm.host.plugins.module_utils._wireguard_host import WireGuard, quietly


def main() -> None:
    module = AnsibleModule(argument_spec={"rotation": {"type": "str", "default": ""}}, supports_check_mode=True)
    rotation, host = module.params["rotation"], WireGuard(quietly(module.run_command))
    if not module.get_bin_path("wg"):
        if module.check_mode:
            module.exit_json(changed=True, public_key=PENDING)
        module.fail_json(msg="wg is not on this host: install Debian's package wireguard-tools first.")
    try:
        public_key = host.public_key(key_file(rotation))
        changed = not public_key
        if changed and not module.check_mode:
            host.make_key(rotation)
            public_key = host.public_key(key_file(rotation))
    except (UnitError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=changed, public_key=public_key or PENDING)


if __name__ == "__main__":
    main()
