#!/usr/bin/python
# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_backup
short_description: Fetch what cannot be downloaded again of a host, as one archive
version_added: 0.1.0
author: llm.host contributors (@llm-host)
description:
  - Fetches the identity key of Ollama, models that were built or imported on the host, the record of how they were built, drop-ins
    of the administrator, and on a gateway its certificate authority, its certificates and its accounts at ACME servers.
  - Models that were pulled are left out, and so are the blobs that they share with those that were built. RV(left_out) names them.
  - It works while Ollama serves. The archive is made on the host, in a directory that only the user of the connection can read, and is
    removed there when it is fetched. There must be room for it, in C(remote_tmp) of Ansible.
  - When the newest archive in O(dest) has the same content, there is no further one.
extends_documentation_fragment: [llm.host.attributes, llm.host.backup]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Lists names and sizes. Shows no content.
  idempotent:
    support: full
options:
  dest:
    description:
      - A directory on the controller. It is made with mode 0700 when it is missing.
      - The archive is called C(<host>-<time>.tar.gz), and only who runs Ansible can read it. It holds private keys.
    type: path
    required: true
  pulled:
    description: Names of models that are pulled, as the inventory says, so that they are left out wherever they came from.
    type: list
    elements: str
    default: []
  host:
    description: Name of the host in the inventory. The controller sets it.
    type: str
  known:
    description: What the newest archive has. The controller sets it.
    type: str
    default: ""
  stage:
    description: The directory on the host for the archive. The controller sets it.
    type: path
    default: ""
seealso:
  - module: llm.host.host_restore
"""

EXAMPLES = r"""
- name: Fetch what cannot be downloaded again
  llm.host.host_backup:
    dest: backups
"""

RETURN = r"""
archive:
  description: The archive on the controller; the newest one that is there, when nothing changed. Empty in check mode where there is none.
  returned: success
  type: str
  sample: /home/ops/site/backups/gpu-01-20261125T100000Z.tar.gz
files:
  description: What is in it, and the bytes of each file.
  returned: success
  type: list
  elements: dict
  sample: [{path: /usr/share/ollama/.ollama/id_ed25519, bytes: 387}]
built:
  description: The models in it.
  returned: success
  type: list
  elements: str
  sample: ["team-assistant:latest"]
left_out:
  description: The models that can be pulled again, with digest and bytes.
  returned: success
  type: list
  elements: dict
  sample: [{name: "llama3.2:1b", digest: baf6a787fdff, bytes: 1321098329}]
summary:
  description: The same in words.
  returned: success
  type: list
  elements: str
  sample: ["12 files, 40312 bytes: backups/gpu-01-20261125T100000Z.tar.gz", "in it: team-assistant:latest", "left out, to be pulled again: llama3.2:1b"]
"""

import os
import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llm.host.plugins.module_utils._backup import FILE, BackupError, Places
from ansible_collections.llm.host.plugins.module_utils._backup_make import Contents, collect, write_archive
from ansible_collections.llm.host.plugins.module_utils._names import InvalidName, ModelName
from ansible_collections.llm.host.plugins.module_utils._room import free_bytes
from ansible_collections.llm.host.plugins.module_utils._state import StateDir, StateError

ARCHIVE = "backup.tar.gz"
# For what a tar has besides.
SPARE = 1024 * 1024


def check_room(place: str, size: int) -> None:
    free = free_bytes(place)
    if free < size + SPARE:
        raise BackupError(
            f"The archive would have {size} bytes, and {place} has {free} free: "
            "set ansible_remote_tmp of this host to a directory with more room."
        )


def stage(module: AnsibleModule, contents: Contents, places: Places) -> dict[str, object]:
    """The archive, in the directory that the controller made, for whom it belongs to."""
    place = module.params["stage"]
    check_room(place, contents.description.size)
    path = os.path.join(place, ARCHIVE)
    digest, size = write_archive(path, contents, places, owner=os.stat(place).st_uid)
    return {"staged": path, "digest": digest, "size": size}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "dest": {"type": "path", "required": True},
            "home": {"type": "path", "default": "/usr/share/ollama"},
            "models_dir": {"type": "path", "default": "/usr/share/ollama/.ollama/models"},
            "state_dir": {"type": "path", "default": "/var/lib/llm-host"},
            "pulled": {"type": "list", "elements": "str", "default": []},
            "host": {"type": "str"},
            "known": {"type": "str", "default": ""},
            "stage": {"type": "path", "default": ""},
        },
        supports_check_mode=True,
    )
    params = module.params
    places = Places(home=params["home"], models=params["models_dir"])
    made = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    try:
        pulled = [ModelName.parse(name).key for name in params["pulled"]]
        records = StateDir(params["state_dir"]).read().records
        contents = collect(places, host=params["host"] or "", made=made, records=records, pulled=pulled)
        description = contents.description
        changed = description.fingerprint != params["known"]
        staged = stage(module, contents, places) if changed and params["stage"] and not module.check_mode else {}
    except (BackupError, StateError, InvalidName, OSError) as error:
        module.fail_json(msg=f"No backup was made: {error}")
    for path in contents.damaged:
        module.warn(f"The manifest {path} of the store cannot be read, so its model is not in the backup.")
    files = [entry for entry in description.entries if entry.kind == FILE]
    module.exit_json(
        changed=changed,
        made=made,
        files=[{"path": places.path(entry), "bytes": entry.size} for entry in files],
        built=sorted(set(description.models) - {str(model["name"]) for model in description.left_out}),
        left_out=list(description.left_out),
        diff={"before": "", "after": "".join(f"{places.path(entry)}  {entry.size}\n" for entry in files) if changed else ""},
        **staged,
    )


if __name__ == "__main__":
    main()
