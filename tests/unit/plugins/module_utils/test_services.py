# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import os

import pytest

from ansible_collections.llm.host.plugins.module_utils._http import Response, TransportError
from ansible_collections.llm.host.plugins.module_utils._services import Due, Services, Wanted, changes, decide
from ansible_collections.llm.host.plugins.module_utils._units import UnitError, Units, UnitState

NAME = "exporter.service"
UNIT = f"/usr/lib/systemd/system/{NAME}"
RUNNING = UnitState(NAME, loaded=True, active="active", enabled=True, files=(UNIT,), started=100.0, entered=101.0, settled=101.0)
RELOADED = dataclasses.replace(RUNNING, settled=200.0)
READS = Wanted(NAME, files=("/etc/exporter",))
RELOADS = Wanted(NAME, files=("/etc/exporter",), reload=True)
TIMER = UnitState("x.timer", loaded=True, active="active", enabled=True, files=("/x.timer",), entered=100.0, settled=100.0)


@pytest.mark.parametrize(
    ("wanted", "state", "changed_at", "written", "actions"),
    [
        pytest.param(READS, RUNNING, {"/etc/exporter": 50, UNIT: 50}, [], [], id="nothing-to-do"),
        pytest.param(READS, UnitState(NAME), {}, [], ["enable", "start"], id="the-unit-is-not-there-yet"),
        pytest.param(READS, RUNNING, {"/etc/exporter": 150}, [], ["restart"], id="an-earlier-run-was-killed-before-the-restart"),
        pytest.param(READS, RUNNING, {"/etc/exporter": 100.5}, [], ["restart"], id="it-changed-while-it-started"),
        pytest.param(READS, RUNNING, {"/etc/exporter": 99.99}, [], ["restart"], id="within-a-tick-of-the-clock-of-files"),
        pytest.param(READS, RUNNING, {"/etc/exporter": 99.9}, [], [], id="shortly-before-the-start"),
        pytest.param(RELOADS, RUNNING, {"/etc/exporter": 150}, [], ["reload"], id="a-reload-is-enough"),
        pytest.param(RELOADS, RUNNING, {"/etc/exporter": 100.5}, [], ["reload"], id="it-changed-while-what-can-reload-started"),
        pytest.param(RELOADS, RELOADED, {"/etc/exporter": 150}, [], [], id="it-was-reloaded-since"),
        pytest.param(READS, RELOADED, {"/etc/exporter": 150}, [], ["restart"], id="somebody-reloaded-what-needs-a-restart"),
        pytest.param(RELOADS, RELOADED, {UNIT: 150}, [], ["restart"], id="a-unit-takes-a-restart-whatever-was-reloaded"),
        pytest.param(READS, RUNNING, {f"/etc/systemd/system/{NAME}.d": 150}, [], ["restart"], id="a-drop-in-has-gone"),
        pytest.param(READS, dataclasses.replace(RUNNING, needs_reload=True), {}, [], ["restart"], id="systemd-has-read-an-older-unit"),
        pytest.param(READS, dataclasses.replace(RUNNING, active="failed"), {UNIT: 150}, [], ["start"], id="what-failed-is-started"),
        pytest.param(READS, dataclasses.replace(RUNNING, enabled=False), {}, [], ["enable"], id="not-at-boot"),
        pytest.param(Wanted("x.timer"), TIMER, {"/x.timer": 99}, [], [], id="a-timer-that-is-as-wanted"),
        pytest.param(Wanted("x.timer"), TIMER, {"/x.timer": 150}, [], ["restart"], id="a-timer-whose-unit-changed"),
        pytest.param(READS, RUNNING, {}, ["/etc/exporter/a.yml"], ["restart"], id="a-check-run-would-write-into-its-directory"),
        pytest.param(READS, RUNNING, {}, [f"/etc/systemd/system/{NAME}.d/50-x.conf"], ["restart"], id="a-check-run-would-write-a-drop-in"),
        pytest.param(READS, RUNNING, {}, ["/etc/exporter2"], [], id="a-check-run-would-write-another-file"),
        pytest.param(Wanted(NAME, started=False, enabled=False), RUNNING, {UNIT: 150}, [], ["stop", "disable"], id="it-is-to-stop"),
        pytest.param(
            Wanted(NAME, started=False, enabled=False), dataclasses.replace(RUNNING, active="activating"), {}, [], ["stop", "disable"],
            id="what-fails-again-and-again-is-to-stop",
        ),
        pytest.param(Wanted(NAME, started=False, enabled=False), UnitState(NAME), {}, [], [], id="what-is-not-there-has-stopped"),
    ],
)  # fmt: skip
def test_what_is_done_follows_from_the_state(wanted, state, changed_at, written, actions):
    assert decide(wanted, state, changed_at, written).actions == actions


def test_the_reason_of_a_restart_is_told():
    assert decide(READS, RUNNING, {"/etc/exporter": 150}).reasons == ("/etc/exporter changed after the start",)


