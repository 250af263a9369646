#!/usr/bin/python
# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ollama_service
short_description: Ollama's units enabled, running with their present configuration, and answering
version_added: 0.1.0
author: llm.host contributors (@llm-host)
description:
  - Enables and starts the units, and restarts those that run with an older configuration than the one on disk.
  - That is decided from the state of the host (the time at which a unit was started against the times at which its unit file, drop-ins,
    environment files and O(watch) changed), so a run that was killed between a change and the restart is finished by the next run.
  - Then waits until C(GET /api/version) answers, since Ollama's socket accepts connections long before Ollama serves.
extends_documentation_fragment: [llm.host.attributes]
attributes:
  check_mode:
    support: full
    details: Cannot tell whether a unit that is not there yet will answer.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  instances:
    description: The units.
    type: list
    elements: dict
    required: true
    suboptions:
      unit:
        description: Name of the systemd unit.
        type: str
        required: true
      url:
        description: Where its API answers, seen from the host itself.
        type: str
        required: true
  pending:
    description:
      - What this run has changed, or would change in check mode, for which all running units must be restarted.
      - Only needed to foresee a restart in check mode; outside it the state of the host says the same.
    type: list
    elements: str
    default: []
  written:
    description: The files that this run has written, or would write in check mode. A running unit is restarted for those that are its own.
    type: list
    elements: path
    default: []
  watch:
    description: Further paths from which the running process was started, such as the link to the program.
    type: list
    elements: path
    default: [/usr/local/bin/ollama]
  version:
    description: The version that must answer. Build metadata behind a C(+) is ignored. Any version is right when this is empty.
    type: str
    default: ""
  timeout:
    description: How long to wait for the answer of each unit, in seconds.
    type: int
    default: 120
"""

EXAMPLES = r"""
- name: Ollama runs with what is configured, and answers
  llm.host.ollama_service:
    instances:
      - unit: ollama.service
        url: http://127.0.0.1:11434
    version: 0.32.15
"""

RETURN = r"""
instances:
  description: What was found and done, per instance.
  returned: success
  type: list
  elements: dict
  contains:
    unit:
      description: Name of the systemd unit.
      type: str
    actions:
      description: Any of C(enable), C(start), C(restart).
      type: list
      elements: str
    reasons:
      description: Why the unit was restarted.
      type: list
      elements: str
    version:
      description: The version that answers, empty in check mode when none does.
      type: str
  sample:
    - unit: ollama.service
      actions: [restart]
      reasons: [/etc/systemd/system/ollama.service.d/10-llm-host.conf changed after the start]
      version: 0.32.15
"""

import json
import time
import typing as t
from urllib.error import HTTPError

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import open_url

from ansible_collections.llm.host.plugins.module_utils._units import (
    Plan,
    UnitError,
    Units,
    UnitState,
    make_plan,
    modification_times,
    of_unit,
)

ARGUMENTS: dict[str, t.Any] = {
    "instances": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {"unit": {"type": "str", "required": True}, "url": {"type": "str", "required": True}},
    },
    "pending": {"type": "list", "elements": "str", "default": []},
    "written": {"type": "list", "elements": "path", "default": []},
    "watch": {"type": "list", "elements": "path", "default": ["/usr/local/bin/ollama"]},
    "version": {"type": "str", "default": ""},
    "timeout": {"type": "int", "default": 120},
}
FLAPPING = 3


def actions(plan: Plan) -> list[str]:
    return [name for name in ("enable", "start", "restart") if getattr(plan, name)]


def answering_version(url: str) -> str:
    """The version that the server reports; raises OSError or ValueError while it does not."""
    with open_url(f"{url}/api/version", timeout=5, use_proxy=False) as response:
        return str(json.load(response)["version"])


def same_version(left: str, right: str) -> bool:
    return left.partition("+")[0] == right.partition("+")[0]


def wait(module: AnsibleModule, units: Units, *, unit: str, url: str) -> str:
    """Poll with growing pauses until the server answers; fail with what was seen last and what the unit logged."""
    deadline = time.monotonic() + module.params["timeout"]
    pause = 0.1
    before = units.states([unit])[0].restarts
    while True:
        try:
            return answering_version(url)
        except HTTPError as exc:
            seen = f"HTTP {exc.code}"
        except (OSError, ValueError, KeyError) as exc:
            seen = str(getattr(exc, "reason", exc))
        state = units.states([unit])[0]
        if state.active == "failed" or state.restarts - before >= FLAPPING or time.monotonic() > deadline:
            module.fail_json(
                msg=f"{unit} does not answer at {url}/api/version: {seen}; the unit is {state.active}. Its last lines: {units.journal(unit)}"
            )
        time.sleep(pause)
        pause = min(pause * 1.5, 2.0)


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    module.run_command_environ_update = {"LANG": "C", "LC_ALL": "C"}
    params: dict[str, t.Any] = module.params
    units = Units(module.run_command)
    urls = {entry["unit"]: entry["url"] for entry in params["instances"]}

    def plan_for(state: UnitState) -> Plan:
        pending = [*params["pending"], *(f"{path} changed" for path in of_unit(state, params["written"]))]
        return make_plan(state, pending=pending, changed_at=modification_times((*state.files, *params["watch"])))

    try:
        before = units.states(list(urls))
        plans = [plan_for(state) for state in before]
        if not module.check_mode:
            units.apply(plans)
    except UnitError as exc:
        module.fail_json(msg=str(exc))
    changed = any(plan.changed for plan in plans)
    versions = {}
    for unit, url in urls.items():
        if module.check_mode:
            try:
                versions[unit] = answering_version(url)
            except (OSError, ValueError, KeyError):
                versions[unit] = ""
            continue
        versions[unit] = wait(module, units, unit=unit, url=url)
        if params["version"] and not same_version(versions[unit], params["version"]):
            module.fail_json(
                msg=f"{unit} answers as Ollama {versions[unit]} at {url}, but {params['version']} is wanted: is another server listening there?"
            )
    module.exit_json(
        changed=changed,
        instances=[
            {"unit": plan.unit, "actions": actions(plan), "reasons": list(plan.reasons), "version": versions[plan.unit]} for plan in plans
        ],
        diff={
            "before": "".join(f"{state.name}: {state.active}, {'enabled' if state.enabled else 'not enabled'}\n" for state in before),
            "after": "".join(
                f"{plan.unit}: active, enabled{', restarted: ' + '; '.join(plan.reasons) if plan.restart else ''}\n" for plan in plans
            ),
        },
    )


if __name__ == "__main__":
    main()
