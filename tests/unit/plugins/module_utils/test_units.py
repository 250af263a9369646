# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.llm.host.plugins.module_utils._units import Plan, UnitError, Units, UnitState, api_url, make_plan, of_unit

RUNNING = UnitState("ollama.service", loaded=True, active="active", enabled=True, started=100.0)
SHOW = """Id=ollama.service
LoadState=loaded
ActiveState=active
SubState=running
UnitFileState=enabled
NeedDaemonReload=no
FragmentPath=/etc/systemd/system/ollama.service
DropInPaths=/etc/systemd/system/ollama.service.d/10-llm-host.conf /etc/systemd/system/ollama.service.d/override.conf
EnvironmentFiles=/etc/systemd/system/ollama.service.d/secret.env (ignore_errors=no)
ExecMainStartTimestamp=Mon 2026-11-23 08:37:11.250000 UTC
NRestarts=2
MainPID=812
"""


@pytest.mark.parametrize(
    ("state", "pending", "changed_at", "plan"),
    [
        pytest.param(RUNNING, [], {"/unit": 99.0}, Plan("ollama.service"), id="nothing-to-do"),
        pytest.param(
            UnitState("ollama.service"), [], {}, Plan("ollama.service", reload_manager=True, enable=True, start=True), id="a-virgin-host"
        ),
        pytest.param(
            RUNNING, [], {"/unit": 101.0},
            Plan("ollama.service", restart=True, reasons=("/unit changed after the start",)),
            id="an-earlier-run-was-killed-before-the-restart",
        ),
        pytest.param(
            dataclasses.replace(RUNNING, needs_reload=True), [], {"/unit": 99.0},
            Plan("ollama.service", reload_manager=True, restart=True, reasons=("systemd has not read its unit again",)),
            id="it-crashed-between-the-change-and-the-restart",
        ),
        pytest.param(
            RUNNING, ["the settings changed"], {}, Plan("ollama.service", restart=True, reasons=("the settings changed",)), id="this-run-changed"
        ),
        pytest.param(
            UnitState("ollama.service", loaded=True, active="failed", enabled=True), ["the settings changed"], {},
            Plan("ollama.service", start=True), id="a-stopped-unit-is-started-and-not-restarted",
        ),
    ],
)  # fmt: skip
def test_plan(state, pending, changed_at, plan):
    assert make_plan(state, pending=pending, changed_at=changed_at) == plan


@pytest.mark.parametrize(
    ("name", "path", "own"),
    [
        pytest.param("ollama.service", "/etc/systemd/system/ollama.service", True, id="its-unit"),
        pytest.param("ollama.service", "/etc/systemd/system/ollama.service.d/10-llm-host.conf", True, id="a-drop-in-that-is-new"),
        pytest.param("ollama.service", "/etc/systemd/system/ollama@.service", False, id="the-template-of-the-others"),
        pytest.param("ollama.service", "/etc/systemd/system/ollama@gpu1.service.d/10-llm-host.conf", False, id="settings-of-another"),
        pytest.param("ollama@gpu1.service", "/etc/systemd/system/ollama@.service", True, id="its-template"),
        pytest.param(
            "ollama@gpu1.service", "/etc/systemd/system/ollama@gpu10.service.d/secret.env", False, id="another-whose-name-begins-so"
        ),
        pytest.param("ollama@gpu1.service", "/etc/known.env", True, id="what-systemd-knows-as-its-own"),
    ],
)
def test_an_instance_is_concerned_by_its_own_files_only(name, path, own):
    assert of_unit(UnitState(name, files=("/etc/known.env",)), [path]) == ([path] if own else [])


def test_state_is_read_from_systemctl_show():
    state = Units(lambda command: (0, SHOW, "")).states(["ollama.service"])[0]
    assert (state.running, state.enabled, state.needs_reload, state.restarts) == (True, True, False, 2)
    assert state.files[-1] == "/etc/systemd/system/ollama.service.d/secret.env"
    assert len(state.files) == 4
    assert state.started is not None and state.started % 1 == 0.25


def test_the_manager_is_reloaded_once_for_all_units():
    commands = []
    units = Units(lambda command: commands.append(command) or (0, "", ""))
    units.apply([Plan("a", reload_manager=True, enable=True, start=True), Plan("b", reload_manager=True, restart=True)])
    assert commands == [["systemctl", "daemon-reload"], ["systemctl", "reenable", "a"], ["systemctl", "restart", "a", "b"]]


def test_a_failing_systemctl_says_what_it_said():
    with pytest.raises(UnitError, match="systemctl restart a failed: no such unit"):
        Units(lambda command: (5, "", "no such unit")).apply([Plan("a", restart=True)])


def test_the_journal_is_shown_without_the_line_that_holds_the_environment():
    units = Units(lambda command: (0, 'msg="server config" env="map[HTTPS_PROXY:http://u:p@x]"\nListening\n', ""))
    assert units.journal("a") == "Listening"


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        pytest.param(b"HOME=/\0", "http://127.0.0.1:11434", id="default"),
        pytest.param(b"OLLAMA_HOST=0.0.0.0\0", "http://127.0.0.1:11434", id="everywhere"),
        pytest.param(b"A=b\0OLLAMA_HOST=http://10.0.0.5:8080/\0", "http://10.0.0.5:8080", id="with-scheme-and-port"),
        pytest.param(b"OLLAMA_HOST=[::]:11500\0", "http://[::1]:11500", id="everywhere-of-ipv6"),
        pytest.param(None, "http://127.0.0.1:11434", id="process-is-gone"),
    ],
)
def test_where_a_running_server_answers(tmp_path, environ, url):
    if environ is not None:
        (tmp_path / "7").mkdir()
        (tmp_path / "7/environ").write_bytes(environ)
    assert api_url(7, proc=str(tmp_path)) == url


def test_what_an_interrupted_run_left_is_proved_also_where_it_has_to_be_started():
    assert make_plan(RUNNING, pending=[], changed_at={}, unproved=True).actions == ["prove"]
    assert make_plan(UnitState("ollama.service", loaded=True, enabled=True), pending=[], changed_at={}, unproved=True).actions == [
        "start",
        "prove",
    ]
