#!/usr/bin/python
# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_services
short_description: Several units enabled, running, and running with what their files say, in one round trip
version_added: 0.1.0
author: llm.host contributors (@llm-host)
description:
  - Enables and starts the units, and restarts or reloads those that run with an older configuration than the one on disk.
  - That is decided from the state of the host (the time at which a unit was started or reloaded against the times at which its unit file,
    drop-ins, environment files and O(services[].files) changed), so a run that was killed between a change and the restart is finished by the next run.
  - Lets systemd read its files again where it has to, and waits until what was started has not ended at once.
extends_documentation_fragment: [llm.host.attributes]
attributes:
  check_mode:
    support: full
    details: Cannot tell whether a unit that is to be started will run.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  services:
    description: The units, each of which goes on running once it is started, such as a service or a timer.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the unit. Without a suffix it is a service.
        type: str
        required: true
      files:
        description:
          - Paths that it reads when it starts, besides its unit file, drop-ins and environment files, which are known.
          - Of a directory the files directly inside it, and what was removed from it.
        type: list
        elements: path
        default: []
      reload:
        description:
          - Whether a reload is enough when O(services[].files) changed. A unit that knows no reload is restarted.
          - A change of the unit itself always takes a restart.
        type: bool
        default: false
      state:
        description: Whether it runs.
        type: str
        choices: [started, stopped]
        default: started
      enabled:
        description: Whether it starts at boot. A stopped unit is disabled where nothing else is said.
        type: bool
      url:
        description: An address that must answer with status 200 while the unit is to run. Empty asks nothing.
        type: str
        default: ""
  written:
    description: In check mode, the files that this run would have written. A running unit is restarted or reloaded for those that are its own.
    type: list
    elements: path
    default: []
  wait:
    description: How many seconds each O(services[].url) may take to answer.
    type: int
    default: 30
seealso:
  - module: llm.host.host_files
  - module: ansible.builtin.systemd_service
"""

EXAMPLES = r"""
- name: The exporter and its timer run with what is configured
  llm.host.host_services:
    services:
      - name: prometheus-node-exporter.service
        files: [/etc/default/prometheus-node-exporter]
        url: http://127.0.0.1:9100/metrics
      - name: prometheus.service
        files: [/etc/prometheus/prometheus.yml, /etc/prometheus/rules]
        reload: true
        url: http://127.0.0.1:9090/-/ready
      - name: prometheus-node-exporter-apt.timer
      - name: example-old.service
        state: stopped
"""

RETURN = r"""
services:
  description: What was found and done, per unit, in the order of O(services).
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the unit.
      type: str
    actions:
      description: What was done, or would be in check mode. Any of V(stop), V(disable), V(enable), V(start), V(restart), V(reload).
      type: list
      elements: str
    reasons:
      description: Why it was restarted or reloaded.
      type: list
      elements: str
    fault:
      description: In check mode, why O(services[].url) of a running unit does not answer with 200. Otherwise empty.
      type: str
  sample:
    - name: prometheus-node-exporter.service
      actions: [restart]
      reasons: [/etc/default/prometheus-node-exporter changed after the start]
      fault: ""
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llm.host.plugins.module_utils._http import OpenUrlTransport
from ansible_collections.llm.host.plugins.module_utils._services import Due, Services, Wanted
from ansible_collections.llm.host.plugins.module_utils._units import UnitError, Units, UnitState

ARGUMENTS: dict[str, t.Any] = {
    "services": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "files": {"type": "list", "elements": "path", "default": []},
            "reload": {"type": "bool", "default": False},
            "state": {"type": "str", "choices": ["started", "stopped"], "default": "started"},
            "enabled": {"type": "bool"},
            "url": {"type": "str", "default": ""},
        },
    },
    "written": {"type": "list", "elements": "path", "default": []},
    "wait": {"type": "int", "default": 30},
}


def wanted_of(entry: dict[str, t.Any]) -> Wanted:
    started = entry["state"] == "started"
    return Wanted(
        name=entry["name"] if "." in entry["name"] else f"{entry['name']}.service",
        files=tuple(path.rstrip("/") for path in entry["files"]),
        reload=entry["reload"],
        started=started,
        enabled=started if entry["enabled"] is None else entry["enabled"],
        url=entry["url"] if started else "",
    )


def twice(services: t.Sequence[Wanted]) -> str:
    names = [wanted.name for wanted in services]
    return next((name for name in names if names.count(name) > 1), "")


def diff_of(states: t.Sequence[UnitState], services: t.Sequence[Wanted], dues: t.Sequence[Due]) -> dict[str, str]:
    def line(name: str, runs: bool, enabled: bool, more: str = "") -> str:
        return f"{name}: {'running' if runs else 'stopped'}, {'enabled' if enabled else 'not enabled'}{more}\n"

    changing = [(state, wanted, due) for state, wanted, due in zip(states, services, dues) if due.actions]
    return {
        "before": "".join(line(state.name, state.running, state.enabled) for state, _wanted, _due in changing),
        "after": "".join(
            line(due.name, wanted.started, wanted.enabled, f", {due.actions[-1]}: {'; '.join(due.reasons)}" if due.reasons else "")
            for _state, wanted, due in changing
        ),
    }


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    module.run_command_environ_update = {"LANG": "C", "LC_ALL": "C"}
    wanted = [wanted_of(entry) for entry in module.params["services"]]
    if twice(wanted):
        module.fail_json(msg=f"services has {twice(wanted)} twice: say everything of a unit in one entry.")
    if not wanted:
        module.exit_json(changed=False, services=[], diff={"before": "", "after": ""})
    services = Services(Units(module.run_command), OpenUrlTransport(use_proxy=False), wait=module.params["wait"])
    faults: dict[str, str] = {}
    try:
        if module.check_mode:
            # Outside check mode the files say so themselves.
            states, dues = services.due(wanted, module.params["written"])
            running = [item for item, state in zip(wanted, states) if item.url and state.running]
            faults = {item.name: services.answers(item.url) for item in running}
        else:
            states, dues = services.due(wanted)
            services.apply(dues)
            services.prove(wanted, dues)
    except UnitError as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=any(due.actions for due in dues),
        services=[
            {"name": due.name, "actions": due.actions, "reasons": list(due.reasons), "fault": faults.get(due.name, "")} for due in dues
        ],
        diff=diff_of(states, wanted, dues),
    )


if __name__ == "__main__":
    main()
