# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of several folders use."""

from __future__ import annotations

import shutil
import sys

import pytest
from model_lab import STORE, TESTS, Lab, call, free_port, start


@pytest.fixture(name="upstream", scope="module")
def _upstream(tmp_path_factory):
    directory = tmp_path_factory.mktemp("upstream")
    shutil.copytree(STORE, directory / "store")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    process = start(
        [
            sys.executable,
            str(TESTS / "standin" / "upstream.py"),
            *("--store", str(directory / "store"), "--bind", "127.0.0.1", "--http-port", str(port)),
        ],
        f"{url}/_upstream/tags",
        directory / "log",
    )
    yield url
    process.kill()
    process.wait()


@pytest.fixture(name="lab")
def _lab(tmp_path, upstream, capsys, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    call("DELETE", f"{upstream}/_upstream/tags")
    call("DELETE", f"{upstream}/_upstream/faults")
    lab = Lab(tmp_path, upstream, capsys)
    lab.start()
    yield lab
    lab.stop()
