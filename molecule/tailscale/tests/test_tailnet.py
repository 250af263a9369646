# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tailnet as it is run: who is in, who is out, what it serves, and changes without a login."""

from __future__ import annotations

import ipaddress
import json
import subprocess

import pytest
from conftest import HTTPS, NODES, PORT, module
from load import ROOT, eventually

NETWORKS = [ipaddress.ip_network("100.64.0.0/10"), ipaddress.ip_network("fd7a:115c:a1e0::/48")]
BACKEND = """
import http.server, json
class Echo(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({name.lower(): value for name, value in self.headers.items()}).encode()
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
http.server.HTTPServer(("%s", %s), Echo).serve_forever()
"""
GET = """
import http.client, socket, ssl, sys
address, port, name = sys.argv[1:4]
connection = http.client.HTTPConnection(name, timeout=3)
connection.sock = socket.create_connection((address, int(port)), 3)
if port == "443":
    connection.sock = ssl.create_default_context().wrap_socket(connection.sock, server_hostname=name)
connection.request("GET", "/", headers={"Tailscale-User-Login": "root@example.com"})
print(connection.getresponse().read().decode())
"""


def listens(node, address, port):
    """Something that answers with the headers that reach it."""
    node.host.run("systemd-run --unit=echo-%s python3 -c %s", str(port), BACKEND % (address, port))
    node.sh(f"timeout 10 sh -c 'until ss -Hltn sport = {port} | grep -q .; do sleep 0.1; done'")


def get(host, address, port, name="ts-01"):
    return host.run("python3 -c %s %s %s %s", GET, address, str(port), name)


@pytest.mark.parametrize("name", NODES)
def test_a_node_has_its_addresses_at_its_interface_and_tells_them(name, node, edge):
    host = {"ts-01": node, "ts-edge": edge}[name]
    result = host.ensure("--check")
    assert (result["backend"], result["changed"], result["joined"]) == ("Running", False, True)
    assert sorted(result["addresses"]) == sorted(host.addresses)
    assert all(ipaddress.ip_address(entry) in network for entry, network in zip(result["addresses"], NETWORKS))
    assert host.sh("apt-mark showhold") == "tailscale"


def test_traffic_passes_between_nodes_and_others_have_no_way_in(node, edge, outsider):
    address = node.addresses[0]
    listens(node, address, 8099)
    assert get(edge.host, address, 8099).rc == 0
    assert get(outsider, address, 8099).rc != 0


def test_serve_answers_with_a_certificate_and_says_who_asks(node, edge, outsider, control):
    """Whatever the client says itself."""
    listens(node, "127.0.0.1", 11434)
    result = node.ensure("--check")
    answer = json.loads(get(edge.host, result["addresses"][0], PORT, result["name"]).stdout)
    assert answer["tailscale-user-login"] == "alice@example.com"
    assert get(outsider, result["addresses"][0], PORT, result["name"]).rc != 0


def test_serve_keeps_what_others_have_set_and_removes_what_it_has_set(node):
    node.sh("tailscale serve --bg --http=8080 http://127.0.0.1:9")
    more = [*node.wanted["serve"], {"port": 8443, "https": HTTPS, "target": "http://127.0.0.1:11434"}]
    added = node.ensure(serve=more)
    assert (added.actions, added["foreign_serve"]) == (["serve"], ["http:8080 -> http://127.0.0.1:9"])
    removed = node.ensure()
    assert (removed.actions, sorted(json.loads(node.sh("tailscale serve status --json"))["TCP"])) == (
        ["serve"],
        sorted([str(PORT), "8080"]),
    )
    assert not node.ensure()["changed"]
    node.sh("tailscale serve --http=8080 off")


def test_settings_change_in_place(node, control):
    """Check mode says what would, and nobody logs in."""
    logins, changes = control.logins, {"shields_up": True, "accept_dns": False, "advertise_routes": ["10.20.0.0/16"], "hostname": "renamed"}
    told = node.ensure("--check", **changes)
    done = node.ensure(**changes)
    assert told.actions == done.actions == ["settings"]
    assert told["differences"] == done["differences"]
    assert {item["name"] for item in done["differences"]} == set(changes)
    assert not node.ensure(**changes)["changed"]
    assert node.ensure().actions == ["settings"]
    assert control.logins == logins
    # The control server hears of the name a little later.
    eventually(lambda: node.status["Self"]["HostName"] == "ts-01")


def test_a_setting_that_tailscale_refuses_leaves_all_as_it_was(node):
    before = node.status["Self"]
    assert "invalid value" in node.ensure(exit_node="nobody", shields_up=True).msg
    assert node.status["Self"] == before
    assert not node.ensure()["changed"]


