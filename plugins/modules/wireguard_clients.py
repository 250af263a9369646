#!/usr/bin/python
# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: wireguard_clients
short_description: Write configurations of WireGuard for people's devices, on the controller
version_added: 0.1.0
author: llm.host contributors (@llm-host)
description:
  - Writes a file for each device that all apps of WireGuard can read, for your eyes only.
  - The private key of a device is made once and kept in its file, unless its public key is given; then its owner writes the private one in.
  - A private key is in no result and on no command line.
  - Where C(qrencode) is on the controller, a QR code lies beside each file that has a key, as a picture and as text for a terminal.
extends_documentation_fragment:
  - llm.host.attributes
attributes:
  check_mode:
    support: full
    details: A key that is not made yet has no public key to tell.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  clients:
    description: The devices.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The name, which the files have too.
        type: str
        required: true
      public_key:
        description: The device's public key, where its owner made the key.
        type: str
        default: ""
      addresses:
        description: Its addresses.
        type: list
        elements: str
        required: true
      peers:
        description:
          - Whom it connects to, with C(name), C(public_key), C(allowed) and C(endpoint). Without a key, the one stays that its file has.
        type: list
        elements: dict
        default: []
      state:
        description: With V(absent) its files are removed.
        type: str
        choices: [present, absent]
        default: present
  dest:
    description: The directory. When it is empty, nothing is written, and only the given keys are returned.
    type: str
    default: ""
seealso:
  - module: llm.host.wireguard_interface
"""

EXAMPLES = r"""
- name: A laptop
  llm.host.wireguard_clients:
    dest: "{{ inventory_dir }}/../wireguard"
    clients:
      - name: alice
        addresses: [10.86.0.9/32]
        peers:
          - name: gpu-02
            public_key: NWZC0w8Mpm0DMjxpoSY/k/9WhEKpvFPPK7lPe5/+Ymo=
            allowed: [10.86.0.2/32]
            endpoint: gpu-02.example.com:51820
"""

RETURN = r"""
public_keys:
  description: The public keys by the names of the devices, in check mode V((made in the run\)) for one that is not made yet.
  type: dict
  returned: success
  sample: {alice: CksPdEk3X5aE7N1QU5h5KeOS0XAWzDPwVBeaUGJVLwg=}
paths:
  description: The files that were written or removed, or would be in check mode.
  type: list
  elements: str
  returned: success
too_long:
  description: Devices that connect to so many hosts that no QR code can hold it.
  type: list
  elements: str
  returned: success
qrencode_missing:
  description: Whether a QR code could not be made, since the controller has no C(qrencode).
  type: bool
  returned: success
"""
