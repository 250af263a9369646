#!/usr/bin/python
# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: monitoring_server
short_description: Make Prometheus, Alertmanager or the blackbox exporter run with exactly this configuration
version_added: 0.1.0
author: llm.host contributors (@llm-host)
description:
  - Writes the configuration with the files that belong to it, makes sure that the service is enabled and runs with O(arguments), and that it has loaded
    what lies on the disk. The configuration of the package is left alone; a drop-in of the unit names another one.
  - The program's own checker, C(promtool), C(amtool) or C(--config.check), looks at the new configuration before it takes the place of the old one. What
    is refused never gets there, and the old one goes on serving.
  - Whether to load or to start again is decided from the state of the host and not from what changed in this run. A run that was killed between writing a
    file and loading it is finished by the next one. It is restarted only when its arguments change.
  - A service that somebody configured already is refused.
extends_documentation_fragment: [llm.host.attributes]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: The content of O(secret_config) is never shown.
  idempotent:
    support: full
options:
  name:
    description: Which of them.
    type: str
    choices: [prometheus, alertmanager, blackbox]
    required: true
  path:
    description: Where the configuration lies.
    type: path
    required: true
  config:
    description: Its whole content.
    type: str
    default: ""
  secret_config:
    description: Its whole content where that has secrets. Then only root and the service can read it.
    type: str
    default: ""
  secrets:
    description: Texts that no message may show.
    type: list
    elements: str
    default: []
  files:
    description:
      - More files that belong to the configuration, such as rules. When the configuration is refused, they become again what they were.
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
  watch:
    description: Files, and directories with files, that it reads besides. Those of others are loaded, too, when they change.
    type: list
    elements: path
    default: []
  arguments:
    description: The arguments that the program is started with.
    type: list
    elements: str
    required: true
  url:
    description: Address on this host at which it serves.
    type: str
    required: true
  timeout:
    description: How many seconds loading, and the first answer, may take.
    type: int
    default: 60
seealso:
  - module: llm.host.server_leave
"""

EXAMPLES = r"""
- name: Probe
  llm.host.monitoring_server:
    name: blackbox
    path: /etc/prometheus/llm/blackbox.yml
    config: "{{ {'modules': {'http': {'prober': 'http'}}} | to_nice_yaml }}"
    arguments:
      - --config.file=/etc/prometheus/llm/blackbox.yml
      - --web.listen-address=127.0.0.1:9115
    url: http://127.0.0.1:9115
"""

RETURN = r"""
actions:
  description: What was done, or would be in check mode. Any of V(write), V(enable), V(start), V(restart), V(reload).
  type: list
  elements: str
  returned: success
  sample: [write, reload]
written:
  description: The files that were written, or would be in check mode.
  type: list
  elements: str
  returned: success
  sample: [/etc/prometheus/llm/blackbox.yml]
"""

import grp

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llm.host.plugins.module_utils._host_file import HostFile
from ansible_collections.llm.host.plugins.module_utils._monitoring_engines import MONITORS
from ansible_collections.llm.host.plugins.module_utils._web_apply import Server, Wanted
from ansible_collections.llm.host.plugins.module_utils._web_engines import EngineError

# The group that Debian's packages run as.
GROUP = "prometheus"


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "choices": list(MONITORS), "required": True},
            "path": {"type": "path", "required": True},
            "config": {"type": "str", "default": ""},
            "secret_config": {"type": "str", "default": "", "no_log": True},
            "secrets": {"type": "list", "elements": "str", "default": [], "no_log": True},
            "files": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {"path": {"type": "path", "required": True}, "content": {"type": "str", "required": True}},
            },
            "watch": {"type": "list", "elements": "path", "default": []},
            "arguments": {"type": "list", "elements": "str", "required": True},
            "url": {"type": "str", "required": True},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    given = module.params
    engine = MONITORS[given["name"]](
        module.run_command, module.get_bin_path, config=given["path"], arguments=given["arguments"], url=given["url"]
    )
    if not engine.installed and not module.check_mode:
        module.fail_json(msg=f"{engine.title} is not on this host: install Debian's package {engine.package} first.")
    if not engine.is_ours and engine.serves_others():
        module.fail_json(
            msg=f"{engine.title} of this host has a configuration of somebody's own in {engine.own}: set monitoring_provider to existing, "
            "so that only targets and rules are written for it, or have the package's file there again."
        )
    config = HostFile(given["path"], given["config"])
    if given["secret_config"]:
        config = HostFile(given["path"], given["secret_config"], mode=0o640, group=group_id(GROUP))
    files = [HostFile(entry["path"], entry["content"]) for entry in given["files"]]
    try:
        result = Server(engine, note=f"/run/llm-monitoring-{engine.name}.loaded").ensure(
            Wanted(files=[*files, HostFile(engine.drop_in, engine.drop_in_text), config], watch=given["watch"]),
            url=f"{given['url']}/-/healthy" if engine.name == "blackbox" else f"{given['url']}/-/ready",
            timeout=given["timeout"],
            check_mode=module.check_mode,
        )
    except (EngineError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


def group_id(name: str) -> int:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        # In check mode on a host that has no package yet.
        return 0


if __name__ == "__main__":
    main()
