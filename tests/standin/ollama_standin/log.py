# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Log lines in the real server's shapes: slog text on stderr, gin's access log on stdout."""

from __future__ import annotations

import datetime as dt
import json
import sys
import threading
import typing as t

__all__ = ["access", "debug", "info", "set_level", "warn"]

_lock = threading.Lock()
_state = {"debug": False}


def set_level(*, debug: bool) -> None:
    _state["debug"] = debug


def _write(stream: t.TextIO, line: str) -> None:
    with _lock:
        try:
            stream.write(line + "\n")
            stream.flush()
        except (OSError, ValueError):
            pass


def _text(value: t.Any) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if not text or any(c in text for c in ' "=\n') else text


def _log(level: str, source: str, message: str, **values: t.Any) -> None:
    stamp = dt.datetime.now().astimezone().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    pairs = "".join(f" {key}={_text(value)}" for key, value in values.items())
    _write(sys.stderr, f"time={stamp} level={level} source={source} msg={_text(message)}{pairs}")


def info(source: str, message: str, **values: t.Any) -> None:
    _log("INFO", source, message, **values)


def warn(source: str, message: str, **values: t.Any) -> None:
    _log("WARN", source, message, **values)


def debug(source: str, message: str, **values: t.Any) -> None:
    if _state["debug"]:
        _log("DEBUG", source, message, **values)


def access(*, status: int, seconds: float, client: str, method: str, path: str) -> None:
    stamp = dt.datetime.now().strftime("%Y/%m/%d - %H:%M:%S")
    took = f"{seconds:.6f}s" if seconds >= 1 else f"{seconds * 1e3:.4g}ms" if seconds >= 1e-3 else f"{seconds * 1e6:.4g}µs"
    _write(sys.stdout, f'[GIN] {stamp} | {status} | {took:>13} | {client:>15} | {method:<8} "{path}"')
