# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The labels of a gateway's metrics are bounded, and its histograms tell quantiles within a tenth."""

from __future__ import annotations

import bisect
import itertools
import random
import re
import typing as t

import pytest

from ansible_collections.llm.host.plugins.filter.metrics_gateway import FilterModule

FILTERS = FilterModule().filters()
USERS = [{"name": "alice", "key": "k" * 20}, {"name": "bob.x+y@example.com"}]


def labels(models: t.Sequence[str] = (), shown: str = "name", salt: str = "") -> t.Any:
    return FILTERS["metrics_labels"](USERS, models, shown, salt)


def label_of(models: t.Sequence[str], asked: str) -> list[str]:
    return [model["label"] for model in labels(models)["models"] if re.fullmatch(f"(?i:{model['pattern']})", asked)]


@pytest.mark.parametrize(
    ("declared", "label", "asked"),
    [
        pytest.param("tiny", "tiny:latest", ["tiny", "TINY:Latest", "library/tiny", "registry.ollama.ai/library/tiny:latest"], id="short"),
        pytest.param("tiny:latest", "tiny:latest", ["tiny", "Library/Tiny"], id="with-the-usual-tag"),
        pytest.param("qwen3:8b", "qwen3:8b", ["qwen3:8B", "library/qwen3:8b"], id="with-a-tag"),
        pytest.param("team/x", "team/x:latest", ["team/x", "registry.ollama.ai/team/X:latest"], id="of-a-namespace"),
        pytest.param(
            "hf.co/team/model.GGUF:Q4_K_M", "hf.co/team/model.GGUF:Q4_K_M", ["hf.co/Team/model.gguf:q4_k_m"], id="of-another-registry"
        ),
        pytest.param(
            "registry.lan:5000/team/x",
            "registry.lan:5000/team/x:latest",
            ["registry.lan:5000/team/x:latest"],
            id="of-a-registry-with-a-port",
        ),
    ],
)
def test_every_spelling_of_a_declared_model_has_its_one_label(declared, label, asked):
    assert [label_of([declared], spelling) for spelling in asked] == [[label]] * len(asked)


@pytest.mark.parametrize(
    "asked",
    ["tiny2", "tin", "tiny:8b", "team/tiny", "hf.co/library/tiny", "registry.ollama.ai/tiny", "tinyx:latest", "qwen3", "qwen3x8b", ""],
)
def test_what_is_not_declared_has_no_label(asked):
    assert label_of(["tiny", "qwen3:8b", "hf.co/team/m"], asked) == []


def test_a_model_that_is_declared_twice_has_the_first_name():
    assert [model["label"] for model in labels(["Tiny", "library/tiny:latest", "embed"])["models"]] == ["Tiny:latest", "embed:latest"]


def test_users_are_shown_as_the_site_wants_it():
    assert [user["label"] for user in labels()["users"]] == ["alice", "bob.x+y@example.com"]
    hashed = [[user["label"] for user in labels(shown="hash", salt=salt)["users"]] for salt in ("", "pepper")]
    assert hashed[0] == ["2bd806c9", "190eeacd"]
    assert not set(hashed[0]) & set(hashed[1])
    assert [user["label"] for user in labels(shown="none")["users"]] == ["", ""]


def test_a_pattern_fits_between_slashes_and_only_its_user():
    (_, bob) = labels()["users"]
    assert re.fullmatch(bob["pattern"], "bob.x+y@example.com")
    assert not re.fullmatch(bob["pattern"], "bobbx+y@example.com")
    assert all("/" not in re.sub(r"\\/", "", model["pattern"]) for model in labels(["hf.co/a/b", "c"])["models"])


def quantile(bounds: t.Sequence[float], seen: t.Sequence[float], share: float) -> float:
    """As Prometheus reads it from a histogram."""
    counts = [0] * (len(bounds) + 1)
    for value in seen:
        counts[bisect.bisect_left(bounds, value)] += 1
    rank, below, before = share * len(seen), 0.0, 0
    for bound, count in zip(bounds, counts):
        if before + count >= rank:
            return below + (bound - below) * (rank - before) / count
        below, before = bound, before + count
    return bounds[-1]


@pytest.mark.parametrize("spread", [0.1, 0.3, 1.0])
@pytest.mark.parametrize("share", [0.5, 0.95])
def test_a_quantile_is_within_a_tenth_where_requests_of_people_are(spread, share):
    bounds = FILTERS["metrics_buckets"]("seconds")
    source = random.Random(9)
    for step in range(60):
        middle = 0.06 * 1.1**step
        seen = sorted(value for value in (middle * source.lognormvariate(0, spread) for _ in range(800)) if 0.05 < value < 60)
        if len(seen) > 400:
            assert quantile(bounds, seen, share) == pytest.approx(seen[int(share * len(seen)) - 1], rel=0.1)


def test_the_bounds_reach_from_a_refusal_to_the_longest_answer_and_are_not_too_many():
    bounds = FILTERS["metrics_buckets"]("seconds")
    assert (bounds[0], bounds[-1]) == (0.005, 900)
    assert all(low < high <= 1.7 * low for low, high in itertools.pairwise(bounds))
    assert len(bounds) <= 70
