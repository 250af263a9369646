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
  - With O(gate) an instance that is restarted must also be as good as it was before; with O(undo) what was there before is put back when it is not.
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
      - What this run has changed, or would change, for which all running units must be restarted.
      - Looked at in check mode and with O(begin_only), to foresee a restart; otherwise the state of the host says the same.
    type: list
    elements: str
    default: []
  written:
    description:
      - The files that this run has written, or would write. A running unit is restarted for those that are its own.
      - Looked at as O(pending) is.
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
  gate:
    description:
      - What an instance that ran must prove after its restart. It lists every model that it listed before, one model answers, and that has
        no smaller share of its memory on GPUs.
      - Nothing of that is asked when this is left out.
    type: dict
    suboptions:
      models:
        description:
          - Models to ask, of which the smallest that is there is chosen, or the smallest of all when none is.
          - When models are in memory before the restart, the smallest of those is asked.
        type: list
        elements: str
        default: []
      timeout:
        description: Seconds that loading the model and its answer may take.
        type: int
        default: 300
      less_gpu:
        description: Accept a smaller share on GPUs.
        type: bool
        default: false
  undo:
    description:
      - The file in which M(llm.host.host_files) and M(llm.host.ollama_release) have kept what was there before.
      - When a restarted instance does not pass, that is put back, the instances that were restarted are restarted with it, and the module
        fails with both reasons. An instance that an earlier run restarted without coming to its end is proved, too.
    type: path
    default: ""
  begin_only:
    description:
      - Do nothing but open O(undo) when a unit would be restarted. From then on a run that is interrupted has begun something that the next one
        finishes, such as to put the instances back into a balancer.
      - RV(instances) says what would be done, as in check mode. Nothing counts as changed.
    type: bool
    default: false
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
      description: Any of C(enable), C(start), C(restart), C(prove).
      type: list
      elements: str
    reasons:
      description: Why the unit was restarted.
      type: list
      elements: str
    version:
      description: The version that answers, empty in check mode and with O(begin_only) when none does.
      type: str
    due:
      description: In check mode and with O(begin_only) what remains to be done. C(restart) of what serves, C(start) of what does not, or nothing.
      type: str
  sample:
    - unit: ollama.service
      actions: [restart]
      reasons: [/etc/systemd/system/ollama.service.d/10-llm-host.conf changed after the start]
      version: 0.32.15
      due: restart
