# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the release that is wanted and the host as it is, to what has to be done.

PRIVATE to the collection: it can change at any time.

Pure: nothing here reads a file or the network.
"""

from __future__ import annotations

import dataclasses
import os
import re
import typing as t

from ansible_collections.llm.host.plugins.module_utils._host_file import BACKUP_SUFFIX
from ansible_collections.llm.host.plugins.module_utils._release_assets import (
    OVERLAYS,
    Asset,
    Version,
    assets_of,
    clean_checksum,
    machine_architecture,
)
from ansible_collections.llm.host.plugins.module_utils._release_values import (
    BASE,
    BINARY,
    Link,
    Manifest,
    ReleaseError,
    Source,
    shown_url,
)

__all__ = ("STATES", "Plan", "Request", "State", "make_plan", "make_request")

# Each does what those before it do, too.
STATES = ("installed", "switched", "active")


@dataclasses.dataclass(frozen=True)
class Request:
    """What is wanted. ``archives`` has a path for each asset, or is empty for a download."""

    version: Version
    architecture: str
    assets: tuple[Asset, ...]
    overlays: tuple[str, ...] = ()
    root: str = "/opt/ollama"
    link: str = "/usr/local/bin/ollama"
    url: str = ""
    archives: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    archives_here: bool = True
    checksums: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    keep: int = 1
    content: bool = False
    timeout: int = 60
    min_free: int | None = None
    state: str = "active"
    undo: str = ""

    @property
    def tree(self) -> str:
        return f"{self.root}/{self.version}"

    @property
    def target(self) -> str:
        return f"{self.tree}/{BINARY}"

    @property
    def checksum_list(self) -> str:
        return f"{self.url}/v{self.version}/sha256sum.txt"

    def source(self, asset: Asset) -> Source:
        checksum = self.checksums.get(asset.part, "")
        if asset.part in self.archives:
            name = os.path.basename(self.archives[asset.part])
            return Source(asset.part, name, name, checksum)
        return Source(asset.part, asset.name, f"{self.url}/v{self.version}/{asset.name}", checksum)


@dataclasses.dataclass(frozen=True)
class State:
    """The host as it is. ``altered`` says what differs in the tree of the wanted version.

    ``previous`` is the version that served before, ``replaced`` what the vendor's script had installed, and ``unproved`` whether the
    record of what was there before is open.
    """

    link: Link = dataclasses.field(default_factory=Link)
    previous: str = ""
    replaced: tuple[str, ...] = ()
    unproved: bool = False
    installed: tuple[str, ...] = ()
    tree_exists: bool = False
    manifest: Manifest | None = None
    altered: tuple[str, ...] = ()
    leftovers: tuple[str, ...] = ()
    downloads: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Plan:
    """What to do, in this order: clean up after runs that were interrupted, install, switch, remove old versions."""

    request: Request
    state: State
    clean: tuple[str, ...] = ()
    install: bool = False
    reasons: tuple[str, ...] = ()
    switch: bool = False
    remove: tuple[str, ...] = ()
    close: bool = False

    @property
    def changed(self) -> bool:
        return self.install or self.switch or self.close or bool(self.clean or self.remove)

    @property
    def awaits_archive(self) -> bool:
        return self.install and bool(self.request.archives) and not self.request.archives_here

    @property
    def sources(self) -> tuple[Source, ...]:
        """Where the tree comes from: what would be fetched, or what it was installed from."""
        if self.install or not self.state.manifest:
            return tuple(self.request.source(asset) for asset in self.request.assets)
        return self.state.manifest.sources

    @property
    def backs_up(self) -> bool:
        return self.switch and self.state.link.kind == "file"

    def actions(self) -> list[str]:
        request = self.request
        lines = [f"Remove {path}, left by a run that was interrupted" for path in self.clean]
        if self.install:
            if not request.archives:
                lines += [f"Download {shown_url(source.url)}" for source in self.sources]
            verb = "Replace" if self.state.tree_exists else "Install"
            lines.append(f"{verb} {request.tree} from {', '.join(source.name for source in self.sources)}")
        if self.backs_up:
            lines.append(f"Keep the program {request.link} as {request.link}{BACKUP_SUFFIX}")
        if self.switch:
            lines.append(f"Point {request.link} to {request.target}")
        lines += [f"Remove {path}" for path in self.remove]
        return lines + ([f"Remove {request.undo}, since the change is good"] if self.close else [])

    def before(self) -> dict[str, t.Any]:
        link = self.state.link
        shown: dict[str, t.Any] = {
            "version": link.version or None,
            "link": {"absent": None, "link": link.target}.get(link.kind, "a program that is no link"),
            "installed": sorted(self.state.installed),
        }
        if self.reasons:
            shown["altered"] = list(self.reasons)
        if self.clean:
            shown["leftovers"] = list(self.clean)
        replaced = [path for path in self.remove if path in self.state.replaced]
        if replaced:
            shown["replaced"] = replaced
        return shown

    def after(self) -> dict[str, t.Any]:
        if not self.changed:
            return self.before()
        request, link = self.request, self.state.link
        gone = {os.path.basename(path) for path in self.remove}
        shown: dict[str, t.Any] = {
            "version": str(request.version) if self.switch else link.version or None,
            "link": request.target if self.switch else self.before()["link"],
            "installed": sorted({*self.state.installed, str(request.version)} - gone),
        }
        if self.install:
            shown["sources"] = [shown_url(source.url) for source in self.sources]
        return shown


def make_request(
    *,
    version: str,
    machine: str,
    overlays: t.Sequence[str] = (),
    root: str,
    link: str,
    url: str,
    archive: str = "",
    overlay_archives: t.Mapping[str, str] | None = None,
    archives_here: bool = True,
    checksum: str = "",
    overlay_checksums: t.Mapping[str, str] | None = None,
    keep: int = 1,
    content: bool = False,
    timeout: int = 60,
    min_free: int | None = None,
    state: str = "active",
    undo: str = "",
) -> Request:
    """Check what was asked for, as far as it can be checked without looking at the host."""
    wanted = Version.parse(version)
    architecture = machine_architecture(machine)
    _check_paths(root=root, link=link)
    if keep < 0:
        raise ReleaseError(f"keep is {keep}: give the number of old versions to keep, 0 or more.")
    if timeout < 1:
        raise ReleaseError(f"timeout is {timeout}: give the seconds to wait for the server, 1 or more.")
    for position, overlay in enumerate(overlays):
        if overlay in overlays[:position]:
            raise ReleaseError(f"overlays[{overlays.index(overlay)}] and overlays[{position}] are both '{overlay}': remove one of them.")
    assets = assets_of(version=wanted, architecture=architecture, overlays=overlays)
    archives = _archives(assets, overlays=overlays, archive=archive, overlay_archives=overlay_archives or {})
    if not archives and not re.match(r"https?://[^/]", url):
        raise ReleaseError(f"url '{shown_url(url)}' is not the address of a mirror: write one that begins with https:// or http://.")
    return Request(
        version=wanted,
        architecture=architecture,
        assets=assets,
        overlays=tuple(overlay for overlay in OVERLAYS if overlay in overlays),
        root=os.path.normpath(root),
        link=os.path.normpath(link),
        url=url.rstrip("/"),
        archives=archives,
        archives_here=archives_here,
        checksums=_checksums(overlays=overlays, checksum=checksum, overlay_checksums=overlay_checksums or {}),
        keep=keep,
        content=content,
        timeout=timeout,
        min_free=min_free,
        state=state,
        undo=undo,
    )


def _check_paths(*, root: str, link: str) -> None:
    for option, path in (("root", root), ("link", link)):
        if not os.path.isabs(path) or os.path.normpath(path) in ("/", "//"):
            raise ReleaseError(
                f"{option} '{path}' is not the absolute path of a {'directory' if option == 'root' else 'link'}: begin it with '/'."
            )


def _archives(
    assets: t.Sequence[Asset], *, overlays: t.Collection[str], archive: str, overlay_archives: t.Mapping[str, str]
) -> dict[str, str]:
    for name in overlay_archives:
        if name not in overlays:
            raise ReleaseError(f"overlay_archives has '{name}', which overlays does not list: add it there, or remove it here.")
    if not archive:
        if overlay_archives:
            raise ReleaseError("overlay_archives needs archive: give the base archive as a file too, or neither.")
        return {}
    paths = {BASE: archive, **overlay_archives}
    for asset in assets:
        if not paths.get(asset.part):
            raise ReleaseError(f"overlay '{asset.part}' has no file: give the path of {asset.name} in overlay_archives['{asset.part}'].")
    return {asset.part: paths[asset.part] for asset in assets}


def _checksums(*, overlays: t.Collection[str], checksum: str, overlay_checksums: t.Mapping[str, str]) -> dict[str, str]:
    cleaned = {BASE: clean_checksum(checksum, option="checksum")}
    for name, text in overlay_checksums.items():
        if name not in overlays:
            raise ReleaseError(f"overlay_checksums has '{name}', which overlays does not list: add it there, or remove it here.")
        cleaned[name] = clean_checksum(text, option=f"overlay_checksums['{name}']")
    return {part: digest for part, digest in cleaned.items() if digest}


def make_plan(request: Request, state: State) -> Plan:
    """What has to be done; a ReleaseError when it cannot be."""
    if state.link.kind == "other":
        raise ReleaseError(f"{request.link} is neither a link nor a program: move it away, or give another link.")
    reasons = _reasons_to_install(request, state)
    install = bool(reasons) or not state.tree_exists
    if install and not request.archives:
        _check_download(request)
    level = STATES.index(request.state)
    switch = level > 0 and (state.link.kind != "link" or state.link.target != request.target)
    return Plan(
        request=request,
        state=state,
        clean=_to_clean(request, state, install=install),
        install=install,
        reasons=reasons,
        switch=switch,
        remove=_to_remove(request, state) if level > 1 else (),
        close=level > 1 and state.unproved,
    )


def _reasons_to_install(request: Request, state: State) -> tuple[str, ...]:
    if not state.tree_exists:
        return ()
    manifest = state.manifest
    if manifest is None:
        return (f"{request.tree} has no record of its files",)
    reasons: list[str] = []
    if manifest.version != str(request.version):
        reasons.append(f"{request.tree} holds version {manifest.version}")
    if manifest.architecture != request.architecture:
        reasons.append(f"{request.tree} is built for {manifest.architecture}")
    if set(manifest.overlays) != set(request.overlays):
        reasons.append(f"overlays are {', '.join(manifest.overlays) or 'none'}, not {', '.join(request.overlays) or 'none'}")
    used = {source.part: source.sha256 for source in manifest.sources}
    for part, digest in request.checksums.items():
        if part in used and used[part] != digest:
            reasons.append(f"the archive '{part}' had the checksum {used[part]}, not {digest}")
    return (*reasons, *state.altered)


def _check_download(request: Request) -> None:
    version = request.version
    if not version.final:
        raise ReleaseError(
            f"version '{version}' is a pre-release, whose files on the server are moved and replaced: give the final"
            f" version, or the archive as a file with its path in archive."
        )
    missing = [asset for asset in request.assets if asset.part not in request.checksums]
    if missing and not version.has_checksums:
        option = "checksum" if missing[0].is_base else f"overlay_checksums['{missing[0].part}']"
        raise ReleaseError(
            f"Ollama published no checksums for version {version} (nor for any from 0.9.4 to 0.12.9): give the"
            f" SHA-256 of {missing[0].name} in {option}, or choose another version."
        )


def _to_clean(request: Request, state: State, *, install: bool) -> tuple[str, ...]:
    """First of all, since it may be what fills the disk; a download of the wanted version is there to go on with."""
    wanted = str(request.version)
    return (*state.leftovers, *(path for path in state.downloads if not (install and os.path.basename(path) == wanted)))


def _to_remove(request: Request, state: State) -> tuple[str, ...]:
    wanted = str(request.version)
    others = [version for version in state.installed if version != wanted]
    # The version that serves until the service is restarted is the first to be kept.
    others.sort(key=lambda version: version != state.previous)
    # In this order: by the backup of the program the next run knows that there is something left to do.
    return (*sorted(f"{request.root}/{version}" for version in others[request.keep :]), *state.replaced)
