# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A mistake ends in one clear sentence, and the host goes on as if nobody had tried."""

from __future__ import annotations

import subprocess

import pytest

testinfra_hosts = ["ansible://served"]

ALICE = {"name": "alice", "key": "alice-has-a-key-of-enough-length"}
TAKEN = 8099
SMALL_DISK = "/mnt/small"
ZEROS = "0" * 64


def refused(site, variables, *words):
    """The run fails with one sentence that has these words in it, changes nothing, and the endpoint still answers."""
    before, version = site.traces(), site.version()
    run = site.apply(**variables)
    assert run.code != 0, run.output[-3000:]
    assert run.changed == {"served": 0}
    (sentence,) = run.failures
    assert sentence.endswith((".", "?")) and "\n" not in sentence and len(sentence) < 500, sentence
    assert [word for word in words if word not in sentence] == [], sentence
    assert site.traces() == before
    assert site.version() == version


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        pytest.param({"ollama_version": "latest"}, ["'latest'", "write the number of a release"], id="version-latest"),
        pytest.param(
            {"ollama_version": "0.32.15-rc1"}, ["'0.32.15-rc1' is a pre-release", "final version"], id="pre-release-as-a-download"
        ),
        pytest.param({"ollama_version": "0.32.99"}, ["v0.32.99", "does not exist", "check version"], id="version-that-was-never-released"),
        pytest.param(
            {"ollama_version": "0.32.14", "ollama_checksum": ZEROS},
            ["SHA-256", ZEROS, "the active version goes on serving"],
            id="wrong-checksum-for-another-version",
        ),
        pytest.param({"ollama_version": "0.12.0"}, ["no checksums for version 0.12.0", "SHA-256"], id="version-without-checksums"),
        pytest.param(
            {"ollama_keep_alvie": "5m"},
            ["ollama_keep_alvie is not a variable", "did you mean ollama_keep_alive?"],
            id="misspelt-setting",
        ),
        pytest.param({"ollama_keep_alive": "soon"}, ["ollama_keep_alive is 'soon'", "30m"], id="keep-alive-soon"),
        pytest.param(
            {"ollama_bind": "0.0.0.0"}, ["ollama_bind is 0.0.0.0", "no authentication", "ollama_accept_exposed_api"], id="api-for-everybody"
        ),
        pytest.param(
            {"gateway_prot": 8443}, ["gateway_prot is not a variable", "did you mean gateway_port?"], id="misspelt-gateway-setting"
        ),
        pytest.param(
            {"gateway_users": [ALICE, {"name": "alice", "key": "another-key-of-enough-length"}]},
            ["gateway_users[1] 'alice' has the same name as gateway_users[0]"],
            id="two-users-of-one-name",
        ),
        pytest.param(
            {"gateway_users": [ALICE, {"name": "bob"}]}, ["gateway_users[1] 'bob' has neither key nor password"], id="user-without-secret"
        ),
        pytest.param(
            {"gateway_users": [{"name": "bob", "key": "k" * 19}]}, ["'bob' has a key of 19 characters", "at least 20"], id="short-key"
        ),
        pytest.param(
            {"gateway_tls": {"mode": "files", "certificate": "/no/such.crt", "key": "/no/such.key"}},
            ["/no/such.crt", "not on the controller"],
            id="certificate-that-is-not-there",
        ),
    ],
)
def test_a_mistake_in_the_variables_ends_in_one_sentence(site, variables, words):
    refused(site, variables, *words)


def test_a_choice_that_does_not_exist_is_refused_with_those_that_do(site):
    before = site.traces()
    run = site.apply(gateway_tls={"mode": "letsencrypt"})
    assert run.changed == {"served": 0}
    (sentence,) = run.failures
    assert "value of mode must be one of: selfsigned, files, acme, got: letsencrypt found in gateway_tls" in sentence
    assert site.traces() == before


def test_a_key_that_does_not_belong_to_its_certificate_is_refused(site, tmp_path):
    for name in ("mine", "other"):
        files = ["-keyout", tmp_path / f"{name}.key", "-out", tmp_path / f"{name}.crt"]
        request = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=llm.test"]
        subprocess.run([*request, "-addext", "subjectAltName=DNS:llm.test", *files], check=True, capture_output=True)
    tls = {"mode": "files", "certificate": str(tmp_path / "mine.crt"), "key": str(tmp_path / "other.key")}
    refused(site, {"gateway_tls": tls}, "key of gateway_tls does not belong to its certificate")


@pytest.fixture
def busy_port(host):
    host.run_expect([0], f"systemd-run --unit=busy python3 -m http.server {TAKEN}")
    host.run_expect([0], f"timeout 20 sh -c 'until ss -Hltn sport = {TAKEN} | grep -q .; do sleep 0.1; done'")
    yield TAKEN
    host.run_expect([0], "systemctl stop busy")


def test_a_port_that_something_else_uses_is_refused(site, busy_port):
    instances = [{"name": "default", "port": 11434}, {"name": "other", "port": busy_port}]
    refused(site, {"ollama_instances": instances}, f"Port {busy_port}", "ollama@other.service", "busy.service", "another port")
    refused(site, {"gateway_port": busy_port}, f"{busy_port}", "busy.service", "gateway_port")


@pytest.fixture
def small_disk(host):
    host.run_expect([0], f"mkdir -p {SMALL_DISK} && mount -t tmpfs -o size=512k tmpfs {SMALL_DISK}")
    yield SMALL_DISK
    host.run_expect([0], f"umount {SMALL_DISK}")


def test_a_full_disk_is_noticed_before_it_is_written_to(site, small_disk):
    refused(site, {"ollama_install_dir": f"{small_disk}/ollama"}, small_disk, "free", "needed to download and unpack")
    assert site.host.check_output(f"find {small_disk} -type f -size +0") == ""