"""

import contextlib
import dataclasses
import time
import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llm.host.plugins.module_utils._gate import Ability, ability_of, losses, same_version
from ansible_collections.llm.host.plugins.module_utils._http import OpenUrlTransport
from ansible_collections.llm.host.plugins.module_utils._locked import Busy, locked
from ansible_collections.llm.host.plugins.module_utils._server import ApiError, OllamaServer
from ansible_collections.llm.host.plugins.module_utils._undo import Undo
from ansible_collections.llm.host.plugins.module_utils._units import (
    Plan,
    UnitError,
    Units,
    UnitState,
    api_url,
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
    "gate": {
        "type": "dict",
        "options": {
            "models": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "int", "default": 300},
            "less_gpu": {"type": "bool", "default": False},
        },
    },
    "undo": {"type": "path", "default": ""},
    "begin_only": {"type": "bool", "default": False},
    "timeout": {"type": "int", "default": 120},
}
FLAPPING = 2
LOCK = Path("/run/llm-host-ollama.lock")
LOCK_WAIT = 1800.0


class NotGood(Exception):
    """An instance does not serve as it should; the text says why. ``lines`` are the last of its journal."""

    def __init__(self, text: str, lines: str = "") -> None:
        super().__init__(text)
        self.lines = lines


class Service:
    """The units of one host, and what must be true of them."""

    def __init__(self, module: AnsibleModule) -> None:
        params = module.params
        self.units = Units(module.run_command)
        self.undo = Undo(params["undo"])
        self.urls: dict[str, str] = {entry["unit"]: entry["url"] for entry in params["instances"]}
        self.gate: dict[str, t.Any] | None = params["gate"]
        self.version: str = params["version"]
        self.timeout: int = params["timeout"]
        self._params = params
        self.looks: bool = module.check_mode or params["begin_only"]

    def states(self) -> list[UnitState]:
        return self.units.states(list(self.urls))

    def plan(self, state: UnitState) -> Plan:
        # What the files say for themselves once they are written. Another run may have restarted it meanwhile.
        foreseen = [*self._params["pending"], *(f"{path} changed" for path in of_unit(state, self._params["written"]))]
        pending = foreseen if self.looks else []
        changed_at = modification_times((*state.files, *self._params["watch"]))
        return make_plan(state, pending=pending, changed_at=changed_at, unproved=self.gate is not None and self.undo.open)

    def answering(self, url: str) -> str:
        """The version that answers, nothing when none does."""
        try:
            return self._server(url, timeout=5).version()
        except ApiError:
            return ""

    def good(self, version: str) -> bool:
        return bool(version) and (not self.version or same_version(version, self.version))

    def remember(self, states: t.Sequence[UnitState], plans: t.Sequence[Plan]) -> None:
        """What those can do that are about to be restarted."""
        for state, plan in zip(states, plans):
            if self.gate is not None and plan.restart:
                url = api_url(state.pid)
                self.undo.note(plan.unit, {"url": url, "ability": self._ability(url)})

    def prove(self, plan: Plan) -> str:
        """The version that answers, once the unit is as good as it was. Raises NotGood."""
        version = self._wait(plan.unit, self.urls[plan.unit])
        if not self.good(version):
            raise NotGood(f"it answers as Ollama {version}, and {self.version} is wanted: is another server listening there?")
        if self.gate is not None and (plan.restart or plan.prove):
            self._compare(plan.unit, self.urls[plan.unit], self._before(plan.unit), less_gpu=self.gate["less_gpu"])
        return version

    def go_back(self) -> str:
        """Put back what was there before and have it serve; a sentence that says how that went."""
        restored, notes = self.undo.restore(), self.undo.notes
        if not restored:
            return "Nothing was changed before that could be put back."
        try:
            self.units.begin_anew(list(notes))
            versions = [self._serves_again(unit, note) for unit, note in notes.items()]
        except (NotGood, UnitError) as exc:
            return f"What was there before was put back, but does not serve either: {exc}"
        self.undo.close()
        return f"What was there before was put back and serves again: Ollama {' and '.join(dict.fromkeys(versions)) or 'as it was'}."

    def _serves_again(self, unit: str, note: t.Mapping[str, t.Any]) -> str:
        version, before = self._wait(unit, note["url"]), self._before(unit)
        if before is not None and not before.fault:
            self._compare(unit, note["url"], before, less_gpu=True)
        return version

    def _before(self, unit: str) -> Ability | None:
        known = (self.undo.notes.get(unit) or {}).get("ability")
        return Ability.of(known) if known else None

    def _ability(self, url: str) -> dict[str, t.Any] | None:
        try:
            return dataclasses.asdict(ability_of(self._patient(url), prefer=self._prefer(), loaded_is_enough=True))
        except ApiError:
            return None

    def _compare(self, unit: str, url: str, before: Ability | None, *, less_gpu: bool) -> None:
        try:
            after = ability_of(self._patient(url), prefer=self._prefer(), again=before.model if before else "")
        except ApiError as exc:
            raise NotGood(f"it does not answer any more: {exc.message}.") from None
        found = losses(before, after, less_gpu=less_gpu)
        if found:
            raise NotGood(" ".join(found))

    def _wait(self, unit: str, url: str) -> str:
        """Poll with growing pauses until the server answers."""
        deadline = time.monotonic() + self.timeout
        pause = 0.1
        before = self.units.states([unit])[0].restarts
        while True:
            try:
                return self._server(url, timeout=5).version()
            except ApiError as exc:
                seen = f"HTTP {exc.status}" if exc.status else exc.message
            state = self.units.states([unit])[0]
            if state.active == "failed" or state.restarts - before >= FLAPPING or time.monotonic() > deadline:
                seen = f"it does not answer at {url}/api/version: {seen.rstrip('.')}; the unit is {state.active}."
                raise NotGood(seen, lines=self.units.journal(unit))
            time.sleep(pause)
            pause = min(pause * 1.5, 2.0)

    def _prefer(self) -> list[str]:
        return self.gate["models"] if self.gate else []

    def _patient(self, url: str) -> OllamaServer:
        return self._server(url, timeout=30)

    def _server(self, url: str, *, timeout: float) -> OllamaServer:
        return OllamaServer(
            OpenUrlTransport(use_proxy=False), url, timeout=timeout, patience=self.gate["timeout"] if self.gate else timeout
        )


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    module.run_command_environ_update = {"LANG": "C", "LC_ALL": "C"}
    service = Service(module)
    try:
        with contextlib.nullcontext() if module.check_mode else locked(LOCK, doing="restarting Ollama", wait=LOCK_WAIT):
            before = service.states()
            plans = [service.plan(state) for state in before]
            if service.looks:
                if not module.check_mode and any(plan.restart for plan in plans):
                    service.undo.begin()
                versions = {unit: service.answering(url) for unit, url in service.urls.items()}
            else:
                service.remember(before, plans)
                service.units.apply(plans)
                versions = prove_all(module, service, plans)
    except (UnitError, Busy, OSError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(
        changed=not module.params["begin_only"] and any(plan.changed for plan in plans),
        instances=[
            {
                "unit": plan.unit,
                "actions": plan.actions,
                "reasons": list(plan.reasons),
                "version": versions[plan.unit],
                "due": due(plan, state, service.good(versions[plan.unit])),
            }
            for plan, state in zip(plans, before)
        ],
        diff={
            "before": "".join(f"{state.name}: {state.active}, {'enabled' if state.enabled else 'not enabled'}\n" for state in before),
            "after": "".join(
                f"{plan.unit}: active, enabled{', restarted: ' + '; '.join(plan.reasons) if plan.restart else ''}\n" for plan in plans
            ),
        },
    )


def due(plan: Plan, state: UnitState, good: bool) -> str:
    """What remains to be done in check mode, or was done: a restart of what serves, or a start with whatever else there is."""
    if state.running and (plan.restart or plan.prove):
        return "restart"
    return "" if good and not plan.actions else "start"


def prove_all(module: AnsibleModule, service: Service, plans: t.Sequence[Plan]) -> dict[str, str]:
    versions = {}
    for plan in plans:
        try:
            versions[plan.unit] = service.prove(plan)
        except NotGood as exc:
            tried = plan.restart or plan.prove
            back = f" {service.go_back()}" if tried and service.undo.open else ""
            last = f" Its last lines: {exc.lines}" if exc.lines else ""
            module.fail_json(
                msg=f"{plan.unit} is not good{' after its restart' if plan.restart else ''}: {exc}{back}{last}", changed=plan.changed
            )
    return versions


if __name__ == "__main__":
    main()