def test_a_directory_changes_with_what_lies_in_it(tmp_path):
    inside = tmp_path / "rules"
    inside.mkdir()
    (inside / "a.yml").write_text("a")
    (tmp_path / "file").write_text("b")
    os.utime(tmp_path / "file", (1, 1))
    found = changes([str(inside), str(tmp_path / "file"), str(tmp_path / "missing")])
    assert found == {
        str(inside): max(inside.stat().st_ctime, (inside / "a.yml").stat().st_ctime),
        str(tmp_path / "file"): (tmp_path / "file").stat().st_ctime,
    }


class Systemd:
    """Answers as systemctl and journalctl do; ``shows`` are the states in the order in which they are asked for."""

    def __init__(self, *shows: str, refuses: str = "") -> None:
        self.commands: list[list[str]] = []
        self._shows = list(shows)
        self._refuses = refuses

    def __call__(self, command: list[str]) -> tuple[int, str, str]:
        self.commands.append([word for word in command if not word.startswith("--")])
        if command[0] == "journalctl":
            return 0, "no such file: /etc/exporter\n", ""
        if command[1] == "show":
            return 0, self._shows.pop(0) if len(self._shows) > 1 else self._shows[0], ""
        return (1, "", f"Job for {NAME} failed.") if command[1] == self._refuses else (0, "", "")

    @property
    def verbs(self) -> list[str]:
        return [" ".join(command[1:]) for command in self.commands if command[1] != "show"]


def shown(active: str = "active", restarts: int = 0) -> str:
    return f"LoadState=loaded\nActiveState={active}\nUnitFileState=enabled\nNeedDaemonReload=no\nNRestarts={restarts}\n"


class Http:
    """Answers with the next of ``replies``, the last one for ever."""

    def __init__(self, *replies: int | TransportError) -> None:
        self._replies = list(replies)

    def open(self, method, url, *, body=None, headers=None, timeout):
        reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        if isinstance(reply, TransportError):
            raise reply
        return Response(status=reply, headers={}, raw=open(os.devnull, "rb"))


def services(systemd: Systemd, *replies: int | TransportError, wait: float = 5) -> Services:
    return Services(Units(systemd), Http(*replies), wait=wait, pause=0, settles=0)


def test_each_step_is_taken_for_all_units_before_the_next():
    systemd = Systemd(shown())
    services(systemd).apply(
        [
            Due("a.service", manager=True, enable=True, start=True),
            Due("b.service", restart=True),
            Due("c.service", reload=True),
            Due("d.service", stop=True, disable=True),
        ]
    )
    assert systemd.verbs == [
        "daemon-reload",
        "reset-failed a.service",
        "stop d.service",
        "disable d.service",
        "reenable a.service",
        "restart a.service",
        "restart b.service",
        "reload-or-restart c.service",
    ]


def test_what_nothing_can_start_at_boot_is_an_error():
    show = shown().replace("UnitFileState=enabled", "UnitFileState=static")
    with pytest.raises(UnitError, match=r"exporter.service has no section \[Install\].*enabled: false"):
        services(Systemd(show)).apply([Due(NAME, enable=True)])
    assert services(Systemd(show)).due([Wanted(NAME, enabled=False)])[1][0].actions == []


def test_a_start_that_fails_brings_the_last_lines_of_the_journal():
    with pytest.raises(
        UnitError, match=r"Job for exporter.service failed\. The last lines of exporter.service:\nno such file: /etc/exporter"
    ):
        services(Systemd(shown("failed"), refuses="restart")).apply([Due(NAME, start=True)])


def test_what_ends_soon_after_its_start_is_an_error():
    with pytest.raises(UnitError, match=r"exporter.service does not stay up, it is activating\. The last lines"):
        services(Systemd(shown(), shown("activating"))).prove([READS], [Due(NAME, start=True)])


def test_what_was_started_again_meanwhile_does_not_stay_up():
    with pytest.raises(UnitError, match="does not stay up"):
        services(Systemd(shown(), shown(restarts=1))).prove([READS], [Due(NAME, restart=True)])


def test_the_answer_is_waited_for():
    wanted = Wanted(NAME, url="http://127.0.0.1:9100/metrics")
    services(Systemd(shown()), TransportError("connection refused"), 503, 200).prove([wanted], [Due(NAME)])


def test_no_answer_in_time_is_an_error_that_says_what_was_seen():
    wanted = Wanted(NAME, url="http://127.0.0.1:9100/metrics")
    with pytest.raises(
        UnitError, match=r"runs, but http://127.0.0.1:9100/metrics did not answer within 0 s, .*: status 503\. The last lines"
    ):
        services(Systemd(shown()), 503, wait=0).prove([wanted], [Due(NAME)])


def test_what_died_is_not_waited_for():
    wanted = Wanted(NAME, url="http://127.0.0.1:9100/metrics")
    with pytest.raises(UnitError, match="does not stay up, it is failed"):
        services(Systemd(shown(), shown("failed")), TransportError("connection refused"), wait=600).prove([wanted], [Due(NAME)])
