#!/usr/bin/python
# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: balancer_instance
short_description: Take an instance of Ollama, or all of a host, out of the balancer, and put it back
version_added: 0.1.0
author: llm.host contributors (@llm-host)
description:
  - Tells HAProxy on the gateway's host to give an instance no new requests, and waits until it has finished those that it has.
  - What waited for this instance goes to another one of its pool.
  - It stays so over reloads and restarts of HAProxy, until it is V(ready) again.
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
  name:
    description: An instance, as in V(gpu-01.default), or a host of the inventory, whose instances are all meant.
    type: str
    required: true
  state:
    description:
      - V(drain) finishes what runs and accepts nothing new.
      - V(ready) accepts requests again, as soon as its health check is answered.
    type: str
    choices: [drain, ready]
    default: drain
  timeout:
    description: How many seconds the requests that run may take, before the module fails. The instance stays drained then.
    type: int
    default: 600
  up_within:
    description:
      - With O(state=ready), how many seconds its health check may take to be answered, before the module fails.
      - With V(0) nobody waits for that.
    type: int
    default: 0
  required:
    description: Whether it is an error when no balancer runs here, or when it has no such instance. Otherwise there is nothing to do then.
    type: bool
    default: true
seealso:
  - module: llm.host.balancer_info
"""

EXAMPLES = r"""
- name: Take a host out before it is worked on
  llm.host.balancer_instance:
    name: gpu-02

- name: Put one of its instances back
  llm.host.balancer_instance:
    name: gpu-02.default
    state: ready
"""

RETURN = r"""
instances:
  description: The instances that are meant.
  returned: success
  type: list
  elements: str
  sample: [gpu-02.default]
"""

import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llm.host.plugins.module_utils._haproxy import Balancer, BalancerError, Instance

# Seconds between two looks.
LOOK = 0.5


def meant(instances: list[Instance], name: str) -> list[Instance]:
    """Those of this name, or of the host of this name. Raises BalancerError where there are none."""
    found = [item for item in instances if item.name == name] or [item for item in instances if item.name.rpartition(".")[0] == name]
    if not found:
        known = ", ".join(item.name for item in instances)
        raise BalancerError(f"The balancer has no instance and no host '{name}': it has {known or 'none'}.")
    return found


def wait_until_up(balancer: Balancer, name: str, seconds: int) -> None:
    deadline = time.monotonic() + seconds
    while True:
        down = [item.name for item in meant(balancer.instances(), name) if not item.up]
        if not down:
            return
        if time.monotonic() > deadline:
            raise BalancerError(
                f"The balancer does not reach {' and '.join(down)} after {seconds} s: look whether the gateway may connect there."
            )
        time.sleep(LOOK)


def known(balancer: Balancer, name: str) -> bool:
    try:
        return bool(meant(balancer.instances(), name))
    except BalancerError:
        return False


def wait_until_finished(balancer: Balancer, name: str, timeout: int) -> None:
    deadline = time.monotonic() + timeout
    while True:
        busy = [item for item in meant(balancer.instances(), name) if item.running]
        if not busy:
            return
        if time.monotonic() > deadline:
            running = ", ".join(f"{item.running} at {item.name}" for item in busy)
            raise BalancerError(f"Requests still run after {timeout} s ({running}). Nothing new is sent there: run again to wait on.")
        time.sleep(LOOK)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["drain", "ready"], "default": "drain"},
            "timeout": {"type": "int", "default": 600},
            "up_within": {"type": "int", "default": 0},
            "required": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    name, state = module.params["name"], module.params["state"]
    balancer = Balancer()
    if not module.params["required"] and not known(balancer, name):
        module.exit_json(changed=False, instances=[])
    try:
        instances = meant(balancer.instances(), name)
        different = [item for item in instances if item.state != state]
        if not module.check_mode:
            for item in different:
                balancer.set_state(item, state)
            if state == "drain":
                wait_until_finished(balancer, name, module.params["timeout"])
            elif module.params["up_within"]:
                wait_until_up(balancer, name, module.params["up_within"])
    except BalancerError as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=bool(different),
        instances=[item.name for item in instances],
        diff={
            "before": "".join(f"{item.name}: {item.state}\n" for item in instances),
            "after": "".join(f"{item.name}: {state}\n" for item in instances),
        },
    )


if __name__ == "__main__":
    main()
