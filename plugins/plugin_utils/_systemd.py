# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values in the quoting that systemd reads back unchanged. PRIVATE to the collection: it can change at any time.

Sources: systemd.syntax(7), systemd.exec(5) on Environment= and EnvironmentFile=, systemd.unit(5) on specifiers.
"""

from __future__ import annotations

import typing as t

__all__ = ("environment_file", "environment_lines")


def environment_lines(variables: t.Mapping[str, str]) -> str:
    """``Environment=`` lines for a unit: quoted, with ``%`` doubled because units expand specifiers."""
    return "\n".join(f'Environment="{name}={_escape(value).replace("%", "%%")}"' for name, value in variables.items())


def environment_file(variables: t.Mapping[str, str]) -> str:
    """Lines for a file that ``EnvironmentFile=`` reads; there ``%`` and ``$`` stand for themselves inside quotes, but a shell may read it too."""
    return "".join(
        f'{name}="{_escape(value).replace("$", chr(92) + "$").replace("`", chr(92) + "`")}"\n' for name, value in variables.items()
    )


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
