# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The version this copy reports, and the faults it is born with; the packer writes others into the archive."""

from __future__ import annotations

VERSION = "0.0.0+standin"
FAULTS = ""
