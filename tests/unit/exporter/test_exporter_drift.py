# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a server is not as declared."""

from __future__ import annotations

import pytest
from ollama_exporter.config import Declared
from ollama_exporter.drift import model_drift, needed, version_drift
from ollama_exporter.ollama import Installed

from ansible_collections.llm.host.plugins.module_utils._names import ModelName

DIGEST = "a" * 64


def model(name: str, digest: str = DIGEST, size: int = 10) -> Installed:
    return Installed(ModelName.parse(name), digest, size)


def key(name: str) -> str:
    return ModelName.parse(name).key


@pytest.mark.parametrize(
    ("installed", "declared", "expected"),
    [
        pytest.param([], {}, (0, 0, 0), id="nothing-and-nothing"),
        pytest.param([], {"tiny": ""}, (1, 0, 0), id="missing"),
        pytest.param([model("TINY:latest")], {"tiny": DIGEST}, (0, 0, 0), id="as-declared-however-it-is-written"),
        pytest.param([model("tiny")], {"tiny": "b" * 64}, (0, 1, 0), id="another-digest"),
        pytest.param([model("tiny")], {"tiny": ""}, (0, 0, 0), id="any-digest"),
        pytest.param([model("tiny"), model("other")], {"tiny": ""}, (0, 0, 1), id="undeclared"),
        pytest.param([model(f"tiny:latest-{DIGEST[:12]}")], {}, (0, 0, 0), id="a-kept-version"),
        pytest.param([model("base")], {}, (0, 0, 0), id="a-base"),
    ],
)
def test_models(installed, declared, expected):
    wanted = Declared({key(name): digest for name, digest in declared.items()}, frozenset({key("base")}), exclusive=True)
    assert model_drift(installed, wanted) == dict(zip(("missing", "digest", "undeclared"), expected))


def test_what_is_not_declared_is_no_drift_unless_the_declaration_is_exclusive():
    assert model_drift([model("other")], Declared())["undeclared"] == 0


@pytest.mark.parametrize(
    ("version", "declared", "expected"),
    [("0.32.15", "0.32.15", 0), ("0.32.15+standin", "0.32.15", 0), ("0.32.14", "0.32.15", 1), ("0.32.14", "", 0)],
)
def test_version(version, declared, expected):
    assert version_drift(version, Declared(version=declared)) == expected


def test_the_next_pull_needs_as_much_as_the_largest_declared_model_that_is_there():
    models = [model("small", size=1), model("large", size=5), model("undeclared", size=9)]
    declared = Declared({key("small"): "", key("large"): "", key("missing"): ""})
    assert (needed(models, declared), needed([], declared)) == (5, 0)
