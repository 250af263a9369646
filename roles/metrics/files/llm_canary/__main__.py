# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure, and print all that is known as Prometheus' metrics.

The arguments are a JSON file (see ``config``) and the mode: ``loaded`` measures the models that are in memory, ``all`` every declared one.
What is to be kept from run to run lies in the directory ``$STATE_DIRECTORY``, ``.`` without it. One run at a time: ``loaded`` leaves out
its turn while another goes on, ``all`` waits for the end of that.
"""

from __future__ import annotations

import fcntl
import os
import sys
from pathlib import Path
from typing import IO

from llm_canary.config import ALL, MODES, BadConfig, read
from llm_canary.results import Results
from llm_canary.tour import Tour

LOCK, STATE = "lock", "results.json"


def _locked(stream: IO[str], mode: str) -> bool:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | (0 if mode == ALL else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def main(path: str, mode: str) -> int:
    directory = Path(os.environ.get("STATE_DIRECTORY", "."))
    try:
        config = read(path)
        with (directory / LOCK).open("w", encoding="ascii") as lock:
            if _locked(lock, mode):
                results = Results(directory / STATE, config.keys())
                Tour(config, mode, results).run()
            else:
                print("Another run goes on.", file=sys.stderr)
                results = Results(directory / STATE, config.keys())
    except (BadConfig, OSError) as exc:
        print(exc, file=sys.stderr)
        return 1
    sys.stdout.write(results.metrics())
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[2] not in MODES:
        sys.exit(f"Usage: llm_canary CONFIG {'|'.join(MODES)}")
    sys.exit(main(*sys.argv[1:]))
