# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ollama comes up with its host, comes back after a crash, and has its GPU when the host wakes up."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import jinja2
import pytest
from load import ROOT, address, eventually

from ansible_collections.llm.host.plugins.filter.ollama import resume_files

LOADED = "import sys, urllib.request; print(urllib.request.urlopen(f'http://{sys.argv[1]}:11434/api/ps', timeout=5).read().decode())"
# Takes the port as soon as nobody has it, and says when it is ready to.
SQUATTER = """
import os, signal, socket, sys, time
taker = socket.socket()
taker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
    manager.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
while True:
    try:
        taker.bind((sys.argv[1], 11434))
        taker.listen()
        break
    except OSError:
        time.sleep(0.01)
signal.pause()
"""
# Stand-ins of the driver: what loads and unloads the module, and a sleep of a moment.
DRIVER = r"""
printf '#!/bin/sh\necho "$(basename $0) $*, Ollama is $(systemctl is-active ollama)" >> /run/driver\ntouch /dev/nvidia-uvm\n' > /usr/local/sbin/modprobe
chmod +x /usr/local/sbin/modprobe
ln -f /usr/local/sbin/modprobe /usr/local/sbin/rmmod
mkdir -p /run/systemd/system/systemd-suspend.service.d
printf '[Service]\nExecStart=\nExecStart=/bin/sh -c "echo asleep >> /run/driver"\n' > /run/systemd/system/systemd-suspend.service.d/sleep.conf
systemctl daemon-reload
"""
NO_DRIVER = (
    "rm -rf /dev/nvidia-uvm /usr/local/sbin/modprobe /usr/local/sbin/rmmod /run/driver /run/systemd/system/systemd-suspend.service.d;"
)


def loaded(site, name):
    found = site.hosts[name].run("python3 -c %s %s", LOADED, address(name))
    return [model["name"] for model in json.loads(found.stdout)["models"]] if found.succeeded else []


def test_a_host_that_starts_again_has_its_models_in_memory(site):
    for name, host in site.hosts.items():
        # One after the other, so that each keeps its address.
        subprocess.run(["docker", "restart", "--time", "30", name], check=True, capture_output=True)
        site.boot(name)
        eventually(lambda name=name: loaded(site, name) == ["tiny:latest"])
        assert host.check_output("systemctl --failed --plain --no-legend") == ""
        assert host.check_output("systemctl show -P NRestarts ollama") == "0"


def test_after_a_crash_it_comes_back_and_systemctl_status_says_why(site):
    def says(host, reason):
        # It is there until the next start.
        eventually(lambda: re.search(f'Status: "{reason}', host.run("systemctl status ollama").stdout))

    for name, host in site.hosts.items():
        host.check_output("systemd-run --quiet --unit=squatter --service-type=notify python3 -c %s %s", SQUATTER, address(name))
        host.check_output("systemctl kill --signal=KILL --kill-whom=main ollama")
        says(host, "It ended with killed KILL, signal: journalctl --unit ollama.service")
    for host in site.hosts.values():
        says(host, "Error: listen tcp .*bind: address already in use")
        host.check_output("systemctl stop squatter")
    for name, host in site.hosts.items():
        # The pauses between its tries grow.
        eventually(lambda name=name: loaded(site, name) == ["tiny:latest"], 45)
        assert host.check_output("systemctl show -P StartLimitIntervalUSec ollama") == "0"
    assert site.hosts["second"].check_output("systemctl show -P RestartMaxDelayUSec ollama") == "30s"


@pytest.fixture
def sleeper(site):
    """A host that believes to have an NVIDIA GPU, with the role's units for it."""
    host = site.hosts["second"]
    host.check_output(DRIVER)
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(ROOT / "roles/ollama/templates"), keep_trailing_newline=True)
    environment.filters["comment"] = "# {}".format
    files = resume_files(["ollama.service"])
    for file in files:
        text = file.get("content") or environment.get_template(file["template"]).render(file.get("variables", {}))
        host.check_output("mkdir -p %s && printf %%s %s > %s && chmod %s %s", *(
            str(Path(file["path"]).parent), text, file["path"], file.get("mode", "0644"), file["path"],
        ))  # fmt: skip
    host.check_output("systemctl daemon-reload")
    yield host
    host.check_output(f"{NO_DRIVER} rm {' '.join(file['path'] for file in files)}; systemctl daemon-reload; systemctl start ollama")
    # What it preloads is read by then, too.
    eventually(lambda: loaded(site, "second") == ["tiny:latest"])


def test_when_the_host_wakes_up_the_gpu_is_loaded_anew_for_what_ran(sleeper):
    def sleep():
        sleeper.check_output("rm -f /run/driver; systemctl start suspend.target")
        eventually(lambda: sleeper.run("systemctl is-active llm-host-resume").stdout.strip() == "inactive")
        return sleeper.check_output("cat /run/driver").splitlines()

    woken = ["asleep", "rmmod nvidia_uvm, Ollama is inactive", "modprobe nvidia_uvm, Ollama is inactive"]
    assert sleep() == woken
    eventually(lambda: sleeper.run("systemctl is-active ollama").stdout.strip() == "active")
    sleeper.check_output("systemctl stop ollama")
    assert sleep() == woken
    assert sleeper.run("systemctl is-active ollama").stdout.strip() == "inactive"
