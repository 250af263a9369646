#!/usr/bin/python
# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_preflight
short_description: Learn in one round trip what a role must know about a host before it changes anything
version_added: 0.1.0
author: llm.host contributors (@llm-host)
description:
  - Reads the architecture, which programs and groups exist, and who listens on the ports that are about to be used.
  - Finds units of Ollama that this collection wrote and that are not wanted any more. Such a unit may listen on a wanted port.
  - Finds where units of Ollama keep their models, whoever wrote them.
  - Fails with one sentence when a port belongs to a program that is not the one it is wanted for, when the architecture is not supported, or when a
    user cannot get to a directory.
  - Changes nothing.
extends_documentation_fragment: [llm.host.attributes]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
    details: Nothing is changed.
  idempotent:
    support: full
options:
  architectures:
    description: Architectures to accept, as C(uname -m) prints them. Empty accepts any.
    type: list
    elements: str
    default: []
  groups:
    description: Groups to look for.
    type: list
    elements: str
    default: []
  programs:
    description: Programs to look for in the system's directories of programs.
    type: list
    elements: str
    default: []
  paths:
    description: Paths to look for.
    type: list
    elements: path
    default: []
  packages:
    description: Debian packages to look for, each a name or C(name=version).
    type: list
    elements: str
    default: []
  texts:
    description: Public text files to read, such as certificates. Do not name files with secrets here.
    type: list
    elements: path
    default: []
  names:
    description: Names of hosts whose addresses are to be looked up. An address stands for itself.
    type: list
    elements: str
    default: []
  release:
    description:
      - The release of Ollama that is about to be installed. Where another one is active, what does not go together with it is an error, and so is
        a user under whom models or the identity key would be lost.
    type: dict
    suboptions:
      version:
        description: Its version.
        type: str
        required: true
      overlays:
        description: Its overlays.
        type: list
        elements: str
        default: []
      root:
        description: The directory of the installed versions.
        type: path
        required: true
      link:
        description: The link to the active one.
        type: path
        required: true
      user:
        description: Who is going to run it.
        type: str
        required: true
      home:
        description: Their home directory.
        type: path
        required: true
      driver:
        description: Whether the GPU driver that is loaded must suit it. V(false) where the same run brings another one.
        type: bool
        default: true
  units:
    description: Units of which systemd may not know yet what is on disk.
    type: list
    elements: str
    default: []
  bind:
    description:
      - Where a server is to listen, for RV(bound). An address that the host does not have is an error, and so is an interface without a private one.
    type: dict
    suboptions: &bind
      bind:
        description: V(loopback), V(tailscale), V(wireguard), an address, or the name of an interface.
        type: str
        required: true
      variable:
        description: The variable that says so, for the error message.
        type: str
        required: true
      networks:
        description: Networks in which addresses of an interface must lie where C(named) is set.
        type: list
        elements: str
        default: []
      named:
        description: Whether only addresses in C(networks) are taken of an interface, and not each private one.
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
  binds:
    description: The same for several servers, for RV(bounds).
    type: list
    elements: dict
    default: []
    suboptions: *bind
  calendars:
    description: Calendars of systemd's by the names of their variables. One that systemd does not understand is an error.
    type: dict
    default: {}
  passages:
    description: Directories that a user must be able to get to.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The directory. It need not exist.
        type: path
        required: true
      user:
        description: Who. One who does not exist yet is taken for a stranger.
        type: str
        required: true
      variable:
        description: The variable that says the path, for the error message.
        type: str
        required: true
  ports:
    description: TCP ports that are about to be used.
    type: list
    elements: dict
    default: []
    suboptions:
      port:
        description: The port.
        type: int
        required: true
      unit:
        description: The systemd unit that may listen there already.
        type: str
        required: true
      advice:
        description: What to do when something else listens there, for the error message.
        type: str
        default: stop it, or choose another port
  models_dir:
    description: Where the models of Ollama are to be. Where its units keep them now is then looked at, and with O(release) what models there need.
    type: path
    default: ""
seealso:
  - module: community.general.listen_ports_facts
"""

EXAMPLES = r"""
- name: Look before touching anything
  llm.host.host_preflight:
    architectures: [x86_64, aarch64]
    groups: [render, video]
    programs: [zstd]
    ports:
      - port: 11434
        unit: ollama.service
        advice: stop it, or give the instance another port in ollama_instances
  register: preflight
"""

RETURN = r"""
architecture:
  description: What C(uname -m) prints.
  returned: always
  type: str
  sample: x86_64
groups:
  description: Those of O(groups) that exist, in the same order.
  returned: always
  type: list
  elements: str
  sample: [render, video]
