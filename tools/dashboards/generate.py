# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the dashboards of Grafana anew: python tools/dashboards/generate.py"""

from __future__ import annotations

import sys
import typing as t
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from fleet import fleet
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from host import host
from panels import Board
from user import user

__all__ = ["BOARDS", "TARGET", "text"]

TARGET = Path(__file__).resolve().parents[2] / "roles/monitoring/files/dashboards"
BOARDS: t.Mapping[str, t.Callable[[], Board]] = {"fleet": fleet, "host": host, "user": user}


def text(board: Board) -> str:
    """The JSON that Grafana reads."""
    built = board.build()
    for number, panel in enumerate(built.panels or (), start=1):
        panel.id_val = number
    return JSONEncoder(sort_keys=True, indent=2).encode(built) + "\n"


if __name__ == "__main__":
    TARGET.mkdir(parents=True, exist_ok=True)
    for name, make in BOARDS.items():
        (TARGET / f"{name}.json").write_text(text(make()))
