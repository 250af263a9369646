# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner's truth tables."""

from __future__ import annotations

import typing as t

import pytest
from scripted import digest

from ansible_collections.llm.host.plugins.module_utils._library import read_library
from ansible_collections.llm.host.plugins.module_utils._names import ModelName
from ansible_collections.llm.host.plugins.module_utils._plan import (
    Plan,
    Record,
    fingerprint,
    is_kept_copy,
    kept_copies,
    make_plan,
    plan_diff,
)
from ansible_collections.llm.host.plugins.module_utils._server import Present

A, B, C = digest("a"), digest("b"), digest("c")
BUILD = {"name": "team", "from": "base", "system": "hi"}


def present(*models: tuple[str, str]) -> list[Present]:
    return [Present(ModelName.parse(name), value) for name, value in models]


def plan(
    want: list[dict[str, t.Any]],
    *have: tuple[str, str],
    records: dict[str, Record] | None = None,
    exclusive: bool = False,
) -> Plan:
    library = read_library(want)
    return make_plan(
        have=present(*have),
        want=library,
        records={ModelName.parse(name).key: record for name, record in (records or {}).items()},
        fingerprints={spec.name.key: fingerprint(spec, {}) for spec in library.specs if spec.recipe},
        exclusive=exclusive,
    )


def steps(result: Plan) -> list[str]:
    return [f"{step.action} {step.name}" + (f" of {step.source}" if step.source else "") for step in result.steps]


@pytest.mark.parametrize(
    ("want", "have", "expected"),
    [
        pytest.param([{"name": "x"}], [], ["pull x:latest"], id="missing-is-pulled"),
        pytest.param([{"name": "x"}], [("x:latest", A)], ["none x:latest"], id="unpinned-and-there-is-left-alone"),
        pytest.param([{"name": "X"}], [("x:latest", A)], ["none X:latest"], id="case-does-not-matter"),
        pytest.param([{"name": "registry.ollama.ai/library/x"}], [("x:latest", A)], ["none x:latest"], id="defaults-do-not-matter"),
        pytest.param([{"name": "x"}], [("x:1b", A)], ["pull x:latest"], id="another-tag-is-another-model"),
        pytest.param([{"name": "x:1b"}], [("x:latest", A)], ["pull x:1b"], id="latest-is-another-tag"),
        pytest.param([{"name": "x", "digest": A}], [("x:latest", A)], ["none x:latest"], id="pinned-and-right"),
        pytest.param([{"name": "x", "digest": f"sha256:{A.upper()}"}], [("x:latest", A)], ["none x:latest"], id="pin-in-its-long-form"),
        pytest.param([{"name": "x", "digest": A}], [], ["pull x:latest"], id="pinned-and-missing"),
        pytest.param([{"name": "x", "digest": A}], [("x:latest", B)], ["pull x:latest"], id="pinned-and-different"),
        pytest.param(
            [{"name": "x", "digest": A}],
            [("x:latest", B), (f"x:latest-{A[:12]}", A)],
            [f"copy x:latest of x:latest-{A[:12]}"],
            id="a-kept-version-is-copied-back-without-the-network",
        ),
        pytest.param([{"name": "x", "digest": A}], [("y:1", A)], ["copy x:latest of y:1"], id="the-digest-is-the-content"),
        pytest.param([{"name": "x", "state": "absent"}], [("x:latest", A)], ["remove x:latest"], id="absent-is-removed"),
        pytest.param([{"name": "x", "state": "absent"}], [], ["none x:latest"], id="absent-and-not-there"),
        pytest.param([{"name": "x"}], [("x:latest", A), ("y:1", B)], ["none x:latest"], id="undeclared-is-left-alone"),
        pytest.param([], [], [], id="nothing-declared"),
    ],
)
def test_plan(want, have, expected):
    assert steps(plan(want, *have)) == expected


@pytest.mark.parametrize(
    ("want", "have", "expected"),
    [
        pytest.param([{"name": "x"}], [("x:latest", A), ("y:1", B)], ["none x:latest", "remove y:1"], id="undeclared-is-removed"),
        pytest.param([{"name": "x"}], [("x:latest", A), (f"x:latest-{B[:12]}", B)], ["none x:latest"], id="kept-versions-stay"),
        pytest.param(
            [{"name": "x"}],
            [("x:latest", A), ("x:latest-0123456789ab", B)],
            ["none x:latest", "remove x:latest-0123456789ab"],
            id="a-tag-that-only-looks-kept-goes",
        ),
        pytest.param([BUILD], [("base:latest", A)], ["create team:latest"], id="the-base-of-a-build-stays"),
        pytest.param([], [("y:1", B)], ["remove y:1"], id="nothing-declared-removes-all"),
        pytest.param([{"name": "x", "state": "absent"}], [("x:latest", A)], ["remove x:latest"], id="declared-absent-is-removed-once"),
    ],
)
def test_plan_when_exclusive(want, have, expected):
    assert steps(plan(want, *have, exclusive=True)) == expected