programs:
  description: Those of O(programs) that exist, in the same order.
  returned: always
  type: list
  elements: str
  sample: [zstd]
paths:
  description: Those of O(paths) that exist, in the same order.
  returned: always
  type: list
  elements: str
  sample: [/etc/llm-host/firewall.nft]
missing_packages:
  description: Those of O(packages) that are not installed, or not in this version.
  returned: always
  type: list
  elements: str
  sample: [prometheus-node-exporter]
texts:
  description: Content of each of O(texts), empty where there is no such file.
  returned: always
  type: dict
  sample: {/etc/llm-metrics/identity.crt: ""}
addresses:
  description: The addresses of each of O(names), as this host knows them, none where it knows none.
  returned: always
  type: dict
  sample: {edge-01: ["10.20.0.5"]}
gpus:
  description: The vendors of GPUs that the host has, whether their driver is installed or not. Any of C(amd), C(intel), C(jetson), C(nvidia), C(wsl).
  returned: always
  type: list
  elements: str
  sample: [nvidia]
bound:
  description: Where O(bind) leads on this host.
  returned: when O(bind) is given
  type: dict
  contains:
    addresses:
      description: The addresses, of IPv4 first, none where they are not known yet.
      type: list
      elements: str
    interface:
      description: The interface that has them, empty where none is known.
      type: str
    pending:
      description: Whether the host is given them later in this run.
      type: bool
    public:
      description: Addresses of the host, wherever O(bind) leads, that are in no private network.
      type: list
      elements: str
  sample: {addresses: ["10.86.31.7"], interface: wg0, pending: false, public: ["203.0.113.7"]}
bounds:
  description: Where each of O(binds) leads on this host, as RV(bound).
  returned: always
  type: list
  elements: dict
  sample: [{addresses: ["10.86.31.7"], interface: wg0, pending: false}]
selinux:
  description: Whether the kernel runs with SELinux.
  returned: always
  type: bool
stale:
  description: Those of O(units) whose files changed since systemd has read them.
  returned: always
  type: list
  elements: str
  sample: [sleep.target]
systemd:
  description: The version of systemd, 0 where there is none.
  returned: always
  type: int
  sample: 257
listeners:
  description: Who listens on each of O(ports) that is in use. Only root sees programs of other users.
  returned: always
  type: list
  elements: dict
  contains:
    port:
      description: The port.
      type: int
    pid:
      description: Process id, 0 where it is not known.
      type: int
    program:
      description: Name of the program, empty where it is not known.
      type: str
    unit:
      description: The systemd unit of the process, empty where it has none.
      type: str
  sample: [{port: 11434, pid: 812, program: ollama, unit: ollama.service}]
running:
  description: The units of O(ports) and of RV(undeclared) that run.
  returned: always
  type: list
  elements: str
  sample: [ollama.service]
undeclared:
  description: Units of Ollama that the role C(ollama) wrote, and that no entry of O(ports) names.
  returned: always
  type: list
  elements: str
  sample: [ollama@gpu1.service]
stores:
  description: Directories other than O(models_dir) in which units of Ollama keep their models, as far as models are there that are not in O(models_dir).
  returned: always
  type: list
  elements: dict
  contains:
    path:
      description: The directory.
      type: str
    units:
      description: The units.
      type: list
      elements: str
    missing:
      description: The models that are only there.
      type: list
      elements: str
  sample: [{path: /usr/share/ollama/.ollama/models, units: [ollama.service], missing: ["llama3.2:1b"]}]
overrides:
  description: Files of somebody else that set another directory than O(models_dir) for units of Ollama, and win over what the role C(ollama) sets.
  returned: always
  type: list
  elements: dict
  contains:
    file:
      description: The file.
      type: str
    unit:
      description: The unit.
      type: str
    path:
      description: The directory that it sets.
      type: str
  sample: [{file: /etc/systemd/system/ollama.service.d/override.conf, unit: ollama.service, path: /data/models}]
