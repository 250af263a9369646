# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.llm.host.plugins.filter.metrics import FilterModule

FILTERS = FilterModule().filters()
GROUPS = {"ollama": ["gpu-01"], "gateway": ["edge"], "monitoring": ["mon"], "tailscale": ["gpu-01"], "wireguard": ["gpu-01"]}
NOBODY = {**GROUPS, "monitoring": []}
HOSTS = {"gpu-01": {}, "edge": {"ansible_host": "10.20.0.2"}, "mon": {"metrics_source": "10.20.0.9"}}
NOW = "2026-11-28T12:00:00+00:00"
PEM = "-----BEGIN CERTIFICATE-----\nMII{}\n-----END CERTIFICATE-----"
SETTINGS = {
    "host": "gpu-01", "bind": "all", "port": 9998, "clients": {}, "user_labels": "name", "user_salt": "", "gpus": None,
    "sources": {"mon": "10.20.0.9"}, "addresses": {}, "closed": True,
}  # fmt: skip


def hosts(**changed):
    return {**HOSTS, **changed}


@pytest.mark.parametrize(
    ("host", "variables", "groups", "names"),
    [
        pytest.param("gpu-01", {}, GROUPS, ["node", "ollama"], id="a-gpu-host"),
        pytest.param("edge", {}, GROUPS, ["node", "ollama", "gateway", "balancer", "users"], id="a-gateway"),
        pytest.param("edge", {"metrics_user_labels": "hash"}, GROUPS, ["node", "ollama", "gateway", "balancer"], id="users-are-not-named"),
        pytest.param("edge", {"gateway_backends": ["10.0.0.1:1"]}, GROUPS, ["node", "ollama", "gateway"], id="no-balancer-in-the-path"),
        pytest.param("edge", {"balancer_metrics_port": 0}, GROUPS, ["node", "ollama", "gateway"], id="a-balancer-without-metrics"),
        pytest.param("mon", {}, GROUPS, ["node", "ollama", "query", "query_range", "alerts"], id="a-monitor"),
        pytest.param("gpu-01", {}, NOBODY, [], id="nobody-monitors"),
        pytest.param("gpu-01", {"metrics_enabled": True}, NOBODY, ["node", "ollama"], id="somebody-elsewhere-monitors"),
        pytest.param("gpu-01", {"metrics_enabled": False}, GROUPS, [], id="switched-off"),
    ],
)
def test_a_host_has_the_modules_of_its_groups(host, variables, groups, names):
    assert list(FILTERS["metrics_modules"](host, hosts(**{host: variables}), groups)) == names


def test_modules_say_where_they_are_and_whether_they_are_scraped():
    found = FILTERS["metrics_modules"]("edge", hosts(edge={"balancer_metrics_port": 8500}), GROUPS)
    assert found["users"] == {"port": 8500, "path": "/metrics/users", "verify": True, "scrape": True}
    assert FILTERS["metrics_modules"]("mon", HOSTS, GROUPS)["query"] == {
        "port": 9090, "path": "/api/v1/query", "verify": False, "scrape": False,
    }  # fmt: skip


def test_each_module_is_a_file():
    (file,) = FILTERS["metrics_module_files"]({"query": {"port": 9090, "path": "/api/v1/query", "verify": False}}, "/etc/m")
    assert file["path"] == "/etc/m/query.yml"
    assert file["content"].splitlines()[1:] == [
        "method: http", "timeout: 10s", "http:", "  address: 127.0.0.1", "  port: 9090", "  path: /api/v1/query", "  verify: false",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("variables", "bound", "address"),
    [
        pytest.param({}, None, "gpu-01", id="the-name"),
        pytest.param({"ansible_host": "10.20.0.5"}, None, "10.20.0.5", id="where-ansible-reaches-it"),
        pytest.param({"metrics_address": "m.example.com", "metrics_bind": "tailscale"}, None, "m.example.com", id="said"),
        pytest.param({"metrics_bind": "[fd00::5]"}, None, "fd00::5", id="an-address"),
        pytest.param({"metrics_bind": "loopback"}, None, "127.0.0.1", id="loopback"),
        pytest.param({"metrics_bind": "wireguard", "wireguard_addresses": ["10.86.0.7"]}, None, "10.86.0.7", id="wireguard"),
        pytest.param({"metrics_bind": "wg0", "wireguard_addresses": ["10.86.0.7"]}, None, "10.86.0.7", id="the-interface-of-wireguard"),
        pytest.param({"metrics_bind": "tailscale"}, None, "", id="only-the-host-knows"),
        pytest.param({"metrics_bind": "tailscale"}, {"addresses": ["100.64.0.3"]}, "100.64.0.3", id="the-host-told"),
    ],
)
def test_where_a_host_is_asked(variables, bound, address):
    assert FILTERS["metrics_address"]("gpu-01", hosts(**{"gpu-01": variables}), bound) == address


