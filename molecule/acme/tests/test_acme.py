# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates from an ACME server: issued, renewed, replaced, and what happens when none is to be had."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path

import pytest
import testinfra
from conftest import address
from lab_hosts import GATEWAY

from ansible_collections.llm.host.plugins.module_utils._probe import Credentials, Endpoint

ALICE = Credentials(key="alice-has-a-key-of-enough-length")
DIRECTORY = "https://ca.acme.test/acme/local/directory"
LIVE = "/etc/letsencrypt/live/llm-gateway"


def endpoint(name: str) -> Endpoint:
    authority = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "acme-ca.crt").read_text()
    host = "caddy" if name.startswith("caddy") else "nginx"
    return Endpoint(f"https://{name}", ca=authority, connect_to=address(f"acme-{host}"))


def served(name: str = "nginx.acme.test") -> str:
    return hashlib.sha256(endpoint(name).handshake()[2]).hexdigest()


def another_is_served(before: str) -> bool:
    """nginx says that it reloads before it has: its new workers come a moment later."""
    deadline = time.monotonic() + 15
    while served() == before and time.monotonic() < deadline:
        time.sleep(0.1)
    return served() != before


def names(name: str) -> set[str]:
    return {value for _, value in endpoint(name).handshake()[1]["subjectAltName"]}


def settings(**changes) -> str:
    return json.dumps(changes)


def tls(**changes) -> dict:
    authority = str(Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "acme-ca.crt"))
    return {"mode": "acme", "email": "ops@acme.test", "directory": DIRECTORY, "ca": authority, **changes}


@pytest.fixture
def nginx():
    return testinfra.get_host("docker://acme-nginx")


@pytest.fixture
def authority():
    server = testinfra.get_host("docker://acme-ca")
    yield server
    server.check_output("systemctl start caddy")


def test_verify_yml_agrees(run_playbook):
    """Before the other tests declare something else."""
    run = run_playbook("playbooks/verify.yml")
    assert run.code == 0, run.output[-3000:]


@pytest.mark.parametrize("name", ["nginx.acme.test", "caddy.acme.test"])
def test_who_trusts_the_acme_server_trusts_the_endpoint(name):
    assert endpoint(name).request("GET", "/v1/models", who=ALICE).status == 200
    assert names(name) == {name}


def test_the_challenge_alone_is_open_without_tls(nginx):
    nginx.check_output("mkdir -p /var/lib/llm-gateway/webroot/.well-known/acme-challenge")
    nginx.check_output("echo proof > /var/lib/llm-gateway/webroot/.well-known/acme-challenge/token")
    ask = "import http.client as h; c = h.HTTPConnection('127.0.0.1'); c.request('GET', '{}'); r = c.getresponse(); print(r.status, r.read().decode())"
    assert nginx.check_output(f'python3 -c "{ask.format("/.well-known/acme-challenge/token")}"').split() == ["200", "proof"]
    for path in ("/.well-known/acme-challenge/../../x", "/.well-known/", "/v1/models"):
        assert nginx.check_output(f'python3 -c "{ask.format(path)}"').startswith("308")


def test_the_timer_of_the_package_renews(nginx):
    assert nginx.service("certbot.timer").is_enabled
    assert nginx.service("certbot.timer").is_running


def test_a_renewed_certificate_is_served_without_dropping_a_stream_and_without_a_change_in_the_next_run(nginx, run_playbook):
    before = served()
    connection = endpoint("nginx.acme.test")._connect(_trusting())
    body = json.dumps({"model": "tiny", "prompt": "hello", "options": {"num_predict": 400}})
    headers = {"Host": "nginx.acme.test", "Content-Type": "application/json", **ALICE.headers()}
    connection.request("POST", "/api/generate", body=body, headers=headers)
    stream = connection.getresponse()
    assert stream.read1()
    # The very thing that the timer starts, and the certificates of the lab are short enough to be due at once.
    nginx.check_output("systemctl start certbot.service")
    rest = stream.read().decode()
    assert json.loads(rest.splitlines()[-1])["done"]
    assert another_is_served(before)
    run = run_playbook(GATEWAY, "--limit", "acme-nginx")
    assert run.code == 0, run.output[-3000:]
    assert run.changed == {"acme-nginx": 0}


