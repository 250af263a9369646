# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Another version, another setting: each restarts once, and the endpoint answers whatever happens on the way."""

from __future__ import annotations

import os

import pytest

testinfra_hosts = ["ansible://served"]
# One run after the other, on however busy a machine.
pytestmark = pytest.mark.timeout(900)

NEW = "0.32.12"
ARCHIVE = f"v{NEW}/ollama-linux"
DECLARED = os.environ.get("LAB_OLLAMA_VERSION", "0.32.15")


@pytest.fixture
def declared(site):
    """The version that the inventory declares serves."""
    if site.version() != DECLARED:
        assert site.apply().code == 0


def environment(site):
    return site.host.check_output("cat /proc/$(systemctl show -P MainPID ollama)/environ").split("\0")


def test_a_download_that_breaks_off_leaves_the_old_version_and_the_next_run_goes_on_from_there(site, declared, upstream):
    starts, asked = site.starts(), len(upstream.requests(ARCHIVE))
    upstream.faults({"path": ARCHIVE, "truncate": 100_000}, {"path": ARCHIVE, "status": 403})
    broken = site.apply(ollama_version=NEW)
    assert broken.changed == {"served": 0}
    (sentence,) = broken.failures
    assert f"{ARCHIVE}-amd64.tar.zst" in sentence and "403" in sentence
    assert site.version() == DECLARED
    assert site.starts() == starts

    upstream.faults()
    finished = site.apply(ollama_version=NEW)
    assert finished.code == 0, finished.output[-3000:]
    ranges = [request["range"] for request in upstream.requests(ARCHIVE, after=asked)]
    assert ranges[0] is None
    assert ranges[-1].startswith("bytes=") and int(ranges[-1][6:-1]) >= 90_000
    assert site.version() == NEW
    assert site.starts() == starts + 1
    assert site.host.check_output("readlink /usr/local/bin/ollama") == f"/opt/ollama/{NEW}/bin/ollama"
    assert site.host.run("ls /opt/ollama/.download").rc != 0


def test_a_downgrade_to_the_older_archive_format_and_back_restarts_once_each(site):
    starts = site.starts()
    assert site.apply(ollama_version="0.13.5").code == 0
    assert site.version() == "0.13.5"
    assert site.starts() == starts + 1
    assert site.apply().code == 0
    assert site.version() == DECLARED
    assert site.starts() == starts + 2


def test_a_change_of_one_setting_restarts_once_and_a_new_user_nothing(site, declared):
    starts = site.starts()
    setting = {"ollama_keep_alive": "5m"}
    changed = site.apply(**setting)
    # The settings, out of the balancer, the restart, and back.
    assert changed.changed == {"served": 4}, changed.output[-3000:]
    assert "OLLAMA_KEEP_ALIVE=5m" in environment(site)
    assert site.starts() == starts + 1

    before = site.host.check_output("systemctl show -P InvocationID ollama nginx")
    users = [{"name": "alice", "key": "alice-has-a-key-of-enough-length"}, {"name": "carol", "key": "carol-has-a-key-of-enough-length"}]
    assert site.apply(**setting, gateway_users=users).code == 0
    assert "carol" in site.host.file("/etc/llm-gateway/nginx/keys.map").content_string
    assert site.host.check_output("systemctl show -P InvocationID ollama nginx") == before

    secret = site.apply(**setting, gateway_users=users, ollama_secret_environment={"LLM_HOST_SECRET": "of the test"})
    assert secret.code == 0
    assert "LLM_HOST_SECRET=of the test" in environment(site)
    assert site.starts() == starts + 2
