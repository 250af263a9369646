#!/usr/bin/python
# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_probe
short_description: Prove from outside that an endpoint keeps its promises
version_added: 0.1.0
author: llm.host contributors (@llm-host)
description:
  - Calls an endpoint as a stranger, with a wrong key, and as the users that are given, and fails with a list of the promises it does not keep.
  - The promises are verified TLS 1.2 or newer, no access without identity, a streamed chat for users, and no management of models by users.
  - Run it where clients are, usually on the controller. It changes nothing.
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
  url:
    description: The endpoint, such as V(https://ollama.example.com).
    type: str
    required: true
  ca:
    description: Certificates to trust, the text in PEM form. The system's when empty.
    type: str
    default: ""
  connect_to:
    description: Address to connect to instead of the one that the name in O(url) resolves to.
    type: str
    default: ""
  user:
    description: A user who may use models but not manage them. Checks that need one are left out without it.
    type: dict
    default: {}
    suboptions: &identity
      name:
        description: Name, for a password.
        type: str
        default: ""
      key:
        description: API key.
        type: str
        default: ""
      password:
        description: Password.
        type: str
        default: ""
  admin:
    description: An administrator, who stands in for the user where there is none.
    type: dict
    default: {}
    suboptions: *identity
  model:
    description: The model for the streamed chat. The smallest that can chat when empty.
    type: str
    default: ""
  timeout:
    description: Seconds to wait for each piece of an answer.
    type: int
    default: 120
"""

EXAMPLES = r"""
- name: The endpoint keeps its promises
  llm.host.gateway_probe:
    url: https://ollama.example.com
    user:
      key: "{{ vault_alice_key }}"
  delegate_to: localhost
  become: false
"""

RETURN = r"""
checks:
  description: What was checked and what was seen.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The promise.
      type: str
    ok:
      description: Whether it was kept.
      type: bool
    seen:
      description: What was seen.
      type: str
  sample:
    - {name: a stranger gets 401, ok: true, seen: "GET /v1/models: 401"}
models:
  description: The models that C(GET /api/tags) lists, as it lists them.
  returned: always
  type: list
  elements: dict
  sample: [{name: "llama3.2:1b", digest: baf6a787fdffd633537aa2eb51cfd54cb93ff08e28040095462bb63daf552878}]
certificate_sha256:
  description: Fingerprint of the certificate that is served, empty when there was none.
  returned: always
  type: str
  sample: 6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b
"""

import hashlib
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llm.host.plugins.module_utils._probe import Credentials, Endpoint, probe


def identity_options() -> dict[str, t.Any]:
    return {
        "type": "dict",
        "default": {},
        "options": {
            "name": {"type": "str", "default": ""},
            "key": {"type": "str", "default": "", "no_log": True},
            "password": {"type": "str", "default": "", "no_log": True},
        },
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "ca": {"type": "str", "default": ""},
            "connect_to": {"type": "str", "default": ""},
            "user": identity_options(),
            "admin": identity_options(),
            "model": {"type": "str", "default": ""},
            "timeout": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    params: dict[str, t.Any] = module.params
    if not params["url"].startswith("https://"):
        module.fail_json(msg=f"url is {params['url']!r}: write one that starts with https://, since keys may not travel in the clear.")
    endpoint = Endpoint(params["url"], ca=params["ca"], connect_to=params["connect_to"], timeout=params["timeout"])
    checks, models = probe(
        endpoint, user=Credentials(**(params["user"] or {})), admin=Credentials(**(params["admin"] or {})), model=params["model"]
    )
    try:
        fingerprint = hashlib.sha256(endpoint.handshake()[2]).hexdigest()
    except OSError:
        fingerprint = ""
    result: dict[str, t.Any] = {
        "checks": [{"name": check.name, "ok": check.ok, "seen": check.seen} for check in checks],
        "models": models,
        "certificate_sha256": fingerprint,
    }
    broken = [f"{check.name} (seen: {check.seen})" for check in checks if not check.ok]
    if broken:
        module.fail_json(msg=f"{params['url']} does not keep its promises: {'; '.join(broken)}.", **result)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
