# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Prometheus and Alertmanager say of what the role writes for them, and when the alerts fire."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
import yaml
from rendered import alerts, rendered, rules

from ansible_collections.llm.host.plugins.plugin_utils._monitoring import alertmanager, probe_modules

CASES = yaml.safe_load((Path(__file__).parent / "alerts.yml").read_text())


def promtool_test(name: str, case: dict[str, t.Any], rule: dict[str, t.Any]) -> str:
    """A file for promtool of one case."""
    expected = []
    if "says" in case:
        texts = {**rule["annotations"], "description": case["says"]}
        expected = [{"exp_labels": {**rule["labels"], **case["labels"]}, "exp_annotations": texts}]
    interval = case.get("interval", "1m")
    test = {
        "interval": interval,
        "input_series": [{"series": series, "values": values} for series, values in case["series"].items()],
        "alert_rule_test": [{"eval_time": case["at"], "alertname": name, "exp_alerts": expected}],
    }
    return json.dumps({"rule_files": ["/t/rules/*.yml"], "evaluation_interval": interval, "tests": [test]})


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not():
    assert {name for name, cases in CASES.items() if cases["fires"] and cases["silent"]} == set(alerts())


def test_alerts_fire_when_their_cause_is_there_and_not_otherwise(debian):
    files = {
        f"/t/{name}-{kind}-{number}.json": promtool_test(name, case, alerts()[name])
        for name, cases in CASES.items()
        for kind in ("fires", "silent")
        for number, case in enumerate(cases[kind])
    }
    debian.write({**files, **{f"/t/rules/{name}": text for name, text in rules().items()}})
    result = debian.run("promtool", "test", "rules", *files, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_promtool_takes_the_rules(debian):
    debian.write({f"/t/rules/{name}": text for name, text in rules().items()})
    debian.run("sh", "-c", "promtool check rules /t/rules/*.yml")


@pytest.mark.parametrize(
    "variables",
    [
        pytest.param({}, id="defaults"),
        pytest.param(
            {
                "monitoring_external_labels": {"site": "berlin"},
                "monitoring_scrape_configs": [{"job_name": "mine", "static_configs": [{"targets": ["127.0.0.1:1"]}]}],
                "monitoring_scrape_interval": 5,
            },
            id="all-changed",
        ),
    ],
)
def test_promtool_takes_the_configuration(debian, variables):
    empty = dict.fromkeys(("/etc/prometheus/llm/hosts.crt", "/etc/llm-metrics/identity.crt", "/etc/llm-metrics/identity.key"), "")
    debian.write({"/t/prometheus.yml": rendered("prometheus.yml", **variables), **empty})
    debian.run("promtool", "check", "config", "/t/prometheus.yml")


def test_the_snippet_for_another_prometheus_has_only_the_hosts():
    jobs = yaml.safe_load(rendered("snippet.yml", monitoring_provider="existing"))["scrape_configs"]
    assert [job["job_name"] for job in jobs] == ["llm-hosts"]


def test_amtool_takes_every_kind_of_receiver(debian):
    receivers = [
        {"name": "ops", "email": ["ops@example.com"], "severities": ["critical", "warning"]},
        {"name": "chat", "webhook": "https://chat.example.com/hook", "webhook_token": "t0k3n"},
        {"name": "slack", "slack": "https://hooks.slack.com/services/x"},
    ]
    smtp = {"smarthost": "mail.example.com:587", "from": "llm@example.com", "username": "llm", "password": "s3cr3t", "require_tls": True}
    raw = {"route": {"repeat_interval": "1h"}, "receivers": [{"name": "pager", "pagerduty_configs": [{"routing_key": "k"}]}]}
    debian.write({"/t/alertmanager.yml": rendered("alertmanager.yml", __monitoring_alertmanager=alertmanager(receivers, smtp, raw))})
    debian.run("amtool", "check-config", "/t/alertmanager.yml")


def test_the_blackbox_exporter_takes_its_modules(debian):
    asked = {"gateway": "edge", "domain": "llm.example.com", "host": "llm.example.com:8443", "selfsigned": True, "ca": ""}
    debian.write({"/t/blackbox.yml": json.dumps(probe_modules([asked], "/t/ca.crt")), "/t/ca.crt": ""})
    debian.run("prometheus-blackbox-exporter", "--config.file=/t/blackbox.yml", "--config.check")
