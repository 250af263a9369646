# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When the key of this host in its tailnet expires."""

from __future__ import annotations

import typing as t

from ansible_collections.llm.host.plugins.module_utils._tailscale import Node

from .background import Errors, Problem, Repeated
from .programs import Program
from .table import Sample

__all__ = ("TailnetWatch",)

# How often, in seconds.
EVERY = 300


class TailnetWatch:
    """The node that tailscaled is."""

    def __init__(self, *, errors: Errors, every: float = EVERY) -> None:
        self._program = Program("tailscale")
        self._expiry = Repeated("tailscale", self._look, every=every, errors=errors)

    def start(self) -> None:
        self._expiry.start()

    def samples(self) -> t.Iterator[Sample]:
        expiry = self._expiry.value
        if expiry is not None:
            yield "llm_tailscale_key_expiry_timestamp_seconds", (), expiry

    def _look(self) -> float | None:
        """Unix time, None for a key that does not expire."""
        answer = self._program.ask("status", "--json", "--peers=false")
        if answer.code:
            raise Problem(f"tailscale: {answer.reason}")
        try:
            expiry = Node.parse(answer.output, "{}").expiry
        except (ValueError, TypeError, AttributeError) as exc:
            raise Problem("tailscale status printed what nobody understands") from exc
        return expiry.timestamp() if expiry else None
