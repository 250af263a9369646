# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the package of Tailscale comes from, and what is to be done so that the wanted version is installed and held.

PRIVATE to the collection: it can change at any time.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

__all__ = ("PACKAGE", "PackagePlan", "System", "make_package_plan", "parse_system", "sources_text")

PACKAGE = "tailscale"
HEADER = "# Ansible (llm.host.tailscale_package) writes this file.\n"


class System(t.NamedTuple):
    """A distribution, as its /etc/os-release says."""

    id: str
    codename: str
    version: str = ""

    @property
    def uses_apt(self) -> bool:
        return self.id in ("debian", "ubuntu")


@dataclasses.dataclass(frozen=True)
class PackagePlan:
    """``files`` are paths to write, or to remove. ``install`` is the version, empty where it is there."""

    files: tuple[str, ...] = ()
    install: str = ""
    purge: bool = False
    hold: bool = False
    release: bool = False

    @property
    def actions(self) -> list[str]:
        return [field.name for field in dataclasses.fields(self) if getattr(self, field.name)]


def parse_system(text: str) -> System:
    values = {match[1]: match[2] for match in re.finditer(r'^([A-Z_]+)="?([^"\n]*)"?$', text, re.MULTILINE)}
    return System(values.get("ID", ""), values.get("VERSION_CODENAME", ""), values.get("VERSION_ID", "").partition(".")[0])


def sources_text(uri: str, suite: str, keyring: str, fingerprint: str) -> str:
    """With the fingerprint apt itself refuses every other key of the keyring."""
    return f"{HEADER}Types: deb\nURIs: {uri}\nSuites: {suite}\nComponents: main\nSigned-By: {keyring} {fingerprint}\n"


def make_package_plan(*, state: str, version: str, installed: str, held: bool, hold: bool, differing: t.Sequence[str]) -> PackagePlan:
    """``installed`` is the version that is there, empty for none. ``differing`` are files that are not as wanted."""
    if state == "absent":
        return PackagePlan(files=tuple(differing), purge=bool(installed))
    due = installed != version
    return PackagePlan(
        files=tuple(differing),
        install=version if due else "",
        hold=hold and (due or not held),
        release=not hold and held,
    )
