#!/usr/bin/python
# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_server
short_description: Make nginx or Caddy run with exactly this configuration
version_added: 0.1.0
author: llm.host contributors (@llm-host)
description:
  - Writes the configuration of the web server, makes sure that the service is enabled and runs, and that it has loaded what lies on the disk.
  - The program itself checks the new configuration, together with every file that it includes, before it takes the place of the old one.
    A configuration that it refuses never gets there, and the old one goes on serving.
  - Whether to load the configuration again is decided from the state of the host and not from what changed in this run. A run that was
    killed between writing a file and loading it is finished by the next one.
  - Loading does not interrupt requests. A module and not a template with a handler, because the check needs the file in place of the main
    one, and because a handler of a run that was killed is lost.
  - When the other of the two web servers was set up by this collection, it is stopped when this one is ready to start, and what the
    collection put there is removed. When this one does not start, the other is started again. Its package stays installed.
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
  provider:
    description:
      - The web server.
      - The configuration of V(nginx) is C(/etc/nginx/nginx.conf). The file that was there before the first run is kept beside it, with
        C(.before-llm-host) behind its name.
      - The configuration of V(caddy) is C(/etc/llm-gateway/caddy/Caddyfile). Caddy starts without it, and root loads it through a socket.
    type: str
    choices: [nginx, caddy]
    default: nginx
  config:
    description: The whole content of the configuration file. Secrets belong into files that it includes, since a diff shows the content.
    type: str
    required: true
  files:
    description:
      - More files without secrets that belong to the configuration, such as scripts and drop-ins of the unit.
      - When the configuration is refused, they become again what they were.
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
    description:
      - Files that the configuration makes the program read when it is loaded, such as certificates. A directory stands for the files in it.
      - When one of them differs from what was loaded last, the configuration is loaded again.
    type: list
    elements: path
    default: []
  reloaded:
    description:
      - Files that the configuration names too, but that another program replaces and then has loaded, as certbot does with a certificate.
      - The configuration is loaded again only when one of them is newer than what nginx runs.
    type: list
    elements: path
    default: []
  pending:
    description:
      - Files of O(watch) and O(reloaded) that this run wrote or, in check mode, would have written, so that check mode announces loading them.
    type: list
    elements: path
    default: []
  disable:
    description: Links to remove before the configuration is checked, such as the one that enables the distribution's default site.
    type: list
    elements: path
    default: []
  absent:
    description: Files that may be left of another configuration, such as a drop-in of the unit, and go once the new one is accepted.
    type: list
    elements: path
    default: []
  ports:
    description: The TCP ports on which the configuration has it listen, for O(addresses).
    type: list
    elements: int
    default: []
  addresses:
    description:
      - The addresses at which the configuration has it listen, none for all of them.
      - When it listens at all addresses now and is to listen at some, or the other way round, it is restarted, since a reload cannot do that.
    type: list
    elements: str
    default: []
  logs:
    description:
      - Log files that only members of the group C(adm) may read besides the web server, which itself would make them readable for everybody.
    type: list
    elements: path
    default: []
  keys:
    description: Files that the web server must be able to read and nobody else, such as the key of a certificate.
    type: list
    elements: path
    default: []
  url:
    description: Address on this host that must answer with status 200 at the end. Certificates are not verified. Empty asks nothing.
    type: str
    default: ""
  timeout:
    description: How many seconds loading, and the answer from O(url), may take.
    type: int
    default: 30
"""

EXAMPLES = r"""
- name: Serve the gateway
  llm.host.gateway_server:
    config: "{{ lookup('ansible.builtin.template', 'nginx.conf.j2') }}"
    watch: [/etc/nginx/conf.d, /etc/llm-gateway/nginx/keys.map]
    disable: [/etc/nginx/sites-enabled/default]
    url: https://127.0.0.1/healthz
"""

RETURN = r"""
actions:
  description:
    - What was done, or would be in check mode.
    - Any of V(protect), V(disable), V(write), V(remove), V(enable), V(retire), V(start), V(restart), V(reload).
  type: list
  elements: str
  returned: success
  sample: [write, reload]
written:
  description: The files that were written, or would be in check mode.
  type: list
  elements: str
  returned: success
  sample: [/etc/nginx/nginx.conf]
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llm.host.plugins.module_utils._host_file import HostFile
from ansible_collections.llm.host.plugins.module_utils._web_apply import Access, Server, Wanted, key_access
from ansible_collections.llm.host.plugins.module_utils._web_engines import ENGINES, EngineError

NOTE = "/run/llm-gateway.loaded"
LOG_MODE = 0o640


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "provider": {"type": "str", "choices": list(ENGINES), "default": "nginx"},
            "config": {"type": "str", "required": True},
            "files": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {"path": {"type": "path", "required": True}, "content": {"type": "str", "required": True}},
            },
            "watch": {"type": "list", "elements": "path", "default": []},
            "reloaded": {"type": "list", "elements": "path", "default": []},
            "pending": {"type": "list", "elements": "path", "default": []},
            "disable": {"type": "list", "elements": "path", "default": []},
            "absent": {"type": "list", "elements": "path", "default": []},
            "ports": {"type": "list", "elements": "int", "default": []},
            "addresses": {"type": "list", "elements": "str", "default": []},
            "logs": {"type": "list", "elements": "path", "default": []},
            "keys": {"type": "list", "elements": "path", "default": [], "no_log": False},
            "url": {"type": "str", "default": ""},
            "timeout": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    params: dict[str, t.Any] = module.params
    engine, other = (
        ENGINES[name](module.run_command, lambda program: module.get_bin_path(program, opt_dirs=["/usr/sbin"]))
        for name in sorted(ENGINES, key=lambda name: name != params["provider"])
    )
    if not engine.installed and not module.check_mode:
        module.fail_json(msg=f"{engine.title} is not on this host: install Debian's package {engine.name} first.")
    access = [Access(path, engine.user, "adm", LOG_MODE, create=True) for path in params["logs"]]
    wanted = Wanted(
        files=[HostFile(entry["path"], entry["content"]) for entry in params["files"]] + [HostFile(engine.config, params["config"])],
        access=access + key_access(engine, params["keys"]),
        **{option: params[option] for option in ("watch", "reloaded", "pending", "disable", "absent", "keys", "ports", "addresses")},
    )
    server = Server(engine, other=other, note=NOTE)
    try:
        result = server.ensure(wanted, url=params["url"], timeout=params["timeout"], check_mode=module.check_mode)
    except (EngineError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
