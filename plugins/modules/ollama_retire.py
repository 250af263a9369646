#!/usr/bin/python
# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ollama_retire
short_description: Stop units of Ollama once what runs there is finished, and remove them
version_added: 0.1.0
author: llm.host contributors (@llm-host)
description:
  - Waits until nobody is connected to the port of a unit, stops and disables it, and removes the files that the role C(ollama) wrote for it,
    with the unit file when it was the last of its kind.
  - A unit that has no settings of that role is left alone, and so are drop-ins of somebody else, the models and the user.
  - What is to be done is decided from the state of the host, so a run that was killed half-way is finished by the next one.
extends_documentation_fragment: [llm.host.attributes]
attributes:
  check_mode:
    support: full
    details: Does not wait.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  units:
    description: The systemd units.
    type: list
    elements: str
    default: []
  all:
    description: All units that the role C(ollama) wrote, whatever O(units) says.
    type: bool
    default: false
  timeout:
    description:
      - How many seconds the requests that run may take, before the module fails. The unit goes on serving then.
      - V(0) breaks off what runs.
    type: int
    default: 600
seealso:
  - module: llm.host.ollama_service
"""

EXAMPLES = r"""
- name: An instance leaves
  llm.host.ollama_retire:
    units: [ollama@gpu1.service]

- name: All instances leave
  llm.host.ollama_retire:
    all: true
"""

RETURN = r"""
units:
  description: What was done, or would be in check mode, to each of O(units) that is there.
  returned: success
  type: list
  elements: dict
  contains:
    unit:
      description: Name of the systemd unit.
      type: str
    port:
      description: Its port, 0 where its settings name none.
      type: int
    actions:
      description: Any of C(stop), C(disable), C(remove).
      type: list
      elements: str
  sample: [{unit: ollama@gpu1.service, port: 11435, actions: [stop, disable, remove]}]
removed:
  description: The files that were removed, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample:
    - /etc/systemd/system/ollama@.service
    - /etc/systemd/system/ollama@gpu1.service.d/secret.env
    - /etc/systemd/system/ollama@gpu1.service.d/10-llm-host.conf
"""

import contextlib
import time
import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llm.host.plugins.module_utils._listeners import connected
from ansible_collections.llm.host.plugins.module_utils._retire import (
    Retirement,
    Waiting,
    busy_message,
    kinds_to_remove,
    own_units,
    plan_retirement,
)
from ansible_collections.llm.host.plugins.module_utils._units import UnitError, Units

# Seconds between two looks, and how many of them in a row must find nobody.
LOOK = 0.2
QUIET = 15


def stop(units: Units, plan: Retirement) -> None:
    if plan.stop:
        units.do("stop", plan.unit)
    if plan.disable:
        units.do("disable", plan.unit)


def stop_when_quiet(units: Units, plans: t.Sequence[Retirement], timeout: int) -> tuple[list[Retirement], list[str]]:
    """Those that are stopped, and a sentence for each of the others."""
    deadline = time.monotonic() + timeout
    waiting = {plan: Waiting() for plan in plans}
    stopped: list[Retirement] = []
    busy: list[str] = []
    while waiting:
        for plan, watched in list(waiting.items()):
            if not (plan.stop and plan.port and timeout) or watched.look(connected(plan.port)) >= QUIET:
                stop(units, plan)
                stopped.append(plan)
                del waiting[plan]
            elif not watched.quiet and time.monotonic() > deadline:
                busy.append(busy_message(plan, watched.seen, timeout))
                del waiting[plan]
        time.sleep(LOOK if waiting else 0)
    return stopped, busy


def files_of(plans: t.Sequence[Retirement], kinds: t.Sequence[Path]) -> list[Path]:
    """In the order in which they go: by the settings the next run knows that there is something left to do."""
    return [*kinds, *(path for plan in plans for path in plan.remove)]


def remove(units: Units, files: t.Sequence[Path]) -> None:
    for path in files:
        path.unlink()
        if path.parent.name.endswith(".d"):
            with contextlib.suppress(OSError):
                path.parent.rmdir()
    if files:
        units.do("daemon-reload")


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "units": {"type": "list", "elements": "str", "default": []},
            "all": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 600},
        },
        supports_check_mode=True,
    )
    module.run_command_environ_update = {"LANG": "C", "LC_ALL": "C"}
    units = Units(module.run_command)
    ours = own_units()
    leaving = list(ours) if module.params["all"] else [unit for unit in dict.fromkeys(module.params["units"]) if unit in ours]

    def unneeded(names: t.Collection[str]) -> list[Path]:
        return kinds_to_remove(names, staying=[unit for unit in (*ours, *units.present("ollama*.service")) if unit not in names])

    try:
        states = units.states(leaving) if leaving else []
        plans = [plan_retirement(state.name, port=ours[state.name], active=state.active, enabled=state.enabled) for state in states]
        files = files_of(plans, unneeded(leaving)) if plans else []
        if plans and not module.check_mode:
            stopped, busy = stop_when_quiet(units, plans, module.params["timeout"])
            if stopped:
                gone = [plan.unit for plan in stopped]
                remove(units, files_of(stopped, unneeded(gone)))
                units.forget(gone)
            if busy:
                module.fail_json(msg=" ".join(busy), changed=bool(stopped))
    except (UnitError, OSError) as exc:
        module.fail_json(msg=str(exc))
    before = "".join(f"{state.name}: {state.active}, {'enabled' if state.enabled else 'not enabled'}\n" for state in states)
    module.exit_json(
        changed=bool(plans),
        units=[{"unit": plan.unit, "port": plan.port, "actions": plan.actions} for plan in plans],
        removed=[str(path) for path in files],
        diff={"before": before + "".join(f"{path}\n" for path in files), "after": ""},
    )


if __name__ == "__main__":
    main()
