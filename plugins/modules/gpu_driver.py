#!/usr/bin/python
# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_driver
short_description: A GPU driver from Debian's or Ubuntu's packages, built on trial, installed and held
version_added: 0.1.0
author: llm.host contributors (@llm-host)
description:
  - Installs the packages of a driver of one branch, for the kernel that runs and the one that starts next, and holds them.
  - The modules are compiled before any package of the driver changes, in a tree of their own. Where they do not compile, the driver that was
    there stays, and so do apt's files. What was compiled is what the package installs.
  - Where dpkg fails on the way, the packages go back to the versions that they had. A run after one that was killed finishes or undoes it first.
  - What is installed of the branch stays, unless O(upgrade=true).
  - No module of the kernel is loaded or unloaded. RV(reboot) says whether what runs is something else.
  - Kernel headers, DKMS and a compiler are installed before the trial, and stay also when that fails.
extends_documentation_fragment: [llm.host.attributes]
attributes:
  check_mode:
    support: full
    details:
      - apt's lists are only read anew for O(upgrade=true), and when they do not have what is wanted.
      - Packages that are not known yet are shown with the branch and the address that they would come from.
  diff_mode:
    support: full
    details: Files of apt, versions of packages, and what is held.
  idempotent:
    support: full
    details: With O(upgrade=true) a later run changes something when there are newer packages.
options:
  packages:
    description:
      - The packages.
      - Those that belong to O(driver) have a version of O(version), unless V(NAME=PATTERN) gives them one of their own. C(nvidia-modprobe=*)
        takes any.
    type: list
    elements: str
    required: true
  version:
    description: Branch, as the numbers with which the upstream version begins, such as V(550) or V(580.95.05). Empty takes what apt prefers.
    type: str
    default: ""
  driver:
    description:
      - Patterns of the names of the packages that belong to the driver. They are pinned to O(version), move together, and may be removed
        when they stand in the way. Nothing else may.
    type: list
    elements: str
    default: []
  dkms:
    description:
      - That of O(packages) which brings the source of modules. Other packages of O(driver) with C(dkms) in their name are removed.
      - Empty where modules come compiled.
    type: str
    default: ""
  kernel_packages:
    description:
      - Packages by which the kernel is upgraded, such as V(linux-image-amd64) and V(linux-headers-amd64).
      - With O(dkms), those with headers are installed. What is installed of them is held, so that no kernel comes for which there are no modules.
      - A kernel's own package never becomes another kernel, and so is not held.
    type: list
    elements: str
    default: []
  components:
    description:
      - Components that each of the distribution's archives is to be used with, such as V(contrib), V(non-free), V(non-free-firmware).
      - What is missing is written to C(/etc/apt/sources.list.d/llm-host-gpu-components.sources).
    type: list
    elements: str
    default: []
  repository:
    description:
      - A repository that the driver comes from, in C(/etc/apt/sources.list.d/llm-host-gpu.sources). Without it that file is removed.
    type: dict
    suboptions:
      uri:
        description: Its address.
        type: str
        required: true
      suite:
        description: Its suite. V(/) is a flat repository.
        type: str
        default: /
      components:
        description: Its components.
        type: list
        elements: str
        default: []
      key:
        description: Its key, as ASCII-armoured text, as an address to fetch it from, or as a file of the host.
        type: str
        required: true
      fingerprint:
        description: The fingerprint of the key. apt takes no other. Required where the key is fetched.
        type: str
        default: ""
  hold:
    description: Whether the packages are held. They are released otherwise. The pins of the branch stay.
    type: bool
    default: true
  upgrade:
    description: Go to the newest version of the branch, and to the newest kernel of O(kernel_packages).
    type: bool
    default: false
  leave:
    description:
      - Leave a driver alone that this module has not installed, but for holding its packages. With it O(packages) may be empty.
    type: bool
    default: false
  trace:
    description: A file to look for, for RV(traced).
    type: path
    default: ""
