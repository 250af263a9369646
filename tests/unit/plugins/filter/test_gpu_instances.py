# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The instances of a host with several GPUs, from recorded machines."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from machines import lay_out, recording

from ansible_collections.llm.host.plugins.filter.gpu import gpu_instances
from ansible_collections.llm.host.plugins.module_utils._machine import Recorded
from ansible_collections.llm.host.plugins.modules.gpu_info import look
from ansible_collections.llm.host.plugins.plugin_utils._settings import AMD_GPU, NVIDIA_GPU


@pytest.fixture(name="info")
def _info(tmp_path):
    return lambda name: look(Recorded(lay_out(recording(name), tmp_path)))


def changed(info, **values):
    return {**info, "gpus": [{**info["gpus"][0], **values}]}


def test_each_gpu_has_an_instance_with_a_port_of_its_own_by_pci_address(info):
    found = info("eight-nvidia")
    instances = gpu_instances({**found, "gpus": found["gpus"][::-1]})
    assert [instance["name"] for instance in instances] == ["default", "gpu1", "gpu2", "gpu3", "gpu4", "gpu5", "gpu6", "gpu7"]
    assert [instance["port"] for instance in instances] == list(range(11434, 11442))
    assert [instance["gpus"] for instance in instances] == [[gpu["uuid"]] for gpu in found["gpus"]]


def test_a_divided_gpu_has_an_instance_for_each_part(info):
    found = info("mig")
    assert gpu_instances(found, 12000, "mig") == [
        {"name": "default", "port": 12000, "gpus": ["MIG-fed03f85-fd95-581b-837f-d582496d0260"]},
        {"name": "mig1", "port": 12001, "gpus": ["MIG-0929581a-2be6-5dec-bf34-0954c6c529a6"]},
        {"name": "mig2", "port": 12002, "gpus": [found["gpus"][1]["uuid"]]},
    ]


@pytest.mark.parametrize(
    ("machine", "pattern"),
    [
        pytest.param("igpu-dgpu", NVIDIA_GPU, id="beside-graphics-of-intel"),
        pytest.param("amd", AMD_GPU, id="beside-graphics-of-amd"),
    ],
)
def test_graphics_of_the_processor_have_none_and_the_uuid_is_one_that_the_role_takes(info, machine, pattern):
    (instance,) = gpu_instances(info(machine))
    assert pattern.fullmatch(instance["gpus"][0])


def test_the_vendor_can_be_chosen(info):
    (card,) = changed(info("one-nvidia"))["gpus"]
    both = {"gpus": [card, {**card, "vendor": "amd", "uuid": "GPU-6f2c91d4a7b3e058"}]}
    assert gpu_instances(both)[0]["gpus"] == [card["uuid"]]
    assert gpu_instances(both, vendor="amd")[0]["gpus"] == ["GPU-6f2c91d4a7b3e058"]


@pytest.mark.parametrize(
    ("values", "options", "sentence"),
    [
        pytest.param({"uuid": ""}, {}, "the GPU 0000:01:00.0 .* has no UUID: install its driver first", id="no-driver"),
        pytest.param({"mig": {"enabled": True, "devices": []}}, {}, "has no MIG device: make them first", id="mig-without-devices"),
        pytest.param({"driver": "vfio-pci"}, {}, "no GPU of nvidia or amd .* leave ollama_instances as it is", id="passed-on"),
        pytest.param({"integrated": True}, {}, "no GPU of nvidia or amd", id="graphics-of-the-processor-only"),
        pytest.param({}, {"vendor": "amd"}, "no GPU of amd ", id="none-of-the-vendor"),
        pytest.param({}, {"vendor": "intel"}, "vendor is 'intel': write nvidia or amd", id="a-vendor-that-it-does-not-know"),
    ],
)
def test_what_cannot_have_instances_is_refused_in_a_sentence(info, values, options, sentence):
    with pytest.raises(AnsibleFilterError, match=sentence):
        gpu_instances(changed(info("one-nvidia"), **values), **options)


def test_something_else_than_a_result_is_refused():
    with pytest.raises(AnsibleFilterError, match=r"give it the result of llm\.host\.gpu_info"):
        gpu_instances([])
