# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What roles install, they install on hosts whose lists of packages are empty and where another apt is at work, as both are after a first boot."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
import yaml

ROLES = Path(__file__).resolve().parents[2] / "roles"
PATIENT = {"update_cache": True, "cache_valid_time": 3600, "lock_timeout": 600}
# On hosts with dnf only.
OTHERS = {"policycoreutils-python-utils"}


def tasks_of(value: t.Any) -> t.Iterator[dict[str, t.Any]]:
    for task in value or ():
        yield task
        for part in ("block", "rescue", "always"):
            yield from tasks_of(task.get(part))


def installs() -> t.Iterator[t.Any]:
    for path in sorted(ROLES.glob("*/tasks/*.yml")):
        for task in tasks_of(yaml.safe_load(path.read_text())):
            for module in ("ansible.builtin.apt", "ansible.builtin.package"):
                if module in task and task[module]["name"] not in OTHERS:
                    defaults = task.get("module_defaults", {}).get("ansible.builtin.apt", {})
                    yield pytest.param({**defaults, **task[module]}, id=f"{path.parents[1].name}-{path.name}")


@pytest.mark.parametrize("options", list(installs()))
def test_lists_are_brought_up_to_date_and_others_waited_for(options):
    assert {name: options.get(name) for name in PATIENT} == PATIENT