def test_a_renewed_certificate_that_was_not_loaded_is_loaded_by_the_next_run(nginx, run_playbook):
    before = served()
    nginx.check_output(
        "REQUESTS_CA_BUNDLE=/etc/llm-gateway/acme/ca.crt certbot renew --force-renewal --no-random-sleep-on-renew --deploy-hook true"
    )
    nginx.check_output("sed -i 's/^renew_hook = .*/renew_hook = systemctl reload nginx/' /etc/letsencrypt/renewal/llm-gateway.conf")
    assert served() == before
    run = run_playbook(GATEWAY, "--limit", "acme-nginx")
    assert run.code == 0, run.output[-3000:]
    assert run.changed == {"acme-nginx": 1}
    assert another_is_served(before)


def test_a_name_that_the_server_refuses_costs_nothing_that_was_served(nginx, authority, run_playbook):
    before = served()
    authority.check_output("systemctl stop caddy")
    run = run_playbook(GATEWAY, "--limit", "acme-nginx", "-e", settings(gateway_tls_alt_names=["more.acme.test"]))
    assert run.code != 0
    (failure,) = run.failures
    assert f"{DIRECTORY} issued no certificate for nginx.acme.test, more.acme.test: " in failure
    assert "port 80" in failure
    assert served() == before
    assert endpoint("nginx.acme.test").request("GET", "/v1/models", who=ALICE).status == 200
    authority.check_output("systemctl start caddy")
    run = run_playbook(GATEWAY, "--limit", "acme-nginx", "-e", settings(gateway_tls_alt_names=["more.acme.test"]))
    assert run.code == 0, run.output[-3000:]
    assert names("nginx.acme.test") == {"nginx.acme.test", "more.acme.test"}


def test_names_are_proved_through_dns_by_the_hook_on_the_host(nginx, run_playbook):
    wanted = settings(gateway_tls=tls(challenge="dns-01", dns_hook="/usr/local/sbin/dns-hook"), gateway_tls_alt_names=["*.nginx.acme.test"])
    run = run_playbook(GATEWAY, "--limit", "acme-nginx", "-e", wanted)
    assert run.code == 0, run.output[-3000:]
    assert names("nginx.acme.test") == {"nginx.acme.test", "*.nginx.acme.test"}
    before = served()
    nginx.check_output("systemctl start certbot.service")
    assert another_is_served(before)
    run = run_playbook(GATEWAY, "--limit", "acme-nginx", "-e", wanted)
    assert run.changed == {"acme-nginx": 0}


def test_who_leaves_the_acme_server_renews_nothing_any_more(nginx, authority, run_playbook):
    run = run_playbook(GATEWAY, "--limit", "acme-nginx", "-e", settings(gateway_tls={"mode": "selfsigned"}))
    assert run.code == 0, run.output[-3000:]
    assert not nginx.file("/etc/letsencrypt/renewal/llm-gateway.conf").exists
    assert not nginx.file("/etc/systemd/system/certbot.service.d/50-llm-host.conf").exists
    own = nginx.file("/etc/llm-gateway/tls/selfsigned.crt").content
    authority.check_output("systemctl stop caddy")
    run = run_playbook(GATEWAY, "--limit", "acme-nginx")
    assert run.code != 0
    assert nginx.file("/etc/llm-gateway/tls/selfsigned.crt").content == own
    assert nginx.check_output("openssl s_client -connect 127.0.0.1:443 </dev/null 2>/dev/null | openssl x509 -noout -issuer").startswith(
        "issuer=CN = Gateway"
    )


def _trusting():
    import ssl

    return ssl.create_default_context(cafile=str(Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "acme-ca.crt")))
