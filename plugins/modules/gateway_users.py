#!/usr/bin/python

# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_users
short_description: Write the files from which the gateway knows its users
version_added: 0.1.0
author: llm.host contributors (@llm-host)
description:
  - Writes two files from one list of users. One is a map from API key to user, which only root can read.
    The other holds the hashes of passwords. For nginx it is a htpasswd file, which the group of the web server can read as well.
  - A password is stored as a hash of C(crypt(3\)), SHA-512 for nginx and bcrypt for Caddy. A hash that still fits its password stays as it is.
  - Nothing that this module returns or shows in a diff contains a key, a password, or a hash.
  - Load the web server's configuration again when a file changed. Only nginx reads the htpasswd file with each request.
extends_documentation_fragment:
  - llm.host.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - The diff names users and which of their secrets are new or changed, and never shows a secret.
  idempotent:
    support: full
options:
  users:
    description:
      - All users. Who is not in the list can no longer log in.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the user, of letters, digits, C(.), C(_) and C(-).
        type: str
        required: true
      key:
        description: API key of at least 20 characters. Each user needs a key, a password or a login of the tailnet.
        type: str
      password:
        description: Password for HTTP Basic authentication, of at least 8 characters.
        type: str
      tailnet:
        description: Login of Tailscale. Not written by this module, but checked.
        type: str
      admin:
        description: Whether the user may manage models. Not written by this module, but accepted so that one list serves all.
        type: bool
        default: false
      models:
        description:
          - The models that the user may use. Not written by this module, but checked; an empty list, an administrator's or one with something that
            is no name is an error.
        type: list
        elements: str
      concurrency:
        description: How many requests of the user may run at once. Not written by this module.
        type: int
      rate:
        description: How many requests a minute the user may make. Not written by this module.
        type: int
      priority:
        description: Whether the user's requests wait for those of others. Not written by this module.
        type: str
        choices: [interactive, batch]
  provider:
    description: The web server that reads the files.
    type: str
    choices: [nginx, caddy]
    default: nginx
  keys_path:
    description: Path of the map from key to user. It belongs to root and has mode V(0600).
    type: path
    default: /etc/llm-gateway/nginx/keys.map
  passwords_path:
    description: Path of the file with the hashes of passwords. It belongs to root and O(passwords_group) and has mode V(0640).
    type: path
    default: /etc/llm-gateway/nginx/htpasswd
  passwords_group:
    description: Group whose members can read the hashes.
    type: str
    default: www-data
"""

EXAMPLES = r"""
- name: Write the gateway's users
  llm.host.gateway_users:
    users:
      - name: alice
        key: "{{ vault_alice_key }}"
      - name: ops
        password: "{{ vault_ops_password }}"
        admin: true
"""

RETURN = r"""
names:
  description: The users that can log in now.
  type: list
  elements: str
  returned: success
  sample: [alice, ops]
files:
  description: The files that were written, or would be in check mode.
  type: list
  elements: str
  returned: success
  sample: [/etc/llm-gateway/nginx/keys.map]
"""

import base64
import ctypes
import grp
import hmac
import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llm.host.plugins.module_utils._gateway_users import FORMATS, describe, user_problems, users_from
from ansible_collections.llm.host.plugins.module_utils._host_file import HostFile, read_text

LIBRARIES = ("libcrypt.so.1", "libcrypt.so.2")


class Crypt:
    """Password hashes of crypt(3) with one method; Python's own module for it is gone since 3.13."""

    def __init__(self, method: str, salt_length: int) -> None:
        self._method, self._salt_length = method, salt_length
        self._crypt = _library().crypt
        self._crypt.argtypes = (ctypes.c_char_p, ctypes.c_char_p)
        self._crypt.restype = ctypes.c_char_p

    def verify(self, password: str, stored: str) -> bool:
        # Only our own method is kept: a weaker hash that someone put there is replaced.
        return stored.startswith(self._method) and hmac.compare_digest(self._hashed(password, stored), stored)

    def make_hash(self, password: str) -> str:
        salt = base64.b64encode(os.urandom(18), b"./").decode()[: self._salt_length]
        return self._hashed(password, f"{self._method}{salt}$")

    def _hashed(self, password: str, setting: str) -> str:
        value = self._crypt(password.encode(), setting.encode())
        return (value or b"").decode()


def _library() -> ctypes.CDLL:
    for name in LIBRARIES:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    raise OSError(f"none of {', '.join(LIBRARIES)} is on this host: install the package libcrypt1")


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "users": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "no_log": False,
                "options": {
                    "name": {"type": "str", "required": True},
                    "key": {"type": "str", "no_log": True},
                    "password": {"type": "str", "no_log": True},
                    "tailnet": {"type": "str"},
                    "admin": {"type": "bool", "default": False},
                    "models": {"type": "list", "elements": "str"},
                    "concurrency": {"type": "int"},
                    "rate": {"type": "int"},
                    "priority": {"type": "str", "choices": ["interactive", "batch"]},
                },
            },
            "provider": {"type": "str", "choices": list(FORMATS), "default": "nginx"},
            "keys_path": {"type": "path", "default": "/etc/llm-gateway/nginx/keys.map", "no_log": False},
            "passwords_path": {"type": "path", "default": "/etc/llm-gateway/nginx/htpasswd", "no_log": False},
            "passwords_group": {"type": "str", "default": "www-data", "no_log": False},
        },
        supports_check_mode=True,
    )
    problems = user_problems(module.params["users"])
    if problems:
        module.fail_json(msg=" ".join(problems))
    keys_path, passwords_path = module.params["keys_path"], module.params["passwords_path"]
    try:
        group = grp.getgrnam(module.params["passwords_group"]).gr_gid
    except KeyError:
        module.fail_json(
            msg=f"There is no group '{module.params['passwords_group']}' on this host: name the web server's group in passwords_group."
        )

    users, form = users_from(module.params["users"]), FORMATS[module.params["provider"]]
    old_keys, old_hashes = form.stored_keys(read_text(keys_path) or ""), form.stored_hashes(read_text(passwords_path) or "")
    try:
        crypt = Crypt(form.method, form.salt_length)
        passwords = form.render_passwords(users, stored=old_hashes, verify=crypt.verify, make_hash=crypt.make_hash)
    except OSError as error:
        module.fail_json(msg=f"Cannot hash passwords: {error}.")
    files = (
        HostFile(keys_path, form.render_keys(users), mode=0o600),
        HostFile(passwords_path, passwords, mode=0o640, group=group),
    )
    changed = [file for file in files if file.differs()]
    if not module.check_mode:
        for file in changed:
            try:
                file.write()
            except OSError as error:
                module.fail_json(msg=f"Cannot write {file.path}: {error.strerror}.")
    now = {"keys": form.stored_keys(files[0].content), "hashes": form.stored_hashes(files[1].content)}
    module.exit_json(
        changed=bool(changed),
        names=[user.name for user in users],
        files=[file.path for file in changed],
        diff={
            "before_header": "users",
            "after_header": "users",
            "before": describe(keys=old_keys, hashes=old_hashes, old_keys=old_keys, old_hashes=old_hashes),
            "after": describe(**now, old_keys=old_keys, old_hashes=old_hashes),
        },
    )


if __name__ == "__main__":
    main()
