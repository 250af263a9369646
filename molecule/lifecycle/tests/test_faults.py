# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever goes wrong in an upgrade, what served before serves afterwards, or the new version does."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time

import pytest
from load import ROOT, eventually

DECLARED, NEW = "0.13.5", "0.32.14"
BROKEN = "0.32.91"


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        pytest.param({"refuse_start": True}, ["does not answer at", "Error: refused by a fault"], id="does-not-start"),
        pytest.param({"version_500": True}, ["does not answer at", "HTTP 500"], id="starts-and-answers-500"),
        pytest.param({"unlisted": "tiny"}, ["does not list tiny:latest any more"], id="loses-a-model"),
        pytest.param({}, ["tiny:latest has 0% of its memory on GPUs, and had 100%"], id="starts-without-its-gpu"),
    ],
)
def test_a_version_that_is_no_good_is_taken_back(site, archive, faults, words):
    site.fault("second", gpu=1.0)
    given = {"ollama_version": BROKEN, "ollama_archive": str(archive(BROKEN, faults=faults)), "ollama_start_timeout": 3}
    run = site.run("playbooks/upgrade.yml", "--limit", "second", **given)
    (sentence,) = run.failures
    assert [word for word in words if word not in sentence] == []
    assert f"What was there before was put back and serves again: Ollama {DECLARED}" in sentence
    assert site.version("second") == DECLARED
    site.all_up()


def test_a_setting_with_which_it_does_not_start_is_taken_back(site):
    broken = {"ollama_environment": {"OLLAMA_STANDIN_FAULTS": '{"refuse_start": true}'}}
    before = site.hosts["second"].check_output("cat /etc/systemd/system/ollama.service.d/10-llm-host.conf")
    run = site.run("site.yml", "--limit", "second", **broken, ollama_start_timeout=3)
    (sentence,) = run.failures
    assert "was put back and serves again" in sentence
    assert site.hosts["second"].check_output("cat /etc/systemd/system/ollama.service.d/10-llm-host.conf") == before
    assert site.run("site.yml", "--limit", "second").changed == {"second": 0}


def test_a_power_cut_at_each_step_leaves_a_whole_version_and_the_next_run_finishes(site, tmp_path):
    log = tmp_path / "killed-after"
    log.touch()
    plugins = {"ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "molecule/shared/callback_plugins"), "ANSIBLE_CALLBACKS_ENABLED": "die_after_change"}
    command = ["ansible-playbook", "-i", os.environ["MOLECULE_INVENTORY_FILE"], "site.yml", "--limit", "second", "-e", f"ollama_version={NEW}"]
    for _ in range(15):
        run = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, **plugins, "DIE_AFTER_CHANGE_LOG": str(log)},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        if run.returncode != -signal.SIGKILL:
            break
        site.lose_power("second")
        eventually(lambda: site.version("second") in (DECLARED, NEW))
    assert run.returncode == 0, run.stdout[-3000:]
    steps = log.read_text().splitlines()
    print(f"power cut after {', '.join(steps)}")
    assert len(steps) >= 5
    assert site.version("second") == NEW
    site.all_up()
    again = site.run("site.yml", "--limit", "second", ollama_version=NEW)
    assert again.changed == {"second": 0}


def test_two_controllers_at_once_and_a_server_that_does_not_stop(site):
    """Each instance is restarted once; one that ignores SIGTERM is killed after a while."""
    site.fault("second", ignore_sigterm=True)
    before = [int(host.check_output(STARTS)) for host in site.hosts.values()]
    runs = []
    threads = [threading.Thread(target=lambda: runs.append(site.run("site.yml", ollama_version=NEW))) for _ in range(2)]
    for thread in threads:
        thread.start()
        time.sleep(2)
    for thread in threads:
        thread.join()
    assert [run.code for run in runs] == [0, 0], runs[0].output[-3000:] + runs[1].output[-3000:]
    assert site.versions() == [NEW, NEW]
    assert [int(host.check_output(STARTS)) for host in site.hosts.values()] == [count + 1 for count in before]
    site.all_up()


STARTS = "journalctl -q UNIT=ollama.service MESSAGE_ID=39f53479d3a045ac8e11786248231fbf -o cat | wc -l"


def test_a_host_that_is_lost_stops_the_others_and_the_next_run_finishes(site):
    """`second` is gone when its turn comes: `first` is done, and serves."""
    gone = threading.Thread(target=lambda: (eventually(lambda: site.version("first") == NEW, 60), docker("kill", "second")))
    gone.start()
    run = site.run("playbooks/upgrade.yml", ollama_version=NEW)
    gone.join()
    assert run.code != 0
    assert site.version("first") == NEW
    site.boot("second")
    eventually(lambda: site.version("second") in (DECLARED, NEW))
    finished = site.run("playbooks/upgrade.yml", ollama_version=NEW)
    assert finished.code == 0, finished.output[-3000:]
    assert site.versions() == [NEW, NEW]
    site.all_up()


def docker(*command):
    subprocess.run(["docker", *command], check=True, capture_output=True)