@pytest.mark.parametrize(
    ("host", "askers"),
    [
        pytest.param("gpu-01", ["mon"], id="monitors-ask-everybody"),
        pytest.param("edge", ["mon"], id="a-gateway-too"),
        pytest.param("mon", ["edge"], id="gateways-ask-monitors"),
    ],
)
def test_who_may_ask(host, askers):
    assert FILTERS["metrics_askers"](host, HOSTS, GROUPS) == askers


def test_a_host_without_metrics_asks_nobody():
    assert FILTERS["metrics_askers"]("mon", hosts(edge={"metrics_enabled": False}), GROUPS) == []


def test_certificates_are_those_told_in_this_run_or_answered():
    asked = [
        {"item": "mon", "texts": {"/i.crt": PEM.format(1)}},
        {"item": "edge", "unreachable": True},
        {"item": "gpu-01", "texts": {"/i.crt": ""}},
    ]
    known = hosts(**{"gpu-01": {"__metrics_own": PEM.format(2)}})
    assert FILTERS["metrics_certificates"](["mon", "edge", "gpu-01"], known, asked, "/i.crt") == {
        "mon": PEM.format(1),
        "gpu-01": PEM.format(2),
    }


def test_a_bundle_keeps_whom_nobody_reached_and_forgets_who_left():
    bundle = FILTERS["metrics_bundle"]
    before = bundle(["mon", "mon-2", "gone"], {"mon": PEM.format(1), "mon-2": PEM.format(2), "gone": PEM.format(3)}, "")
    after = bundle(["mon", "mon-2", "new"], {"mon": PEM.format(9)}, before)
    assert after == f"# host mon\n{PEM.format(9)}\n# host mon-2\n{PEM.format(2)}\n"
    assert bundle(["mon", "mon-2"], {}, after) == after


def test_of_a_file_of_a_client_only_the_certificates_are_taken():
    key = "-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----"
    text = f"{key}\n{PEM.format(1)}\nwords\n{PEM.format(2)}\n"
    found = FILTERS["metrics_bundle"](["mon"], {"mon": PEM.format(3)}, "", {"prometheus.pem": text})
    assert found == f"# host mon\n{PEM.format(3)}\n# file prometheus.pem\n{PEM.format(1)}\n{PEM.format(2)}\n"
    assert FILTERS["metrics_bundle"](["mon"], {}, found) == f"# host mon\n{PEM.format(3)}\n"


@pytest.mark.parametrize(
    ("certificate", "reason"),
    [
        pytest.param({}, "there is none yet", id="none"),
        pytest.param({"not_after": "20270126120000Z", "subject_alt_name": ["DNS:gpu-01"]}, "it expires on 2027-01-26", id="59-days-left"),
        pytest.param({"not_after": "20270128120000Z", "subject_alt_name": ["DNS:GPU-01", "IP:fd00:0::5"]}, "", id="61-days-left"),
        pytest.param({"not_after": "20281128120000Z", "subject_alt_name": ["DNS:gpu-01"]}, "it is for another name or address", id="moved"),
    ],
)
def test_when_a_certificate_is_due(certificate, reason):
    assert FILTERS["metrics_identity_due"](certificate, ["DNS:gpu-01", "IP:fd00::5"], NOW) == reason


