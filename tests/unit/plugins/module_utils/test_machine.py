# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read of a machine, and what is run there."""

from __future__ import annotations

import time

import pytest

from ansible_collections.llm.host.plugins.module_utils import _machine
from ansible_collections.llm.host.plugins.module_utils._machine import Machine, Recorded, by_version


@pytest.fixture(name="program")
def _program(tmp_path, monkeypatch):
    def write(text):
        path = tmp_path / "probe-gpu"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    monkeypatch.setattr(_machine, "PATH", str(tmp_path))
    return write


def test_a_program_answers_with_both_outputs_and_its_status(program):
    program('echo "$1"; echo oops >&2; exit 9')
    answer = Machine().run("probe-gpu", "-L")
    assert (answer.code, answer.stdout, answer.stderr, answer.error) == (9, "-L\n", "oops\n", "-L\noops")


def test_a_program_that_is_not_there_gives_no_answer(program):
    assert Machine().run("probe-gpu") is None


def test_one_that_says_nothing_is_known_by_its_status(program):
    program("exit 3")
    assert Machine().run("probe-gpu").error == "It ended with status 3."


def test_one_that_hangs_does_not_hang_the_run_even_where_others_hold_its_output(program, monkeypatch):
    monkeypatch.setattr(_machine, "TIMEOUT", 0.2)
    program("sleep 5 & wait")
    started = time.monotonic()
    answer = Machine().run("probe-gpu")
    assert answer.error == "It did not answer within 0.2 s."
    assert time.monotonic() - started < 3


def test_links_of_another_machine_are_followed_below_its_root(tmp_path):
    (tmp_path / "usr/lib").mkdir(parents=True)
    (tmp_path / "usr/lib/library.so.1").symlink_to("/etc/alternatives/library")
    (tmp_path / "etc/alternatives").mkdir(parents=True)
    (tmp_path / "etc/alternatives/library").symlink_to("../../usr/lib/library.so.550.1")
    (tmp_path / "usr/lib/library.so.550.1").write_text("here")
    machine = Recorded(tmp_path)
    assert machine.target("usr/lib/library.so.1") == "usr/lib/library.so.550.1"
    assert machine.text("usr/lib/library.so.1") == "here"


def test_links_that_go_round_end(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert not Recorded(tmp_path).exists("a")


def test_a_node_of_this_machine_has_names_and_a_mode():
    node = Machine().node("dev/null")
    assert (node.path, node.owner, node.group, node.mode) == ("/dev/null", "root", "root", "0666")


def test_a_file_is_no_node():
    assert Machine().node("etc/passwd") is None


@pytest.mark.parametrize(
    "releases",
    [
        pytest.param(["6.8.0-9-generic", "6.8.0-87-generic", "6.14.0-33-generic"], id="ubuntu"),
        pytest.param(["6.12.9+deb13-amd64", "6.12.57+deb13-amd64", "6.18~rc4+deb14-amd64", "6.18+deb14-amd64"], id="debian"),
        pytest.param(["5.14.0-70.el9.x86_64", "5.14.0-503.el9.x86_64"], id="enterprise-linux"),
    ],
)
def test_releases_are_sorted_by_their_numbers(releases):
    assert sorted(sorted(releases), key=by_version) == releases
