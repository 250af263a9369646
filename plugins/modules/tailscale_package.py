#!/usr/bin/python
# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tailscale_package
short_description: The package tailscale in one version, from its repository or a file, held
version_added: 0.1.0
author: llm.host contributors (@llm-host)
description:
  - Installs the package C(tailscale) on Debian and Ubuntu, and holds it against upgrades. On a system without apt it does nothing but say so.
  - The repository is that of the vendor, or one of the same shape. apt takes no other key than the one with O(fingerprint).
  - C(tailscaled) is restarted by the package when its version changes. It stays in its tailnet.
extends_documentation_fragment:
  - llm.host.attributes
attributes:
  check_mode:
    support: full
    details: Whether the repository has the version is not looked at.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  state:
    description: V(absent) removes the package with its state, and the files of apt.
    type: str
    choices: [present, absent]
    default: present
  version:
    description: The version, such as V(1.96.4). Required with O(state=present) unless O(file) is given.
    type: str
    default: ""
  repository_url:
    description: The address below which there is a directory for each distribution.
    type: str
    default: https://pkgs.tailscale.com/stable
  key:
    description: The key of the repository, as ASCII-armoured text. Empty for the one that lies in the repository.
    type: str
    default: ""
  fingerprint:
    description: The fingerprint of the key.
    type: str
    default: 2596A99EAAB33821893C0A79458CA832957F5868
  file:
    description: A package on the host, instead of a repository.
    type: path
    default: ""
  hold:
    description: Whether the package is held.
    type: bool
    default: true
seealso:
  - module: llm.host.tailscale_node
"""

EXAMPLES = r"""
- name: Install Tailscale
  llm.host.tailscale_package:
    version: 1.96.4

- name: Install it from a mirror
  llm.host.tailscale_package:
    version: 1.96.4
    repository_url: https://mirror.example.com/tailscale

- name: Remove it
  llm.host.tailscale_package:
    state: absent
"""

RETURN = r"""
apt:
  description: Whether the host has apt. Nothing was done where it does not.
  returned: success
  type: bool
  sample: true
system:
  description: The distribution.
  returned: success
  type: dict
  sample: {id: debian, codename: trixie, version: "13"}
actions:
  description: What was done, or would be in check mode. Any of V(files), V(install), V(purge), V(hold), V(release).
  returned: success
  type: list
  elements: str
  sample: [files, install, hold]
before:
  description: The version that was installed, empty for none.
  returned: success
  type: str
  sample: ""
version:
  description: The version that is installed, or would be.
  returned: success
  type: str
  sample: 1.96.4
