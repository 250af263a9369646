# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Debian packages a host lacks. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import typing as t

from ansible_collections.llm.host.plugins.module_utils._units import RunCommand

__all__ = ("missing_packages",)


def missing_packages(run: RunCommand, packages: t.Sequence[str], *, tool: str | None) -> list[str]:
    """Those of ``packages``, each a name or ``name=version``, that are not installed, or not so. ``tool`` is dpkg-query, None where there is none."""
    if not packages or tool is None:
        return list(packages)
    wanted = [package.partition("=")[::2] for package in packages]
    names = [name for name, _version in wanted]
    command = [tool, "--show", "--showformat", "${Package} ${db:Status-Status} ${Version}\n", *names]
    lines = [line.split() for line in run(command)[1].splitlines()]
    installed = {fields[0]: fields[2] for fields in lines if fields[1] == "installed"}
    return [package for package, (name, version) in zip(packages, wanted) if name not in installed or version not in ("", installed[name])]
