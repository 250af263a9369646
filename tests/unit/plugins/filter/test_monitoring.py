# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom Prometheus asks, whom Alertmanager tells, and what is wrong with the settings of the monitoring."""

from __future__ import annotations

import base64

import pytest

from ansible_collections.llm.host.plugins.filter.monitoring import FilterModule

FILTERS = FilterModule().filters()
ONE, TWO = (f"-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n" for text in ("b25l", "dHdv"))
SETTINGS = {
    "dir": "/etc/prometheus/llm",
    "port": 9090,
    "alertmanager_port": 9093,
    "blackbox_port": 9115,
    "metrics_port": 9998,
    "retention": "90d",
    "retention_size": "",
    "scrape_interval": 15,
    "external_labels": {},
    "scrape_configs": [],
    "alert_receivers": [],
    "smtp": {},
    "alertmanager_config": {},
    "runbooks": "https://example.com/alerts.md",
    "thresholds": {
        "latency_floor": 5,
        "latency_percent": 200,
        "tokens_drop": 30,
        "gpu_memory": 90,
        "queue_waiting": 10,
        "refused_per_minute": 1,
        "loads_per_hour": 30,
        "certificate_days": 21,
        "tailnet_key_days": 14,
        "disk_free": 5,
        "canary_hours": 26,
    },
}
GATEWAY = {"gateway_domain": "llm.example.com"}


def told(host, text):
    return {"item": host, "content": base64.b64encode(text.encode()).decode()}


@pytest.mark.parametrize(
    ("looks", "known", "expected"),
    [
        pytest.param([told("a", ONE)], {}, {"a": ONE}, id="new-host"),
        pytest.param([told("a", TWO)], {"a": ONE}, {"a": TWO}, id="new-certificate"),
        pytest.param([{"item": "a", "unreachable": True}], {"a": ONE}, {"a": ONE}, id="unreachable-host-keeps-what-it-had"),
        pytest.param([{"item": "a", "msg": "no such file"}], {}, {}, id="host-without-a-certificate"),
        pytest.param([told("b", TWO)], {"a": ONE, "b": TWO}, {"b": TWO}, id="host-that-left-is-forgotten"),
        pytest.param([told("a", "no certificate")], {}, {}, id="something-else"),
    ],
)
def test_certificates_are_those_that_hosts_tell_or_told_before(looks, known, expected):
    assert FILTERS["monitoring_certificates"](looks, FILTERS["monitoring_bundle"](known)) == expected


def test_certificates_that_were_told_in_this_run_need_no_look_and_the_order_is_always_the_same():
    found = FILTERS["monitoring_certificates"]([told("b", TWO)], "", {"a": ONE})
    assert list(found.items()) == [("a", ONE), ("b", TWO)]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param(["DNS:gpu-01", "IP:10.0.0.5"], "10.0.0.5", id="its-address"),
        pytest.param(["DNS:gpu-01", "DNS:gpu-01.example.com"], "gpu-01.example.com", id="a-name-by-which-it-is-reached"),
        pytest.param(["DNS:gpu-01"], "gpu-01", id="its-name-in-the-inventory"),
        pytest.param([], "gpu-01", id="nothing-said"),
    ],
)
def test_where_a_host_is_asked_stands_in_its_certificate(names, expected):
    assert FILTERS["monitoring_addresses"]({"gpu-01": names}) == {"gpu-01": expected}


def test_each_module_that_belongs_to_a_scrape_is_a_target():
    modules = {"a": {"node": {"scrape": True}, "query": {"scrape": False}}, "b": {}, "gone": {"node": {"scrape": True}}}
    found = FILTERS["monitoring_targets"]({"a": "fd00::5", "b": "10.0.0.6"}, modules, {"a": {"metrics_port": 9000}, "b": {}})
    assert found == [{"targets": ["[fd00::5]:9000"], "labels": {"instance": "a", "job": "node", "__param_module": "node"}}]


