# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts that knock."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def stranger() -> str:
    """A host of the same network that nobody knows."""
    return "outsider"
