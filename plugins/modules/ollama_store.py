#!/usr/bin/python
# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ollama_store
short_description: Move the models of a host into another directory
version_added: 0.1.0
author: llm.host contributors (@llm-host)
description:
  - Brings every model from where the units of Ollama keep theirs into one directory, while they serve. Blobs are linked where both
    directories are on one file system, so that this takes neither room nor time, and else copied, with their digests checked.
  - A model appears in the directory whole or not at all. A run that was killed is finished by the next one, without copying again what is there.
  - Of two versions of a model the one written last holds.
  - It neither changes a unit nor restarts one. Between V(copied) and V(moved) the units must be told the directory, as the role C(ollama) does.
  - Holds the same lock as M(llm.host.ollama_models), so that no run pulls meanwhile.
extends_documentation_fragment: [llm.host.attributes]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  path:
    description: The directory that is to have the models.
    type: path
    required: true
  sources:
    description:
      - The directories that have them now.
      - By default those in which the units of Ollama on this host keep their models, and those of a move that did not come to its end.
    type: list
    elements: path
    default: []
  state:
    description:
      - With V(copied) O(path) has every model, and so have the O(sources).
      - With V(moved) the manifests and blobs of the O(sources) are removed afterwards, and nothing else. No running unit may keep its models there.
    type: str
    choices: [copied, moved]
    default: copied
  owner:
    description: Who owns what is brought. That user must exist.
    type: str
    default: ollama
  group:
    description: Its group.
    type: str
    default: ollama
  state_dir:
    description: Where the host remembers a move until it came to its end.
    type: path
    default: /var/lib/llm-host
  lock_timeout:
    description: Seconds to wait for another run that changes the models of the same host.
    type: int
    default: 3600
  look_only:
    description: Only say what is to be done. The action plugin asks so first, and then has the work done in the background.
    type: bool
    default: false
seealso:
  - module: llm.host.ollama_models
"""

EXAMPLES = r"""
- name: Bring the models to the new disk
  llm.host.ollama_store:
    path: /srv/ollama/models

# Then tell the units, for example with the role ollama, and restart them.

- name: Remove them from the old one
  llm.host.ollama_store:
    path: /srv/ollama/models
    state: moved
"""

RETURN = r"""
sources:
  description: The directories that had models, or have.
  returned: success
  type: list
  elements: str
  sample: [/usr/share/ollama/.ollama/models]
models:
  description: The models that were brought, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: ["llama3.2:1b"]
bytes_copied:
  description: How many bytes were copied, or would be.
  returned: success
  type: int
  sample: 1321098329
bytes_linked:
  description: How many bytes needed no copy.
  returned: success
  type: int
  sample: 0
cleared:
  description: The directories that have nothing any more, or would have.
  returned: success
  type: list
  elements: str
  sample: [/usr/share/ollama/.ollama/models]
left:
  description: What lies in the O(sources) that is not Ollama's, and stays.
  returned: success
  type: list
  elements: str
  sample: []
pending:
  description: Whether bytes are to be copied, which takes a while.
  returned: when O(look_only) is true
  type: bool
  sample: true
