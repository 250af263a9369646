# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a web server is started or loaded again: decided from the state, so that no killed run leaves an old configuration behind."""

from __future__ import annotations

import pytest

from ansible_collections.llm.host.plugins.module_utils._web_engines import haproxy_refusals, refusals
from ansible_collections.llm.host.plugins.module_utils._web_server import (
    Loaded,
    Plan,
    Service,
    digest_of,
    files_of,
    is_loaded,
    make_plan,
    parse_service,
)

RUNNING = Service(active=True, enabled=True, pid=10, started=1000.0)
STOPPED = Service()


CONFIG = ("/etc/nginx/nginx.conf",)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        pytest.param({}, Plan(), id="nothing-to-do"),
        pytest.param({"write": CONFIG}, Plan(write=CONFIG, reload=True), id="new-configuration-is-loaded"),
        pytest.param({"loaded": False}, Plan(reload=True), id="what-a-killed-run-wrote-is-loaded"),
        pytest.param({"disable": ["/x"]}, Plan(disable=("/x",), reload=True), id="default-site-goes"),
        pytest.param(
            {"service": STOPPED, "loaded": False, "write": CONFIG},
            Plan(write=CONFIG, enable=True, start=True),
            id="first-run-starts-and-does-not-load-twice",
        ),
        pytest.param({"service": Service(enabled=True), "loaded": False}, Plan(start=True), id="stopped-service-starts"),
        pytest.param({"service": Service(active=True, pid=1)}, Plan(enable=True), id="not-enabled-is-enabled"),
        pytest.param({"protect": ["/log"]}, Plan(protect=("/log",)), id="readable-log-is-protected-without-a-reload"),
        pytest.param({"ours": False, "write": CONFIG}, Plan(write=CONFIG, restart=True), id="new-unit-restarts-and-does-not-load-twice"),
        pytest.param({"ours": False, "service": Service(enabled=True)}, Plan(start=True), id="a-start-needs-no-restart"),
        pytest.param({"moves": True}, Plan(), id="what-is-loaded-stays-where-it-listens"),
        pytest.param({"moves": True, "write": CONFIG}, Plan(write=CONFIG, restart=True), id="where-a-reload-cannot-lead"),
        pytest.param({"moves": True, "loaded": False}, Plan(restart=True), id="a-killed-move-is-finished"),
        pytest.param({"remove": ["/drop-in"]}, Plan(remove=("/drop-in",), reload=True), id="what-is-not-needed-any-more-goes"),
        pytest.param({"retire": True}, Plan(retire=True), id="killed-switch-is-finished"),
        pytest.param(
            {"retire": True, "service": STOPPED, "loaded": False, "write": CONFIG},
            Plan(write=CONFIG, enable=True, retire=True, start=True),
            id="the-other-server-gives-way",
        ),
    ],
)
def test_plan(state, expected):
    plan = make_plan(**{"service": RUNNING, "loaded": True, "write": (), **state})
    assert plan == expected
    assert plan.changed is (expected != Plan())


@pytest.mark.parametrize(
    ("service", "known", "changed_at", "expected"),
    [
        pytest.param(RUNNING, Loaded(pid=10, digest="now"), 2000.0, True, id="noted-and-unchanged"),
        pytest.param(RUNNING, Loaded(pid=10, digest="old"), 500.0, False, id="noted-and-changed-since"),
        pytest.param(RUNNING, Loaded(pid=9, digest="old"), 500.0, True, id="started-anew-after-the-change"),
        pytest.param(RUNNING, Loaded(pid=9, digest="now"), 2000.0, False, id="changed-after-the-start-by-nobody-known"),
        pytest.param(RUNNING, Loaded(), 500.0, True, id="after-a-boot"),
        pytest.param(STOPPED, Loaded(pid=0, digest="now"), 0.0, False, id="not-running"),
    ],
)
def test_what_is_loaded(service, known, changed_at, expected):
    assert is_loaded(service=service, known=known, digest="now", changed_at=changed_at) is expected


def test_service_is_read_from_systemctl():
    output = "ActiveState=active\nUnitFileState=enabled\nMainPID=42\nExecMainStartTimestampMonotonic=2500000\nNeedDaemonReload=yes\n"
    assert parse_service(output, offset=100.0) == Service(active=True, enabled=True, pid=42, started=102.5, stale=True)
    assert parse_service("ActiveState=failed\nUnitFileState=disabled\nMainPID=0\n", offset=100.0) == Service()


def test_digest_tells_names_and_contents_apart():
    digests = {digest_of({"a": b"1"}), digest_of({"b": b"1"}), digest_of({"a": b"2"}), digest_of({"a": b"1", "b": b""}), digest_of({})}
    assert len(digests) == 5


def test_files_are_those_that_exist_and_those_in_directories(tmp_path):
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "b.conf").write_text("")
    (tmp_path / "conf.d" / "a.conf").write_text("")
    (tmp_path / "conf.d" / "dangling").symlink_to("/nonexistent/x")
    (tmp_path / "keys").write_text("")
    found = files_of([str(tmp_path / "keys"), str(tmp_path / "conf.d"), str(tmp_path / "missing")])
    assert [path.removeprefix(f"{tmp_path}/") for path in found] == ["keys", "conf.d/a.conf", "conf.d/b.conf"]


def test_refusal_is_shown_once_and_without_time_stamp():
    output = '2026/11/23 09:00:00 [emerg] 12#12: unknown directive "x" in /etc/nginx/conf.d/a.conf:1\nnginx: [emerg] unknown directive "x" in /etc/nginx/conf.d/a.conf:1\n'
    assert refusals(output) == 'unknown directive "x" in /etc/nginx/conf.d/a.conf:1'


def test_haproxy_is_quoted_without_process_ids_and_without_saying_that_there_are_errors():
    output = (
        "[NOTICE]   (70) : haproxy version is 2.6.12-1+deb12u3\n"
        "[ALERT]    (70) : config : parsing [/etc/haproxy/.x:3] : unknown keyword 'nonsense' in 'global' section\n"
        "[ALERT]    (70) : config : Error(s) found in configuration file : /etc/haproxy/.x\n"
        "[ALERT]    (70) : config : Fatal errors found in configuration.\n"
    )
    assert haproxy_refusals(output) == "parsing [/etc/haproxy/.x:3] : unknown keyword 'nonsense' in 'global' section"
