# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is Caddy's own: how it gets its secrets, and how nginx takes its place and gives it back."""

from __future__ import annotations

import pytest
import testinfra
from lab_hosts import GATEWAY

from ansible_collections.llm.host.plugins.module_utils._probe import Credentials

URL = "https://llm.test"
ALICE = Credentials(key="alice-has-a-key-of-enough-length")
BY_PASSWORD = Credentials(name="alice", password="alice has a pass phrase")
STRANGER = Credentials(key="no-such-key-no-such-key-no-such")
BROKEN = "/etc/caddy/conf.d/broken.caddy"


@pytest.fixture
def gateway(endpoint):
    return endpoint(URL)


def test_keys_and_hashes_are_for_root_alone_though_caddy_is_another_user(host):
    assert host.check_output("ps -o user= -C caddy") == "caddy"
    for name in ("keys", "passwords"):
        file = host.file(f"/etc/llm-gateway/caddy/{name}")
        assert (file.user, file.group, file.mode & 0o077) == ("root", "root", 0 if name == "keys" else 0o040)
        assert host.run(f"runuser -u caddy -- cat {file.path}").rc != 0
    assert "a pass phrase" not in host.file("/etc/llm-gateway/caddy/passwords").content_string


def test_nobody_else_on_the_host_can_change_or_read_the_configuration(host):
    assert host.check_output("ss -Hltn sport = 2019") == ""
    assert host.file("/run/caddy/admin.sock").is_socket
    assert host.run("runuser -u nobody -- stat /run/caddy/admin.sock").rc != 0
    assert host.run("find / -xdev -name autosave.json 2>/dev/null | grep .").rc != 0


def test_caddy_serves_again_after_a_restart(host, gateway):
    host.check_output("systemctl restart caddy")
    assert gateway.request("GET", "/v1/models", who=ALICE).status == 200
    assert gateway.request("GET", "/v1/models", who=STRANGER).status == 401


def test_a_name_without_a_password_costs_no_hash(host, gateway):
    """Caddy itself compares with a hash that takes a second when it does not know the name."""
    before = float(host.check_output("ps -o cputimes= -C caddy"))
    for number in range(20):
        assert gateway.request("GET", "/v1/models", who=Credentials(name="nobody", password=f"guess {number}")).status == 401
    assert float(host.check_output("ps -o cputimes= -C caddy")) - before < 5


def test_a_configuration_that_caddy_refuses_never_gets_there(run_playbook):
    host = testinfra.get_host("docker://caddy-12")
    before = host.file("/etc/llm-gateway/caddy/Caddyfile").content_string
    host.check_output(f"mkdir -p /etc/caddy/conf.d && echo 'nonsense {{' > {BROKEN}")
    try:
        run = run_playbook(GATEWAY, "--limit", "caddy-12", "-e", "gateway_timeout=61")
        assert run.code != 0
        assert "Caddy refuses the new configuration, so /etc/llm-gateway/caddy/Caddyfile stays as it is" in run.failures[-1]
        assert "broken.caddy" in run.failures[-1] or "nonsense" in run.failures[-1]
        assert host.file("/etc/llm-gateway/caddy/Caddyfile").content_string == before
        assert host.check_output("ls -A /etc/llm-gateway/caddy").split() == ["Caddyfile", "keys", "passwords", "start.json"]
    finally:
        host.check_output(f"rm -r {BROKEN}")
    assert host.service("caddy").is_running


def test_nginx_takes_the_place_and_gives_it_back(run_playbook):
    host = testinfra.get_host("docker://caddy-13")

    def switch(provider: str, other: str, gone: str) -> None:
        run = run_playbook(GATEWAY, "--limit", "caddy-13", "--diff", "-e", f"gateway_provider={provider}")
        assert run.code == 0, run.output[-3000:]
        assert "has-a-key-of" not in run.output
        assert (host.service(provider).is_running, host.service(provider).is_enabled) == (True, True)
        assert (host.service(other).is_running, host.service(other).is_enabled) == (False, False)
        assert not host.file(gone).exists
        assert run_playbook("playbooks/verify.yml", "--limit", "caddy-13", "-e", f"gateway_provider={provider}").code == 0

    check = run_playbook(GATEWAY, "--limit", "caddy-13", "--check", "-e", "gateway_provider=nginx")
    assert (check.code, host.service("caddy").is_running) == (0, True)
    switch("nginx", "caddy", "/etc/llm-gateway/caddy")
    assert not host.file("/etc/systemd/system/caddy.service.d").exists
    switch("caddy", "nginx", "/etc/llm-gateway/nginx")
    assert "llm-gateway" not in host.file("/etc/nginx/nginx.conf").content_string
    assert run_playbook(GATEWAY, "--limit", "caddy-13").changed == {"caddy-13": 0}


def test_a_server_that_cannot_start_gives_way_to_the_one_that_served(run_playbook):
    host = testinfra.get_host("docker://caddy-13")
    host.check_output(
        "mkdir -p /etc/systemd/system/nginx.service.d && printf '[Service]\\nExecStart=\\nExecStart=/bin/false\\n' > /etc/systemd/system/nginx.service.d/broken.conf"
    )
    try:
        run = run_playbook(GATEWAY, "--limit", "caddy-13", "-e", "gateway_provider=nginx")
        assert run.code != 0
        assert "Caddy serves as before." in run.failures[-1]
        assert host.service("caddy").is_running
    finally:
        host.check_output("rm -r /etc/systemd/system/nginx.service.d; systemctl daemon-reload")
    assert run_playbook(GATEWAY, "--limit", "caddy-13").code == 0
    assert run_playbook(GATEWAY, "--limit", "caddy-13").changed == {"caddy-13": 0}