"""

import os
import re
import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import fetch_url

from ansible_collections.llm.host.plugins.module_utils._driver_apt import Apt, AptError
from ansible_collections.llm.host.plugins.module_utils._host_file import HostFile, read_text
from ansible_collections.llm.host.plugins.module_utils._tailscale_package import (
    PACKAGE,
    PackagePlan,
    System,
    make_package_plan,
    parse_system,
    sources_text,
)

SOURCES = "/etc/apt/sources.list.d/llm-host-tailscale.sources"
# apt tells the two kinds of a key by the name.
KEYRINGS = {"armoured": "/etc/apt/keyrings/llm-host-tailscale.asc", "binary": "/etc/apt/keyrings/llm-host-tailscale.gpg"}
DOWNLOADS = Path("/var/cache/apt/archives")
ARMOUR = "-----BEGIN PGP PUBLIC KEY BLOCK-----"


class Refusal(Exception):
    """It cannot be done as it was said; the text is a sentence."""


def contents_of(module: AnsibleModule, system: System) -> dict[str, str | None]:
    """The files of apt with what is to be in them, None where there is to be none."""
    params = module.params
    contents: dict[str, str | None] = dict.fromkeys((SOURCES, *KEYRINGS.values()))
    if params["state"] == "absent" or params["file"]:
        return contents
    base = f"{params['repository_url'].rstrip('/')}/{system.id}"
    keyring = KEYRINGS["armoured" if params["key"] else "binary"]
    contents[SOURCES] = sources_text(base, system.codename, keyring, fingerprint_of(params["fingerprint"]))
    known = read_text(SOURCES) == contents[SOURCES] and read_text(keyring)
    contents[keyring] = (
        f"{armoured(params['key'])}\n" if params["key"] else known or fetched(module, f"{base}/{system.codename}.noarmor.gpg")
    )
    return contents


def armoured(key: str) -> str:
    if ARMOUR not in key:
        raise Refusal(f"The key of the repository is no ASCII-armoured key: give a text that begins with {ARMOUR}.")
    return key.strip()


def fetched(module: AnsibleModule, url: str) -> str:
    if module.check_mode:
        return f"(the key from {url})"
    response, info = fetch_url(module, url, timeout=30)
    if info["status"] != 200:
        raise Refusal(f"Cannot fetch the key of the repository from {url}: {info['msg']}.")
    return response.read().decode("utf-8", "surrogateescape")


def fingerprint_of(text: str) -> str:
    digits = re.sub(r"\s", "", text).upper()
    if not re.fullmatch(r"[0-9A-F]{40}", digits):
        raise Refusal(f"The fingerprint {text!r} is none: write its 40 hexadecimal digits.")
    return digits


def version_of(module: AnsibleModule) -> str:
    """The version that is wanted: of a file the one that it says."""
    if module.params["state"] == "absent":
        return ""
    if not module.params["file"]:
        return module.params["version"]
    if module.check_mode and not os.path.exists(module.params["file"]):
        return "of the package file"
    code, output, error = module.run_command(["dpkg-deb", "-f", module.params["file"], "Package", "Version"])
    fields = dict(line.split(": ", 1) for line in output.splitlines() if ": " in line)
    if code or fields.get("Package") != PACKAGE:
        raise Refusal(f"{module.params['file']} is no package of {PACKAGE}: {error.strip() or fields.get('Package', 'it has no name')}.")
    return fields["Version"]


def apply(plan: PackagePlan, contents: t.Mapping[str, str | None], apt: Apt, params: t.Mapping[str, t.Any]) -> None:
    if plan.purge:
        apt.purge([PACKAGE])
    before = {path: read_text(path) for path in plan.files}
    for path in plan.files:
        put(path, contents[path])
    if plan.install:
        try:
            if not params["file"]:
                apt.update(params["repository_url"])
            apt.install([params["file"] or f"{PACKAGE}={plan.install}"])
        except AptError:
            for path, text in before.items():
                put(path, text)
            raise
    if plan.hold or plan.release:
        apt.mark("hold" if plan.hold else "unhold", [PACKAGE])


def put(path: str, text: str | None) -> None:
    if text is not None:
        HostFile(path, text).write()
    elif os.path.lexists(path):
        os.unlink(path)


def diff_of(plan: PackagePlan, contents: t.Mapping[str, str | None], before: str, version: str) -> list[dict[str, str]]:
    found = [
        {"before_header": path, "after_header": path, "before": shown(read_text(path)), "after": shown(contents[path])}
        for path in plan.files
    ]
    if plan.install or plan.purge:
        found.append({"before_header": PACKAGE, "after_header": PACKAGE, "before": f"{before}\n", "after": f"{version}\n"})
    if plan.hold or plan.release:
        words = ("not held\n", "held\n") if plan.hold else ("held\n", "not held\n")
        found.append({"before_header": "hold", "after_header": "hold", "before": words[0], "after": words[1]})
    return found


def shown(text: str | None) -> str:
    return (text or "").encode("utf-8", "surrogateescape").decode("ascii", "replace")


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "version": {"type": "str", "default": ""},
            "repository_url": {"type": "str", "default": "https://pkgs.tailscale.com/stable"},
            "key": {"type": "str", "default": "", "no_log": False},
            "fingerprint": {"type": "str", "default": "2596A99EAAB33821893C0A79458CA832957F5868"},
            "file": {"type": "path", "default": ""},
            "hold": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    params, system = module.params, parse_system(read_text("/etc/os-release") or "")
    if not system.uses_apt:
        module.exit_json(changed=False, apt=False, system=system._asdict(), actions=[], before="", version=params["version"], diff=[])
    apt = Apt(module.run_command, DOWNLOADS)
    try:
        version = version_of(module)
        if params["state"] == "present" and not version:
            raise Refusal("version is empty: say which version is wanted, such as 1.96.4.")
        contents = contents_of(module, system)
        package = apt.installed().get(PACKAGE)
        installed = package.version if package and package.present else ""
        plan = make_package_plan(
            state=params["state"],
            version=version,
            installed=installed,
            held=bool(package and package.held),
            hold=params["hold"],
            differing=[path for path, text in contents.items() if read_text(path) != text],
        )
        diff = diff_of(plan, contents, installed, version)
        if not module.check_mode:
            apply(plan, contents, apt, params)
    except (AptError, Refusal, OSError) as error:
        module.fail_json(msg=str(error))
    facts = {"apt": True, "system": system._asdict(), "before": installed, "version": version}
    module.exit_json(changed=bool(plan.actions), actions=plan.actions, diff=diff, **facts)


if __name__ == "__main__":
    main()
