#!/usr/bin/python
# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: monitoring_info
short_description: Whether Prometheus gets what it asks for, and has its rules
version_added: 0.1.0
author: llm.host contributors (@llm-host)
description:
  - Asks the Prometheus of this host for its targets, rules and Alertmanagers.
  - A target that was found a moment ago has not been asked yet, so it waits for that.
  - Changes nothing.
extends_documentation_fragment: [llm.host.attributes]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
    details:
      - Nothing is changed.
  idempotent:
    support: full
options:
  url:
    description: Where Prometheus answers.
    type: str
    default: http://127.0.0.1:9090
  wait:
    description: For how many seconds to wait at most until each target was asked.
    type: int
    default: 60
"""

EXAMPLES = r"""
- name: Look at the monitoring
  llm.host.monitoring_info:
  register: monitoring
"""

RETURN = r"""
targets:
  description: Whom Prometheus asks.
  returned: success
  type: list
  elements: dict
  contains:
    job:
      description: What is asked for.
      type: str
    instance:
      description: The host, or the address of a gateway.
      type: str
    up:
      description: Whether the last answer was good.
      type: bool
    error:
      description: What was wrong with it.
      type: str
  sample: [{job: node, instance: gpu-01, up: true, error: ""}]
groups:
  description: The names of the groups of rules that are loaded.
  returned: success
  type: list
  elements: str
  sample: [llm-endpoint]
failing:
  description: The rules that cannot be evaluated, with the reason.
  returned: success
  type: dict
  sample: {}
alertmanagers:
  description: How many Alertmanagers alerts are sent to.
  returned: success
  type: int
  sample: 1
"""

import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llm.host.plugins.module_utils._prometheus import Prometheus, PrometheusError


def main() -> None:
    module = AnsibleModule(
        argument_spec={"url": {"type": "str", "default": "http://127.0.0.1:9090"}, "wait": {"type": "int", "default": 60}},
        supports_check_mode=True,
    )
    server, deadline = Prometheus(module.params["url"]), time.monotonic() + module.params["wait"]
    try:
        found = server.targets()
        while any(target["health"] == "unknown" for target in found) and time.monotonic() < deadline:
            time.sleep(1)
            found = server.targets()
        groups, alertmanagers = server.groups(), server.alertmanagers()
    except PrometheusError as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=False,
        targets=[
            {
                "job": target["labels"]["job"],
                "instance": target["labels"]["instance"],
                "up": target["health"] == "up",
                "error": target["lastError"],
            }
            for target in found
        ],
        groups=[group["name"] for group in groups],
        failing={rule["name"]: rule.get("lastError", "") for group in groups for rule in group["rules"] if rule["health"] == "err"},
        alertmanagers=len(alertmanagers),
    )


if __name__ == "__main__":
    main()
