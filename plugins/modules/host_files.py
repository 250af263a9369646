#!/usr/bin/python
# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_files
short_description: Write several text files in one round trip
version_added: 0.1.0
author: llm.host contributors (@llm-host)
description:
  - Renders templates on the controller and writes all files with one call of the module, each atomically, with the directories they need.
  - A loop over M(ansible.builtin.template) does the same with several round trips a file.
extends_documentation_fragment: [llm.host.attributes]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: The content of O(secret_files) is never shown.
  idempotent:
    support: full
options:
  files:
    description: The files.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Where to write it. Missing directories are made with mode 0755.
        type: path
        required: true
      content:
        description: Its text.
        type: str
      template:
        description: A template on the controller to render instead of O(files[].content), found as M(ansible.builtin.template) finds it.
        type: str
      variables:
        description: Further variables for the template.
        type: dict
      mode:
        description: Its mode, as four digits.
        type: str
        default: "0644"
      shown:
        description: Whether a diff shows its text, which of programs nobody reads there.
        type: bool
        default: true
      backup_unless:
        description:
          - A text by which our own file is known. What is there without it was written by somebody else, and is kept beside, with
            C(.before-llm-host) behind its name.
        type: str
  secret_files:
    description: Files whose content appears in no output.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Where to write it. Missing directories are made with mode 0755.
        type: path
        required: true
      content:
        description: Its text.
        type: str
      template:
        description: A template on the controller to render instead of O(secret_files[].content).
        type: str
      variables:
        description: Further variables for the template.
        type: dict
      mode:
        description: Its mode, as four digits.
        type: str
        default: "0600"
  owner:
    description: Who owns the files, and the directories that are made.
    type: str
    default: root
  group:
    description: Their group.
    type: str
    default: root
  undo:
    description:
      - A file, for root's eyes only, in which what is replaced is kept until M(llm.host.ollama_release) removes it, for M(llm.host.ollama_service)
        to put it back.
    type: path
    default: ""
seealso:
  - module: ansible.builtin.template
"""

EXAMPLES = r"""
- name: Write a unit and its secrets
  llm.host.host_files:
    files:
      - path: /etc/systemd/system/example.service
        template: example.service.j2
    secret_files:
      - path: /etc/systemd/system/example.service.d/secret.env
        content: "TOKEN={{ vault_token }}\n"
"""

RETURN = r"""
changed_paths:
  description: The files that were written, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [/etc/systemd/system/example.service]
"""

import grp
import pwd
import shutil
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llm.host.plugins.module_utils._host_file import BACKUP_SUFFIX, HostFile, read_text
from ansible_collections.llm.host.plugins.module_utils._undo import Undo

HIDDEN = "(secret)\n"
UNSHOWN = "(not shown)\n"


def suboptions(*, mode: str, secret: bool) -> dict[str, dict[str, t.Any]]:
    further: dict[str, dict[str, t.Any]] = {} if secret else {"shown": {"type": "bool", "default": True}, "backup_unless": {"type": "str"}}
    return {
        "path": {"type": "path", "required": True},
        "content": {"type": "str", "no_log": secret},
        "template": {"type": "str"},
        "variables": {"type": "dict"},
        "mode": {"type": "str", "default": mode},
        **further,
    }


def octal(text: str) -> int:
    if len(text) != 4 or set(text) - set("01234567"):
        raise ValueError(f"mode is {text!r}: write four octal digits, such as '0644'.")
    return int(text, 8)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "files": {"type": "list", "elements": "dict", "default": [], "options": suboptions(mode="0644", secret=False)},
            # What is secret of it is each content, which suboptions() says.
            "secret_files": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "no_log": False,
                "options": suboptions(mode="0600", secret=True),
            },
            "owner": {"type": "str", "default": "root"},
            "group": {"type": "str", "default": "root"},
            "undo": {"type": "path", "default": ""},
        },
        supports_check_mode=True,
    )
    try:
        owner, group = pwd.getpwnam(module.params["owner"]).pw_uid, grp.getgrnam(module.params["group"]).gr_gid
    except KeyError as exc:
        module.fail_json(msg=f"The host has no such owner or group: {exc.args[0]}.")
    undo = Undo(module.params["undo"])
    changed, diffs = [], []
    for secret, entries in ((False, module.params["files"]), (True, module.params["secret_files"])):
        for entry in entries:
            path, wanted = entry["path"], entry["content"] or ""
            try:
                file = HostFile(path, wanted, mode=octal(entry["mode"]), owner=owner, group=group)
                before = read_text(path)
                if not file.differs():
                    continue
                foreign = before is not None and (entry.get("backup_unless") or "") not in before
                if not module.check_mode:
                    undo.keep(path)
                    if foreign:
                        shutil.copy2(path, f"{path}{BACKUP_SUFFIX}")
                    file.write()
                    module.set_default_selinux_context(path, False)
            except (OSError, ValueError) as exc:
                module.fail_json(msg=f"Cannot write {path}: {exc}", changed=bool(changed), changed_paths=changed)
            changed.append(path)
            hidden = HIDDEN if secret else "" if entry["shown"] else UNSHOWN
            texts = {"before": hidden if before else "", "after": hidden} if hidden else {"before": before or "", "after": wanted}
            diffs.append({"before_header": path, "after_header": path, **texts})
    module.exit_json(changed=bool(changed), changed_paths=changed, diff=diffs)


if __name__ == "__main__":
    main()
