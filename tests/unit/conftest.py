# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of several folders use."""

from __future__ import annotations

import pytest
from local import call, start_upstream
from model_lab import Lab


@pytest.fixture(name="upstream", scope="module")
def _upstream(tmp_path_factory):
    directory = tmp_path_factory.mktemp("upstream")
    url, process = start_upstream(directory)
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
