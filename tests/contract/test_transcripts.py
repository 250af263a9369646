# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The recorded exchanges, one test each; they are played once, in order, from an empty store."""

from __future__ import annotations

import re

import pytest
import transcripts


def creates_the_recorded_digests(version: str) -> bool:
    """The bytes of a created model depend on the server: since 0.32.7 they are the recorded ones."""
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:3])
    return numbers >= (0, 32, 7)


@pytest.mark.parametrize("entry", transcripts.entries(), ids=lambda entry: entry.label)
def test_answer_is_the_recorded_one(entry: transcripts.Entry, replayed: transcripts.Replay) -> None:
    version = replayed.replies["01-basics/version"].json()["version"]
    reply = replayed.replies[entry.label]
    assert transcripts.compare(entry, reply, replayed, digests=creates_the_recorded_digests(version)) == []


def test_every_transcript_is_there() -> None:
    assert len(transcripts.entries()) >= 90


def test_titles_are_unique_so_that_no_exchange_hides_another() -> None:
    labels = [entry.label for entry in transcripts.entries()]
    assert len(set(labels)) == len(labels)
