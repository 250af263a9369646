#!/usr/bin/python
# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_info
short_description: Which GPUs a host has, and what is wrong with them
version_added: 0.1.0
author: llm.host contributors (@llm-host)
description:
  - Reads the PCI bus, the kernel and the drivers, and asks C(nvidia-smi) and C(rocm-smi) where they are installed. No driver is needed.
  - Says what is wrong, with the usual cause and the cure, such as a driver that was upgraded while it was in use.
  - Root sees more than others, such as whose keys the firmware trusts.
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
  root:
    description:
      - The root directory of the machine. Below another one than V(/) no program is run; a file C(recording.json) there can have
        C(commands) with what programs answered, and C(nodes) with owner, group and mode of device nodes.
    type: path
    default: /
seealso:
  - module: llm.host.ollama_gpu_info
  - plugin: llm.host.gpu_instances
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Look at the GPUs
  llm.host.gpu_info:
  register: gpu

- name: Stop when something is wrong with them
  ansible.builtin.assert:
    that: not gpu.problems
    fail_msg: "{{ gpu.problems | map(attribute='what') | join(' ') }}"

# On the command line, for all hosts:
# ansible ollama -b -m llm.host.gpu_info
"""

RETURN = r"""
gpus:
  description: The GPUs and accelerators of NVIDIA, AMD and Intel, by PCI address.
  returned: success
  type: list
  elements: dict
  contains:
    address:
      description: PCI address. Empty where the GPU is on no PCI bus, as on most Jetsons.
      type: str
      sample: "0000:01:00.0"
    vendor:
      description: V(nvidia), V(amd) or V(intel).
      type: str
      sample: nvidia
    pci_id:
      description: PCI vendor and device. Empty where the GPU is on no PCI bus that the host sees.
      type: str
      sample: 10de:2330
    name:
      description: The name that the vendor's tool or the driver gives, or the chip, or nothing.
      type: str
      sample: NVIDIA H100 80GB HBM3
    chip:
      description: The chip, of NVIDIA only. Empty where the device is newer than the table.
      type: str
      sample: GH100
    architecture:
      description:
        - V(fermi), V(kepler), V(maxwell), V(pascal), V(volta), V(turing), V(ampere), V(ada), V(hopper) or V(blackwell), or V(tesla) for what is older.
          Of NVIDIA only.
      type: str
      sample: hopper
    compute_capability:
      description: As C(nvidia-smi) says, or that of the chip.
      type: str
      sample: "9.0"
    integrated:
      description: Whether it is a part of the processor.
      type: bool
      sample: false
    driver:
      description: The kernel driver that is bound to it, such as V(nvidia), V(nouveau), V(amdgpu), V(vfio-pci), V(i915) or V(xe).
      type: str
      sample: nvidia
    uuid:
      description: As C(gpus) of an instance of Ollama takes it. Empty without a driver.
      type: str
      sample: GPU-8ac5ad6b-3ebb-4e22-a2a0-3f1d7ae1f3ee
    memory:
      description: Bytes, 0 where nobody says.
      type: int
      sample: 85520809984
    gfx:
      description: What AMD's compilers call it, of AMD only.
      type: str
      sample: gfx1100
    power_limit:
      description: Watts. Null where nobody says, as for the other three.
      type: float
      sample: 700.0
    power_limit_default:
      description: Watts, after a reboot.
      type: float
      sample: 700.0
    power_limit_min:
      description: The least that can be set.
      type: float
      sample: 200.0
    power_limit_max:
      description: The most that can be set.
      type: float
      sample: 700.0
    compute_mode:
      description: V(Default), V(Exclusive_Process), V(Prohibited), or empty.
      type: str
      sample: Default
    persistence:
      description: Whether the driver keeps it initialized while nobody uses it. Null where nobody says.
      type: bool
      sample: true
    mig:
      description: Whether MIG is C(enabled), and the C(devices), each with C(uuid) and C(profile).
      type: dict
      sample: {enabled: true, devices: [{uuid: MIG-fed03f85-fd95-581b-837f-d582496d0260, profile: 3g.40gb}]}
nvidia:
  description: The driver of NVIDIA.
  returned: success
  type: dict
  contains:
    loaded:
      description: Version of the kernel module that is loaded, or empty.
      type: str
      sample: 580.95.05
    kind:
      description: V(open) or V(proprietary), or empty where none is loaded.
      type: str
      sample: open
    library:
      description: Version of the libraries, or empty.
      type: str
      sample: 580.95.05
    installed:
      description: Versions of the kernel modules on disk, by kernel release. An empty version is one that cannot be read.
      type: dict
      sample: {6.12.57+deb13-amd64: 580.95.05}
    smi:
      description: What is wrong with the answer of C(nvidia-smi). Empty for nothing, null where there is no such program.
      type: str
      sample: ""
