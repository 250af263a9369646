# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where SSH is served, and who comes over it."""

from __future__ import annotations

import os

import pytest

from ansible_collections.llm.host.plugins.module_utils._ssh import Connection, connection, interface_to, ssh_ports

SOCKET = "Listen=[::]:2022 (Stream)\nActiveState=active\n\nActiveState=inactive\nListen=0.0.0.0:2023 (Stream)\n"


def programs(**output):
    """A function that runs a command; what it prints, by the last argument."""
    return lambda command: (0, output.get(command[-1].strip("-").replace(".", "_"), ""), "")


def process(proc, number: int, parent: int, environment: str = "", name: str = "python3") -> None:
    (proc / str(number)).mkdir()
    (proc / str(number) / "environ").write_text(environment)
    (proc / str(number) / "stat").write_text(f"{number} ({name}) S {parent} 1 1")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        pytest.param({}, None, id="not-over-ssh"),
        pytest.param({"SSH_CONNECTION": "10.20.0.9 51234 10.20.0.5 2222"}, Connection("10.20.0.9", 2222), id="over-ssh"),
        pytest.param({"SSH_CONNECTION": "what"}, None, id="what-nobody-understands"),
    ],
)
def test_connection(environment, expected, tmp_path):
    assert connection(environment, tmp_path) == expected


def test_the_connection_is_found_behind_sudo(tmp_path):
    process(tmp_path, os.getpid(), 30, "PATH=/usr/bin\0SUDO_USER=ops\0")
    process(tmp_path, 30, 20, "SUDO_USER=ops\0", name="a) b (c")
    process(tmp_path, 20, 1, "HOME=/home/ops\0SSH_CONNECTION=fd00::9 51234 fd00::5 22\0")
    assert connection({}, tmp_path) == Connection("fd00::9", 22)


def test_parents_that_cannot_be_read_are_no_error(tmp_path):
    process(tmp_path, os.getpid(), 20)
    assert connection({}, tmp_path) is None


@pytest.mark.parametrize(
    ("output", "sshd", "expected"),
    [
        pytest.param({}, None, {22}, id="nothing-is-known"),
        pytest.param({"T": "port 22\nlistenaddress [::]:22\n"}, "/usr/sbin/sshd", {22}, id="as-configured"),
        pytest.param({"T": "port 22\nport 2222\nlistenaddress 10.0.0.1:2200\n"}, "/usr/sbin/sshd", {22, 2222, 2200}, id="several"),
        pytest.param({"sshd_socket": SOCKET}, None, {2022}, id="a-socket-of-systemd"),
    ],
)
def test_ssh_ports(output, sshd, expected, tmp_path):
    assert ssh_ports(programs(**output), sshd, tmp_path) == expected


@pytest.mark.parametrize(
    ("output", "interface"),
    [
        pytest.param("10.86.0.9 dev wg0 src 10.86.0.5 uid 0\n    cache\n", "wg0", id="direct"),
        pytest.param("192.0.2.1 via 10.0.0.1 dev eth0 src 10.0.0.5\n", "eth0", id="over-a-router"),
        pytest.param("", "", id="no-route"),
    ],
)
def test_interface_to(output, interface):
    assert interface_to("10.86.0.9", lambda command: (0, output, ""), "/usr/sbin/ip") == interface
    assert interface_to("10.86.0.9", lambda command: (0, output, ""), None) == ""
