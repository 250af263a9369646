#!/usr/bin/python
# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: balancer_server
short_description: Make HAProxy run with exactly this configuration
version_added: 0.1.0
author: llm.host contributors (@llm-host)
description:
  - Writes C(/etc/haproxy/haproxy.cfg), makes sure that the service is enabled and runs, and that it has loaded what lies on the disk.
    The file that was there before the first run is kept beside it, with C(.before-llm-host) behind its name.
  - HAProxy itself checks the new configuration, together with the files that it names, before it takes the place of the old one. A
    configuration that it refuses never gets there, and the old one goes on serving.
  - Whether to load the configuration again is decided from the state of the host and not from what changed in this run. A run that was
    killed between writing a file and loading it is finished by the next one.
  - HAProxy is reloaded and never restarted. Requests that run or wait are finished by the old process.
extends_documentation_fragment:
  - llm.host.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  config:
    description: The whole content of the configuration file.
    type: str
    required: true
  files:
    description:
      - More files that belong to the configuration, such as maps and drop-ins of the unit. When the configuration is refused, they become
        again what they were.
      - A drop-in may change how the service is reloaded; what it changes of its start takes effect when it is started next.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Path of the file. It belongs to root and is readable for everybody.
        type: path
        required: true
      content:
        description: Its whole content.
        type: str
        required: true
  url:
    description: Address on this host that must answer with status 200 at the end. Empty asks nothing.
    type: str
    default: ""
  timeout:
    description: How many seconds loading, and the answer from O(url), may take.
    type: int
    default: 30
seealso:
  - module: llm.host.gateway_server
"""

EXAMPLES = r"""
- name: Balance
  llm.host.balancer_server:
    config: "{{ lookup('ansible.builtin.template', 'haproxy.cfg.j2') }}"
    files:
      - {path: /etc/llm-balancer/users.map, content: "alice 4/60/0\n"}
    url: http://127.0.0.1:11400/healthz
"""

RETURN = r"""
actions:
  description: What was done, or would be in check mode. Any of V(write), V(enable), V(start), V(reload).
  type: list
  elements: str
  returned: success
  sample: [write, reload]
written:
  description: The files that were written, or would be in check mode.
  type: list
  elements: str
  returned: success
  sample: [/etc/haproxy/haproxy.cfg]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llm.host.plugins.module_utils._host_file import HostFile
from ansible_collections.llm.host.plugins.module_utils._web_apply import Server, Wanted
from ansible_collections.llm.host.plugins.module_utils._web_engines import EngineError, Haproxy

NOTE = "/run/llm-balancer.loaded"


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "config": {"type": "str", "required": True},
            "files": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {"path": {"type": "path", "required": True}, "content": {"type": "str", "required": True}},
            },
            "url": {"type": "str", "default": ""},
            "timeout": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    engine = Haproxy(module.run_command, lambda program: module.get_bin_path(program, opt_dirs=["/usr/sbin"]))
    if not engine.installed and not module.check_mode:
        module.fail_json(msg=f"{engine.title} is not on this host: install Debian's package {engine.name} first.")
    files = [HostFile(entry["path"], entry["content"]) for entry in module.params["files"]]
    wanted = Wanted(files=[*files, HostFile(engine.config, module.params["config"])])
    try:
        result = Server(engine, note=NOTE).ensure(
            wanted, url=module.params["url"], timeout=module.params["timeout"], check_mode=module.check_mode
        )
    except (EngineError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