notes:
  - The packages of the installed driver are kept in C(/var/lib/llm-host/gpu-driver/kept), some 100 to 400 MB, as the way back.
  - Logs of builds that failed are in C(/var/log/llm-host).
seealso:
  - module: llm.host.gpu_info
"""

EXAMPLES = r"""
- name: Install NVIDIA's driver from Debian 13
  llm.host.gpu_driver:
    packages: [nvidia-kernel-dkms, libcuda1, nvidia-smi, libnvidia-ml1, nvidia-persistenced, "nvidia-modprobe=*"]
    version: "550"
    driver: ["*nvidia*", libcuda1]
    dkms: nvidia-kernel-dkms
    kernel_packages: [linux-image-amd64, linux-headers-amd64]
    components: [contrib, non-free, non-free-firmware]

- name: Install it from NVIDIA's repository, or a mirror of it
  llm.host.gpu_driver:
    packages: [nvidia-kernel-open-dkms, nvidia-driver-cuda]
    version: "580"
    driver: ["*nvidia*", libcuda1]
    dkms: nvidia-kernel-open-dkms
    kernel_packages: [linux-image-amd64, linux-headers-amd64]
    components: [contrib]
    repository:
      uri: https://mirror.example.com/nvidia/debian12/x86_64
      key: "{{ lookup('ansible.builtin.file', 'nvidia.asc') }}"
"""

RETURN = r"""
packages:
  description: The packages that changed, or would in check mode, with their versions before and after, empty where there is none.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: Its name., type: str}
    before: {description: Its version before., type: str}
    after: {description: "Its version after; in check mode a pattern and an address, where apt does not know the package yet.", type: str}
  sample: [{name: nvidia-kernel-dkms, before: "", after: 550.163.01-2}]
kernels:
  description: The kernels that modules are built for. Empty in check mode where it cannot be known yet.
  returned: success
  type: list
  elements: str
  sample: [6.12.107+deb13-amd64]
built:
  description: The kernels that have modules of O(dkms), with their version.
  returned: success
  type: dict
  sample: {6.12.107+deb13-amd64: 550.163.01}
held:
  description: The packages that are held.
  returned: success
  type: list
  elements: str
  sample: [libcuda1, linux-image-amd64, nvidia-kernel-dkms]
files:
  description: The files of apt that were written or removed.
  returned: success
  type: list
  elements: str
  sample: [/etc/apt/preferences.d/llm-host-gpu]
running:
  description: The kernel that runs.
  returned: success
  type: str
  sample: 6.12.107+deb13-amd64
loaded:
  description: The version of the module C(nvidia) that is loaded, empty where there is none.
  returned: success
  type: str
  sample: 550.163.01
due:
  description: Whether there is something to do, the same as RV(ignore:changed).
  returned: success
  type: bool
  sample: true
changes:
  description: What changes, a line each.
  returned: success
  type: list
  elements: str
  sample: [nvidia-kernel-dkms 550.163.01-2 is installed]
replaces:
  description: Whether a module that is loaded gets another version, or another flavour, below it.
  returned: success
  type: bool
  sample: false
traced:
  description: Whether O(trace) is there.
  returned: success
  type: bool
  sample: false
reboot:
  description: Whether another module is loaded than the installed one, or only a kernel has it that does not run.
  returned: success
  type: bool
  sample: false