def test_settings_of_others_survive_another_tag(node, control):
    node.sh("tailscale set --operator=nobody")
    address = node.addresses
    assert node.ensure(tags=["tag:other"]).actions == ["retag"]
    assert (node.addresses, node.status["Self"]["Tags"]) == (address, ["tag:other"])
    assert json.loads(node.sh("tailscale debug prefs"))["OperatorUser"] == "nobody"
    assert node.ensure().actions == ["retag"]
    node.sh("tailscale set --operator=")


def test_a_tag_that_is_not_granted_is_one_sentence_and_the_node_goes_on(node, control):
    failed = node.ensure(tags=["tag:admin"])
    assert "does not let this key give the tags" in failed.msg
    assert failed.msg.endswith("The tags are as before.")
    assert (node.state, node.status["Self"]["Tags"]) == ("Running", ["tag:llm"])
    assert not node.ensure()["changed"]


def test_what_was_taken_down_by_hand_comes_back_without_a_login(node, control):
    logins = control.logins
    node.sh("tailscale down")
    eventually(lambda: node.addresses == [])
    assert node.ensure().actions == ["resume"]
    assert control.logins == logins


def test_a_daemon_that_is_stopped_is_started(node):
    node.sh("systemctl disable --now tailscaled")
    told = node.ensure("--check")
    assert (told["backend"], told.actions[:2]) == ("", ["enable", "start"])
    assert node.ensure()["backend"] == "Running"


def test_another_address_is_told_by_the_next_run(node, control):
    before = node.addresses
    control.node("ts-01", ips=["100.100.7.7", "fd7a:115c:a1e0::77"])
    node.sh("timeout 10 sh -c 'until ip address show tailscale0 | grep -q 100.100.7.7; do sleep 0.1; done'")
    assert node.ensure()["addresses"] == ["100.100.7.7", "fd7a:115c:a1e0::77"]
    control.node("ts-01", ips=before)


def test_a_host_that_restarts_is_in_again_by_itself(node, edge):
    subprocess.run(["docker", "restart", "ts-01"], check=True, capture_output=True)
    assert node.comes_to("Running", 60)
    assert node.comes_to("Running")
    listens(node, "127.0.0.1", 11434)
    result = node.ensure()
    assert not result["changed"]
    eventually(lambda: get(edge.host, result["addresses"][0], PORT, result["name"]).rc == 0)


def test_the_version_is_the_pinned_one_held_and_stays_in_its_tailnet(node, control):
    options = {"repository_url": "http://ts-control:8080/stable", "fingerprint": fingerprint(node)}
    assert module("ts-01", "tailscale_package", "--check", version="1.96.3", **options).actions == ["install", "hold"]
    changed = module("ts-01", "tailscale_package", version="1.96.3", **options)
    assert (changed["before"], changed["version"]) == ("1.96.4", "1.96.3")
    assert node.comes_to("Running")
    missing = module("ts-01", "tailscale_package", version="1.0.0", **options)
    assert "tailscale" in missing.msg
    wrong = module("ts-01", "tailscale_package", version="1.96.4", **{**options, "fingerprint": "0" * 40})
    assert "apt cannot read its sources" in wrong.msg
    assert module("ts-01", "tailscale_package", version="1.96.4", **options).actions == ["install", "hold"]
    assert not module("ts-01", "tailscale_package", version="1.96.4", **options)["changed"]
    assert node.comes_to("Running")


def fingerprint(node):
    return node.sh("sed -n 's/^Signed-By: [^ ]* //p' /etc/apt/sources.list.d/llm-host-tailscale.sources")


def test_verify_tells_what_is_not_as_declared(run_playbook, node, control):
    control.node("ts-01", expiry="2099-01-01T00:00:00Z")
    assert run_playbook(ROOT / "molecule/tailscale/drift.yml").code == 0
    soon = subprocess.run(["date", "-u", "-d", "+5 days", "+%Y-%m-%dT%H:%M:%SZ"], check=True, capture_output=True, text=True).stdout.strip()
    control.node("ts-01", expiry=soon)
    node.sh("tailscale set --shields-up && tailscale serve --bg --http=8080 http://127.0.0.1:9 && tailscale serve --https=443 off")
    node.sh("apt-mark unhold tailscale")
    (text,) = run_playbook(ROOT / "molecule/tailscale/drift.yml", "--limit", "ts-01").failures
    control.node("ts-01", expiry="")
    node.sh("tailscale serve --http=8080 off && apt-mark hold tailscale")
    assert not node.ensure().msg
    for part in (
        "tailscale's shields_up: expected false, found true",
        f"one that expires on {soon[:10]}",
        "tailscale's serve: expected https:443",
        "found http:8080 -> http://127.0.0.1:9; declare it in tailscale_serve",
        "the package tailscale: expected held, found not held",
    ):
        assert part in text
