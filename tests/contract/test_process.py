# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program itself: command line, first start, log lines, signals."""

from __future__ import annotations

import os
import pathlib
import re
import signal
import subprocess
import time
import typing as t

import pytest
from serverunder import wait_for

if t.TYPE_CHECKING:
    from suite import Launch


def ollama(binary: pathlib.Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], **env}
    return subprocess.run([str(binary), *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_version_without_a_server_names_the_binary(binary: pathlib.Path, tmp_path: pathlib.Path) -> None:
    result = ollama(binary, "--version", HOME=str(tmp_path), OLLAMA_HOST="127.0.0.1:9")
    assert result.returncode == 0
    lines = (result.stdout + result.stderr).splitlines()
    assert "Warning: could not connect to a running Ollama instance" in lines
    assert re.search(r"^Warning: client version is \d+\.\d+\.\d+", "\n".join(lines), re.M)


def test_version_asks_the_running_server_first(binary: pathlib.Path, launch: Launch, is_standin: bool) -> None:
    server = launch()
    address = server.url.removeprefix("http://")
    running = server.ask("GET", "/api/version").json()["version"]
    result = ollama(binary, "--version", HOME=str(server.home), OLLAMA_HOST=address)
    assert result.stdout == f"ollama version is {running}\n"
    if is_standin:
        server.faults(version="0.1.2")
        result = ollama(binary, "--version", HOME=str(server.home), OLLAMA_HOST=address)
        assert result.stdout.splitlines() == ["ollama version is 0.1.2", f"Warning: client version is {running}"]


def test_first_start_makes_a_private_key(launch: Launch) -> None:
    server = launch()
    assert server.home is not None
    key = server.home / ".ollama" / "id_ed25519"
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.read_text().startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    public = key.with_suffix(".pub").read_text()
    assert public.startswith("ssh-ed25519 ")
    server.stop()
    launch(home=server.home)
    assert key.with_suffix(".pub").read_text() == public


def test_start_without_home_fails(binary: pathlib.Path, tmp_path: pathlib.Path) -> None:
    result = ollama(binary, "serve", OLLAMA_HOST="127.0.0.1:0", OLLAMA_MODELS=str(tmp_path))
    assert result.returncode != 0
    assert "HOME" in result.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_start_with_a_home_that_cannot_be_written_fails(binary: pathlib.Path, tmp_path: pathlib.Path) -> None:
    tmp_path.chmod(0o555)
    assert ollama(binary, "serve", HOME=str(tmp_path), OLLAMA_HOST="127.0.0.1:0").returncode != 0


def test_start_on_a_taken_port_fails_and_says_so(launch: Launch, binary: pathlib.Path, tmp_path: pathlib.Path) -> None:
    server = launch()
    result = ollama(binary, "serve", HOME=str(tmp_path), OLLAMA_HOST=server.url.removeprefix("http://"))
    assert result.returncode != 0
    assert "address already in use" in result.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_signal_ends_the_server_at_once(launch: Launch, number: signal.Signals) -> None:
    server = launch()
    assert server.process is not None
    connection = server.connect()
    connection.request("GET", "/api/version")
    connection.getresponse().read()
    began = time.monotonic()
    server.process.send_signal(number)
    server.process.wait(10)
    assert time.monotonic() - began < 3
    connection.close()


def test_log_says_what_operators_look_for(launch: Launch) -> None:
    server = launch(env={"OLLAMA_NUM_PARALLEL": " '3' ", "OLLAMA_KEEP_ALIVE": "30m"})
    server.ask("GET", "/api/tags")
    # A request is logged after its answer went out.
    answered = r'\[GIN\] \d{4}/\d\d/\d\d - \d\d:\d\d:\d\d \| 200 \| .*\| +127\.0\.0\.1 \| GET +"/api/tags"'
    assert wait_for(lambda: re.search(answered, server.log()) is not None)
    text = server.log()
    assert re.search(r'level=INFO source=\S+ msg="server config" env="map\[', text)
    assert "OLLAMA_NUM_PARALLEL:3" in text
    assert "OLLAMA_KEEP_ALIVE:30m0s" in text
    assert 'msg="Ollama cloud disabled: true"' in text
    assert re.search(rf'msg="Listening on 127\.0\.0\.1:{server.port} \(version [^)]+\)"', text)
    assert re.search(r'msg="inference compute" id=\S+', text)


def test_invalid_number_in_the_environment_is_the_default(launch: Launch) -> None:
    server = launch(env={"OLLAMA_NUM_PARALLEL": "many"})
    assert "OLLAMA_NUM_PARALLEL:1" in server.log()
    assert "level=WARN" in server.log()


@pytest.mark.parametrize(
    ("value", "source", "disabled"),
    [pytest.param("0", "none", False, id="zero"), pytest.param("yes", "env", True, id="any-word")],
)
def test_cloud_switch(launch: Launch, value: str, source: str, disabled: bool) -> None:
    server = launch(env={"OLLAMA_NO_CLOUD": value})
    assert server.ask("GET", "/api/status").json() == {"cloud": {"disabled": disabled, "source": source}}
