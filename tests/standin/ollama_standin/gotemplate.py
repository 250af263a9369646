# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Go's template parser would refuse first: open actions and unbalanced blocks."""

from __future__ import annotations

import re
import typing as t

__all__ = ["fault"]

_ACTION = re.compile(r"\{\{-?\s*(\w*)")


def fault(text: str) -> str:
    """The parser's words, or an empty string."""
    depth = 0
    for match in re.finditer(r"\{\{", text):
        line = text.count("\n", 0, match.start()) + 1
        if "}}" not in text[match.end() :]:
            return f"template: :{line}: unclosed action"
        word = t.cast("re.Match[str]", _ACTION.match(text, match.start()))[1]
        depth += word in ("if", "range", "with", "block", "define")
        depth -= word == "end"
        if depth < 0:
            return f"template: :{line}: unexpected {{{{end}}}}"
    return f"template: :{text.count(chr(10)) + 1}: unexpected EOF" if depth else ""
