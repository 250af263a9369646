# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A mistake ends in one clear sentence, and the host goes on as if nobody had tried."""

from __future__ import annotations

import json
import subprocess
import typing as t
from pathlib import Path

import pytest
from conftest import Site
from lab_hosts import Run
from load import address

testinfra_hosts = ["ansible://served"]
# One run for all of them, on however busy a machine.
pytestmark = pytest.mark.timeout(900)

ALICE = {"name": "alice", "key": "alice-has-a-key-of-enough-length"}
TAKEN = 8099
SMALL_DISK = "/mnt/small"
ZEROS = "0" * 64
GROUP_VARS = Path(__file__).parents[1] / "inventory" / "group_vars"

# What is declared, and words of the sentence that answers.
MISTAKES: dict[str, tuple[dict[str, t.Any], list[str]]] = {
    "version-latest": ({"ollama_version": "latest"}, ["'latest'", "write the number of a release"]),
    "pre-release-as-a-download": ({"ollama_version": "0.32.15-rc1"}, ["'0.32.15-rc1' is a pre-release", "final version"]),
    "version-that-was-never-released": ({"ollama_version": "0.32.99"}, ["v0.32.99", "does not exist", "check version"]),
    "wrong-checksum-for-another-version": (
        {"ollama_version": "0.32.14", "ollama_checksum": ZEROS},
        ["SHA-256", ZEROS, "the active version goes on serving"],
    ),
    "version-without-checksums": ({"ollama_version": "0.12.0"}, ["no checksums for version 0.12.0", "SHA-256"]),
    "misspelt-setting": ({"ollama_keep_alvie": "5m"}, ["ollama_keep_alvie is not a variable", "did you mean ollama_keep_alive?"]),
    "keep-alive-soon": ({"ollama_keep_alive": "soon"}, ["ollama_keep_alive is 'soon'", "30m"]),
    "api-for-everybody": ({"ollama_bind": "0.0.0.0"}, ["ollama_bind is 0.0.0.0", "no authentication", "ollama_accept_exposed_api"]),
    "misspelt-gateway-setting": ({"gateway_prot": 8443}, ["gateway_prot is not a variable", "did you mean gateway_port?"]),
    "two-users-of-one-name": (
        {"gateway_users": [ALICE, {"name": "alice", "key": "another-key-of-enough-length"}]},
        ["gateway_users[1] 'alice' has the same name as gateway_users[0]"],
    ),
    "user-without-secret": ({"gateway_users": [ALICE, {"name": "bob"}]}, ["gateway_users[1] 'bob' has neither key nor password"]),
    "short-key": ({"gateway_users": [{"name": "bob", "key": "k" * 19}]}, ["'bob' has a key of 19 characters", "at least 20"]),
    "certificate-that-is-not-there": (
        {"gateway_tls": {"mode": "files", "certificate": "/no/such.crt", "key": "/no/such.key"}},
        ["/no/such.crt", "not on the controller"],
    ),
    "choice-that-does-not-exist": (
        {"gateway_tls": {"mode": "letsencrypt"}},
        ["value of mode must be one of: selfsigned, files, acme, got: letsencrypt found in gateway_tls"],
    ),
    "key-of-another-certificate": (
        {"gateway_tls": {"mode": "files", "certificate": "mine.crt", "key": "other.key"}},
        ["key of gateway_tls does not belong to its certificate"],
    ),
    "port-of-something-else": (
        {"ollama_instances": [{"name": "default", "port": 11434}, {"name": "other", "port": TAKEN}]},
        [f"Port {TAKEN}", "ollama@other.service", "busy.service", "another port"],
    ),
    "port-of-something-else-for-the-gateway": ({"gateway_port": TAKEN}, [str(TAKEN), "busy.service", "gateway_port"]),
    "full-disk": ({"ollama_install_dir": f"{SMALL_DISK}/ollama"}, [SMALL_DISK, "free", "needed to download and unpack"]),
}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory) -> Path:
    """Two that have nothing to do with each other, as mine and other."""
    directory = tmp_path_factory.mktemp("certificates")
    for name in ("mine", "other"):
        files = ["-keyout", directory / f"{name}.key", "-out", directory / f"{name}.crt"]
        request = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=llm.test"]
        subprocess.run([*request, "-addext", "subjectAltName=DNS:llm.test", *files], check=True, capture_output=True)
    return directory


@pytest.fixture(scope="module")
def inventory(certificates, tmp_path_factory) -> Path:
    """For each mistake a host of its own, alone in its groups, which is the one that serves in truth."""
    directory = tmp_path_factory.mktemp("inventory")
    (directory / "group_vars").symlink_to(GROUP_VARS)
    served = {"ansible_host": "served", "ansible_connection": "community.docker.docker", "gateway_verify_address": address("served")}
    hosts = {}
    for name, (variables, _words) in MISTAKES.items():
        text = json.dumps(variables)
        for file in ("mine.crt", "other.key"):
            text = text.replace(f'"{file}"', json.dumps(str(certificates / file)))
        alone = {"gateway_backend_group": f"of_{name}", "ollama_firewall_group": f"of_{name}"}
        hosts[name] = {**served, **alone, **json.loads(text)}
    groups = {f"of_{name}": {"hosts": {name: None}} for name in MISTAKES}
    everybody = dict.fromkeys(MISTAKES)
    text = {"all": {"hosts": hosts}, "ollama": {"hosts": everybody}, "gateway": {"hosts": everybody}, **groups}
    (directory / "hosts.yml").write_text(json.dumps(text))
    return directory / "hosts.yml"


@pytest.fixture(scope="module")
def busy_port(host):
    host.run_expect([0], f"systemd-run --unit=busy python3 -m http.server {TAKEN}")
    host.run_expect([0], f"timeout 20 sh -c 'until ss -Hltn sport = {TAKEN} | grep -q .; do sleep 0.1; done'")
    yield
    host.run_expect([0], "systemctl stop busy")


@pytest.fixture(scope="module")
def small_disk(host):
    host.run_expect([0], f"mkdir -p {SMALL_DISK} && mount -t tmpfs -o size=512k tmpfs {SMALL_DISK}")
    yield
    host.run_expect([0], f"umount {SMALL_DISK}")


class Attempt(t.NamedTuple):
    """A run with all mistakes at once, one a host, and what there was before and after it."""

    run: Run
    before: list[str]
    after: list[str]


@pytest.fixture(scope="module")
def attempt(host, run_playbook, inventory, busy_port, small_disk) -> Attempt:
    site = Site(host, lambda url: None, run_playbook)
    before = site.traces()
    run = run_playbook("site.yml", "-i", str(inventory), "--limit", ",".join(MISTAKES))
    return Attempt(run, before, site.traces())


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_ends_in_one_sentence(attempt, mistake):
    assert attempt.run.changed[mistake] == 0
    (sentence,) = attempt.run.failures_by_host[mistake]
    assert [word for word in MISTAKES[mistake][1] if word not in sentence] == [], sentence
    # Of a choice, Ansible itself tells.
    if mistake != "choice-that-does-not-exist":
        assert sentence.endswith((".", "?")) and "\n" not in sentence and len(sentence) < 500, sentence


def test_the_host_goes_on_as_if_nobody_had_tried(attempt, site):
    assert attempt.run.code != 0
    assert attempt.before == attempt.after
    assert site.host.check_output(f"find {SMALL_DISK} -type f -size +0") == ""
    assert site.version()
