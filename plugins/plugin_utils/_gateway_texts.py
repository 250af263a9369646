# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the configurations of the web servers say in different words. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import base64
import json
import re
import string
import typing as t

__all__ = ("basic_pattern", "bytes_of", "error_bodies")

UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"


def bytes_of(size: str) -> int:
    """The bytes of a size as nginx writes it: ``64m``, ``500k``, ``1000``."""
    number, unit = re.fullmatch(r"(\d+)([kmg]?)", str(size).lower()).groups()  # type: ignore[union-attr]
    return int(number) * UNITS[unit]


def error_bodies(error: t.Mapping[str, str]) -> list[str]:
    """An error as the clients of Ollama, OpenAI and Anthropic read it."""
    message = error["message"]
    bodies: tuple[dict[str, t.Any], ...] = (
        {"error": message},
        {"error": {"message": message, "type": error["openai"], "param": None, "code": error["code"]}},
        {"type": "error", "error": {"type": error["anthropic"], "message": message}},
    )
    return [json.dumps(body) for body in bodies]


def basic_pattern(names: t.Iterable[str]) -> str:
    """A pattern that matches the credentials of HTTP Basic authentication of these users, whatever their password."""
    return f"({'|'.join(_encoded_start(f'{name}:'.encode()) for name in names)})"


def _encoded_start(start: bytes) -> str:
    """How base64 of something that starts so starts: where a character holds bits of what follows, it can be one of several."""
    encoded = base64.b64encode(start).decode().rstrip("=")
    rest = len(start) % 3
    if not rest:
        return re.escape(encoded)
    first = ALPHABET.index(encoded[-1])
    return f"{re.escape(encoded[:-1])}[{ALPHABET[first : first + (16 if rest == 1 else 4)]}]"
