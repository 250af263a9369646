# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import grp
import json
import os
import platform
import socket
import subprocess
import typing as t
from pathlib import Path

ROOT = Path(__file__).parents[4]


def call(**arguments: t.Any) -> dict[str, t.Any]:
    environment = {**os.environ, "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1", "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}
    command = ["ansible", "localhost", "-m", "llm.host.host_preflight", "-a", json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    return json.loads(done.stdout[done.stdout.index("=> {") + 3 : done.stdout.rindex("}") + 1])


def test_an_unknown_architecture_is_refused():
    result = call(architectures=["s390x", "riscv64"])
    assert result["msg"] == f"The host's architecture is {platform.machine()}, which is not supported: use one with s390x or riscv64."


def test_what_the_host_has_is_listed_in_the_order_asked():
    group = grp.getgrgid(0).gr_name
    result = call(groups=["no-such-group", group], programs=["no-such-program", "sh"])
    assert (result["changed"], result["groups"], result["programs"]) == (False, [group], ["sh"])


def test_a_port_of_another_program_is_refused_with_advice():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        result = call(ports=[{"port": port, "unit": "ollama.service", "advice": "take another"}])
    assert result["msg"].startswith(f"Port {port} is wanted by ollama.service but ")
    assert result["msg"].endswith("listens there: take another.")


def test_names_stand_for_the_addresses_that_the_host_knows():
    result = call(names=["127.0.0.9", "fd00::5", "no-such-name.invalid"], paths=["/no/such/path", "/proc"])
    assert result["addresses"] == {"127.0.0.9": ["127.0.0.9"], "fd00::5": ["fd00::5"], "no-such-name.invalid": []}
    assert result["paths"] == ["/proc"]


def test_the_interface_of_an_address_and_the_units_of_the_host():
    result = call(bind={"bind": "127.0.0.1", "variable": "ollama_bind"}, units=["no-such-unit-is-stale.service"])
    assert result["bound"].pop("public") is not None
    assert (result["bound"], result["stale"]) == ({"addresses": ["127.0.0.1"], "interface": "lo", "pending": False}, [])
    assert {"gpus", "selinux", "systemd"} <= set(result)


def test_a_directory_that_the_user_cannot_get_to_is_one_sentence(tmp_path):
    # tmp_path is for its owner alone.
    path = tmp_path / "a" / "models"
    result = call(passages=[{"path": str(path), "user": "no-such-user-yet", "variable": "ollama_models_dir"}])
    assert result["msg"].startswith(f"ollama_models_dir is {path}, but the user no-such-user-yet cannot pass /")
    assert result["msg"].endswith(", or choose another directory.")


def test_calendars_that_systemd_does_not_understand_are_a_sentence_each(tmp_path, monkeypatch):
    analyze = tmp_path / "systemd-analyze"
    analyze.write_text('#!/bin/sh\ntest "$1 $2 $3" = "calendar -- *:0/15"\n')
    analyze.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    result = call(calendars={"metrics_canary_loaded": "*:0/15", "metrics_canary_all": "every day"})
    assert (
        result["msg"]
        == "metrics_canary_all 'every day' is not a calendar of systemd's: write one such as *-*-* 03:30, see man systemd.time."
    )
    assert not call(calendars={"metrics_canary_loaded": "*:0/15"})["changed"]


def test_an_interface_that_is_not_there_is_one_sentence():
    result = call(bind={"bind": "no-such-if0", "variable": "ollama_bind"})
    assert result["msg"].startswith(
        "ollama_bind is no-such-if0, which is neither loopback, tailscale, wireguard, an address nor an interface of the host"
    )


def test_packages_texts_and_several_addresses_take_one_round_trip(tmp_path):
    certificate = tmp_path / "identity.crt"
    certificate.write_text("-----BEGIN CERTIFICATE-----\n")
    result = call(
        packages=["no-such-package"],
        texts=[str(certificate), "/no/such/file"],
        binds=[{"bind": "loopback", "variable": "metrics_bind"}, {"bind": "127.0.0.1", "variable": "ollama_bind"}],
    )
    assert result["missing_packages"] == ["no-such-package"]
    assert result["texts"] == {str(certificate): "-----BEGIN CERTIFICATE-----\n", "/no/such/file": ""}
    assert [bound["addresses"][0] for bound in result["bounds"]] == ["127.0.0.1", "127.0.0.1"]
    assert "bound" not in result