"""

import re
import typing as t
from pathlib import Path
from urllib.parse import urlsplit

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import fetch_url

from ansible_collections.llm.host.plugins.module_utils._driver_apply import Driver, DriverError, SourceFiles
from ansible_collections.llm.host.plugins.module_utils._driver_apt import Apt, AptError
from ansible_collections.llm.host.plugins.module_utils._driver_build import BuildError, Dkms
from ansible_collections.llm.host.plugins.module_utils._driver_plan import Refusal, Wanted
from ansible_collections.llm.host.plugins.module_utils._driver_sources import (
    Archive,
    components_file,
    preferences_file,
    repository_file,
    signed_by,
)
from ansible_collections.llm.host.plugins.module_utils._host_file import read_text
from ansible_collections.llm.host.plugins.module_utils._locked import Busy

COMPONENTS = "/etc/apt/sources.list.d/llm-host-gpu-components.sources"
REPOSITORY = "/etc/apt/sources.list.d/llm-host-gpu.sources"
KEYRING = "/etc/apt/keyrings/llm-host-gpu.asc"
PREFERENCES = "/etc/apt/preferences.d/llm-host-gpu"
WORK = Path("/var/lib/llm-host/gpu-driver")
LOGS = Path("/var/log/llm-host")
ARMOUR = "-----BEGIN PGP PUBLIC KEY BLOCK-----"


def is_left_alone(params: dict[str, t.Any]) -> bool:
    """What this module installs is pinned, or at least kept, so that any other driver is somebody else's."""
    return bool(params.get("leave")) and read_text(PREFERENCES) is None and not any((WORK / "kept").glob("*.deb"))


def wanted_of(params: dict[str, t.Any]) -> Wanted:
    packages: dict[str, str] = {}
    for position, entry in enumerate(params["packages"]):
        name, _equals, pattern = entry.partition("=")
        if not re.fullmatch(r"[a-z0-9][a-z0-9+.-]+(:[a-z0-9]+)?", name):
            raise Refusal(f"packages[{position}] is {entry!r}: write the name of a package, or NAME=PATTERN.")
        if name in packages:
            raise Refusal(f"packages[{position}] is {name}, which the list has before: remove one of them.")
        packages[name] = pattern
    if not packages and not params.get("leave"):
        raise Refusal("packages is empty: name at least one package of the driver.")
    if not re.fullmatch(r"(\d+(\.\d+)*)?", params["version"]):
        raise Refusal(
            f"version is {params['version']!r}: write the numbers that versions of the branch begin with, such as '550', or leave it empty."
        )
    if params["dkms"] and params["dkms"] not in packages:
        raise Refusal(f"dkms is {params['dkms']}, which is not among packages: add it there.")
    if is_left_alone(params):
        packages, params = {}, {**params, "version": "", "dkms": "", "repository": None, "components": [], "upgrade": False}
    if "@" in urlsplit((params["repository"] or {}).get("uri", "")).netloc:
        raise Refusal(
            "repository.uri holds a user or a password: write them to a file below /etc/apt/auth.conf.d, and leave them out here."
        )
    return Wanted(
        packages,
        uri=(params["repository"] or {}).get("uri", ""),
        driver=tuple(params["driver"]),
        kernel_packages=tuple(params["kernel_packages"]),
        **{name: params[name] for name in ("version", "dkms", "hold", "upgrade")},
    )


def fingerprint_of(repository: dict[str, t.Any]) -> str:
    text = re.sub(r"\s", "", repository["fingerprint"]).upper()
    if text and not re.fullmatch(r"[0-9A-F]{40}([0-9A-F]{24})?", text):
        raise Refusal(f"repository.fingerprint is {repository['fingerprint']!r}: write the 40 hexadecimal digits of the key's fingerprint.")
    if not text and is_address(repository["key"]):
        raise Refusal("repository.key is fetched, and repository.fingerprint is empty: give the fingerprint that the key must have.")
    return text


def is_address(key: str) -> bool:
    return key.startswith(("https://", "http://"))


def key_text(module: AnsibleModule, key: str, *, known: bool) -> str:
    """The key. One that was fetched is not fetched again while the repository is the same."""
    if is_address(key):
        text = read_text(KEYRING)
        if known and text:
            return text
        if module.check_mode:
            return f"(the key from {key})\n"
        response, info = fetch_url(module, key, timeout=30)
        if info["status"] != 200:
            raise Refusal(f"Cannot fetch repository.key from {key}: {info['msg']}.")
        text = response.read().decode("utf-8", "replace")
    else:
        text = read_text(key) if key.startswith("/") else key
    if ARMOUR not in (text or ""):
        raise Refusal(
            "repository.key is no ASCII-armoured key: give the text, or the address or the file of a text, that begins with " + ARMOUR + "."
        )
    return str(text).strip() + "\n"


