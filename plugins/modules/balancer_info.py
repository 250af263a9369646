#!/usr/bin/python
# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: balancer_info
short_description: Learn from HAProxy which instances are up, who runs and who waits
version_added: 0.1.0
author: llm.host contributors (@llm-host)
description:
  - Asks HAProxy on the gateway's host through its socket, which only root can open.
  - What it counts begins anew when HAProxy is reloaded, but for the requests that run.
extends_documentation_fragment:
  - llm.host.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
    details:
      - Nothing is changed.
  idempotent:
    support: full
options: {}
seealso:
  - module: llm.host.balancer_instance
"""

EXAMPLES = r"""
- name: Look at the balancer
  llm.host.balancer_info:
  register: balancer

- name: Show it
  ansible.builtin.debug:
    msg: "{{ balancer.report }}"
"""

RETURN = r"""
instances:
  description: Each instance of Ollama.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: Host and instance with a dot between., type: str, returned: success, sample: gpu-01.default}
    pool: {description: The pool that it belongs to., type: str, returned: success, sample: instances}
    up: {description: Whether its last health check was answered., type: bool, returned: success, sample: true}
    state: {description: "What an administrator wants of it: V(ready), V(drain) or V(maint).", type: str, returned: success, sample: ready}
    running: {description: How many requests it has., type: int, returned: success, sample: 3}
    waiting: {description: How many wait for this instance and no other., type: int, returned: success, sample: 0}
    slots: {description: How many it may have that infer., type: int, returned: success, sample: 4}
    served: {description: How many it was given., type: int, returned: success, sample: 1207}
pools:
  description: Each pool of instances with the same models.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: Its name., type: str, returned: success, sample: instances}
    waiting: {description: How many requests wait for its instances., type: int, returned: success, sample: 5}
    longest_wait: {description: Seconds that the longest of the last 1024 requests waited., type: float, returned: success, sample: 12.4}
users:
  description: Each user that was there within the last hour.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: Name of the user., type: str, returned: success, sample: alice}
    requests: {description: How many of the user's requests run or wait., type: int, returned: success, sample: 2}
    served: {description: How many were let in., type: int, returned: success, sample: 311}
    refused: {description: How many were refused., type: int, returned: success, sample: 4}
report:
  description: The same as lines of text.
  returned: success
  type: list
  elements: str
  sample: ["instance        state  running  waiting  slots  served"]
"""

import dataclasses
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llm.host.plugins.module_utils._haproxy import Balancer, BalancerError, Instance, Pool, User


def table(head: t.Sequence[str], rows: t.Iterable[t.Sequence[t.Any]]) -> list[str]:
    """Lines with the first column to the left and the numbers to the right."""
    lines = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return [
        "  ".join(cell.ljust(width) if not column else cell.rjust(width) for column, (cell, width) in enumerate(zip(line, widths)))
        for line in lines
    ]


def report_of(instances: t.Sequence[Instance], pools: t.Sequence[Pool], users: t.Sequence[User]) -> list[str]:
    lines = table(
        ("instance", "state", "running", "waiting", "slots", "served"),
        [
            (item.name, item.state if item.up or item.state != "ready" else "down", item.running, item.waiting, item.slots, item.served)
            for item in instances
        ],
    )
    lines += ["", *table(("pool", "waiting", "longest wait (s)"), [(pool.name, pool.waiting, pool.longest_wait) for pool in pools])]
    if users:
        lines += [
            "",
            *table(("user", "requests", "served", "refused"), [(user.name, user.requests, user.served, user.refused) for user in users]),
        ]
    return lines


def main() -> None:
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    balancer = Balancer()
    try:
        instances = balancer.instances()
        pools, users = balancer.pools(instances), balancer.users()
    except BalancerError as error:
        module.fail_json(msg=str(error))
    found = {"instances": instances, "pools": pools, "users": users}
    module.exit_json(
        changed=False,
        report=report_of(instances, pools, users),
        **{name: [dataclasses.asdict(item) for item in items] for name, items in found.items()},
    )


if __name__ == "__main__":
    main()