"""

import dataclasses
import grp
import os
import platform
import pwd
import re
import socket
import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llm.host.plugins.module_utils._bind import OPTIONS, BindError, host_addresses, public_addresses, resolve
from ansible_collections.llm.host.plugins.module_utils._compat import Nvidia, conflicts, driver_in, takeover_conflicts
from ansible_collections.llm.host.plugins.module_utils._hardware import gpus
from ansible_collections.llm.host.plugins.module_utils._host_file import read_text
from ansible_collections.llm.host.plugins.module_utils._listeners import listeners
from ansible_collections.llm.host.plugins.module_utils._packages import missing_packages
from ansible_collections.llm.host.plugins.module_utils._passage import closed_to
from ansible_collections.llm.host.plugins.module_utils._release_assets import Version
from ansible_collections.llm.host.plugins.module_utils._release_tree import read_link
from ansible_collections.llm.host.plugins.module_utils._release_values import ReleaseError
from ansible_collections.llm.host.plugins.module_utils._retire import own_units
from ansible_collections.llm.host.plugins.module_utils._store import Store
from ansible_collections.llm.host.plugins.module_utils._store_move import missing_models
from ansible_collections.llm.host.plugins.module_utils._unit_stores import kept_stores, known_units, unit_stores
from ansible_collections.llm.host.plugins.module_utils._units import UnitError, Units, UnitState

# The one that the vendor's script writes.
UNIT = "ollama.service"


def existing_groups(names: list[str]) -> list[str]:
    known = {entry.gr_name for entry in grp.getgrall()}
    return [name for name in names if name in known]


def addresses(name: str) -> list[str]:
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return sorted({str(entry[4][0]) for entry in found})


def release_problems(module: AnsibleModule, state: UnitState, release: dict[str, t.Any]) -> list[str]:
    """Why the release must not take over here, a sentence each."""
    try:
        version = Version.parse(release["version"])
    except ReleaseError as exc:
        return [str(exc)]
    account = account_of(release["user"])
    found = takeover_conflicts(
        unit=UNIT,
        runs_as=state.user,
        user=release["user"],
        user_home=account,
        keeps_identity=bool(account) and os.path.exists(f"{account}/.ollama"),
        home=release["home"],
    )
    if read_link(Path(release["link"]), root=Path(release["root"])).version == str(version):
        return found
    models = Store(module.params["models_dir"]).holdings()
    driver = nvidia(module) if release["driver"] else None
    return found + conflicts(version, overlays=release["overlays"], models=models, nvidia=driver)


def account_of(user: str) -> str:
    try:
        return pwd.getpwnam(user).pw_dir
    except KeyError:
        return ""


def nvidia(module: AnsibleModule) -> Nvidia | None:
    try:
        driver = driver_in(Path("/proc/driver/nvidia/version").read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return None
    if not driver:
        return None
    program = module.get_bin_path("nvidia-smi")
    code, output = module.run_command([program, "--query-gpu=compute_cap", "--format=csv,noheader"])[:2] if program else (1, "")
    return Nvidia(driver, tuple(line.strip() for line in output.splitlines() if line.strip()) if code == 0 else ())


def stores_of(module: AnsibleModule, declared: t.Iterable[str]) -> dict[str, list[dict[str, t.Any]]]:
    """Where units keep their models, if not where they are to be."""
    wanted = module.params["models_dir"]
    found = unit_stores(module.run_command, known_units(declared)) if wanted else []
    kept = {path: (units, missing_models(path, wanted)) for path, units in kept_stores(found, wanted).items()} if wanted else {}
    set_elsewhere = [item for item in found if item.set_by and os.path.realpath(item.path) != os.path.realpath(wanted)]
    return {
        "stores": [{"path": path, "units": units, "missing": missing} for path, (units, missing) in kept.items() if missing],
        "overrides": [{"file": item.set_by, "unit": item.unit, "path": item.path} for item in set_elsewhere],
    }


def bound_by(module: AnsibleModule) -> dict[str, t.Any]:
    """Where servers are to listen, as the result says it."""
    bind, binds = module.params["bind"], module.params["binds"]
    tool = module.get_bin_path("ip")
    found = host_addresses(module.run_command([tool, "-json", "address", "show"])[1]) if tool and (bind or binds) else {}
    bounds = [dataclasses.asdict(resolve(options, found)) for options in binds]
    one = {"bound": {**dataclasses.asdict(resolve(bind, found)), "public": public_addresses(found)}} if bind else {}
    return {**one, "bounds": bounds}


def calendar_problems(module: AnsibleModule, calendars: dict[str, str]) -> list[str]:
    tool = module.get_bin_path("systemd-analyze")
    wrong = [name for name, calendar in calendars.items() if tool and module.run_command([tool, "calendar", "--", calendar])[0]]
    return [
        f"{name} {calendars[name]!r} is not a calendar of systemd's: write one such as *-*-* 03:30, see man systemd.time." for name in wrong
    ]


def stale_units(module: AnsibleModule, names: list[str]) -> list[str]:
    tool = module.get_bin_path("systemctl")
    if not names or not tool:
        return []
    output = module.run_command([tool, "show", "--property=Id,NeedDaemonReload", *names])[1]
    return re.findall(r"^Id=(.*)\nNeedDaemonReload=yes$", output, re.MULTILINE)


def systemd_version(module: AnsibleModule) -> int:
    tool = module.get_bin_path("systemctl")
    found = re.match(r"systemd (\d+)", module.run_command([tool, "--version"])[1]) if tool else None
    return int(found.group(1)) if found else 0


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "architectures": {"type": "list", "elements": "str", "default": []},
            "groups": {"type": "list", "elements": "str", "default": []},
            "programs": {"type": "list", "elements": "str", "default": []},
            "paths": {"type": "list", "elements": "path", "default": []},
            "packages": {"type": "list", "elements": "str", "default": []},
            "texts": {"type": "list", "elements": "path", "default": []},
            "names": {"type": "list", "elements": "str", "default": []},
            "release": {
                "type": "dict",
                "options": {
                    "version": {"type": "str", "required": True},
                    "overlays": {"type": "list", "elements": "str", "default": []},
                    **{name: {"type": "path", "required": True} for name in ("root", "link", "home")},
                    "user": {"type": "str", "required": True},
                    "driver": {"type": "bool", "default": True},
                },
            },
            "units": {"type": "list", "elements": "str", "default": []},
            "bind": {
                "type": "dict",
                "options": OPTIONS,
            },
            "binds": {"type": "list", "elements": "dict", "default": [], "options": OPTIONS},
            "calendars": {"type": "dict", "default": {}},
            # No secret, whatever its name begins with.
            "passages": {
                "type": "list",
                "no_log": False,
                "elements": "dict",
                "default": [],
                "options": {
                    "path": {"type": "path", "required": True},
                    "user": {"type": "str", "required": True},
                    "variable": {"type": "str", "required": True},
                },
            },
            "ports": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "port": {"type": "int", "required": True},
                    "unit": {"type": "str", "required": True},
                    "advice": {"type": "str", "default": "stop it, or choose another port"},
                },
            },
            "models_dir": {"type": "path", "default": ""},
        },
        supports_check_mode=True,
    )
    params: dict[str, t.Any] = module.params
    architecture = platform.machine()
    if params["architectures"] and architecture not in params["architectures"]:
        module.fail_json(
            msg=f"The host's architecture is {architecture}, which is not supported: use one with {' or '.join(params['architectures'])}."
        )
    for entry in params["passages"]:
        closed = closed_to(entry["user"], entry["path"])
        if closed:
            module.fail_json(
                msg=f"{entry['variable']} is {entry['path']}, but the user {entry['user']} cannot pass {closed}: let it, with `chmod o+x {closed}`, "
                "or choose another directory."
            )
    wanted = {entry["port"]: entry for entry in params["ports"]}
    declared = {entry["unit"] for entry in params["ports"]}
    undeclared = {unit: port for unit, port in own_units().items() if unit not in declared}
    expected = {
        port: [entry["unit"], *(unit for unit, its_port in undeclared.items() if its_port == port)] for port, entry in wanted.items()
    }
    found = listeners(ports=set(wanted), units=expected)
    for listener in found:
        entry = wanted[listener.port]
        if listener.unit not in expected[listener.port]:
            module.fail_json(
                msg=f"Port {listener.port} is wanted by {entry['unit']} but {listener.described()} listens there: {entry['advice']}."
            )
    module.run_command_environ_update = {"LANG": "C", "LC_ALL": "C"}
    ours = {*declared, *undeclared}
    names = sorted({*ours, UNIT} if params["release"] else ours)
    try:
        states = {state.name: state for state in Units(module.run_command).states(names)} if names else {}
        problems = release_problems(module, states[UNIT], params["release"]) if params["release"] else []
        problems += calendar_problems(module, params["calendars"])
        if problems:
            module.fail_json(msg=" ".join(problems))
        stores = stores_of(module, declared)
        bound = bound_by(module)
    except (UnitError, BindError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(
        changed=False,
        architecture=architecture,
        groups=existing_groups(params["groups"]),
        programs=[name for name in params["programs"] if module.get_bin_path(name)],
        paths=[path for path in params["paths"] if os.path.lexists(path)],
        missing_packages=missing_packages(module.run_command, params["packages"], tool=module.get_bin_path("dpkg-query")),
        texts={path: read_text(path) or "" for path in params["texts"]},
        addresses={name: addresses(name) for name in params["names"]},
        gpus=gpus(),
        selinux=os.path.exists("/sys/fs/selinux/enforce"),
        stale=stale_units(module, params["units"]),
        systemd=systemd_version(module),
        listeners=[listener.as_dict() for listener in found],
        undeclared=list(undeclared),
        **stores,
        **bound,
        running=[name for name in sorted(ours) if states[name].running],
    )


if __name__ == "__main__":
    main()
