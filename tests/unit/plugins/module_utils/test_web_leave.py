# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of a server that the collection took for itself, by what it has to do without it."""

from __future__ import annotations

import pytest

from ansible_collections.llm.host.plugins.module_utils import _web_engines
from ansible_collections.llm.host.plugins.module_utils._web_engines import EngineError, Haproxy, Nginx
from ansible_collections.llm.host.plugins.module_utils._web_leave import Leave, leave, plan_leave

RUNNING = "ActiveState=active\nUnitFileState=enabled\nMainPID=1\nExecMainStartTimestampMonotonic=1\nNeedDaemonReload=no\n"
OURS, THEIRS = "http { server { listen 443 ssl; } }\n", "events {}\n"


class Host:
    """A host with nginx as this collection leaves it, and what was run there."""

    def __init__(self, root, monkeypatch):
        self.config, self.kept = root / "nginx.conf", root / "nginx.conf.before-llm-host"
        self.directory, self.site, self.link = root / "nginx", root / "default", root / "enabled"
        self.config.write_text(OURS)
        self.kept.write_text(THEIRS)
        self.directory.mkdir()
        self.site.touch()
        self.others, self.code, self.commands = "", 0, []
        for name, path in {"NGINX_KEPT": self.kept, "NGINX_SITE": self.site, "NGINX_SITE_LINK": self.link}.items():
            monkeypatch.setattr(_web_engines, name, str(path))
        for name, path in {"config": self.config, "trace": self.kept, "directory": self.directory}.items():
            monkeypatch.setattr(Nginx, name, str(path))
        monkeypatch.setattr(Nginx, "reload", lambda engine, timeout: self.commands.append("reload"))
        self.engine = Nginx(self.run, lambda program: f"/usr/sbin/{program}")

    def run(self, command, **_options):
        if command[1] == "show":
            return 0, RUNNING, ""
        if command[1] == "-T":
            return self.code, THEIRS + self.others, "nginx: [emerg] 1#1: no such directive" if self.code else ""
        self.commands.append(" ".join(command[1:]))
        return 0, "", ""

    def leave(self):
        plan = plan_leave(self.engine)
        leave(self.engine, plan, timeout=1)
        return plan.actions


@pytest.fixture(name="host")
def _host(tmp_path, monkeypatch):
    return Host(tmp_path, monkeypatch)


def test_one_that_served_nothing_else_stops_and_is_as_its_package_has_it(host):
    assert host.leave() == ["stop", "disable", "put_back", "remove"]
    assert host.commands == ["stop nginx.service", "disable nginx.service"]
    assert host.config.read_text() == THEIRS
    assert host.link.readlink() == host.site
    assert not host.directory.exists() and not host.kept.exists()
    assert host.leave() == []


def test_one_that_serves_other_sites_goes_on_with_them(host):
    host.others = "  server {\n"
    assert host.leave() == ["put_back", "resume", "remove"]
    assert host.commands == ["reload"]
    assert not host.link.is_symlink()


def test_one_whose_old_configuration_is_refused_stays_as_it_is(host):
    host.code = 1
    with pytest.raises(EngineError, match="no such directive"):
        host.leave()
    assert host.config.read_text() == OURS and host.directory.exists()


def test_a_run_that_was_killed_is_finished(host, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(host.engine, "put_back", lambda: (_ for _ in ()).throw(KeyboardInterrupt))
        host.leave()
    assert plan_leave(host.engine).put_back


def test_one_that_was_never_taken_is_left_alone(host):
    host.kept.unlink()
    assert plan_leave(host.engine) == Leave(remove=(str(host.directory),))
    host.directory.rmdir()
    assert plan_leave(host.engine) == Leave()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("global\n\ndefaults\n\tmode http\n", False, id="the-package-only-has-defaults"),
        pytest.param("defaults\n\nlisten x\n\tbind :1\n", True, id="listen"),
        pytest.param("frontend x\n", True, id="frontend"),
        pytest.param("# frontend x\n", False, id="a-comment"),
    ],
)
def test_haproxy_has_something_to_do_when_it_listens(tmp_path, monkeypatch, text, expected):
    (tmp_path / "kept").write_text(text)
    monkeypatch.setattr(_web_engines, "HAPROXY_KEPT", str(tmp_path / "kept"))
    assert Haproxy(lambda command: (0, "", ""), lambda program: program).serves_others() is expected
