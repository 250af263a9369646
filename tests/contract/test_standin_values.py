# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in's reading of values, against the tables of the contract."""

from __future__ import annotations

import pytest
from ollama_standin import gojson, gotime, names, settings


@pytest.fixture(autouse=True)
def _only_standin(is_standin: bool) -> None:
    if not is_standin:
        pytest.skip("tests of the stand-in's own functions")


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("", ("127.0.0.1", 11434, "http")),
        ("1.2.3.4", ("1.2.3.4", 11434, "http")),
        (":1234", ("", 1234, "http")),
        ("host:1234", ("host", 1234, "http")),
        ("[::1]", ("::1", 11434, "http")),
        ("::1", ("::1", 11434, "http")),
        ("[::]:1337", ("::", 1337, "http")),
        ("http://x", ("x", 80, "http")),
        ("https://x", ("x", 443, "https")),
        ("https://x:5", ("x", 5, "https")),
        ("http://x:5/path", ("x", 5, "http")),
        ("1.2.3.4:66000", ("1.2.3.4", 11434, "http")),
        ("1.2.3.4:port", ("1.2.3.4", 11434, "http")),
        ("ollama.com", ("ollama.com", 443, "https")),
    ],
)
def test_host(text: str, want: tuple[str, int, str]) -> None:
    assert settings.parse_host(text) == want


@pytest.mark.parametrize(("text", "want"), [("1", True), ("T", True), ("no", True), ("0", False), ("False", False), ("", False)])
def test_booleans(text: str, want: bool) -> None:
    assert settings.as_bool(text) is want


@pytest.mark.parametrize(
    ("value", "want"),
    [
        (1.0, "1"), (0.1, "0.1"), (1e-5, "0.00001"), (1e-7, "1e-7"), (1e-12, "1e-12"), (1e20, "100000000000000000000"),
        (1e21, "1e+21"), (-2.5, "-2.5"), (0.0, "0"), (gojson.F32(0.10000000149011612), "0.1"), (gojson.F32(1e-12), "1e-12"),
        (123456.75, "123456.75"),
    ],
)  # fmt: skip
def test_floats_as_go_writes_them(value: float, want: str) -> None:
    assert gojson.format_float(value) == want


def test_json_is_escaped_for_html_and_keeps_other_text() -> None:
    assert gojson.dumps({"a": "<|é&|>", "b": [True, None, 2]}) == '{"a":"\\u003c|é\\u0026|\\u003e","b":[true,null,2]}'


@pytest.mark.parametrize(
    ("seconds", "want"),
    [(300, "5m0s"), (1800, "30m0s"), (5400.5, "1h30m0.5s"), (0, "0s"), (0.0015, "1.5ms"), (gotime.FOREVER, "2562047h47m16.854775807s")],
)
def test_durations_as_go_writes_them(seconds: float, want: str) -> None:
    assert gotime.format_duration(seconds) == want


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("m", "m:latest"),
        ("ns/m:t", "ns/m:t"),
        ("host.io:5/ns/m", "host.io:5/ns/m:latest"),
        ("https://registry.ollama.ai/library/m", "m:latest"),
    ],
)
def test_names(text: str, short: str) -> None:
    assert names.parse(text).valid
    assert names.parse(text).short == short
