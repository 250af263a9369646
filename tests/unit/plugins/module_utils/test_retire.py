# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.llm.host.plugins.module_utils._retire import Retirement, Waiting, kinds_to_remove, own_units, plan_retirement

KIND = "# What a unit needs to start; every setting is in its drop-ins.\n[Unit]\n"


@pytest.fixture
def systemd(tmp_path):
    """Where units are: one of ours called default, two of the template, and what others wrote."""
    for unit, listens in (("ollama", "127.0.0.1:11434"), ("ollama@gpu1", "[::1]:11435"), ("ollama@gpu2", "10.0.0.5:11436")):
        folder = tmp_path / f"{unit}.service.d"
        folder.mkdir()
        (folder / "10-llm-host.conf").write_text(f'[Service]\nEnvironment="A=1"\nEnvironment="OLLAMA_HOST={listens}"\n')
        (folder / "secret.env").touch()
    for other in (
        "ollama@theirs.service.d/override.conf",
        "ollama-preload@.service.d/10-llm-host.conf",
        "caddy.service.d/10-llm-host.conf",
    ):
        (tmp_path / other).parent.mkdir()
        (tmp_path / other).write_text('Environment="OLLAMA_HOST=127.0.0.1:1"\n')
    (tmp_path / "multi-user.target.wants").mkdir()
    for kind in ("ollama.service", "ollama@.service"):
        (tmp_path / kind).write_text(KIND)
    return tmp_path


def test_a_unit_is_ours_by_its_settings_which_name_its_port(systemd):
    assert own_units(systemd) == {"ollama.service": 11434, "ollama@gpu1.service": 11435, "ollama@gpu2.service": 11436}


@pytest.mark.parametrize(
    ("active", "enabled", "actions"),
    [
        pytest.param("active", True, ["stop", "disable", "remove"], id="it-serves"),
        pytest.param("activating", True, ["stop", "disable", "remove"], id="it-fails-and-is-tried-again"),
        pytest.param("inactive", True, ["disable", "remove"], id="an-earlier-run-was-killed-after-the-stop"),
        pytest.param("failed", False, ["remove"], id="an-earlier-run-was-killed-before-the-removal"),
    ],
)
def test_only_what_is_left_to_do_is_planned(systemd, active, enabled, actions):
    assert plan_retirement("ollama@gpu1.service", port=11435, active=active, enabled=enabled, directory=systemd).actions == actions


def test_the_settings_go_last_and_what_others_wrote_stays(systemd):
    folder = systemd / "ollama@gpu1.service.d"
    (folder / "override.conf").touch()
    plan = plan_retirement("ollama@gpu1.service", port=11435, active="inactive", enabled=False, directory=systemd)
    assert plan.remove == (folder / "secret.env", folder / "10-llm-host.conf")


@pytest.mark.parametrize(
    ("leaving", "staying", "gone"),
    [
        pytest.param(["ollama@gpu1.service"], ["ollama@gpu2.service"], [], id="another-one-needs-the-template"),
        pytest.param(["ollama@gpu1.service"], ["ollama.service"], ["ollama@.service"], id="the-last-of-the-template"),
        pytest.param(["ollama.service"], ["ollama@gpu2.service"], ["ollama.service"], id="the-one-called-default"),
        pytest.param(["ollama@gpu1.service"], ["ollama@theirs.service"], [], id="one-of-somebody-else-runs"),
        pytest.param(
            ["ollama.service", "ollama@gpu1.service"],
            ["ollama-preload@gpu1.service"],
            ["ollama.service", "ollama@.service"],
            id="all-of-them",
        ),
    ],
)
def test_a_unit_file_goes_with_the_last_that_needs_it(systemd, leaving, staying, gone):
    assert kinds_to_remove(leaving, staying=staying, directory=systemd) == [systemd / name for name in gone]


def test_a_unit_file_stays_for_one_of_somebody_else_that_is_enabled(systemd):
    (systemd / "multi-user.target.wants" / "ollama@theirs.service").symlink_to(systemd / "ollama@.service")
    (systemd / "multi-user.target.wants" / "ollama@gpu1.service").symlink_to(systemd / "ollama@.service")
    assert kinds_to_remove(["ollama@gpu1.service"], staying=[], directory=systemd) == []


def test_a_unit_file_of_somebody_else_stays(systemd):
    (systemd / "ollama.service").write_text("[Unit]\n")
    assert kinds_to_remove(["ollama.service"], staying=[], directory=systemd) == []


def test_a_moment_between_two_requests_is_not_the_end():
    waiting = Waiting()
    assert [waiting.look(peers) for peers in ([], ["10.0.0.5"], [], [])] == [1, 0, 1, 2]
    assert waiting.seen == ["10.0.0.5"]


def test_what_is_done_is_named_in_its_order(tmp_path):
    assert Retirement("a", stop=True, remove=(tmp_path,)).actions == ["stop", "remove"]
