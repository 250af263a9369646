#!/usr/bin/python
# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_remove
short_description: Remove several files and directories in one round trip
version_added: 0.1.0
author: llm.host contributors (@llm-host)
description:
  - Removes what is there of a list of paths, and then directories that are empty by that.
  - A loop over M(ansible.builtin.file) takes a round trip a path, cannot look at where a link leads, and shows no list of what goes.
  - When a unit of systemd goes, systemd is told.
  - A path that is a part of the system, such as V(/usr/local), is refused.
extends_documentation_fragment: [llm.host.attributes]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Lists each path, those inside of directories too. Shows no content.
  idempotent:
    support: full
options:
  paths:
    description: What goes, whatever is in it.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: A file, a link or a directory; or a pattern of them, with V(*).
        type: path
        required: true
      leads_into:
        description: Only a link goes that leads to something below this directory.
        type: path
      holding:
        description: Only a directory goes that has a file of this name.
        type: str
  directories:
    description: Directories that go when nothing is left in them.
    type: list
    elements: path
    default: []
seealso:
  - module: ansible.builtin.file
"""

EXAMPLES = r"""
- name: Remove what was installed
  llm.host.host_remove:
    paths:
      - {path: /usr/local/bin/ollama, leads_into: /opt/ollama}
      - {path: /opt/ollama/*, holding: .llm-host.json}
    directories: [/opt/ollama]
"""

RETURN = r"""
removed:
  description: What was removed, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [/usr/local/bin/ollama, /opt/ollama/0.32.15, /opt/ollama]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llm.host.plugins.module_utils._removal import Target, UnsafePath, everything_in, find_removal, remove

UNITS = "/etc/systemd/system/"


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "paths": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {"path": {"type": "path", "required": True}, "leads_into": {"type": "path"}, "holding": {"type": "str"}},
            },
            "directories": {"type": "list", "elements": "path", "default": []},
        },
        supports_check_mode=True,
    )
    targets = [Target(entry["path"], entry["leads_into"] or "", entry["holding"] or "") for entry in module.params["paths"]]
    try:
        removal = find_removal(targets, module.params["directories"])
        listed = everything_in(removal.paths)
        if not module.check_mode:
            remove(removal)
            if any(path.startswith(UNITS) for path in removal.all):
                module.run_command(["systemctl", "daemon-reload"], check_rc=True)
    except (OSError, UnsafePath) as error:
        module.fail_json(msg=str(error))
    before = "".join(f"{path}\n" for path in dict.fromkeys([*listed, *removal.directories]))
    module.exit_json(changed=bool(removal.all), removed=list(removal.all), diff={"before": before, "after": ""})


if __name__ == "__main__":
    main()
