# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes the place of the script that ansible-test downloads to get pip, so that a package index is all it needs."""

from __future__ import annotations

import ensurepip
import os
import subprocess
import sys

packages = [argument for argument in sys.argv[1:] if not argument.startswith("--no-")]
ensurepip.bootstrap()
os.environ.pop("PIP_CONFIG_FILE", None)  # ensurepip points it at /dev/null
subprocess.check_call([sys.executable, "-m", "pip", "install", *packages])
