# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lays recorded machines out below a directory, for the modules that have an option for the root."""

from __future__ import annotations

import base64
import json
import typing as t
from pathlib import Path

from ansible_collections.llm.host.plugins.module_utils._machine import RECORDING

MACHINES = Path(__file__).resolve().parents[3] / "data" / "machines"
NAMES = sorted(path.stem for path in MACHINES.glob("*.json"))


def recording(name: str) -> dict[str, t.Any]:
    return json.loads((MACHINES / f"{name}.json").read_text())


def lay_out(machine: t.Mapping[str, t.Any], root: Path) -> Path:
    nodes = {}
    for path, content in machine.items():
        if path == "commands":
            continue
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            (root / path).write_text(content)
        elif "link" in content:
            (root / path).symlink_to(content["link"])
        elif "base64" in content:
            (root / path).write_bytes(base64.b64decode(content["base64"]))
        elif "directory" in content:
            (root / path).mkdir()
        else:
            (root / path).touch()
            nodes[f"/{path}"] = content["node"]
    (root / RECORDING).write_text(json.dumps({"commands": machine["commands"], "nodes": nodes}))
    return root
