# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.llm.host.plugins.module_utils._gpu_access import Unit, blocked

SHOWN = """Id=ollama.service
DevicePolicy=closed
DeviceAllow=char-drm rw
DeviceAllow=char-nvidia* rw
User=ollama
Group=ollama
SupplementaryGroups=
PrivateDevices=no
"""


def node(path, mode="0666", group="root"):
    return {"path": path, "owner": "root", "group": group, "mode": mode}


NVIDIA = [node("/dev/nvidia0"), node("/dev/nvidiactl"), node("/dev/nvidia-uvm")]
AMD = [node("/dev/kfd", "0660", "render"), node("/dev/dri/renderD128", "0660", "render"), node("/dev/dri/card0", "0660", "video")]


def unit(text=SHOWN, groups=()):
    return Unit.read(text, lambda user: groups)


def test_what_the_role_writes_lets_the_service_use_its_gpus():
    assert blocked(unit(), NVIDIA) == []
    assert blocked(unit(SHOWN.replace("char-nvidia*", "char-kfd"), groups=["render"]), AMD) == []


@pytest.mark.parametrize(
    ("text", "nodes", "sentence"),
    [
        (SHOWN.replace("PrivateDevices=no", "PrivateDevices=yes"), NVIDIA, "does not see the devices (PrivateDevices=yes)"),
        (SHOWN.replace("DeviceAllow=char-nvidia* rw\n", ""), NVIDIA, "may not use /dev/nvidia0, /dev/nvidiactl, /dev/nvidia-uvm"),
        (SHOWN.replace("char-nvidia*", "char-nvidia"), NVIDIA, "may not use /dev/nvidia-uvm (DevicePolicy"),
        (
            SHOWN.replace("char-nvidia*", "/dev/kfd"),
            AMD,
            "The user ollama may not open /dev/kfd, /dev/dri/renderD128: add it to the group render",
        ),
    ],
)
def test_each_reason_is_named_with_its_cure(text, nodes, sentence):
    (found,) = blocked(unit(text), nodes)
    assert sentence in found


def test_a_unit_without_a_policy_may_use_all_and_root_may_open_all():
    assert blocked(unit("Id=ollama.service\nDevicePolicy=auto\nUser=root\n"), [*NVIDIA, *AMD]) == []


def test_a_host_without_nodes_has_nothing_that_could_be_closed():
    assert blocked(unit(), []) == []
    assert blocked(unit(SHOWN.replace("DeviceAllow=char-drm rw\n", "")), [node("/dev/dri/card0", "0660", "video")]) == []
