#!/usr/bin/python
# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_preflight
short_description: Learn in one round trip what the roles gateway and balancer must know about a host before it changes anything
version_added: 0.1.0
author: llm.host contributors (@llm-host)
description:
  - Reads which packages are missing, which web server is there, who listens on the gateway's ports, and the public files of its TLS setup.
  - Fails with one sentence when a port belongs to a program other than the web server.
  - Changes nothing.
extends_documentation_fragment:
  - llm.host.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
    details:
      - Nothing is changed.
  idempotent:
    support: full
options:
  program:
    description: Name of the server's program, which may listen on the ports already.
    type: str
    default: nginx
  replaces:
    description:
      - Programs that may listen on the ports as well when a file exists, path by program, because O(program) is going to take their place.
    type: dict
    default: {}
  ports:
    description: TCP ports that it is to listen on.
    type: list
    elements: int
    default: []
  bind:
    description:
      - Where it is to listen, for RV(bound); at all addresses when empty. An address that the host does not have is an error, and so is an interface without a
        private one. Programs at O(ports) of other addresses do not matter then.
    type: list
    elements: dict
    default: []
    suboptions:
      bind:
        description: V(loopback), V(tailscale), V(wireguard), an address, or the name of an interface.
        type: str
        required: true
      variable:
        description: The variable that says so, for the error message.
        type: str
        required: true
      networks:
        description: Networks in which addresses of an interface must lie where O(bind[].named) is set.
        type: list
        elements: str
        default: []
      named:
        description: Whether only addresses in O(bind[].networks) are taken of an interface, and not each private one.
        type: bool
        default: true
      interface:
        description: The interface of WireGuard.
        type: str
        default: wg0
      addresses:
        description: The addresses of the host in the network of WireGuard.
        type: list
        elements: str
        default: []
      follows:
        description: Whether the private network is set up later in this run, so that an address that is missing is no error.
        type: bool
        default: false
      leaves:
        description: Whether the host is to leave that network, which is an error as long as a server listens there.
        type: bool
        default: false
  settings:
    description: The variables in which another port can be said, for the sentence when one is taken.
    type: list
    elements: str
    default: [gateway_port, gateway_http_port]
  packages:
    description: Debian packages that it needs, each a name or C(name=version).
    type: list
    elements: str
    default: []
  texts:
    description: Public text files to read, such as certificates. Do not name files with secrets here.
    type: list
    elements: path
    default: []
  paths:
    description: Files of which only the existence is of interest.
    type: list
    elements: path
    default: []
seealso:
  - module: llm.host.host_preflight
"""

EXAMPLES = r"""
- name: Look before touching anything
  llm.host.gateway_preflight:
    ports: [80, 443]
    packages: [nginx, python3-cryptography]
    texts: [/etc/llm-gateway/tls/ca.crt]
  register: preflight
"""

RETURN = r"""
missing_packages:
  description: Those of O(packages) that are not installed, or not in this version.
  returned: success
  type: list
  elements: str
  sample: [nginx]
version:
  description: Version of the web server, empty where it is not installed.
  returned: success
  type: str
  sample: 1.26.3
system:
  description: C(ID) and C(VERSION_ID) of the operating system, with a dash between.
  returned: success
  type: str
  sample: debian-13
ipv6:
  description: Whether the kernel speaks IPv6.
  returned: success
  type: bool
  sample: true
bound:
  description: Where O(bind) leads on this host.
  returned: success
  type: dict
  contains:
    addresses:
      description: The addresses, none where O(bind) is empty or they are not known yet.
      type: list
      elements: str
    unknown:
      description: Whether there are more, which are not known yet.
      type: bool
    pending:
      description: Whether the host is given some of them later in this run.
      type: bool
  sample: {addresses: ["10.86.31.7"], unknown: false, pending: false}
texts:
  description: Content of each of O(texts), empty where there is no such file.
  returned: success
  type: dict
  sample: {/etc/llm-gateway/tls/ca.crt: ""}
existing:
  description: Those of O(paths) that exist.
  returned: success
  type: list
  elements: str
  sample: [/etc/llm-gateway/tls/ca.key]
"""

import os
import re
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llm.host.plugins.module_utils._bind import OPTIONS, BindError, host_addresses, resolve
from ansible_collections.llm.host.plugins.module_utils._listeners import listeners
from ansible_collections.llm.host.plugins.module_utils._packages import missing_packages

VERSION_ARGUMENTS = {"nginx": "-v", "haproxy": "-v"}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "program": {"type": "str", "default": "nginx"},
            "replaces": {"type": "dict", "default": {}},
            "ports": {"type": "list", "elements": "int", "default": []},
            "bind": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": OPTIONS,
            },
            "settings": {"type": "list", "elements": "str", "default": ["gateway_port", "gateway_http_port"]},
            "packages": {"type": "list", "elements": "str", "default": []},
            "texts": {"type": "list", "elements": "path", "default": []},
            "paths": {"type": "list", "elements": "path", "default": []},
        },
        supports_check_mode=True,
    )
    program, settings = module.params["program"], module.params["settings"]
    role = settings[0].partition("_")[0]
    expected = {program, *(other for other, path in module.params["replaces"].items() if os.path.lexists(path))}
    units = [f"{name}.service" for name in expected]
    try:
        bound = bound_by(module, module.params["bind"])
    except BindError as error:
        module.fail_json(msg=str(error))
    here = {"addresses": bound["addresses"], "units": dict.fromkeys(module.params["ports"], units)}
    for listener in [] if bound["pending"] else listeners(ports=module.params["ports"], **here):
        if listener.program not in expected:
            module.fail_json(
                msg=f"Port {listener.port} of this host is taken by {listener.described()}, and the {role} needs it for {program}: "
                f"stop that program, or give the {role} another port in {' or '.join(settings)}."
            )
    module.exit_json(
        changed=False,
        missing_packages=missing_packages(module.run_command, module.params["packages"], tool=module.get_bin_path("dpkg-query")),
        version=version_of(module, program),
        system=system_of(read("/etc/os-release")),
        ipv6=os.path.exists("/proc/net/if_inet6"),
        bound=bound,
        texts={path: read(path) for path in module.params["texts"]},
        existing=[path for path in module.params["paths"] if os.path.exists(path)],
    )


def bound_by(module: AnsibleModule, entries: t.Sequence[dict[str, t.Any]]) -> dict[str, t.Any]:
    tool = module.get_bin_path("ip")
    found = host_addresses(module.run_command([tool, "-json", "address", "show"])[1]) if entries and tool else {}
    there = {"127.0.0.1", *(address for addresses in found.values() for address in addresses)}
    results = [resolve(entry, found) for entry in entries]
    wanted = list(dict.fromkeys(address for result in results for address in result.addresses))
    unknown = any(not result.addresses for result in results)
    return {"addresses": wanted, "unknown": unknown, "pending": unknown or not there.issuperset(wanted)}


def version_of(module: AnsibleModule, program: str) -> str:
    path = module.get_bin_path(program, opt_dirs=["/usr/sbin"])
    if path is None:
        return ""
    output = "".join(module.run_command([path, VERSION_ARGUMENTS.get(program, "version")])[1:])
    match = re.search(r"\d+(\.\d+)+", output)
    return match.group(0) if match else ""


def system_of(os_release: str) -> str:
    values = dict(re.findall(r'^(ID|VERSION_ID)="?([^"\n]*)"?$', os_release, re.MULTILINE))
    return "-".join(values[name] for name in ("ID", "VERSION_ID") if name in values)


def read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


if __name__ == "__main__":
    main()
