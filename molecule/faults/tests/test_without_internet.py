# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases that come as files on the controller."""

from __future__ import annotations

testinfra_hosts = ["ansible://served"]

NOWHERE = "https://127.0.0.1:9/no/way/out"


def test_an_archive_on_the_controller_is_all_that_a_host_needs(site, archive):
    # The paths in those of pre-releases begin with a dot.
    for version, leading_dot in (("0.32.13", False), ("0.33.0-rc1", True)):
        starts = site.starts()
        given = {"ollama_version": version, "ollama_archive": str(archive(version, leading_dot=leading_dot)), "ollama_release_url": NOWHERE}
        run = site.apply(**given)
        assert run.code == 0, run.output[-3000:]
        assert site.version() == version
        assert site.starts() == starts + 1
    assert site.apply(**given).changed == {"served": 0}


def test_an_archive_cut_short_is_refused_and_the_old_version_serves(site, archive):
    path = archive("0.32.11")
    path.write_bytes(path.read_bytes()[:-100])
    before, version = site.traces(), site.version()
    run = site.apply(ollama_version="0.32.11", ollama_archive=str(path), ollama_release_url=NOWHERE)
    assert run.changed == {"served": 0}
    (sentence,) = run.failures
    assert path.name in sentence and "cut short or damaged" in sentence
    assert site.traces() == before
    assert site.version() == version
