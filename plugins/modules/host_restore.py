#!/usr/bin/python
# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_restore
short_description: Put back what host_backup fetched
version_added: 0.1.0
author: llm.host contributors (@llm-host)
description:
  - Puts on the host what the archive has and the host lacks, on a bare host before the roles set it up. Users that will own something are made.
  - What is there and differs is never replaced, unless O(overwrite) says so; then nothing else is put there either.
  - Each file gets to its place in one step and is compared with its digest before. Models come after all that they need.
  - What is missing is decided from the state of the host, so a run that was killed half-way is finished by the next one. An archive of which
    nothing is missing is not sent.
extends_documentation_fragment: [llm.host.attributes, llm.host.backup]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Lists paths. Shows no content.
  idempotent:
    support: full
options:
  dest:
    description: The directory on the controller in which the archives lie.
    type: path
  from:
    description: The host whose newest archive in O(dest) is meant.
    type: str
  archive:
    description: An archive on the controller, instead of the newest one.
    type: path
  overwrite:
    description: Replace what is there and differs.
    type: bool
    default: false
  user:
    description: The user who runs Ollama, as C(ollama_user) says.
    type: str
    default: ollama
  group:
    description: Its group, as C(ollama_group) says.
    type: str
    default: ollama
  description:
    description: What the archive has. The controller sets it.
    type: dict
  staged:
    description: The archive on the host. The controller sets it.
    type: path
    default: ""
  stage:
    description: The directory on the host for the archive. The controller sets it.
    type: path
    default: ""
  size:
    description: Bytes of the archive. The controller sets it.
    type: int
    default: 0
seealso:
  - module: llm.host.host_backup
"""

EXAMPLES = r"""
- name: Be the host that gpu-01 was
  llm.host.host_restore:
    dest: backups
    from: gpu-01
"""

RETURN = r"""
archive:
  description: The archive on the controller.
  returned: success
  type: str
  sample: /home/ops/site/backups/gpu-01-20261125T100000Z.tar.gz
restored:
  description: What was put there, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [/usr/share/ollama/.ollama/id_ed25519]
pull:
  description: The models that the backup left out, because they can be pulled.
  returned: success
  type: list
  elements: dict
  sample: [{name: "llama3.2:1b", digest: baf6a787fdff, bytes: 1321098329}]
"""


from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llm.host.plugins.module_utils._backup import BackupError, Description, Places
from ansible_collections.llm.host.plugins.module_utils._backup_restore import Identity, Plan, Restorer, make_plan, record_of
from ansible_collections.llm.host.plugins.module_utils._room import free_bytes, nearest
from ansible_collections.llm.host.plugins.module_utils._state import StateDir, StateError, host_lock

UNITS = "/etc/systemd/system/"
SHOWN = 3
PATIENCE = 60


def check_room(place: str, size: int) -> None:
    free = free_bytes(place)
    if free < size:
        raise BackupError(f"{size} bytes are needed at {nearest(place)}, where {free} are free: make room, or name another place.")


def check_differences(plan: Plan, host: str) -> None:
    if plan.different:
        more = len(plan.different) - SHOWN
        raise BackupError(
            f"This host has something else than the backup of {host}: {', '.join(plan.different[:SHOWN])}{f' and {more} more' if more > 0 else ''}. "
            "Nothing was restored: keep what is there, or say -e overwrite=true (option overwrite) to lose it."
        )


def remember(state_dir: StateDir, description: Description, keys: tuple[str, ...]) -> None:
    state = state_dir.read()
    state.records.update({key: record_of(description.records[key]) for key in keys})
    state_dir.write(state)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "dest": {"type": "path"},
            "from": {"type": "str"},
            "archive": {"type": "path"},
            "overwrite": {"type": "bool", "default": False},
            "user": {"type": "str", "default": "ollama"},
            "group": {"type": "str", "default": "ollama"},
            "home": {"type": "path", "default": "/usr/share/ollama"},
            "models_dir": {"type": "path", "default": "/usr/share/ollama/.ollama/models"},
            "state_dir": {"type": "path", "default": "/var/lib/llm-host"},
            "description": {"type": "dict"},
            "staged": {"type": "path", "default": ""},
            "stage": {"type": "path", "default": ""},
            "size": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
        # The description is long.
        no_log=True,
    )
    params = module.params
    places = Places(home=params["home"], models=params["models_dir"])
    state_dir = StateDir(params["state_dir"])
    restored: list[str] = []
    try:
        description = Description.from_dict(params["description"])
        plan = make_plan(description, places, state_dir.read().records)
        identity = Identity(user=params["user"], group=params["group"], home=params["home"])
        restorer = Restorer(places, identity, description, module.run_command)
        users = restorer.missing_users(plan)
        if not params["overwrite"]:
            check_differences(plan, description.host)
        check_room(places.models, plan.size)
        if params["stage"]:
            check_room(params["stage"], params["size"])
        if params["staged"] and not module.check_mode:
            with host_lock(params["state_dir"], patience=PATIENCE):
                restorer.apply(plan, params["staged"])
                if plan.records:
                    remember(state_dir, description, plan.records)
            restored = restorer.created
            for path in restored:
                module.set_default_selinux_context(path, False)
            if any(path.startswith(UNITS) for path in restored):
                module.run_command(["systemctl", "daemon-reload"], check_rc=True)
    except (BackupError, StateError, OSError) as error:
        module.fail_json(msg=str(error))
    listed = [*(f"user {name}" for name in users), *(places.path(entry) for entry in plan.entries)]
    listed += [f"the record of how {key} was built" for key in plan.records]
    module.exit_json(
        changed=plan.changed,
        restored=listed,
        pull=list(description.left_out),
        diff={"before": "".join(f"{name}  (another one)\n" for name in plan.different), "after": "".join(f"{name}\n" for name in listed)},
    )


if __name__ == "__main__":
    main()