RECIPE = fingerprint(read_library([BUILD]).specs[0], {})


@pytest.mark.parametrize(
    ("record", "have", "reason"),
    [
        pytest.param(Record(RECIPE, B, A), [("base:latest", A), ("team:latest", B)], "", id="all-the-same"),
        pytest.param(Record(RECIPE, B, A), [("base:latest", A)], "it is missing", id="missing"),
        pytest.param(None, [("base:latest", A), ("team:latest", B)], "there is no record of how it was built", id="no-record"),
        pytest.param(
            Record(RECIPE, B, A), [("base:latest", A), ("team:latest", C)], "it was altered since it was built", id="altered-by-hand"
        ),
        pytest.param(Record("old", B, A), [("base:latest", A), ("team:latest", B)], "its recipe changed", id="recipe"),
        pytest.param(Record(RECIPE, B, A), [("base:latest", C), ("team:latest", B)], "its base base:latest changed", id="base"),
        pytest.param(Record(RECIPE, B, A), [("team:latest", B)], "its base base:latest is missing", id="base-missing"),
    ],
)
def test_a_build_is_repeated_for_a_reason_only(record, have, reason):
    step = plan([BUILD], *have, records={"team": record} if record else {}).steps[-1]
    assert (step.action, step.reason) == ("create" if reason else "none", reason)


def test_a_base_that_is_nowhere_is_pulled_once():
    assert steps(plan([BUILD, {**BUILD, "name": "second"}])) == ["pull base:latest", "create team:latest", "create second:latest"]


def test_a_declared_base_is_pulled_as_declared():
    result = plan([BUILD, {"name": "base", "digest": A}])
    assert steps(result) == ["pull base:latest", "create team:latest"]
    assert result.steps[0].pin == A


def test_a_base_that_changes_in_this_run_means_a_rebuild():
    result = plan(
        [{"name": "base", "digest": C}, BUILD],
        ("base:latest", A),
        ("team:latest", B),
        records={"team": Record(RECIPE, B, A)},
    )
    assert [(step.action, step.reason) for step in result.steps] == [
        ("pull", "its digest differs from the pin"),
        ("create", "its base base:latest changes"),
    ]


def test_how_a_base_is_spelt_does_not_change_the_recipe():
    assert fingerprint(read_library([{**BUILD, "from": "library/BASE:latest"}]).specs[0], {}) == RECIPE
    assert fingerprint(read_library([{**BUILD, "system": "ho"}]).specs[0], {}) != RECIPE
    assert fingerprint(read_library([BUILD]).specs[0], {"/a": {"a": "sha256:1"}}) != RECIPE


def test_kept_versions_are_found_by_their_own_digest_the_newest_first():
    have = present(("x:1", C), (f"x:1-{B[:12]}", B), (f"x:1-{A[:12]}", A), (f"y:1-{A[:12]}", A), (f"x:1-{C[:12]}", A))
    assert [item.digest for item in kept_copies(have, ModelName.parse("X:1"))] == [B, A]
    assert not is_kept_copy(have[0])


def test_the_plan_as_a_diff_shows_the_lines_of_a_recipe_that_differ():
    old = Record("old", B, A, ("FROM base", "SYSTEM ho"))
    result = plan(
        [BUILD, {"name": "x", "digest": C}, {"name": "y"}], ("base:latest", A), ("team:latest", B), ("x:latest", A), records={"team": old}
    )
    shown = plan_diff(result, {ModelName.parse("team").key: old})
    assert shown["before"].splitlines() == [f"team:latest  {B}", "  FROM base", "  SYSTEM ho", f"x:latest  {A}"]
    assert shown["after"].splitlines() == [
        "team:latest  (built: its recipe changed)",
        "  FROM base",
        "  SYSTEM hi",
        f"x:latest  {C}",
        "y:latest  (what the registry has)",
    ]


def test_the_diff_of_a_plan_that_changes_nothing_is_empty():
    shown = plan_diff(plan([{"name": "x"}], ("x:latest", A)), {})
    assert shown["before"] == shown["after"] == f"x:latest  {A}\n"
