# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that the vendor's script has set up keep what is theirs, and give up the rest only when that is safe."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import testinfra
from load import ROOT, eventually

# One run after the other, on however busy a machine.
pytestmark = pytest.mark.timeout(900)

FILES = Path(__file__).parent.parent / "files"
HOSTS = {"script-12": ("0.13.5", "/usr/share/ollama/.ollama/models"), "script-13": ("0.32.14", "/srv/models")}
NEW = os.environ.get("LAB_OLLAMA_VERSION", "0.32.15")
OWN = '[Service]\nEnvironment="OLLAMA_MODELS=/srv/models"\nEnvironment="OLLAMA_LOAD_TIMEOUT=7m"\n'
PULL = """
import json, urllib.request
print(urllib.request.urlopen("http://127.0.0.1:11434/api/pull", json.dumps({"model": "tiny"}).encode()).read().decode())
"""
ASK = """
import json, urllib.request
version = json.load(urllib.request.urlopen("http://127.0.0.1:11434/api/version", timeout=5))["version"]
models = json.load(urllib.request.urlopen("http://127.0.0.1:11434/api/tags", timeout=5))["models"]
print(version.partition("+")[0], *(f"{model['name']} {model['digest']} {model['modified_at']}" for model in models))
"""


def docker(*command):
    subprocess.run(["docker", *command], check=True, capture_output=True)


@pytest.fixture(scope="module")
def hosts():
    """Set up by the script, one with a .tgz and the other with a .tar.zst; with a model and an identity."""
    found = {name: testinfra.get_host(f"docker://{name}") for name in HOSTS}
    for name, (version, _store) in HOSTS.items():
        suffix = "tgz" if version < "0.14" else "tar.zst"
        docker("cp", f"{os.environ['LAB_CACHE']}/releases/v{version}/ollama-linux-amd64.{suffix}", f"{name}:/root/ollama.{suffix}")
        docker("cp", str(FILES / "vendor.sh"), f"{name}:/root/vendor.sh")
        if name == "script-13":
            found[name].check_output("apt-get install -y -qq --no-install-recommends zstd")
            found[name].check_output("mkdir -p /etc/systemd/system/ollama.service.d /srv/models")
            found[name].check_output("printf %s > /etc/systemd/system/ollama.service.d/override.conf", OWN)
        found[name].check_output(f"sh /root/vendor.sh /root/ollama.{suffix}")
    found["script-13"].check_output("chown ollama:ollama /srv/models")
    eventually(lambda: all(host.run("python3 -c %s", ASK).rc == 0 for host in found.values()))
    for host in found.values():
        assert '"success"' in host.check_output("python3 -c %s", PULL)
    return found


def site(*options, **variables):
    command = ["ansible-playbook", "-i", str(FILES / "vendor.yml"), "site.yml", *options, "--extra-vars", json.dumps(variables)]
    plain = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0"}
    return subprocess.run(command, cwd=ROOT, env=plain, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def kept(host, store):
    """What must be there afterwards as it was: models, identity, user."""
    return host.check_output(
        f"cd {store} && find . -type f -exec sha256sum {{}} + | sort && sha256sum /usr/share/ollama/.ollama/id_ed25519* && getent passwd ollama"
        " && stat -c '%n %U %G %a' /usr/share/ollama/.ollama . && id -Gn ollama"
    ).replace("/bin/false", "/usr/sbin/nologin")


def vendors(host):
    return host.check_output("sha256sum /usr/local/bin/ollama /etc/systemd/system/ollama.service && find /usr/local/lib/ollama | sort")


def test_a_version_that_is_no_good_leaves_the_vendors_in_place(hosts, archive):
    host, (version, store) = hosts["script-12"], HOSTS["script-12"]
    before = kept(host, store), vendors(host), host.check_output("python3 -c %s", ASK)
    broken = archive("0.32.97", faults={"generate_500": True})
    run = site("--limit", "script-12", ollama_version="0.32.97", ollama_archive=str(broken))
    assert run.returncode != 0
    assert f"was put back and serves again: Ollama {version}" in " ".join((run.stdout + run.stderr).split())
    assert (kept(host, store), vendors(host), host.check_output("python3 -c %s", ASK)) == before


def test_all_that_is_theirs_stays_and_the_program_goes(hosts):
    before = {name: (kept(host, HOSTS[name][1]), host.check_output("python3 -c %s", ASK).split()[1:]) for name, host in hosts.items()}
    run = site()
    assert run.returncode == 0, run.stdout[-3000:]
    for name, host in hosts.items():
        version, *models = host.check_output("python3 -c %s", ASK).split()
        assert version == NEW
        assert (kept(host, HOSTS[name][1]), models) == before[name]
        assert host.check_output("readlink /usr/local/bin/ollama") == f"/opt/ollama/{NEW}/bin/ollama"
        assert host.check_output("ls /usr/local/bin /usr/local/lib | grep -c ollama") == "1"
        assert "Description=Ollama Service" in host.file("/etc/systemd/system/ollama.service.before-llm-host").content_string
        assert "Description=Ollama Service" not in host.file("/etc/systemd/system/ollama.service").content_string
        # It starts once at boot, by our unit.
        assert (
            host.check_output("ls /etc/systemd/system/*.wants/ollama.service")
            == "/etc/systemd/system/multi-user.target.wants/ollama.service"
        )
    environment = hosts["script-13"].check_output("cat /proc/$(systemctl show -P MainPID ollama)/environ").split("\0")
    assert {"OLLAMA_MODELS=/srv/models", "OLLAMA_LOAD_TIMEOUT=7m"} <= set(environment)
    assert hosts["script-13"].file("/etc/systemd/system/ollama.service.d/override.conf").content_string == OWN

    again = site()
    assert again.stdout.count(" changed=0 ") == 2, again.stdout[-3000:]
