#!/usr/bin/python
# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_key
short_description: A fresh API key for a user of the gateway
version_added: 0.1.0
author: llm.host contributors (@llm-host)
description:
  - Makes a random key of 256 bits and prints it once, on the controller's screen, with what belongs into the inventory. The result does not
    have it in clear.
  - With a vault password, such as from C(--ask-vault-pass), the variable for the inventory is also given with the key encrypted.
  - Nothing is written and no host is asked. The playbook C(llm.host.key) is this task.
extends_documentation_fragment: [llm.host.attributes]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: It changes nothing.
  idempotent:
    support: none
    details: Each run makes another key.
options:
  user:
    description: Name of the user, as in C(gateway_users).
    type: str
    required: true
notes:
  - The key is on the screen and in whatever keeps what a terminal shows, such as the output of a job.
"""

EXAMPLES = r"""
- name: Make a key for alice
  llm.host.gateway_key:
    user: alice
"""

RETURN = r"""
variable:
  description: A name for the variable that holds the key.
  type: str
  returned: success
  sample: vault_alice_key
entry:
  description: The variable as YAML, with the key encrypted by the vault password. Empty without one.
  type: str
  returned: success
  sample: "vault_alice_key: !vault |\n          $ANSIBLE_VAULT;1.1;AES256\n          3132\n"
"""
