# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.llm.host.plugins.plugin_utils._sandbox import check_hardening, check_limits, limits, order, restart, sandbox
from ansible_collections.llm.host.plugins.plugin_utils._settings import SettingsError

SETTINGS: dict[str, t.Any] = {
    "host": "127.0.0.1",
    "home": "/usr/share/ollama",
    "models_dir": "/usr/share/ollama/.ollama/models",
    "install_dir": "/opt/ollama",
    "memory_max": None,
    "cpu_quota": None,
    "hardening": {},
}


def lines(*gpus: str, **changed: t.Any) -> list[str]:
    return sandbox({**SETTINGS, **changed}, gpus=gpus).splitlines()


def values(name: str, found: list[str]) -> list[str]:
    return [line.partition("=")[2] for line in found if line.startswith(f"{name}=")]


def devices(found: list[str]) -> dict[str, list[str]]:
    return {name: values(name, found) for name in ("PrivateDevices", "DevicePolicy", "DeviceAllow", "ProtectClock")}


@pytest.mark.parametrize(
    ("gpus", "hardening", "wanted"),
    [
        pytest.param([], {}, (["true"], ["closed"], [], ["true"]), id="a-host-without-a-gpu-offers-no-device"),
        pytest.param(["nvidia"], {}, ([], ["closed"], ["char-nvidia* rw"], ["true"]), id="nvidia-and-nothing-else"),
        pytest.param(["amd", "intel"], {}, ([], ["closed"], ["char-kfd rw", "char-drm rw"], ["true"]), id="what-two-vendors-share-is-there-once"),
        pytest.param(["wsl"], {}, ([], ["closed"], ["/dev/dxg rw"], ["true"]), id="windows"),
        pytest.param(["jetson", "nvidia"], {}, ([], [], [], []), id="all-devices-of-a-jetson-and-no-clock-that-would-close-them"),
        pytest.param(["nvidia"], {"DevicePolicy": None}, ([], [], [], []), id="no-policy-means-every-device"),
        pytest.param(["nvidia"], {"DevicePolicy": "auto"}, ([], ["auto"], [], []), id="nor-does-auto-close-any"),
        pytest.param([], {"PrivateDevices": False, "DevicePolicy": None}, (["false"], [], [], []), id="a-gpu-of-an-unknown-vendor"),
        pytest.param(
            ["nvidia"], {"DeviceAllow": ["/dev/nvidia0 rw", "/dev/nvidiactl rw"]},
            ([], ["closed"], ["/dev/nvidia0 rw", "/dev/nvidiactl rw"], ["true"]), id="nodes-of-your-choice",
        ),
    ],
)  # fmt: skip
def test_the_gpus_that_the_host_has_are_open_and_no_other_device(gpus, hardening, wanted):
    assert tuple(devices(lines(*gpus, hardening=hardening)).values()) == wanted


@pytest.mark.parametrize(
    ("hardening", "name", "wanted"),
    [
        pytest.param({"SystemCallFilter": None}, "SystemCallFilter", [], id="null-leaves-an-option-out"),
        pytest.param({"MemoryDenyWriteExecute": False}, "MemoryDenyWriteExecute", ["false"], id="false-is-written"),
        pytest.param({"SystemCallFilter": ["@system-service", "~@swap"]}, "SystemCallFilter", ["@system-service", "~@swap"], id="a-line-an-entry"),
        pytest.param({"PrivateUsers": True}, "PrivateUsers", ["true"], id="an-option-that-is-off-by-default"),
        pytest.param(
            {"ReadWritePaths": ["/srv/cache"]}, "ReadWritePaths", ["/usr/share/ollama /usr/share/ollama/.ollama/models", "/srv/cache"],
            id="directories-come-in-addition",
        ),
    ],
)  # fmt: skip
def test_each_option_can_be_changed(hardening, name, wanted):
    assert values(name, lines(hardening=hardening)) == wanted


def test_drivers_of_gpus_may_compile_and_everything_else_may_not():
    name = "MemoryDenyWriteExecute"
    assert (values(name, lines()), values(name, lines("nvidia"))) == (["true"], [])
    assert values(name, lines("nvidia", hardening={name: True})) == ["true"]


