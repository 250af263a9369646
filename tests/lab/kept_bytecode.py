# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets a host of the lab compile what it imports out of zips once: each of Ansible's modules brings, and compiles, the same sixty files again.

Python loads it at its start, by kept_bytecode.pth.
"""

from __future__ import annotations

import marshal
import os
import zipimport
from _imp import source_hash  # type: ignore[import-not-found]

KEPT = "/var/cache/kept-bytecode"
compile_source = zipimport._compile_source  # type: ignore[attr-defined]


def compile_once(path, source):
    kept = f"{KEPT}/{source_hash(0, source).hex()}"
    try:
        with open(kept, "rb") as file:
            return marshal.load(file)
    except (OSError, EOFError, ValueError):
        code = compile_source(path, source)
    try:
        with open(f"{kept}.{os.getpid()}", "wb") as file:
            marshal.dump(code, file)
        os.rename(file.name, kept)
    except OSError:
        pass
    return code


zipimport._compile_source = compile_once  # type: ignore[attr-defined]
