# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from ansible_collections.llm.host.plugins.module_utils._release import Outcome
from ansible_collections.llm.host.plugins.module_utils._release_plan import State, make_plan
from ansible_collections.llm.host.plugins.module_utils._release_values import Link, Manifest
from ansible_collections.llm.host.plugins.modules.ollama_release import request_of, result_of
from ansible_collections.llm.host.tests.unit.plugins.module_utils.release_support import (
    packed,
    release_items,
    running_server,
    sha256,
)

CHECKOUT = Path(__file__).resolve().parents[4]
PARAMS: dict[str, t.Any] = {
    "version": "v0.32.15",
    "root": "/opt/ollama",
    "link": "/usr/local/bin/ollama",
    "url": "https://user:pw@mirror/ollama/",
    "archive": "",
    "remote_src": False,
    "checksum": "",
    "overlays": [],
    "overlay_archives": {},
    "overlay_checksums": {},
    "architecture": "aarch64",
    "keep": 1,
    "integrity": "metadata",
    "timeout": 60,
    "min_free": None,
    "state": "active",
    "undo": "",
}


def run(directory: Path, *options: str, **args: t.Any) -> dict[str, t.Any]:
    """The task through Ansible, action plugin included; what it prints as a result."""
    task = {"root": str(directory / "opt"), "link": str(directory / "bin/ollama"), "architecture": "amd64", **args}
    play = [{"hosts": "localhost", "gather_facts": False, "tasks": [{"llm.host.ollama_release": task}]}]
    (directory / "play.yml").write_text(json.dumps(play))
    command = [sys.executable, "-m", "ansible", "playbook", "-i", "localhost,", "-c", "local", *options]
    done = subprocess.run(
        [*command, "-e", f"ansible_python_interpreter={sys.executable}", "play.yml"],
        cwd=directory,
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"),
            "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
            "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / ".collections"),
            "ANSIBLE_HOME": str(directory / "home"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    report = json.loads(done.stdout[done.stdout.index("{") :])
    result: dict[str, t.Any] = report["plays"][0]["tasks"][0]["hosts"]["localhost"]
    return result


def test_options_become_a_request() -> None:
    request = request_of(PARAMS)
    assert (request.target, request.architecture, request.content) == (
        "/opt/ollama/0.32.15/bin/ollama",
        "arm64",
        False,
    )
    assert request_of({**PARAMS, "integrity": "content"}).content
    assert request_of({**PARAMS, "architecture": ""}).architecture in ("amd64", "arm64")


def test_result_of_a_check_on_a_bare_host_says_all_and_no_secret() -> None:
    plan = make_plan(request_of(PARAMS), State())
    result = result_of(Outcome(plan, False, plan.sources), check_mode=True)
    name = "ollama-linux-arm64.tar.zst"
    url = f"https://mirror/ollama/v0.32.15/{name}"
    assert result == {
        "changed": True,
        "version": "0.32.15",
        "architecture": "arm64",
        "active": False,
        "settled": True,
        "program_changed": True,
        "previous_version": None,
        "path": "/opt/ollama/0.32.15",
        "assets": [{"name": name, "url": url, "sha256": "", "bytes": 0}],
        "actions": [
            f"Download {url}",
            f"Install /opt/ollama/0.32.15 from {name}",
            "Point /usr/local/bin/ollama to /opt/ollama/0.32.15/bin/ollama",
        ],
        "altered": [],
        "installed": ["0.32.15"],
        "removed": [],
        "diff": {
            "before_header": "/usr/local/bin/ollama",
            "after_header": "/usr/local/bin/ollama",
            "before": {"version": None, "link": None, "installed": []},
            "after": {
                "version": "0.32.15",
                "link": "/opt/ollama/0.32.15/bin/ollama",
                "installed": ["0.32.15"],
                "sources": [url],
            },
        },
    }


def test_removal_of_leftovers_is_a_change_but_no_other_program() -> None:
    request = request_of(PARAMS)
    manifest = Manifest("0.32.15", "arm64", (), (), ())
    link = Link("link", request.target, "0.32.15")
    state = State(link=link, installed=("0.32.15",), tree_exists=True, manifest=manifest, leftovers=("/opt/ollama/.unpack-x",))
    plan = make_plan(request, state)
    result = result_of(Outcome(plan, True, plan.sources), check_mode=False)
    assert (result["changed"], result["program_changed"], result["removed"]) == (True, False, ["/opt/ollama/.unpack-x"])


def test_archive_of_the_controller_through_ansible(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files/a.tar.zst").write_bytes(packed(release_items()))
    task = {"version": "v0.32.15", "archive": "a.tar.zst"}
    announced = run(tmp_path, "--check", "--diff", **task)
    assert not (tmp_path / "opt").exists()
    done = run(tmp_path, "--diff", **task)
    for key in ("changed", "actions", "diff", "version", "removed"):
        assert announced[key] == done[key], key
    assert (done["changed"], done["active"], done["archive_needed"]) == (True, True, False)
    assert done["assets"][0]["sha256"] == sha256((tmp_path / "files/a.tar.zst").read_bytes())
    (tmp_path / "files/a.tar.zst").unlink()
    again = run(tmp_path, **task)
    assert (again["changed"], again["active"], again["actions"], again["assets"]) == (False, True, [], done["assets"])
    assert not list((tmp_path / "home").glob("tmp/ansible-tmp*"))


def test_download_through_ansible_and_a_failure_is_one_sentence(tmp_path: Path) -> None:
    with running_server() as server:
        server.publish("0.32.15", "ollama-linux-amd64.tar.zst", packed(release_items()))
        done = run(tmp_path, version="0.32.15", url=server.url, min_free="1K")
        assert (done["changed"], done["active"]) == (True, True)
        failed = run(tmp_path, version="0.32.16", url=server.url)
        assert failed["failed"]
        assert failed["msg"] == (
            f"{server.url}/v0.32.16/sha256sum.txt does not exist: check version and url, or give the SHA-256 of the archive as checksum."
        )
    assert os.readlink(tmp_path / "bin/ollama") == f"{tmp_path}/opt/0.32.15/bin/ollama"


@pytest.mark.parametrize("version", ["latest", "0.32.15-rc1"])
def test_version_that_moves_is_refused_before_anything(tmp_path: Path, version: str) -> None:
    result = run(tmp_path, version=version)
    assert result["failed"]
    assert "0.32.15" in result["msg"]
    assert not (tmp_path / "opt").exists()
