# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry point of the zipapp and of ``python3 -m ollama_standin``."""

from __future__ import annotations

import sys

from ollama_standin.cli import main

sys.exit(main(sys.argv[1:]))