def source_files(module: AnsibleModule, apt: Apt, wanted: Wanted) -> SourceFiles:
    params = module.params
    if is_left_alone(params):
        return SourceFiles({}, PREFERENCES)
    contents: dict[str, str | None] = dict.fromkeys((COMPONENTS, REPOSITORY, KEYRING, PREFERENCES))
    if params["components"]:
        archives = others(apt)
        if not module.check_mode and not any(archive.of_distribution for archive in archives):
            # Before its first update apt does not know whose archives they are.
            apt.update()
            archives = others(apt)
        contents[COMPONENTS] = components_file(archives, params["components"], key_of) or None
    repository = params["repository"]
    if repository:
        text = repository_file(repository["uri"], repository["suite"], repository["components"], KEYRING, fingerprint_of(repository))
        contents[REPOSITORY] = text
        contents[KEYRING] = key_text(module, repository["key"], known=read_text(REPOSITORY) == text)
    contents[PREFERENCES] = preferences_file(wanted.driver, wanted.version, wanted.uri) or None
    return SourceFiles(contents, PREFERENCES)


def others(apt: Apt) -> list[Archive]:
    return [archive for archive in apt.archives() if archive.entry not in (COMPONENTS, REPOSITORY)]


def key_of(archive: Archive) -> str:
    return signed_by(read_text(archive.entry) or "", archive.uri, archive.suite)


def replaces(result: dict[str, t.Any], wanted: Wanted) -> bool:
    concerned = [package for package in result["packages"] if wanted.is_driver(package["name"])]
    return bool(result["loaded"]) and any(package["before"] or package["name"] == wanted.dkms for package in concerned)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "packages": {"type": "list", "elements": "str", "required": True},
            "version": {"type": "str", "default": ""},
            "driver": {"type": "list", "elements": "str", "default": []},
            "dkms": {"type": "str", "default": ""},
            "kernel_packages": {"type": "list", "elements": "str", "default": []},
            "components": {"type": "list", "elements": "str", "default": []},
            "repository": {
                "type": "dict",
                "options": {
                    "uri": {"type": "str", "required": True},
                    "suite": {"type": "str", "default": "/"},
                    "components": {"type": "list", "elements": "str", "default": []},
                    "key": {"type": "str", "required": True, "no_log": False},
                    "fingerprint": {"type": "str", "default": ""},
                },
            },
            "hold": {"type": "bool", "default": True},
            "upgrade": {"type": "bool", "default": False},
            "leave": {"type": "bool", "default": False},
            "trace": {"type": "path", "default": ""},
        },
        supports_check_mode=True,
    )
    if not module.get_bin_path("apt-get"):
        module.fail_json(msg="This host has no apt: llm.host.gpu_driver is for Debian, Ubuntu and what comes from them.")
    modinfo = module.get_bin_path("modinfo", opt_dirs=["/usr/sbin"])

    def field(name: str, path: Path) -> str:
        return module.run_command([modinfo, "-F", name, str(path)])[1].strip() if modinfo else ""

    apt = Apt(module.run_command, WORK / "archives")
    dkms = Dkms(module.run_command, trial=WORK / "trial", logs=LOGS)
    driver = Driver(apt, dkms, work=WORK, modinfo=field)
    try:
        wanted = wanted_of(module.params)
        result = driver.ensure(wanted, source_files(module, apt, wanted), check_mode=module.check_mode)
    except (AptError, BuildError, Busy, DriverError, OSError, Refusal) as error:
        module.fail_json(msg=str(error))
    further = {"due": result["changed"], "replaces": replaces(result, wanted)}
    module.exit_json(**result, **further, traced=bool(module.params["trace"]) and Path(module.params["trace"]).exists())


if __name__ == "__main__":
    main()
