# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who gets at metrics, what is in them, and what somebody who is asked for nothing can see."""

from __future__ import annotations

import json
import typing as t

import pytest
import testinfra
from load import Call, address, eventually, join

from ansible_collections.llm.host.plugins.module_utils._probe import Credentials

ALICE = Credentials(key="alice-has-a-key-of-enough-length")
GET = """
import ssl, sys, urllib.request
context = ssl._create_unverified_context()
if len(sys.argv) > 2:
    context.load_cert_chain(*sys.argv[2:])
print(urllib.request.urlopen(sys.argv[1], context=context, timeout=5).status)
"""
IDENTITY = ("/etc/llm-metrics/identity.crt", "/etc/llm-metrics/identity.key")
MODULES = {
    "watched-1": ("node", "ollama"),
    "watched-2": ("node", "ollama"),
    "watched-edge": ("node", "ollama", "gateway", "balancer", "users"),
    "watcher": ("node", "ollama", "query"),
}


def get(name: str, target: str, module: str, *identity: str) -> t.Any:
    words = " ".join("%s" for _ in identity)
    query = "&query=1" if module == "query" else ""
    return testinfra.get_host(f"docker://{name}").run(
        f"python3 -c %s %s {words}", GET, f"https://{address(target)}:9998/proxy?module={module}{query}", *identity
    )


@pytest.mark.parametrize("target", MODULES)
def test_metrics_are_for_the_watcher_alone(target):
    for module in MODULES[target]:
        assert get("watcher", target, module, *IDENTITY).stdout.strip() == "200", module
        # "certificate required", or "bad certificate" as older ones say.
        assert "alert" in get("watcher", target, module).stderr
    other = next(name for name in MODULES if name not in (target, "watcher", "watched-edge"))
    assert "HTTPError" not in (refused := get(other, target, "node", *IDENTITY)).stderr
    assert refused.rc != 0


def test_who_watches_from_elsewhere_is_let_in_by_a_certificate_and_no_longer_without_it(run_playbook, tmp_path):
    certificate = tmp_path / "elsewhere.crt"
    certificate.write_text(testinfra.get_host("docker://watched-2").file(IDENTITY[0]).content_string)
    declared = ["-e", json.dumps({"metrics_clients": [str(certificate)]})]
    for extra, status in ((declared, "200"), ([], "")):
        run = run_playbook("site.yml", "--limit", "watched-1", *extra)
        assert run.code == 0, run.output[-3000:]
        # The port was just opened anew, and who watches is let in either way.
        eventually(lambda: get("watcher", "watched-1", "node", *IDENTITY).stdout.strip() == "200")
        assert get("watched-2", "watched-1", "node", *IDENTITY).stdout.strip() == status


@pytest.mark.parametrize("name", MODULES)
def test_nothing_else_listens_for_others(name):
    """But what was there before: Ollama on its private address, and the gateway."""
    lines = testinfra.get_host(f"docker://{name}").check_output("ss -Hltn").splitlines()
    places = {line.split()[3] for line in lines if not line.split()[3].startswith(("127.", "[::1]"))}
    assert {place.rpartition(":")[2] for place in places} - {"11434", "443", "80"} == {"9998"}


def test_what_clients_invent_makes_no_new_series(watched, watcher):
    """Names of models, addresses, methods and keys."""
    join([Call(watched.place, "alice", path=path) for path in ("/api/generate", "/api/x", "/nothing")])
    watcher.scraped()
    before = watcher.number("count({job='gateway'})")
    calls = [Call(watched.place, "alice", path="/api/generate", model=f"invented-{number}") for number in range(30)]
    calls += [Call(watched.place, "alice", path=f"/api/x{number}/{number}") for number in range(30)]
    calls += [Call(watched.place, f"stranger-{number}") for number in range(30)]
    join(calls)
    watcher.counted("sum(llm_gateway_requests_total{user='nobody'})", 30)
    # Statuses that were not seen before: 401, 404 and 429 for a model, an endpoint and a user, of which one number is bounded.
    assert watcher.number("count({job='gateway'})") - before < 400
    assert watcher.ask("{__name__=~'.+',model=~'invented.*'}") == {}
    assert watcher.ask("{__name__=~'.+',user=~'stranger.*'}") == {}


def test_no_prompt_answer_or_key_is_anywhere(watched, watcher):
    secret = "a-word-that-nobody-else-says"
    (call,) = join([Call(watched.place, "alice", prompt=secret)])
    assert call.status == 200
    watcher.scraped()
    words = (secret, "alice-has-a-key")
    for name, place in (
        ("watched-edge", "/var/log /etc/llm-metrics /var/lib/prometheus"),
        ("watcher", "/etc/prometheus /var/lib/prometheus"),
    ):
        found = testinfra.get_host(f"docker://{name}").run(f"grep -rlaE '{'|'.join(words)}' {place}")
        assert found.stdout == ""
    assert not any(word in json.dumps(watcher.api("series", **{"match[]": "{job=~'.+'}"})) for word in words)


def test_the_status_page_knows_what_prometheus_knows(watched):
    """Behind the login, and without a word about a user."""
    endpoint = watched.endpoint
    for path in ("/status", "/status.js", "/status.json"):
        assert endpoint.request("GET", path).status == 401
        assert endpoint.request("GET", path, who=ALICE).status == 200
    watched.host.check_output("systemctl start llm-status")
    told = endpoint.request("GET", "/status.json", who=ALICE).body.decode()
    assert "watched-1" in told
    assert "tiny" in told
    assert "alice" not in told
    assert "bob" not in told


def test_health_is_for_everybody(watched):
    endpoint = watched.endpoint
    assert {endpoint.request(method, path).status for method in ("GET", "HEAD") for path in ("/healthz", "/readyz")} == {200}


def test_usage_is_a_table_and_a_file(run_playbook, tmp_path, watcher):
    run = run_playbook("playbooks/usage.yml", "-e", f"dest={tmp_path}/usage.csv", "-e", "days=1")
    assert run.code == 0, run.output
    rows = (tmp_path / "usage.csv").read_text().splitlines()
    assert any(",alice," in f",{row}," for row in rows)
    assert "alice" in run.output


def test_metrics_are_as_prometheus_wants_them(watcher):
    for target, modules in MODULES.items():
        for module in modules:
            if module in ("ollama", "gateway"):
                url = f"https://{address(target)}:9998/proxy?module={module}"
                script = GET.replace(".status)", ".read().decode())")
                told = watcher.host.run(f"set -o pipefail; python3 -c %s %s {' '.join(IDENTITY)} | promtool check metrics", script, url)
                assert told.rc == 0, told.stdout + told.stderr


def test_rules_are_as_prometheus_wants_them(watcher):
    watcher.host.check_output("promtool check config /etc/prometheus/llm/prometheus.yml")
    watcher.host.check_output("promtool check rules /etc/prometheus/llm/rules/*.yml")


def test_verify_finds_what_is_not_as_declared(run_playbook, watched):
    """By who looks at the host, and by who asks it for metrics; and nothing where all is."""
    watched.host.check_output("systemctl stop mtail")
    run = run_playbook("playbooks/verify.yml")
    watched.host.check_output("systemctl start mtail")
    assert run.code != 0
    assert {host: [text.partition(": expected")[0] for text in texts] for host, (texts,) in run.failures_by_host.items()} == {
        "watched-edge": ["watched-edge: mtail.service"],
        "watcher": ["watcher: metrics of gateway of watched-edge"],
    }
