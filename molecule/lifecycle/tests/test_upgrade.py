# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions come and go under load, in either direction, and whoever asks does not notice."""

from __future__ import annotations

import os

import pytest

# One run after the other, on however busy a machine.
pytestmark = pytest.mark.timeout(900)

DECLARED = "0.13.5"
NEWEST = os.environ.get("LAB_OLLAMA_VERSION", "0.32.15")
BROKEN = "0.32.90"


def whole(site, name):
    """The libraries of the program that serves are those that came with it."""
    host = site.hosts[name]
    program = host.check_output("readlink /usr/local/bin/ollama")
    assert program == f"/opt/ollama/{site.version(name)}/bin/ollama"
    assert host.file(program.replace("bin/ollama", "lib/ollama/llama-server")).exists == (site.version(name) >= "0.30")
    assert not host.file("/usr/local/lib/ollama").exists


def test_versions_come_and_go_under_load_and_no_request_fails(site, client, archive):
    broken = {"ollama_version": BROKEN, "ollama_archive": str(archive(BROKEN, faults={"generate_500": True}))}
    if site.versions() != [DECLARED, DECLARED]:
        assert site.run("site.yml").code == 0
    with client() as asking:
        for version in ("0.32.14", NEWEST):
            before = site.processes()
            run = site.run("playbooks/upgrade.yml", ollama_version=version)
            assert run.code == 0, run.output[-3000:]
            assert site.versions() == [version, version]
            assert not set(before) & set(site.processes())

        before = site.processes()
        run = site.run("playbooks/upgrade.yml", **broken)
        (sentence,) = run.failures
        assert "tiny:latest does not answer" in sentence
        assert f"What was there before was put back and serves again: Ollama {NEWEST}" in sentence
        assert site.versions() == [NEWEST, NEWEST]
        assert site.processes()[1] == before[1]
        whole(site, "first")

        run = site.run("playbooks/upgrade.yml", ollama_version=DECLARED)
        assert run.code == 0, run.output[-3000:]
        assert site.versions() == [DECLARED, DECLARED]
    print(f"{asking.answers}, longest pause {asking.longest_gap:.2f} s")
    assert asking.answers.total() > 200
    assert set(asking.answers) == {200}
    for name in site.hosts:
        whole(site, name)
        assert len(site.installed(name)) == 2
        assert not site.hosts[name].file("/var/lib/llm-host/undo.json").exists
    again = site.run("site.yml")
    assert again.changed == {"first": 0, "second": 0}
