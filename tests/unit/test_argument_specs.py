# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every role's defaults and argument specs say the same."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.llm.host.plugins.module_utils._library_module import model_options

ROLES = sorted(path for path in (Path(__file__).parents[2] / "roles").iterdir() if path.is_dir())


def load(path: Path) -> t.Any:
    return yaml.safe_load(path.read_text())


def options(role: Path) -> dict[str, t.Any]:
    return load(role / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_defaults_and_argument_specs_agree_in_names_and_values(role):
    assert {name: spec["default"] for name, spec in options(role).items() if "default" in spec} == load(role / "defaults" / "main.yml")


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_defaults_have_the_type_that_the_spec_says(role):
    types = {"str": str, "path": str, "int": int, "bool": bool, "list": list, "dict": dict}
    wrong = [
        name
        for name, spec in options(role).items()
        if spec.get("default") is not None
        and not (isinstance(spec["default"], str) and "{{" in spec["default"])
        and type(spec["default"]) is not types[spec["type"]]
    ]
    assert wrong == []


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_every_option_is_typed_described_and_named_after_its_role(role):
    for name, spec in options(role).items():
        assert name.startswith(role.name.removesuffix("_models")), name
        assert spec.get("type") and spec.get("description"), name
        assert spec["type"] != "list" or spec.get("elements"), name


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_every_role_is_explained(role):
    assert (role / "README.md").read_text().startswith(f"# llm.host.{role.name}")


def test_a_model_is_the_same_for_the_role_and_for_the_module():
    (role,) = (role for role in ROLES if role.name == "ollama_models")
    module = model_options()
    # What the action plugin fills in is not for inventories.
    del module["controller_files"]
    declared = options(role)["ollama_models"]["options"]
    assert {name: spec["type"] for name, spec in declared.items()} == {name: spec["type"] for name, spec in module.items()}