amd:
  description: The driver of AMD.
  returned: success
  type: dict
  contains:
    loaded:
      description: Version of C(amdgpu), where it is that of AMD's own packages; the kernel's own has none.
      type: str
      sample: ""
    in_tree:
      description: Whether the kernel's own C(amdgpu) is loaded.
      type: bool
      sample: true
    kfd:
      description: Whether C(/dev/kfd) is there.
      type: bool
      sample: true
modules:
  description:
    - Which of the kernel modules C(nvidia), C(nvidia_uvm), C(nvidia_modeset), C(nvidia_drm), C(nouveau), C(nova_core), C(amdgpu), C(i915) and C(xe)
      are loaded.
  returned: success
  type: list
  elements: str
  sample: [nvidia, nvidia_uvm]
nodes:
  description: The device nodes of GPUs.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: Where it is.
      type: str
      sample: /dev/nvidia0
    owner:
      description: Its owner.
      type: str
      sample: root
    group:
      description: Its group.
      type: str
      sample: root
    mode:
      description: Its mode, as four digits.
      type: str
      sample: "0666"
kernel:
  description: The release of the kernel that runs.
  returned: success
  type: str
  sample: 6.12.57+deb13-amd64
machine:
  description: V(x86_64) or V(aarch64).
  returned: success
  type: str
  sample: x86_64
kernels:
  description: The releases of the kernels that can be booted, the oldest first.
  returned: success
  type: list
  elements: str
  sample: [6.12.48+deb13-amd64, 6.12.57+deb13-amd64]
secure_boot:
  description: Whether Secure Boot is on. Null where there is no EFI to ask.
  returned: success
  type: bool
  sample: false
lockdown:
  description: V(none), V(integrity) or V(confidentiality), or empty where the kernel does not say.
  returned: success
  type: str
  sample: none
mok_enrolled:
  description: Whether the firmware trusts the key with which DKMS signs modules. Null where there is no such key or nobody says.
  returned: success
  type: bool
  sample: null
container:
  description: The kind of container, or empty.
  returned: success
  type: str
  sample: ""
virtual_machine:
  description: The kind of virtual machine, as far as its firmware tells, or empty.
  returned: success
  type: str
  sample: kvm
platform:
  description: V(pc), V(jetson) or V(wsl).
  returned: success
  type: str
  sample: pc
os:
  description: C(id), C(version) and C(like) of C(/etc/os-release).
  returned: success
  type: dict
  sample: {id: ubuntu, version: "24.04", like: [debian]}
problems:
  description: What is wrong.
  returned: success
  type: list
  elements: dict
  contains:
    what:
      description: What does not work.
      type: str
      sample: The NVIDIA driver that runs is 550.163.01, and the libraries are those of 580.95.05.
    cause:
      description: The usual cause.
      type: str
      sample: The driver was upgraded while it was in use.
    cure:
      description: What helps.
      type: str
      sample: Reboot.
    reboot:
      description: Whether a reboot is the cure.
      type: bool
      sample: true
"""

import dataclasses
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llm.host.plugins.module_utils._gpu_host import read_host
from ansible_collections.llm.host.plugins.module_utils._gpu_problems import problems
from ansible_collections.llm.host.plugins.module_utils._gpus import read_gpus
from ansible_collections.llm.host.plugins.module_utils._machine import Machine, machine_at


def look(machine: Machine) -> dict[str, object]:
    """All that the module returns."""
    gpus, smi = read_gpus(machine)
    info = read_host(machine)
    info["gpus"] = [dataclasses.asdict(gpu) for gpu in gpus]
    info["nvidia"]["smi"] = smi
    return {**info, "problems": [dataclasses.asdict(problem) for problem in problems(info)]}


def main() -> None:
    module = AnsibleModule(argument_spec={"root": {"type": "path", "default": "/"}}, supports_check_mode=True)
    root = Path(module.params["root"])
    if not root.is_dir():
        module.fail_json(msg=f"root is {root}, which is no directory: write the root directory of a machine.")
    module.exit_json(changed=False, **look(machine_at(root)))


if __name__ == "__main__":
    main()
