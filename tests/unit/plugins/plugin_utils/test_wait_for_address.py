# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.llm.host.plugins.plugin_utils._bind import wait_file, waits
from ansible_collections.llm.host.plugins.plugin_utils._wireguard_addresses import assigned


def test_a_service_waits_for_each_address_that_can_be_late():
    lines = waits("ollama", ["10.86.0.7", "fd86::7"])
    assert lines[-2:] == [
        "Wants=ollama-address@10.86.0.7.service ollama-address@fd86::7.service",
        "After=ollama-address@10.86.0.7.service ollama-address@fd86::7.service",
    ]
    assert "DefaultDependencies=no" in lines


@pytest.mark.parametrize("addresses", [[], ["127.0.0.1"], ["::1", "0.0.0.0"]])
def test_what_is_always_there_needs_no_wait(addresses):
    assert waits("ollama", addresses) == []


def test_the_wait_has_no_end_and_does_not_hold_up_boot_or_shutdown():
    file = wait_file("nginx")
    assert file["path"] == "/etc/systemd/system/nginx-address@.service"
    for line in ("TimeoutStartSec=infinity", "DefaultDependencies=no", "Conflicts=shutdown.target"):
        assert line in file["content"].splitlines()


def test_an_address_follows_from_the_name_and_from_nothing_else():
    assert assigned("gpu-01", ["10.86.0.0/16"]) == assigned("gpu-01", ["10.86.0.0/16"])
    assert assigned("gpu-01", ["10.86.0.0/16"]) != assigned("gpu-02", ["10.86.0.0/16"])


def test_a_network_each_has_an_address_and_a_declared_one_wins():
    assert assigned("gpu-01", ["10.86.0.0/16", "fd86::/64"], ["fd86::5"])[1] == "fd86::5"
    assert assigned("gpu-01", ["10.9.0.0/30"])[0] in ("10.9.0.1", "10.9.0.2")


def test_neither_first_nor_last_address_is_given_away():
    given = {assigned(f"host-{number}", ["10.9.0.0/28"])[0] for number in range(400)}
    assert "10.9.0.0" not in given
    assert "10.9.0.15" not in given
    assert len(given) == 14
