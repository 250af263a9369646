# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A driver is installed, held, used and named when it is lost; a broken one changes nothing, a newer one interrupts nobody."""

from __future__ import annotations

FIRST, BROKEN, NEWER = "580.95.05", "580.99.01", "580.126.09"


def test_debians_own_driver_is_built_for_debians_kernel_and_loaded_without_a_reboot(site):
    machine = site.debian13
    version = machine.package("nvidia-kernel-dkms").partition("-")[0]
    assert version.startswith("550.")
    assert f"nvidia-current/{version}, {machine.kernel}, x86_64: installed" in machine.dkms()
    module = machine.host.check_output(f"find /lib/modules/{machine.kernel}/updates -name 'nvidia-current.ko*'")
    assert machine.host.check_output("modinfo -F vermagic %s", module).startswith(f"{machine.kernel} ")
    assert machine.loaded == version
    assert machine.boots == 1


def test_a_gpu_that_needs_the_open_module_has_the_vendors_after_one_reboot_without_nouveau(site):
    machine = site.debian12
    assert machine.package("nvidia-kernel-open-dkms") == f"{FIRST}-1"
    assert machine.loaded == FIRST
    assert machine.boots == 2
    assert not machine.host.file("/sys/module/nouveau").exists
    assert machine.host.file("/dev/nvidia-uvm").exists


def test_nobody_else_upgrades_driver_or_kernel(site):
    site.publish(NEWER)
    for machine, package in ((site.debian13, "nvidia-kernel-dkms"), (site.debian12, "nvidia-kernel-open-dkms")):
        assert {package, "linux-image-amd64", "linux-headers-amd64"} <= machine.held()
        machine.host.check_output("apt-get update -qq")
        for line in machine.host.check_output("apt-get -s full-upgrade").splitlines():
            assert not line.startswith(("Inst nvidia", "Inst libnvidia", "Inst libcuda", "Inst linux-image", "Inst linux-headers"))
    site.withdraw(NEWER)


def test_gpus_are_used_as_declared(site):
    assert site.debian13.query("power.limit", "compute_mode", "persistence_mode") == ["250.00", "Exclusive_Process", "Enabled"]
    assert site.debian12.query("power.limit", "compute_mode", "persistence_mode") == ["300.00", "Default", "Enabled"]


def test_a_driver_that_does_not_compile_is_named_and_changes_nothing(site):
    machine = site.debian12
    before, boots = machine.dkms(), machine.boots
    site.publish(BROKEN, "--broken")
    run = site.run("playbooks/gpu_upgrade.yml", "--limit", "gpu-12")
    site.withdraw(BROKEN)
    assert run.code != 0
    said = run.failures[-1]
    assert BROKEN in said
    assert "pci_resize_resource" in said
    assert "/var/log/llm-host/" in said
    assert "It serves as before." in said
    assert machine.package("nvidia-kernel-open-dkms") == f"{FIRST}-1"
    assert (machine.dkms(), machine.boots, machine.loaded) == (before, boots, FIRST)
    assert machine.host.check_output("dpkg --audit") == ""
    assert "nvidia-kernel-open-dkms" in machine.held()
    site.all_up()


def test_a_loaded_driver_is_not_replaced_where_no_reboot_is_allowed(site):
    site.publish("570.195.03")
    run = site.run("site.yml", "--limit", "gpu-12", gpu_reboot="never", gpu_driver_branch="570")
    site.withdraw("570.195.03")
    (sentence,) = run.failures
    assert f"The driver {FIRST} is loaded and would be replaced" in sentence
    assert run.changed == {"gpu-12": 0}


def test_a_newer_driver_comes_host_by_host_and_no_request_fails(site, client):
    machine = site.debian12
    boots = machine.boots
    site.publish(NEWER)
    with client() as asking:
        run = site.run("playbooks/gpu_upgrade.yml", "--limit", "gpu-12,gpu-edge")
    assert run.code == 0, run.output[-3000:]
    assert (machine.loaded, machine.boots) == (NEWER, boots + 1)
    assert "nvidia-kernel-open-dkms" in machine.held()
    assert set(asking.answers) == {200}
    site.all_up()


def test_a_driver_that_is_lost_is_named_with_its_cure(site):
    machine = site.debian12
    machine.host.check_output("mv /sys/module/nvidia_uvm /sys/module/gone && mv /dev/nvidia-uvm /dev/gone")
    try:
        run = site.run("playbooks/verify.yml", "--limit", "gpu-12")
    finally:
        machine.host.check_output("mv /sys/module/gone /sys/module/nvidia_uvm && mv /dev/gone /dev/nvidia-uvm")
    assert "CUDA finds no GPU: the module nvidia_uvm is not loaded." in run.output


def test_a_library_of_another_version_is_cured_by_a_reboot(site):
    machine = site.debian12
    machine.host.check_output("echo 580.1.1 > /sys/module/nvidia/version")
    boots = machine.boots
    refused = site.run("site.yml", "--limit", "gpu-12", gpu_reboot="never")
    assert "A reboot is needed: set gpu_reboot to when_required" in refused.failures[-1]
    run = site.run("site.yml", "--limit", "gpu-12")
    assert run.code == 0, run.output[-3000:]
    assert (machine.loaded, machine.boots) == (NEWER, boots + 1)
