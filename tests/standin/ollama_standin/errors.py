# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The errors that cross module borders."""

from __future__ import annotations

__all__ = ["ApiError", "ClientGone", "CloudError"]


class ApiError(Exception):
    """An answer other than 200, with Ollama's own words."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class CloudError(ApiError):
    """An answer about the cloud: every API gives it in Ollama's own shape."""


class ClientGone(Exception):
    """The client closed its connection before the answer was complete."""
