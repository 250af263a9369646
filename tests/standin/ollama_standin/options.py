# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Model options and keep_alive as they come in requests."""

from __future__ import annotations

import typing as t

from ollama_standin import gotime
from ollama_standin.errors import ApiError
from ollama_standin.scheduler import LoadOptions

__all__ = ["check", "keep_alive", "load_options"]

_INTEGER = (
    "num_ctx",
    "num_batch",
    "num_gpu",
    "main_gpu",
    "num_thread",
    "draft_num_predict",
    "top_k",
    "seed",
    "num_predict",
    "num_keep",
    "repeat_last_n",
)
_FLOAT = ("temperature", "top_p", "min_p", "typical_p", "repeat_penalty", "presence_penalty", "frequency_penalty")
_RELOAD = ("num_batch", "num_gpu", "main_gpu", "use_mmap", "num_thread", "draft_num_predict")


def _number(value: t.Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def check(options: t.Mapping[str, t.Any]) -> None:
    """Wrong types fail with status 500, unknown names are only logged."""
    for name, value in options.items():
        kind = ""
        if value is None:
            continue
        if name in _INTEGER and not _number(value):
            kind = "integer"
        elif name in _FLOAT and not _number(value):
            kind = "float32"
        elif name == "use_mmap" and not isinstance(value, bool):
            kind = "boolean"
        elif name == "stop" and not isinstance(value, list):
            kind = "array"
        if kind:
            raise ApiError(500, f'option "{name}" must be of type {kind}')


def load_options(options: t.Mapping[str, t.Any], *, default_ctx: int, trained_ctx: int) -> LoadOptions:
    """What decides whether a loaded model fits; the context is capped to the trained one."""
    num_ctx = max(4, int(options.get("num_ctx") or default_ctx or 4096))
    if trained_ctx:
        num_ctx = min(num_ctx, trained_ctx)
    return LoadOptions(num_ctx, tuple((name, options[name]) for name in _RELOAD if options.get(name) is not None))


def keep_alive(value: t.Any) -> float | None:
    """Seconds, or None when not given; a string needs a unit."""
    if value is None:
        return None
    if isinstance(value, str):
        try:
            seconds = gotime.parse_duration(value)
        except ValueError as error:
            raise ApiError(400, str(error)) from None
    elif _number(value):
        seconds = float(value)
    else:
        raise ApiError(400, f"Unsupported type: '{type(value).__name__}'")
    return gotime.FOREVER if seconds < 0 else seconds
