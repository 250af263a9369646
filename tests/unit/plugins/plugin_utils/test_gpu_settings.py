# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.llm.host.plugins.plugin_utils._gpu_settings import settings_due, settings_files

WISHES = {"uvm_at_boot": True, "persistence": True, "power_limit": None, "compute_mode": None}
NVIDIA = {"vendors": ["nvidia"], "action": "keep"}


def files(plan=NVIDIA, **wishes):
    return {entry["path"]: entry for entry in settings_files(plan, {**WISHES, **wishes})}


def commands(**wishes):
    return files(**wishes)["/etc/systemd/system/llm-host-gpu-settings.service"]["variables"]["__gpu_commands"]


def gpu(**values):
    return {"vendor": "nvidia", "persistence": True, "power_limit": 300.0, "compute_mode": "Default", **values}


def test_the_module_for_computing_is_loaded_at_boot_unless_it_is_not_wanted():
    assert files()["/etc/modules-load.d/llm-host-gpu.conf"]["content"] == "nvidia\nnvidia_uvm\n"
    assert files(uvm_at_boot=False)["/etc/modules-load.d/llm-host-gpu.conf"]["content"] == "nvidia\n"


def test_each_setting_is_a_command_and_none_is_one_that_does_nothing():
    assert commands() == ["nvidia-smi --persistence-mode=1"]
    assert commands(persistence=False, power_limit="250", compute_mode="exclusive_process") == [
        "nvidia-smi --persistence-mode=0",
        "nvidia-smi --power-limit=250",
        "nvidia-smi --compute-mode=EXCLUSIVE_PROCESS",
    ]
    assert commands(persistence=None) == ["true"]


@pytest.mark.parametrize("plan", [{"vendors": ["amd"], "action": "install"}, {"vendors": ["nvidia"], "action": "none"}])
def test_nothing_is_set_where_there_is_no_driver_of_nvidia_to_care_for(plan):
    assert files(plan) == {}


@pytest.mark.parametrize(
    ("gpus", "wishes", "due"),
    [
        ([gpu()], {}, []),
        ([gpu(persistence=False)], {}, ["persistence"]),
        ([gpu(persistence=False)], {"persistence": None}, []),
        ([gpu(), gpu(power_limit=250.0)], {"power_limit": 300}, ["power_limit"]),
        ([gpu(power_limit=299.9)], {"power_limit": 300}, []),
        ([gpu()], {"compute_mode": "default"}, []),
        ([gpu()], {"compute_mode": "prohibited"}, ["compute_mode"]),
        ([gpu(persistence=None)], {"power_limit": 100}, []),
        ([gpu(vendor="amd", persistence=False)], {}, []),
    ],
)
def test_what_one_gpu_has_otherwise_is_due(gpus, wishes, due):
    assert settings_due({"gpus": gpus}, {**WISHES, **wishes}) == due
