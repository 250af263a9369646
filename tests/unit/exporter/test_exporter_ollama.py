# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is made of an Ollama server's answers, and of what is none."""

from __future__ import annotations

import math
import time

import pytest
from ollama_exporter.background import Problem
from ollama_exporter.ollama import Client, Loaded, Refused, installed_in, loaded_in, timestamp
from strange import SILENCE, TRICKLE, answers

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2027-01-15T08:00:10Z", NOW + 10, id="utc"),
        pytest.param("2027-01-15T10:00:10.5+02:00", NOW + 10.5, id="another-zone"),
        pytest.param("2027-01-15T08:00:10.123456789Z", NOW + 10.123456789, id="nanoseconds"),
        pytest.param("2318-12-31T00:00:00Z", math.inf, id="for-ever"),
        pytest.param("0001-01-01T00:00:00Z", None, id="zero"),
        pytest.param("2027-13-45T99:00:00Z", None, id="no-date"),
        pytest.param("soon", None, id="no-time"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_expiry(text, expected):
    assert timestamp(text, NOW) == expected


def test_loaded_models():
    item = {"name": "tiny:latest", "digest": "AB", "size": 10, "size_vram": 4, "context_length": 4096, "expires_at": "2027-01-15T08:00:00Z"}
    assert loaded_in({"models": [item]}, NOW) == {"tiny:latest": Loaded("ab", 10, 4, 4096, NOW)}
    assert loaded_in({"models": [{"name": "bare"}]}, NOW) == {"bare": Loaded("", 0, 0, 0, None)}


def test_no_list_is_an_empty_one_as_older_versions_say_it():
    assert (loaded_in({"models": None}, NOW), installed_in({})) == ({}, {})


def test_what_no_model_can_be_called_becomes_no_label():
    assert loaded_in({"models": [{"name": "a b\n"}, {"name": "\ud800"}, {"name": "x" * 500}]}, NOW) == {}


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"models": "none"}, id="no-list"),
        pytest.param({"models": [1]}, id="no-objects"),
        pytest.param({"models": [{"name": 5}]}, id="no-name"),
        pytest.param({"models": [{"name": "a", "size": "big"}]}, id="no-size"),
        pytest.param({"models": [{"name": "a", "size": math.inf}]}, id="no-end"),
        pytest.param({"models": [{"name": "a", "size": []}, {"name": "b", "size_vram": {"x": 1}}]}, id="no-number"),
    ],
)
def test_garbage_is_a_problem(answer):
    with pytest.raises(Problem):
        loaded_in(answer, NOW)


@pytest.mark.parametrize("version", ["", 5, None, "1.0 \udc00", "x" * 200, "1\n2"])
def test_what_is_no_version_becomes_no_label(version):
    with answers({"/api/version": {"version": version}}) as url, pytest.raises(Problem):
        Client(url, limit=5).version()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(500, id="status-500"),
        pytest.param(b"<html>", id="no-json"),
        pytest.param(b"[" * 100_000, id="too-deep"),
        pytest.param([], id="no-object"),
        pytest.param(b"\xff\xfe\x00", id="bytes"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_no_answer_of_ollama_is_a_problem(answer):
    with answers({"/api/ps": answer}) as url, pytest.raises(Problem):
        Client(url, limit=5).loaded()


@pytest.mark.parametrize("answer", [pytest.param(SILENCE, id="silence"), pytest.param(TRICKLE, id="byte-by-byte")])
def test_a_question_ends_in_time(answer):
    with answers({"/api/ps": answer}) as url:
        began = time.monotonic()
        with pytest.raises(Problem) as raised:
            Client(url, limit=0.5).loaded()
    assert time.monotonic() - began < 2
    assert not isinstance(raised.value, Refused)


def test_a_server_that_is_not_there_is_told_apart():
    with answers({}) as url:
        pass
    with pytest.raises(Refused):
        Client(url, limit=5).loaded()
