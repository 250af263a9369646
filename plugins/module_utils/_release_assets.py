# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release of Ollama consists of: versions, assets, formats, checksums.

PRIVATE to the collection: it can change at any time.

Pure: nothing here reads a file or the network.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.llm.host.plugins.module_utils._release_values import BASE, ReleaseError

__all__ = (
    "ARCHITECTURES",
    "OVERLAYS",
    "Asset",
    "Version",
    "assets_of",
    "checksum_in",
    "clean_checksum",
    "machine_architecture",
)

OVERLAYS = ("rocm", "jetpack5", "jetpack6", "mlx")
ARCHITECTURES: t.Mapping[str, str] = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
OVERLAY_ARCHITECTURE: t.Mapping[str, str] = {"rocm": "amd64", "mlx": "amd64", "jetpack5": "arm64", "jetpack6": "arm64"}

FIRST_ZSTD = (0, 14, 0)
FIRST_ROCM_V = (0, 30, 0)
LAST_PLAIN_ROCM = (0, 24, 0)
FIRST_MLX = (0, 14, 0)
FIRST_SEPARATE_MLX = (0, 23, 1)
LAST_OLD_CHECKSUMS = (0, 9, 3)
FIRST_NEW_CHECKSUMS = (0, 12, 10)

VERSION = re.compile(r"v?(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z][0-9A-Za-z.-]*))?", re.ASCII)
SHA256 = re.compile(r"(?:sha256:)?([0-9a-fA-F]{64})", re.ASCII)
CHECKSUM_LINE = re.compile(r"([0-9a-fA-F]{64})[ \t]+\*?(?:\./)?(\S+)", re.ASCII)


@dataclasses.dataclass(frozen=True, order=True)
class Version:
    """A version of Ollama, ordered by its three numbers; a pre-release comes before its final release."""

    numbers: tuple[int, int, int]
    final: bool = True
    pre: str = ""

    @classmethod
    def parse(cls, text: str) -> Version:
        if text.strip().lower() == "latest":
            raise ReleaseError("version 'latest' names another release every few days: write the number of a release, such as '0.32.15'.")
        match = VERSION.fullmatch(text.strip())
        if not match:
            raise ReleaseError(f"version '{text}' is not a release of Ollama: write three numbers with dots, such as '0.32.15'.")
        major, minor, patch, pre = match.groups()
        return cls((int(major), int(minor), int(patch)), not pre, pre or "")

    def __str__(self) -> str:
        return ".".join(map(str, self.numbers)) + (f"-{self.pre}" if self.pre else "")

    @property
    def suffix(self) -> str:
        """The format of its assets: Ollama changed it with 0.14.0, and never published both."""
        return ".tar.zst" if self.numbers >= FIRST_ZSTD else ".tgz"

    @property
    def has_checksums(self) -> bool:
        """Whether the release has a sha256sum.txt; the job that writes it was missing for a while."""
        return self.numbers <= LAST_OLD_CHECKSUMS or self.numbers >= FIRST_NEW_CHECKSUMS


@dataclasses.dataclass(frozen=True)
class Asset:
    """One archive of a release: ``part`` is 'base' or an overlay, ``content`` what its paths have to look like."""

    part: str
    name: str
    content: str

    @property
    def is_base(self) -> bool:
        return self.part == BASE


def machine_architecture(machine: str) -> str:
    """The name that Ollama gives to an architecture of ``uname -m``."""
    try:
        return ARCHITECTURES[machine.strip().lower()]
    except KeyError:
        raise ReleaseError(
            f"Ollama has no release for the architecture '{machine}': a host needs x86_64 (amd64) or aarch64 (arm64)."
        ) from None


def assets_of(*, version: Version, architecture: str, overlays: t.Collection[str]) -> tuple[Asset, ...]:
    """The archives to unpack one over the other: the base first, then the overlays in a fixed order."""
    stem = f"ollama-linux-{architecture}"
    assets = [Asset(BASE, f"{stem}{version.suffix}", r"bin/ollama")]
    for overlay in OVERLAYS:
        if overlay not in overlays:
            continue
        needed = OVERLAY_ARCHITECTURE[overlay]
        if needed != architecture:
            raise ReleaseError(f"overlay '{overlay}' exists for {needed} only, and this host is {architecture}: remove it from overlays.")
        if overlay == "mlx":
            if version.numbers < FIRST_MLX:
                raise ReleaseError(f"Ollama {version} has no overlay 'mlx', which came with 0.14.0: remove it from overlays.")
            if version.numbers < FIRST_SEPARATE_MLX:
                continue  # inside the base archive of these versions
        assets.append(Asset(overlay, f"{stem}-{overlay}{version.suffix}", _overlay_content(overlay, version)))
    return tuple(assets)


def _overlay_content(overlay: str, version: Version) -> str:
    if overlay == "rocm":
        if version.numbers >= FIRST_ROCM_V:
            return r"lib/ollama/rocm_v[^/]*/"
        return r"lib/ollama/rocm/" if version.numbers <= LAST_PLAIN_ROCM else r"lib/ollama/rocm[^/]*/"
    return r"lib/ollama/mlx" if overlay == "mlx" else rf"lib/ollama/cuda_{overlay}/"


def clean_checksum(text: str, *, option: str) -> str:
    """The 64 hex digits of a checksum, or an empty text for none."""
    if not text.strip():
        return ""
    match = SHA256.fullmatch(text.strip())
    if not match:
        raise ReleaseError(
            f"{option} '{text}' is not a SHA-256 checksum: write its 64 hexadecimal digits, with or without 'sha256:' in front."
        )
    return match.group(1).lower()


def checksum_in(text: str, *, name: str, source: str) -> str:
    """The checksum of ``name`` in a sha256sum.txt, whose names have a ``./`` in front or not."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        match = CHECKSUM_LINE.fullmatch(line.strip())
        if match:
            digest, entry = match.group(1).lower(), match.group(2)
            if found.setdefault(entry, digest) != digest and entry == name:
                raise ReleaseError(f"{source} gives two different checksums for {name}: give the right one as checksum.")
    if name not in found:
        listed = ", ".join(sorted(found)) or "nothing that reads like a checksum"
        raise ReleaseError(f"{source} has no checksum for {name} (it lists {listed}): check version and architecture, or give a checksum.")
    return found[name]
