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
from lab_hosts import DEADLY
from load import ROOT, eventually

# One run after the other, on however busy a machine.
pytestmark = pytest.mark.timeout(900)

VERSIONS = {"0.13.5": "0.32.14", "0.32.14": "0.13.5"}
# Seconds that are waited for what never answers; what is put back has no more.
PATIENCE = 6
IMPATIENT = "/run/systemd/system/ollama.service.d"
STARTS = "journalctl -q UNIT=ollama.service MESSAGE_ID=39f53479d3a045ac8e11786248231fbf -o cat | wc -l"


def docker(*command):
    subprocess.run(["docker", *command], check=True, capture_output=True)


@pytest.fixture
def old(site):
    return site.version("second")


@pytest.fixture
def new(old):
    """Another one than that which serves."""
    return VERSIONS[old]


@pytest.mark.parametrize(
    ("broken", "faults", "words"),
    [
        pytest.param("0.32.91", {"refuse_start": True}, ["does not answer at", "Error: refused by a fault"], id="does-not-start"),
        pytest.param("0.32.92", {"version_500": True}, ["does not answer at", "HTTP 500"], id="starts-and-answers-500"),
        pytest.param("0.32.93", {"unlisted": "tiny"}, ["does not list tiny:latest any more"], id="loses-a-model"),
        pytest.param("0.32.94", {}, ["tiny:latest has 0% of its memory on GPUs, and had 100%"], id="starts-without-its-gpu"),
    ],
)
def test_a_version_that_is_no_good_is_taken_back(site, archive, old, broken, faults, words):
    site.fault("second", gpu=1.0)
    given = {"ollama_version": broken, "ollama_archive": str(archive(broken, faults=faults)), "ollama_start_timeout": PATIENCE}
    run = site.run("playbooks/upgrade.yml", "--limit", "second", **given)
    (sentence,) = run.failures
    assert [word for word in words if word not in sentence] == []
    assert f"What was there before was put back and serves again: Ollama {old}" in sentence
    assert site.version("second") == old
    site.all_up()


def test_a_setting_with_which_it_does_not_start_is_taken_back(site, old):
    broken = {"ollama_environment": {"PYTHONHOME": "/nowhere"}, "ollama_version": old}
    settings = site.hosts["second"].check_output("cat /etc/systemd/system/ollama.service.d/10-llm-host.conf")
    run = site.run("site.yml", "--limit", "second", **broken, ollama_start_timeout=PATIENCE)
    (sentence,) = run.failures
    assert "was put back and serves again" in sentence
    assert site.hosts["second"].check_output("cat /etc/systemd/system/ollama.service.d/10-llm-host.conf") == settings
    before = site.processes()
    assert site.run("site.yml", "--limit", "second", ollama_version=old).code == 0
    assert site.processes() == before


def test_a_power_cut_at_each_step_leaves_a_whole_version_and_the_next_run_finishes(site, old, new, tmp_path):
    log = tmp_path / "killed-after"
    log.touch()
    command = [
        "ansible-playbook",
        "-i",
        os.environ["MOLECULE_INVENTORY_FILE"],
        "molecule/shared/role.yml",
        "--limit",
        "second",
        "-e",
        f"alone=llm.host.ollama ollama_version={new}",
    ]
    for _ in range(15):
        run = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, **DEADLY, "DIE_AFTER_CHANGE_LOG": str(log)},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        if run.returncode != -signal.SIGKILL:
            break
        site.lose_power("second")
        eventually(lambda: site.version("second") in (old, new))
    assert run.returncode == 0, run.stdout[-3000:]
    steps = log.read_text().splitlines()
    print(f"power cut after {', '.join(steps)}")
    assert len(steps) >= 5
    assert site.version("second") == new
    site.all_up()
    both = site.run("site.yml", ollama_version=new)
    assert both.changed["second"] == 0, both.output[-3000:]
    assert site.versions() == [new, new]


def test_two_controllers_at_once_and_a_server_that_does_not_stop(site, new):
    """Each instance is restarted once; one that ignores SIGTERM is killed after a while."""
    second = site.hosts["second"]
    second.check_output(
        f"mkdir -p {IMPATIENT} && printf '[Service]\\nTimeoutStopSec=5\\n' > {IMPATIENT}/stop.conf && systemctl daemon-reload"
    )
    site.fault("second", ignore_sigterm=True)
    before = [int(host.check_output(STARTS)) for host in site.hosts.values()]
    runs = []
    threads = [threading.Thread(target=lambda: runs.append(site.run("site.yml", ollama_version=new))) for _ in range(2)]
    for thread in threads:
        thread.start()
        time.sleep(2)
    for thread in threads:
        thread.join()
    assert [run.code for run in runs] == [0, 0], runs[0].output[-3000:] + runs[1].output[-3000:]
    assert site.versions() == [new, new]
    assert [int(host.check_output(STARTS)) for host in site.hosts.values()] == [count + 1 for count in before]
    second.check_output(f"rm {IMPATIENT}/stop.conf && systemctl daemon-reload")
    site.all_up()


def test_a_host_that_is_lost_stops_the_others_and_the_next_run_finishes(site, old, new):
    """`second` is gone when its turn comes: `first` is done, and serves."""
    gone = threading.Thread(target=lambda: (eventually(lambda: site.version("first") == new, 240), docker("kill", "second")))
    gone.start()
    run = site.run("playbooks/upgrade.yml", ollama_version=new)
    gone.join()
    assert run.code != 0
    assert site.version("first") == new
    site.boot("second")
    eventually(lambda: site.version("second") in (old, new))
    finished = site.run("playbooks/upgrade.yml", ollama_version=new)
    assert finished.code == 0, finished.output[-3000:]
    assert site.versions() == [new, new]
    site.all_up()