def test_a_certificate_is_for_the_name_and_the_address():
    assert FILTERS["metrics_alt_names"]("gpu-01", "10.20.0.5") == ["DNS:gpu-01", "IP:10.20.0.5"]
    assert FILTERS["metrics_alt_names"]("gpu-01", "gpu-01") == ["DNS:gpu-01"]


@pytest.mark.parametrize(
    ("host", "variables", "addresses", "sources"),
    [
        pytest.param("gpu-01", {}, {}, ["10.20.0.9"], id="the-address-of-the-monitor"),
        pytest.param("mon", {}, {}, ["10.20.0.2"], id="gateways-at-the-monitor"),
        pytest.param("gpu-01", {"metrics_bind": "wireguard"}, {}, ["wireguard"], id="all-of-a-private-network"),
        pytest.param("edge", {"metrics_bind": "wireguard"}, {}, None, id="a-network-that-the-host-is-not-in"),
        pytest.param("gpu-01", {"metrics_bind": "loopback"}, {}, None, id="loopback"),
        pytest.param("gpu-01", {"metrics_enabled": False}, {}, None, id="switched-off"),
    ],
)
def test_the_firewall_lets_in_those_who_ask(host, variables, addresses, sources):
    expected = [] if sources is None else [{"ports": [9998], "from": sources}]
    known = hosts(**{host: {**HOSTS[host], **variables}})
    assert FILTERS["metrics_openings"](host, known, GROUPS, addresses) == expected


def test_the_firewall_lets_in_a_name_by_the_addresses_that_the_host_knows():
    known = hosts(mon={"metrics_source": "mon.example.com"})
    addresses = {"mon.example.com": ["10.20.0.9", "fe80::1%eth0", "127.0.0.1"]}
    assert FILTERS["metrics_openings"]("gpu-01", known, GROUPS, addresses) == [{"ports": [9998], "from": ["10.20.0.9"]}]
    assert FILTERS["metrics_openings"]("gpu-01", known, GROUPS, {}) == []


def test_sources_are_said_or_where_ansible_reaches_the_host():
    assert FILTERS["metrics_sources"](["mon", "edge", "gpu-01"], HOSTS) == {"mon": "10.20.0.9", "edge": "10.20.0.2", "gpu-01": "gpu-01"}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        pytest.param({}, [], id="fine"),
        pytest.param({"bind": "0.0.0.0"}, ["metrics_bind is 0.0.0.0, which is no address of one host"], id="everywhere-by-address"),
        pytest.param({"bind": "two words"}, ["metrics_bind is 'two words': write all"], id="no-interface"),
        pytest.param({"port": 0}, ["metrics_port 0 is not a port"], id="no-port"),
        pytest.param({"user_labels": "hash"}, ["metrics_user_salt is empty"], id="a-hash-that-can-be-guessed"),
        pytest.param({"gpus": -1}, ["metrics_gpus is -1"], id="fewer-than-no-gpus"),
        pytest.param({"clients": {"a.pem": "", "b.pem": "text"}}, ["a.pem, which cannot be read", "b.pem, which holds no certificate"], id="clients"),
        pytest.param({"clients": {"a.pem": PEM}}, [], id="a-client"),
        pytest.param({"sources": {"mon": "m"}, "addresses": {"m": []}}, ["set metrics_source of mon"], id="a-monitor-without-an-address"),
        pytest.param({"sources": {"mon": "m"}, "addresses": {"m": []}, "closed": False}, [], id="nobody-is-shut-out"),
        pytest.param({"sources": {"mon": "m"}, "addresses": {}}, [], id="not-looked-up-yet"),
    ],
)  # fmt: skip
def test_each_problem_is_one_sentence(changed, words):
    found = FILTERS["metrics_problems"]({**SETTINGS, **changed})
    assert len(found) == len(words)
    assert all(word in sentence for word, sentence in zip(words, found))


def test_the_exporter_waits_for_an_address_that_comes_late():
    assert FILTERS["metrics_wait"]("")["lines"] == []
    assert "After=llm-metrics-address@10.86.0.7.service" in FILTERS["metrics_wait"]("10.86.0.7")["lines"]
