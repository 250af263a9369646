# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files by which apt knows where a GPU driver comes from, and which version of it is wanted.

PRIVATE to the collection: it can change at any time.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t
from urllib.parse import urlsplit

__all__ = ("FORMAT", "Archive", "components_file", "parse_targets", "preferences_file", "repository_file", "signed_by")

HEADER = "# Ansible (llm.host.gpu_driver) writes this file.\n"
FORMAT = "|".join(f"$({name})" for name in ("CREATED_BY", "REPO_URI", "RELEASE", "ORIGIN", "COMPONENT", "SOURCESENTRY"))
DISTRIBUTIONS = ("Debian", "Ubuntu")


@dataclasses.dataclass(frozen=True)
class Archive:
    """A component of an archive that apt uses, the file that names it, and whether apt has a list of it."""

    uri: str
    suite: str
    component: str
    origin: str = ""
    entry: str = ""
    read: bool = True

    @property
    def of_distribution(self) -> bool:
        # What apt has not read has no origin yet.
        return self.origin in DISTRIBUTIONS or (
            not self.origin and re.search(r"/(debian|ubuntu)(-security)?$", self.uri.rstrip("/")) is not None
        )


def parse_targets(output: str, *, read: bool = True) -> tuple[Archive, ...]:
    """What ``apt-get indextargets`` says in our format. What has no value it writes as its placeholder."""
    rows = [["" if cell.startswith("$(") else cell for cell in line.split("|")] for line in output.splitlines()]
    return tuple(
        Archive(uri, suite, component, origin, entry.rpartition(":")[0], read)
        for kind, uri, suite, origin, component, entry in (row for row in rows if len(row) == 6)
        if kind == "Packages"
    )


def components_file(archives: t.Iterable[Archive], components: t.Sequence[str], keys: t.Callable[[Archive], str]) -> str:
    """The archives of the distribution once more, with the components that they are not used with. ``keys`` finds who signs them."""
    used: dict[tuple[str, str], list[Archive]] = {}
    for archive in archives:
        if archive.of_distribution and archive.suite:
            used.setdefault((archive.uri, archive.suite), []).append(archive)
    stanzas: dict[tuple[str, tuple[str, ...], str], list[str]] = {}
    for (uri, suite), found in used.items():
        missing = tuple(name for name in components if name not in {archive.component for archive in found})
        if missing and "main" in {archive.component for archive in found}:
            stanzas.setdefault((uri.rstrip("/"), missing, keys(found[0])), []).append(suite)
    return _sources(
        {"URIs": uri, "Suites": " ".join(suites), "Components": " ".join(names), "Signed-By": key}
        for (uri, names, key), suites in stanzas.items()
    )


def repository_file(uri: str, suite: str, components: t.Sequence[str], keyring: str, fingerprint: str) -> str:
    """With a fingerprint apt itself refuses every other key of the keyring."""
    key = f"{keyring} {fingerprint}".strip()
    return _sources([{"URIs": uri, "Suites": suite, "Components": " ".join(components), "Signed-By": key}])


def preferences_file(driver: t.Sequence[str], version: str, uri: str) -> str:
    """The branch before everything else, then the repository that was chosen before other archives."""
    records = []
    if version:
        records.append((f"version {version}{'*' if version.count('.') > 1 else '.*'}", 1000))
    if uri:
        records.append((f'origin "{urlsplit(uri).hostname or ""}"', 990))
    names = " ".join(driver)
    text = "\n".join(f"Package: {names}\nPin: {pin}\nPin-Priority: {priority}\n" for pin, priority in records)
    return HEADER + text if driver and text else ""


def signed_by(text: str, uri: str, suite: str) -> str:
    """Who signs this archive, as a file in either format of apt says it: a path, fingerprints, or a whole key over several lines."""
    uri = uri.rstrip("/")
    for line in text.splitlines():
        match = re.match(r"\s*deb\s+\[([^\]]*)\]\s+(\S+)\s+(\S+)", line)
        if match and match[2].rstrip("/") == uri and match[3] == suite:
            option = re.search(r"signed-by=(\S+)", match[1], re.IGNORECASE)
            return option[1] if option else ""
    for stanza in re.split(r"\n[ \t]*\n", text):
        fields = {
            match[1].lower(): match[2].strip()
            for match in re.finditer(r"^([A-Za-z-]+):[ \t]*(.*(?:\n[ \t]+.*)*)", _without_comments(stanza), re.MULTILINE)
        }
        if uri in [word.rstrip("/") for word in fields.get("uris", "").split()] and suite in fields.get("suites", "").split():
            return fields.get("signed-by", "")
    return ""


def _without_comments(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith("#"))


def _sources(stanzas: t.Iterable[dict[str, str]]) -> str:
    # A key of several lines stays on lines of its own.
    texts = [
        "".join(
            f"{name}:{'' if value.startswith('-----') else ' '}{_folded(value)}\n"
            for name, value in {"Types": "deb", **stanza}.items()
            if value
        )
        for stanza in stanzas
    ]
    return HEADER + "\n".join(texts) if texts else ""


def _folded(value: str) -> str:
    return f"\n {value}" if value.startswith("-----") else value