@pytest.mark.parametrize(
    ("variables", "monitor", "expected"),
    [
        pytest.param({}, "mon", ("https://llm.example.com", "https://10.0.0.4:443/readyz", True), id="at-the-address-of-its-metrics"),
        pytest.param(
            {"gateway_port": 8443}, "mon", ("https://llm.example.com:8443", "https://10.0.0.4:8443/readyz", True), id="another-port"
        ),
        pytest.param(
            {"gateway_verify_address": "10.9.9.9"}, "mon", ("https://llm.example.com", "https://10.9.9.9:443/readyz", True), id="where-said"
        ),
        pytest.param(
            {"gateway_bind": ["loopback"]}, "edge", ("https://llm.example.com", "https://127.0.0.1:443/readyz", True), id="itself"
        ),
        pytest.param({"gateway_bind": "loopback"}, "mon", None, id="nobody-else-can-call-it"),
        pytest.param({"gateway_domain": None}, "mon", None, id="no-gateway-yet"),
        pytest.param(
            {"gateway_tls": {"mode": "files"}},
            "mon",
            ("https://llm.example.com", "https://10.0.0.4:443/readyz", False),
            id="a-known-authority",
        ),
    ],
)
def test_gateways_are_asked_where_the_monitor_reaches_them(variables, monitor, expected):
    found = FILTERS["monitoring_probes"](["edge"], {"edge": {**GATEWAY, **variables}}, {"edge": "10.0.0.4"}, monitor)
    assert [(entry["url"], entry["target"], entry["selfsigned"]) for entry in found] == ([expected] if expected else [])


def test_only_gateways_with_an_authority_of_their_own_name_one():
    asked = FILTERS["monitoring_probes"](
        ["own", "public", "given"],
        {
            "own": GATEWAY,
            "public": {**GATEWAY, "gateway_tls": {"mode": "acme"}},
            "given": {**GATEWAY, "gateway_tls": {"mode": "files"}, "gateway_verify_ca": "/ca.pem"},
        },
        dict.fromkeys(("own", "public", "given"), "10.0.0.4"),
        "mon",
    )
    modules = FILTERS["monitoring_probe_modules"](asked, "/cas.crt")["modules"]
    assert [name for name, module in modules.items() if module["http"]["tls_config"].get("ca_file") == "/cas.crt"] == ["own", "given"]
    assert {module["http"]["tls_config"]["server_name"] for module in modules.values()} == {"llm.example.com"}


def test_everybody_is_told_what_is_as_severe_as_they_say():
    receivers = [
        {"name": "ops", "email": ["a@example.com", "b@example.com"]},
        {"name": "chat", "webhook": "https://x.example.com", "webhook_token": "t0k3n!", "severities": ["critical"]},
    ]
    config = FILTERS["monitoring_alertmanager"](receivers, {"smarthost": "m:25", "username": "u"}, {})
    assert config["global"] == {"smtp_smarthost": "m:25", "smtp_auth_username": "u"}
    assert config["route"]["receiver"] == "nobody"
    assert [(route["receiver"], route["continue"], route.get("matchers")) for route in config["route"]["routes"]] == [
        ("ops", True, None),
        ("chat", True, ['severity=~"critical"']),
    ]
    assert [receiver["name"] for receiver in config["receivers"]] == ["nobody", "ops", "chat"]
    assert [entry["to"] for entry in config["receivers"][1]["email_configs"]] == ["a@example.com", "b@example.com"]


def test_what_is_given_in_alertmanagers_format_wins_and_adds_receivers():
    raw = {"route": {"repeat_interval": "1h", "routes": []}, "receivers": [{"name": "pager"}], "inhibit_rules": [{}]}
    config = FILTERS["monitoring_alertmanager"]([{"name": "ops", "email": ["a@b"]}], {}, raw)
    assert config["route"]["repeat_interval"] == "1h" and config["route"]["group_wait"] == "30s" and config["route"]["routes"] == []
    assert [receiver["name"] for receiver in config["receivers"]] == ["nobody", "ops", "pager"]
    assert config["inhibit_rules"] == [{}]


def test_secrets_are_found_wherever_they_are():
    smtp, receivers = {"password": "s3cr3t-1"}, [{"name": "chat", "webhook": "https://h/s3cr3t-2", "webhook_token": "s3cr3t-3"}]
    raw = {
        "receivers": [{"name": "p", "pagerduty_configs": [{"routing_key": "s3cr3t-4"}]}],
        "global": {"slack_api_url": "https://s3cr3t-5"},
    }
    found = FILTERS["monitoring_secrets"](FILTERS["monitoring_alertmanager"](receivers, smtp, raw))
    assert sorted(found) == ["https://h/s3cr3t-2", "https://s3cr3t-5", "s3cr3t-1", "s3cr3t-3", "s3cr3t-4"]