"""

import contextlib
import grp
import json
import os
import pwd
import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llm.host.plugins.module_utils._host_file import HostFile
from ansible_collections.llm.host.plugins.module_utils._progress import Progress
from ansible_collections.llm.host.plugins.module_utils._state import StateError, host_lock
from ansible_collections.llm.host.plugins.module_utils._store_move import MoveError, Mover, Plan, check_apart, contents_of, make_plan
from ansible_collections.llm.host.plugins.module_utils._unit_stores import kept_stores, known_units, unit_stores
from ansible_collections.llm.host.plugins.module_utils._units import UnitError

RECORD = "move.json"


class Note:
    """A move that did not come to its end: from where, and where to."""

    def __init__(self, directory: str) -> None:
        self._path = Path(directory, RECORD)

    def read(self) -> list[str]:
        try:
            known = json.loads(self._path.read_text(encoding="utf-8"))
            return [str(path) for path in (*known["sources"], known["path"])]
        except (OSError, ValueError, KeyError, TypeError):
            return []

    def write(self, sources: t.Sequence[str], path: str) -> None:
        HostFile(
            str(self._path), json.dumps({"sources": list(sources), "path": path}) + "\n", mode=0o600, owner=os.geteuid(), group=os.getegid()
        ).write()

    def remove(self) -> bool:
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
            return True
        return False


def distinct(paths: t.Iterable[str], *, but: str) -> list[str]:
    """Each directory once, whatever links lead to it, and not the wanted one."""
    found = {os.path.realpath(path): path for path in reversed(list(paths))}
    found.pop(os.path.realpath(but), None)
    return list(reversed(found.values()))


class Move:
    """One run of the module."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        self.params: dict[str, t.Any] = module.params
        self.path: str = self.params["path"].rstrip("/")
        self.note = Note(self.params["state_dir"])
        self._progress = Progress(Path(self.params["state_dir"], "models.progress"))

    def sources(self) -> list[str]:
        stores = unit_stores(self._module.run_command, known_units())
        # In check mode they were not told the new one before.
        if self.params["state"] == "moved" and not self._module.check_mode:
            using = kept_stores((store for store in stores if store.running), self.path)
            if using:
                place, units = next(iter(using.items()))
                raise MoveError(
                    f"{' and '.join(units)} still keeps its models in {place}, from where they would be removed: "
                    f"have it use {self.path} and restart it first, as the role ollama does."
                )
        given = self.params["sources"] or [*kept_stores(stores, self.path), *self.note.read()]
        found = distinct(given, but=self.path)
        for source in found:
            check_apart(self.path, source)
        return found

    def plan(self, sources: t.Sequence[str]) -> Plan:
        clear = self.params["state"] == "moved"
        return make_plan(contents_of(self.path), [contents_of(source) for source in sources], clear=clear)

    def carry_out(self, plan: Plan, sources: t.Sequence[str]) -> tuple[list[str], list[str]]:
        uid, gid = self._owner()
        mover = Mover(plan, uid=uid, gid=gid, tell=self._tell)
        if plan.changed:
            self.note.write(sources, self.path)
            try:
                mover.bring()
            finally:
                self._progress.close()
        return mover.clear()

    def _tell(self, name: str, done: int, total: int) -> None:
        self._progress.tell(f"blob {name[7:19]}", "copying", done, total)
        if done >= total:
            self._progress.done(f"blob {name[7:19]}")

    def _owner(self) -> tuple[int, int]:
        try:
            return pwd.getpwnam(self.params["owner"]).pw_uid, grp.getgrnam(self.params["group"]).gr_gid
        except KeyError:
            raise MoveError(
                f"There is no user {self.params['owner']} with a group {self.params['group']} on this host: run the role ollama with the old "
                "directory first, which creates them."
            ) from None


def run(module: AnsibleModule) -> dict[str, t.Any]:
    move = Move(module)
    state_dir, patience = move.params["state_dir"], move.params["lock_timeout"]
    dry = module.check_mode or move.params["look_only"]
    with contextlib.nullcontext() if dry else host_lock(state_dir, patience=patience):
        sources = move.sources()
        plan = move.plan(sources)
        Mover(plan, uid=-1, gid=-1).check_room()
        cleared, left = (list(plan.clear), []) if dry else move.carry_out(plan, sources)
        closed = not dry and move.params["state"] == "moved" and move.note.remove()
    return {
        "changed": (plan.changed or closed) and not move.params["look_only"],
        "sources": sources,
        "models": plan.models,
        "bytes_copied": plan.bytes_to_copy,
        "bytes_linked": plan.bytes_to_link,
        "cleared": cleared,
        "left": left,
        "diff": diff_of(plan),
        **({"pending": any(not blob.link for blob in plan.blobs)} if move.params["look_only"] else {}),
    }


def diff_of(plan: Plan) -> dict[str, str]:
    after = [f"{name}\n" for name in plan.models]
    if plan.changed and plan.models:
        after.append(f"{plan.bytes_to_copy} bytes copied, {plan.bytes_to_link} bytes linked\n")
    return {
        "before_header": "models",
        "after_header": plan.root,
        "before": "".join(f"models in {root}\n" for root in plan.clear),
        "after": "".join(after),
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "sources": {"type": "list", "elements": "path", "default": []},
            "state": {"type": "str", "choices": ["copied", "moved"], "default": "copied"},
            "owner": {"type": "str", "default": "ollama"},
            "group": {"type": "str", "default": "ollama"},
            "state_dir": {"type": "path", "default": "/var/lib/llm-host"},
            "lock_timeout": {"type": "int", "default": 3600},
            "look_only": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    module.run_command_environ_update = {"LANG": "C", "LC_ALL": "C"}
    try:
        result = run(module)
    except (MoveError, UnitError, StateError) as exc:
        module.fail_json(msg=str(exc))
    except OSError as exc:
        module.fail_json(
            msg=f"Cannot move the models to {module.params['path']}: {exc}. The old store serves on; mend this, and run again."
        )
    module.exit_json(**result)


if __name__ == "__main__":
    main()
