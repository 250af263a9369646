# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with the settings of the canary. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import re
import typing as t

__all__ = ("canary_problems",)

MOST_TOKENS = 512
# What systemd's calendars consist of; whether it is one, systemd says.
CALENDAR = re.compile(r"[A-Za-z0-9*:,./~ +_-]+\Z")


def canary_problems(settings: t.Mapping[str, t.Any]) -> list[str]:
    """One sentence for each thing that is wrong; ``settings`` are ``loaded``, ``all``, ``tokens`` and the balancer's ``metrics_port``."""
    return [*_calendar_problems(settings), *_number_problems(settings)]


def _calendar_problems(settings: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    for name, example in (("loaded", "*:0/15"), ("all", "*-*-* 03:30")):
        if not CALENDAR.match(str(settings[name])):
            yield f"metrics_canary_{name} {settings[name]!r} is not a calendar of systemd's: write one such as {example}."


def _number_problems(settings: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    if not 1 <= settings["tokens"] <= MOST_TOKENS:
        yield f"metrics_canary_tokens {settings['tokens']} is not a short generation: write 1 to {MOST_TOKENS}."
    if not settings["metrics_port"]:
        yield (
            "metrics_canary asks HAProxy's metrics whether it would be in somebody's way, but balancer_metrics_port is 0: "
            "set that to 8405, or metrics_canary to false."
        )
