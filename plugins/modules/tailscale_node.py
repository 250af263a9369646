#!/usr/bin/python
# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tailscale_node
short_description: Make a host a node of a tailnet, with these settings, or let it leave
version_added: 0.1.0
author: llm.host contributors (@llm-host)
description:
  - Joins a tailnet with an auth key, or with an OAuth client that makes one, and keeps the settings of the node as declared.
  - Settings are changed in place with C(tailscale set). There is a login where there is no other way, which is for a host that belongs to no
    tailnet, one whose key has expired, other O(tags), and another O(login_server).
  - A node that works goes on working where a change fails. Into the tailnet of another O(login_server) it logs in beside the one that it has,
    and goes back when that fails. The old tailnet keeps an entry for the host until somebody removes it there.
  - A secret goes to tailscale through a pipe. It is in no file, no command line and no environment.
extends_documentation_fragment:
  - llm.host.attributes
attributes:
  check_mode:
    support: full
    details: Whether a control server takes a key or tags is not tried.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  state:
    description: V(absent) leaves the tailnet, for which the control server must be told.
    type: str
    choices: [present, absent]
    default: present
  auth_key:
    description: Key with which a host joins. It is only read where a login is needed.
    type: str
    default: ""
  oauth_client_secret:
    description: Secret of an OAuth client that may write auth keys, instead of O(auth_key). It needs O(tags).
    type: str
    default: ""
  ephemeral:
    description: With O(oauth_client_secret), let the tailnet forget the host soon after it goes away.
    type: bool
    default: false
  login_server:
    description: URL of the control server, such as that of a Headscale. Empty is Tailscale's own.
    type: str
    default: ""
  hostname:
    description: What the tailnet calls the host. Empty is what the system calls it.
    type: str
    default: ""
  tags:
    description: Tags to ask for.
    type: list
    elements: str
    default: []
  accept_dns:
    description: Use the DNS settings of the tailnet.
    type: bool
    default: true
  accept_routes:
    description: Use the routes that other nodes advertise.
    type: bool
    default: false
  advertise_routes:
    description: Networks that others may reach through this host.
    type: list
    elements: str
    default: []
  advertise_exit_node:
    description: Offer to be an exit node.
    type: bool
    default: false
  exit_node:
    description: The node through which this host reaches the internet, by name or address, or V(auto:any). Empty for none.
    type: str
    default: ""
  exit_node_allow_lan_access:
    description: Reach local networks directly while O(exit_node) is used.
    type: bool
    default: false
  shields_up:
    description: Let nobody in from the tailnet.
    type: bool
    default: false
  ssh:
    description: Run Tailscale's SSH server.
    type: bool
    default: false
  serve:
    description:
      - What to answer for at ports of the tailnet's address, as reverse proxy. What this module has set and is not listed any more is removed.
        What others have set stays, see RV(foreign_serve).
    type: list
    elements: dict
    default: []
    suboptions:
      port:
        description: The port.
        type: int
        default: 443
      https:
        description: With a certificate from Tailscale, for the name of the node. Without it plain HTTP.
        type: bool
        default: true
      target:
        description: Where requests go, such as V(http://127.0.0.1:11434).
        type: str
        required: true
  join_timeout:
    description: Seconds that joining may take.
    type: int
    default: 60
notes:
  - Needs the package C(tailscale), see M(llm.host.tailscale_package). C(tailscaled) is enabled and started.
seealso:
  - module: llm.host.tailscale_package
"""

EXAMPLES = r"""
- name: Join
  llm.host.tailscale_node:
    auth_key: "{{ vault_tailscale_auth_key }}"
    tags: [tag:llm]
    serve:
      - {port: 443, target: "http://127.0.0.1:11434"}
  register: tailscale

- name: Say where it is
  ansible.builtin.debug:
    msg: "{{ tailscale.addresses }}"

- name: Leave
  llm.host.tailscale_node:
    state: absent
"""

RETURN = r"""
actions:
  description: What was done, or would be in check mode. Any of V(enable), V(start), V(login), V(join), V(settings), V(retag), V(resume), V(serve), V(logout).
  returned: success
  type: list
  elements: str
  sample: [settings]
backend:
  description:
    - The state that tailscaled reports, such as V(Running), V(Stopped), V(NeedsLogin) and V(NeedsMachineAuth). In check mode that of before.
      Empty where there is no tailscale or no daemon.
  returned: success
  type: str
  sample: Running
joined:
  description: Whether it belongs to a tailnet, with a key that has not expired.
  returned: success
  type: bool
  sample: true
blocked:
  description: In check mode, why this cannot be done, in a sentence. Empty otherwise.
  returned: success
  type: str
  sample: ""
addresses:
  description: The addresses of the node, of IPv4 first. Empty where it has none.
  returned: success
  type: list
  elements: str
  sample: [100.101.102.103, "fd7a:115c:a1e0::1"]
name:
  description: Its name in the DNS of the tailnet.
  returned: success
  type: str
  sample: gpu-01.tail1234.ts.net
version:
  description: The version of tailscaled.
  returned: success
  type: str
  sample: 1.96.4
key_expiry:
  description: When its key expires, in UTC. Empty where it does not.
  returned: success
  type: str
  sample: "2027-05-01T10:00:00Z"
key_days_left:
  description: Days until then, none where it does not expire.
  returned: success
  type: int
  sample: 120
differences:
  description: What was not as wanted.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: The option., type: str}
    wanted: {description: What is wanted., type: str}
    found: {description: What was found., type: str}
  sample: [{name: shields_up, wanted: "false", found: "true"}]
