# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of all scenarios share: the collection on the path, and hosts seen from outside."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import typing as t
import urllib.request
from pathlib import Path

import pytest
from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder
from lab_hosts import Run
from load import ROOT, address

_AnsibleCollectionFinder(paths=[str(ROOT / ".collections")])._install()

from ansible_collections.llm.host.plugins.module_utils._probe import Endpoint


@pytest.fixture
def endpoint(host) -> t.Callable[[str], Endpoint]:
    """The host's endpoint under a URL, reached at the host's address, trusted through its own authority."""

    def reach(url: str) -> Endpoint:
        ca = host.file("/etc/llm-gateway/tls/ca.crt").content_string
        return Endpoint(url, ca=ca, connect_to=address(host.backend.get_hostname()))

    return reach


class Upstream:
    """The internet of the lab: its faults, its tags, and what was asked of it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def faults(self, *faults: dict[str, t.Any]) -> None:
        self._call("PUT", "/faults", list(faults))

    def requests(self, path: str, *, after: int = 0) -> list[dict[str, t.Any]]:
        return [request for request in self._call("GET", "/seen")["requests"] if path in request["path"]][after:]

    def digest(self, tag: str) -> str:
        return str(self._call("GET", "/tags")[f"library/{tag}"])

    def move(self, tag: str, variant: str) -> str:
        """Publish another version under a tag; returns its digest."""
        model, _, name = tag.partition(":")
        return str(self._call("POST", "/tag", {"model": model, "tag": name, "variant": variant})["digest"])

    def reset(self) -> None:
        self.faults()
        self._call("DELETE", "/tags")

    def _call(self, method: str, path: str, body: t.Any = None) -> t.Any:
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(f"{self.url}/_upstream{path}", data, method=method), timeout=10) as reply:
            text = reply.read()
        return json.loads(text) if text else None


@pytest.fixture
def upstream() -> t.Iterator[Upstream]:
    upstream = Upstream(f"http://{address('llm-host-upstream')}")
    # All scenarios have the same one, and two of them run at a time.
    with Path(os.environ["LAB_CACHE"], "upstream.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield upstream
        upstream.reset()


@pytest.fixture(scope="session")
def run_playbook() -> t.Callable[..., Run]:
    """Run a playbook on the hosts of the scenario."""

    def run(playbook: str, *options: str, env: t.Mapping[str, str] | None = None) -> Run:
        command = ["ansible-playbook", "-i", os.environ["MOLECULE_INVENTORY_FILE"], str(ROOT / playbook), *options]
        plain = {**os.environ, "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1", "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd=ROOT, env={**plain, **(env or {})})
        return Run(output=done.stdout + done.stderr, code=done.returncode)

    return run


@pytest.fixture
def archive(tmp_path, monkeypatch) -> t.Callable[..., Path]:
    """Pack a release of any version, even one that was never published, as a file on the controller; ``faults`` are born with it."""
    monkeypatch.syspath_prepend(ROOT / "tests/standin")
    import pack

    def make(version: str, *, leading_dot: bool = False, faults: t.Mapping[str, t.Any] | None = None) -> Path:
        numbers = pack.parse_version(version.partition("-")[0])
        form = "zst" if numbers >= pack.FIRST_ZST else "tgz"
        path = tmp_path / f"ollama-{version}.{form}"
        entries = pack.base_entries(numbers, version, "amd64", json.dumps(faults) if faults else "")
        path.write_bytes(pack.compress(pack.tar(entries, leading_dot=leading_dot), form))
        return path

    return make
