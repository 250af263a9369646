#!/usr/bin/python
# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: server_leave
short_description: Put nginx, Caddy, HAProxy, Prometheus and its companions back to what they were before this collection
version_added: 0.1.0
author: llm.host contributors (@llm-host)
description:
  - Puts the configuration back that was there before, and removes what the collection put beside it. Packages and logs stay.
  - A server that has something else to do, such as sites of somebody else, loads that without an interruption. One that has
    nothing is stopped and disabled. So nobody meets a page of welcome where the endpoint was.
  - A server that the collection did not set up is left alone.
  - What is to be done is decided from the state of the host, so a run that was killed half-way is finished by the next one.
extends_documentation_fragment: [llm.host.attributes]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Lists paths, and whether the service runs. Shows no content.
  idempotent:
    support: full
options:
  names:
    description: The servers.
    type: list
    elements: str
    choices: [nginx, caddy, haproxy, prometheus, alertmanager, blackbox]
    required: true
  timeout:
    description: How many seconds loading may take.
    type: int
    default: 30
seealso:
  - module: llm.host.gateway_server
  - module: llm.host.balancer_server
  - module: llm.host.monitoring_server
"""

EXAMPLES = r"""
- name: The gateway leaves
  llm.host.server_leave:
    names: [nginx, caddy]
"""

RETURN = r"""
servers:
  description: What was done, or would be in check mode, to each that the collection had set up.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The server.
      type: str
    actions:
      description: Any of C(stop), C(disable), C(put_back), C(resume), which loads what there was before, and C(remove).
      type: list
      elements: str
  sample: [{name: nginx, actions: [stop, disable, put_back, remove]}]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llm.host.plugins.module_utils._monitoring_engines import MONITORS
from ansible_collections.llm.host.plugins.module_utils._removal import everything_in
from ansible_collections.llm.host.plugins.module_utils._web_engines import ENGINES, EngineError, Haproxy
from ansible_collections.llm.host.plugins.module_utils._web_leave import leave, plan_leave

SERVERS = {**ENGINES, Haproxy.name: Haproxy, **MONITORS}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "names": {"type": "list", "elements": "str", "choices": list(SERVERS), "required": True},
            "timeout": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    engines = [
        SERVERS[name](module.run_command, lambda program: module.get_bin_path(program, opt_dirs=["/usr/sbin"]))
        for name in module.params["names"]
    ]
    try:
        plans = [(engine, plan) for engine, plan in ((engine, plan_leave(engine)) for engine in engines) if plan.actions]
        before = "".join(
            f"{engine.unit}: {'runs' if plan.stop or plan.resume else 'does not run'}\n"
            + "".join(f"{path}\n" for path in everything_in(plan.remove))
            for engine, plan in plans
        )
        after = "".join(f"{engine.unit}: {'runs with what it had before' if plan.resume else 'does not run'}\n" for engine, plan in plans)
        if not module.check_mode:
            for engine, plan in plans:
                leave(engine, plan, timeout=module.params["timeout"])
    except (EngineError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=bool(plans),
        servers=[{"name": engine.name, "actions": plan.actions} for engine, plan in plans],
        diff={"before": before, "after": after},
    )


if __name__ == "__main__":
    main()