foreign_serve:
  description: What C(tailscale serve) answers for that is not declared and was not set by this module. It stays.
  returned: success
  type: list
  elements: str
  sample: ["https:8443 -> http://127.0.0.1:3000"]
"""

import datetime
import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llm.host.plugins.module_utils._tailscale import SETTINGS, VENDOR, Node, Plan, Wanted, make_plan
from ansible_collections.llm.host.plugins.module_utils._tailscale_apply import RECORD, SETTLE, Tailscale, TailscaleError
from ansible_collections.llm.host.plugins.module_utils._tailscale_serve import Served, ServePlan
from ansible_collections.llm.host.plugins.module_utils._units import UnitError, Units

UNIT = "tailscaled.service"


def wanted_of(params: t.Mapping[str, t.Any]) -> Wanted:
    settings = {name: params[name] for name in SETTINGS}
    settings["advertise_routes"] = tuple(sorted(params["advertise_routes"]))
    return Wanted(
        settings=settings,
        login_server=params["login_server"].rstrip("/"),
        tags=tuple(sorted(params["tags"])),
        has_key=bool(secret_of(params)),
    )


def secret_of(params: t.Mapping[str, t.Any]) -> str:
    """As tailscale reads it: a key, or the secret of an OAuth client with what the key is to be like."""
    oauth = params["oauth_client_secret"].strip()
    if oauth and not params["auth_key"].strip():
        return oauth if "?" in oauth else f"{oauth}?ephemeral={'true' if params['ephemeral'] else 'false'}&preauthorized=true"
    return params["auth_key"].strip()


def differences_of(node: Node, wanted: Wanted, plan: Plan, serve: ServePlan) -> list[dict[str, str]]:
    found = []

    def differs(name: str, want: t.Any, have: t.Any) -> None:
        found.append({"name": name, "wanted": _shown(want), "found": _shown(have)})

    if plan.join or plan.resume or node.backend != "Running":
        differs("state", "Running", node.backend or "no answer from tailscaled")
    if plan.login or (plan.join and node.login_server != wanted.login_server):
        differs("login_server", wanted.login_server or VENDOR, node.login_server or VENDOR)
    for name in plan.settings:
        differs(name, wanted.settings[name], node.settings.get(name, ""))
    if plan.retag:
        differs("tags", wanted.tags, node.tags)
    if serve.changed:
        differs("serve", [str(served) for served in serve.add] or "no more", [str(served) for served in serve.remove] or "not that")
    return found


def _shown(value: t.Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value or "none" if isinstance(value, str) else ", ".join(value) or "none"


def report(node: Node, plan: Plan, now: datetime.datetime) -> dict[str, t.Any]:
    return {
        "backend": node.backend,
        "joined": node.joined and not node.has_expired(now),
        "blocked": plan.blocked,
        "addresses": list(node.addresses) if node.backend in ("Running", "Starting") else [],
        "name": node.name,
        "version": node.version,
        "key_expiry": f"{node.expiry:%Y-%m-%dT%H:%M:%SZ}" if node.expiry else "",
        "key_days_left": node.days_left(now),
    }


def diff_of(differences: t.Sequence[t.Mapping[str, str]]) -> dict[str, t.Any]:
    return {
        "before_header": "tailscale",
        "after_header": "tailscale",
        "before": "".join(f"{item['name']}: {item['found']}\n" for item in differences),
        "after": "".join(f"{item['name']}: {item['wanted']}\n" for item in differences),
    }


def start(module: AnsibleModule) -> list[str]:
    """The daemon, enabled and running; what was, or would be, done for it."""
    units = Units(module.run_command)
    state = units.states([UNIT])[0]
    actions = [*([] if state.enabled else ["enable"]), *([] if state.running else ["start"])]
    if not module.check_mode:
        for action in actions:
            units.do(action, UNIT)
    return actions


def present(module: AnsibleModule, tailscale: Tailscale, now: datetime.datetime) -> dict[str, t.Any]:
    params, wanted = module.params, wanted_of(module.params)
    served = [Served(entry["port"], entry["https"], entry["target"].rstrip("/")) for entry in params["serve"]]
    actions = start(module)
    node = tailscale.look(0 if module.check_mode and "start" in actions else SETTLE)
    if not node.backend and not module.check_mode:
        raise TailscaleError("tailscaled does not answer: look at journalctl --unit tailscaled.")
    plan, serve = make_plan(node, wanted, now), tailscale.serve_plan(served)
    differences = differences_of(node, wanted, plan, serve)
    if not module.check_mode:
        if plan.blocked:
            raise TailscaleError(plan.blocked)
        node = tailscale.apply(plan, node, wanted, secret_of(params))
        serve = tailscale.serve_plan(served)
        if serve.changed:
            tailscale.serve(serve, served, node)
    actions += plan.actions + (["serve"] if serve.changed else [])
    return {
        "changed": bool(actions),
        "actions": actions,
        "differences": differences,
        "foreign_serve": [str(entry) for entry in serve.foreign],
        "diff": diff_of(differences),
        **report(node, plan, now),
    }


def absent(module: AnsibleModule, tailscale: Tailscale, now: datetime.datetime) -> dict[str, t.Any]:
    if not module.check_mode:
        start(module)
    node = tailscale.look(0 if module.check_mode else SETTLE)
    leaves = node.joined or node.has_node_key
    if leaves and not module.check_mode:
        try:
            tailscale.logout()
        except TailscaleError as error:
            raise TailscaleError(f"{error} The tailnet still knows this host: remove it in the admin console, or run again.") from error
        node = tailscale.look()
    if not module.check_mode and os.path.lexists(RECORD):
        os.unlink(RECORD)
    differences = [{"name": "state", "wanted": "logged out", "found": node.backend}] if leaves else []
    actions = ["logout"] if leaves else []
    rest = {"changed": leaves, "actions": actions, "differences": differences, "foreign_serve": [], "diff": diff_of(differences)}
    return {**rest, **report(node, Plan(), now)}


def missing(module: AnsibleModule, now: datetime.datetime) -> dict[str, t.Any]:
    """What is said of a host that has no tailscale yet."""
    if module.params["state"] == "absent":
        return {"changed": False, "actions": [], "differences": [], "foreign_serve": [], **report(Node(), Plan(), now)}
    if not module.check_mode:
        raise TailscaleError("tailscale is not on this host: install it first, as llm.host.tailscale_package does.")
    wanted = wanted_of(module.params)
    plan = make_plan(Node(), wanted, now)
    differences = differences_of(Node(), wanted, plan, ServePlan())
    actions = ["enable", "start", *plan.actions]
    rest = {"changed": True, "actions": actions, "differences": differences, "foreign_serve": [], "diff": diff_of(differences)}
    return {**rest, **report(Node(), plan, now)}


def main() -> None:
    text = {"type": "str", "default": ""}
    off = {"type": "bool", "default": False}
    texts = {"type": "list", "elements": "str", "default": []}
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "auth_key": {**text, "no_log": True},
            "oauth_client_secret": {**text, "no_log": True},
            "ephemeral": off,
            "login_server": text,
            "hostname": text,
            "tags": texts,
            "accept_dns": {"type": "bool", "default": True},
            "accept_routes": off,
            "advertise_routes": texts,
            "advertise_exit_node": off,
            "exit_node": text,
            "exit_node_allow_lan_access": off,
            "shields_up": off,
            "ssh": off,
            "serve": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "port": {"type": "int", "default": 443},
                    "https": {"type": "bool", "default": True},
                    "target": {"type": "str", "required": True},
                },
            },
            "join_timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    module.run_command_environ_update = {"LANG": "C", "LC_ALL": "C"}
    now = datetime.datetime.now(datetime.timezone.utc)
    program = module.get_bin_path("tailscale")
    try:
        if not program:
            module.exit_json(**missing(module, now))
        tailscale = Tailscale(module.run_command, program, module.params["join_timeout"])
        result = (present if module.params["state"] == "present" else absent)(module, tailscale, now)
    except (TailscaleError, UnitError, OSError, ValueError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