def test_the_defaults_are_no_problem():
    assert FILTERS["monitoring_problems"](SETTINGS) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param({"dir": "/etc"}, "monitoring_dir", id="a-directory-of-the-system"),
        pytest.param({"dir": "/etc/../etc"}, "monitoring_dir", id="a-path-with-dots"),
        pytest.param({"port": 0}, "monitoring_port 0 is not a port", id="no-port"),
        pytest.param(
            {"blackbox_port": 9093}, "monitoring_blackbox_port and monitoring_alertmanager_port are both 9093", id="one-port-twice"
        ),
        pytest.param({"retention": "90"}, "monitoring_retention is '90'", id="no-unit"),
        pytest.param({"retention_size": "20 GB"}, "monitoring_retention_size", id="size-with-a-blank"),
        pytest.param({"scrape_interval": 300}, "monitoring_scrape_interval is 300", id="too-slow"),
        pytest.param({"external_labels": {"a-b": "c"}}, "'a-b'", id="no-label"),
        pytest.param({"scrape_configs": [{}]}, "monitoring_scrape_configs[0] has no job_name", id="job-without-a-name"),
        pytest.param({"runbooks": "docs/alerts.md"}, "monitoring_runbooks", id="no-address"),
        pytest.param({"thresholds": {**SETTINGS["thresholds"], "gpu_memory": 900}}, "monitoring_gpu_memory is 900", id="beyond-a-limit"),
        pytest.param(
            {"thresholds": {**SETTINGS["thresholds"], "latency_percent": 50}}, "monitoring_latency_percent is 50", id="below-a-limit"
        ),
        pytest.param({"alert_receivers": [{"name": "a"}]}, "has neither email, webhook nor slack", id="nowhere-to-tell"),
        pytest.param({"alert_receivers": [{"name": "a", "webhook": "example.com"}]}, "has webhook, which is none", id="no-webhook"),
        pytest.param(
            {"alert_receivers": [{"name": "a", "email": ["ops"]}], "smtp": {"smarthost": "m:25", "from": "a@b"}},
            "has email, which is none",
            id="no-mail-address",
        ),
        pytest.param({"alert_receivers": [{"name": "a", "email": ["o@e.com"]}]}, "monitoring_smtp does not say", id="no-mail-server"),
        pytest.param({"smtp": {"smarthost": "mail"}}, "monitoring_smtp.smarthost is 'mail'", id="mail-server-without-a-port"),
        pytest.param(
            {"alert_receivers": [{"name": "a", "webhook": "https://e.com", "severities": ["loud"]}]},
            "the severity 'loud'",
            id="no-severity",
        ),
        pytest.param(
            {"alert_receivers": [{"name": "a", "webhook": "https://e.com"}, {"name": "a", "webhook": "https://f.com"}]},
            "monitoring_alert_receivers[1] is called a",
            id="one-name-twice",
        ),
        pytest.param({"port": 9998}, "monitoring_port and metrics_port are both 9998", id="port-of-the-exporters"),
        pytest.param({"alertmanager_config": {"route": {"receiver": "b"}}}, "names the receiver 'b'", id="route-to-nobody"),
        pytest.param({"alertmanager_config": {"route": 7}}, "route is no dictionary", id="route-that-is-none"),
        pytest.param({"alertmanager_config": {"route": {"routes": ["c"]}}}, "or its routes are no list of such", id="routes-that-are-none"),
        pytest.param({"alertmanager_config": {"receivers": "b"}}, "receivers is no list", id="receivers-that-are-none"),
        pytest.param(
            {"alertmanager_config": {"route": {"routes": [{"receiver": "c"}]}, "receivers": [{"name": "b"}]}},
            "names the receiver 'c'",
            id="inner-route-to-nobody",
        ),
    ],
)
def test_what_cannot_work_is_said_in_one_sentence(change, words):
    (problem,) = FILTERS["monitoring_problems"]({**SETTINGS, **change})
    assert words in problem


def test_no_problem_shows_a_secret():
    receivers = [{"name": "a", "slack": "s3cr3t"}, {"name": "a", "webhook": "s3cr3t", "webhook_token": "s3cr3t"}]
    assert "s3cr3t" not in " ".join(FILTERS["monitoring_problems"]({**SETTINGS, "alert_receivers": receivers}))