def test_homes_are_hidden_unless_the_data_lies_there():
    assert values("ProtectHome", lines()) == ["true"]
    assert values("ProtectHome", lines(models_dir="/home/llm/models")) == ["read-only"]


def test_a_path_with_a_blank_or_a_percent_sign_stays_one_path():
    assert values("ReadWritePaths", lines(home="/srv/o", models_dir="/srv/my models/100%")) == ['/srv/o "/srv/my models/100%%"']


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"MemoryDenyWriteExec": True}, "did you mean MemoryDenyWriteExecute?", id="did-you-mean"),
        pytest.param({"Restart": "no"}, "put it into a drop-in of your own", id="what-is-no-hardening"),
        pytest.param({"UMask": "0077\nUser=root"}, "ollama_hardening.UMask is not what systemd reads", id="a-line-break"),
        pytest.param({"SystemCallFilter": [["@swap"]]}, "a list of such texts", id="a-list-in-a-list"),
        pytest.param(["UMask"], "ollama_hardening is no dictionary", id="a-list"),
    ],
)
def test_what_systemd_would_ignore_is_refused(options, message):
    with pytest.raises(SettingsError, match=message.replace("?", r"\?")):
        check_hardening(options)


@pytest.mark.parametrize(("name", "good", "bad"), [("memory_max", ["48G", "80%", "1073741824"], ["48GB", "0", "101%", "1.5G"]), ("cpu_quota", ["400%"], ["4", "0%", "half"])])  # fmt: skip
def test_limits_are_what_systemd_reads(name, good, bad):
    for value in good:
        check_limits({**SETTINGS, name: value})
    for value in bad:
        with pytest.raises(SettingsError, match=f"ollama_{name} is '{value}': write "):
            check_limits({**SETTINGS, name: value})


def test_a_runner_that_grows_too_large_ends_alone():
    assert limits({**SETTINGS, "memory_max": "48G", "cpu_quota": "400%"}).splitlines() == [
        "OOMPolicy=continue",
        "MemoryMax=48G",
        "CPUQuota=400%",
    ]
    assert limits(SETTINGS) == "OOMPolicy=continue"


@pytest.mark.parametrize(
    ("host", "gpus", "interface", "wants", "after"),
    [
        pytest.param("127.0.0.1", [], "", [], [], id="loopback"),
        pytest.param("127.0.0.1", ["nvidia"], "", ["llm-host-gpu.service"], ["llm-host-gpu.service"], id="nvidia"),
        pytest.param("0.0.0.0", ["amd"], "", [], ["tailscaled.service"], id="every-address"),
        pytest.param(
            "10.9.0.1", [], "wg-home", [],
            ["tailscaled.service", "wg-quick@wg-home.service", r"sys-subsystem-net-devices-wg\x2dhome.device"], id="a-private-network",
        ),
    ],
)  # fmt: skip
def test_it_starts_after_what_it_needs_and_needs_no_part_of_it(host, gpus, interface, wants, after):
    assert order({**SETTINGS, "host": host}, gpus=gpus, interface=interface).splitlines()[:3] == [
        "RequiresMountsFor=/usr/share/ollama/.ollama/models /usr/share/ollama /opt/ollama",
        " ".join(["Wants=network-online.target", *wants]),
        " ".join(["After=network-online.target nvidia-persistenced.service", *after]),
    ]


def test_an_address_that_can_be_late_is_waited_for():
    assert "After=ollama-address@10.9.0.1.service" in order({**SETTINGS, "host": "10.9.0.1"}, gpus=[], interface="wg0").splitlines()
    assert "ollama-address" not in order(SETTINGS, gpus=[], interface="lo")


def test_pauses_grow_where_systemd_can():
    assert restart(systemd=252).splitlines() == ["RestartSec=3"]
    assert restart(systemd=257).splitlines() == ["RestartSec=3", "RestartSteps=6", "RestartMaxDelaySec=30"]
