# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When the key in the tailnet expires."""

from __future__ import annotations

import json

import pytest
from ollama_exporter.background import Errors
from ollama_exporter.tailnet import TailnetWatch
from strange import install, values

EXPIRY = "llm_tailscale_key_expiry_timestamp_seconds"


@pytest.mark.parametrize(
    ("script", "expected", "errors"),
    [
        pytest.param({"BackendState": "Running", "Self": {"KeyExpiry": "2027-01-15T08:00:00Z"}}, 1_800_000_000, 0, id="a-date"),
        pytest.param({"BackendState": "Running", "Self": {"KeyExpiry": None}}, None, 0, id="never"),
        pytest.param({"BackendState": "NeedsLogin", "Self": None}, None, 0, id="not-joined"),
        pytest.param("exit 1", None, 1, id="no-daemon"),
        pytest.param("echo hello", None, 1, id="garbage"),
        pytest.param("echo '[]'", None, 1, id="no-object"),
        pytest.param("""echo '{"Self": {"KeyExpiry": "tomorrow"}}'""", None, 1, id="no-date"),
    ],
)
def test_expiry(tmp_path, monkeypatch, script, expected, errors):
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    install(
        tmp_path, "tailscale", script if isinstance(script, str) else f"echo 'Warning: versions differ' >&2; echo '{json.dumps(script)}'"
    )
    counted = Errors()
    watch = TailnetWatch(errors=counted)
    watch._expiry.once()
    assert values(watch).get((EXPIRY,)) == expected
    assert values(counted)["ollama_exporter_errors_total", "tailscale"] == errors
