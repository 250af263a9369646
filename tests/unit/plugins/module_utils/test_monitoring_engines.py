# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How Prometheus, Alertmanager and the blackbox exporter are started, checked and loaded."""

from __future__ import annotations

import hashlib

import pytest

from ansible_collections.llm.host.plugins.module_utils import _monitoring_engines
from ansible_collections.llm.host.plugins.module_utils._monitoring_engines import MONITORS, Alertmanager, Prometheus, refusal
from ansible_collections.llm.host.plugins.module_utils._web_engines import EngineError
from ansible_collections.llm.host.plugins.module_utils._web_server import Service

PROMTOOL = """Checking /etc/prometheus/llm/.x
  FAILED: parsing YAML file /etc/prometheus/llm/.x: yaml: line 2: did not find expected key
"""
RULES = """Checking /etc/prometheus/llm/.x
 SUCCESS: /etc/prometheus/llm/.x is valid prometheus config file syntax

Checking /etc/prometheus/llm/rules/a.yml
  FAILED:
/etc/prometheus/llm/rules/a.yml: 4:11: group "g", rule 0, could not parse expression: 1:3: parse error: unexpected end of input
"""
AMTOOL = """Checking '/etc/prometheus/llm/.x'  FAILED: undefined receiver "b" used in route
amtool: error: failed to validate 1 file(s)
"""
BLACKBOX = 'ts=2026-11-28T20:00:00Z caller=main.go:1 level=error msg="Error loading config" err="error parsing config file: yaml: \\"x\\" unknown"\n'


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        pytest.param(PROMTOOL, "parsing YAML file /etc/prometheus/llm/.x: yaml: line 2: did not find expected key", id="promtool"),
        pytest.param(RULES, RULES.splitlines()[-1], id="promtool-about-rules"),
        pytest.param(AMTOOL, 'undefined receiver "b" used in route', id="amtool"),
        pytest.param(BLACKBOX, 'error parsing config file: yaml: "x" unknown', id="blackbox-exporter"),
        pytest.param("killed", "killed", id="anything-else"),
    ],
)
def test_a_refusal_is_the_sentence_of_the_checker(output, expected):
    assert refusal(output) == expected


def engine(run=lambda command, **_options: (0, "", ""), arguments=("--a=b",)):
    return Prometheus(run, lambda program: f"/usr/bin/{program}", config="/etc/p.yml", arguments=arguments, url="http://127.0.0.1:1")


def test_the_drop_in_takes_the_place_of_what_the_package_starts():
    text = engine(arguments=("--a=50% of $x", "--b=c")).drop_in_text
    assert text.splitlines()[-2:] == ["ExecStart=", 'ExecStart=/usr/bin/prometheus "--a=50%% of $$x" --b=c']


@pytest.mark.parametrize(
    ("service", "written", "runs_with", "expected"),
    [
        pytest.param(Service(active=True, pid=1), [], ("--a=b",), True, id="as-wanted"),
        pytest.param(Service(active=True, pid=1), [], ("--a=c",), False, id="killed-before-the-restart"),
        pytest.param(Service(active=True, pid=1, stale=True), [], ("--a=b",), False, id="systemd-was-not-told"),
        pytest.param(Service(active=True, pid=1), [Prometheus.drop_in], ("--a=b",), False, id="about-to-change"),
        pytest.param(Service(), [], (), True, id="does-not-run"),
    ],
)
def test_only_a_restart_brings_other_arguments(monkeypatch, service, written, runs_with, expected):
    monkeypatch.setattr(_monitoring_engines, "_command_line", lambda pid: ("/usr/bin/prometheus", *runs_with))
    assert engine().started_as_wanted(service, written) is expected


def test_the_message_names_the_place_of_the_configuration_and_not_of_the_draft():
    found = engine(run=lambda command, **_options: (1, "", PROMTOOL)).check("/etc/prometheus/llm/.x")
    assert found == "parsing YAML file /etc/p.yml: yaml: line 2: did not find expected key"


def test_a_reload_has_ended_when_the_program_says_so(monkeypatch):
    times = iter([1.0, 1.0, 2.0])
    monkeypatch.setattr(Alertmanager, "_loaded", lambda engine: next(times))
    commands = []
    Alertmanager(lambda command, **_options: commands.append(command) or (0, "", ""), str).reload(5)
    assert commands == [["systemctl", "reload", "prometheus-alertmanager.service"]] and not list(times)


def test_a_reload_that_is_not_taken_is_an_error(monkeypatch):
    monkeypatch.setattr(Prometheus, "_loaded", lambda engine: 1.0)
    with pytest.raises(EngineError, match="did not load the new configuration within 0 s"):
        engine().reload(0)


@pytest.mark.parametrize("kind", MONITORS.values(), ids=lambda kind: kind.name)
def test_one_that_nobody_else_configured_has_nothing_else_to_do(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(kind, "own", str(tmp_path / "own.yml"))
    (tmp_path / "own.yml").write_text("as the package has it\n")
    known = f" {tmp_path}/own.yml a0ffb3d57fe0a8dc4fb1a32b1e4e5a3a\n"
    monitor = kind(lambda command, **_options: (0, known, ""), lambda program: f"/usr/bin/{program}")
    assert monitor.serves_others()
    digest = hashlib.md5(b"as the package has it\n").hexdigest()
    monitor = kind(lambda command, **_options: (0, f" {tmp_path}/own.yml {digest}\n", ""), lambda program: f"/usr/bin/{program}")
    assert not monitor.serves_others()
