# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a release of Ollama the active one: look, plan, apply. PRIVATE to the collection: it can change at any time.

Whatever ends a run, and whenever, the link leads to a complete version, the old or the new one, and the next run
finishes: a tree gets its name when it is complete, the link changes by one rename, and what is half done has names
that say so.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import shutil
import time
import typing as t
from pathlib import Path

from ansible_collections.llm.host.plugins.module_utils._locked import Busy, locked
from ansible_collections.llm.host.plugins.module_utils._release_archive import (
    archive_format,
    can_read_zstd,
    check_binary,
    check_links,
    fsync_directory,
    unpack,
)
from ansible_collections.llm.host.plugins.module_utils._release_assets import Asset, checksum_in
from ansible_collections.llm.host.plugins.module_utils._release_plan import Plan, Request, State, make_plan
from ansible_collections.llm.host.plugins.module_utils._release_source import (
    Download,
    NotThere,
    fetch_text,
    file_digest,
)
from ansible_collections.llm.host.plugins.module_utils._release_tree import (
    DOWNLOADS,
    differences,
    installed_versions,
    leftovers,
    make_directory,
    place,
    read_link,
    read_manifest,
    remove,
    replaced,
    scan,
    switch,
    version_of,
    working_directory,
    write_manifest,
)
from ansible_collections.llm.host.plugins.module_utils._release_values import Manifest, ReleaseError, Source, shown_url
from ansible_collections.llm.host.plugins.module_utils._room import free_bytes
from ansible_collections.llm.host.plugins.module_utils._undo import Undo

__all__ = ("Host", "Outcome", "ensure", "observe")

LOCK = ".lock"
LOCK_WAIT = 900.0
UNPACKED_FACTOR = 3
RESERVE = 16 << 20


@dataclasses.dataclass(frozen=True)
class Host:
    """What a test replaces: the free space, the clock, and a look at each step."""

    free: t.Callable[[Path], int] = free_bytes
    sleep: t.Callable[[float], None] = time.sleep
    zstd: t.Callable[[], bool] = can_read_zstd
    step: t.Callable[[str], None] = lambda name: None
    lock_wait: float = LOCK_WAIT


@dataclasses.dataclass(frozen=True)
class Fetched:
    """An archive that is on the host and verified."""

    asset: Asset
    source: Source
    path: Path


@dataclasses.dataclass(frozen=True)
class Outcome:
    """A plan, whether it was carried out, where the files came from, and whether nothing is left to be done for ``active``."""

    plan: Plan
    done: bool
    sources: tuple[Source, ...]
    settled: bool = True

    @property
    def active(self) -> bool:
        """Whether the link leads to the intact version."""
        plan, link = self.plan, self.plan.state.link
        leads = link.kind == "link" and link.target == plan.request.target
        return (self.done or not plan.install) and (leads or (self.done and plan.switch))


def observe(request: Request) -> State:
    """The host as it is; reads only."""
    root, tree = Path(request.root), Path(request.tree)
    exists = os.path.lexists(tree)
    manifest = read_manifest(tree) if tree.is_dir() and not tree.is_symlink() else None
    undo = Undo(request.undo)
    path = Path(request.link)
    link = read_link(path, root=root)
    served = [version_of(target, link=path, root=root) for target in undo.link_targets(request.link)]
    return State(
        link=link,
        previous=next(filter(None, served), link.version),
        replaced=replaced(path, programs=undo.programs()),
        unproved=undo.open,
        installed=installed_versions(root),
        tree_exists=exists,
        manifest=manifest,
        altered=differences(tree, manifest, content=request.content) if manifest else (),
        leftovers=leftovers(root, path),
        downloads=_entries(root / DOWNLOADS),
    )


def _entries(directory: Path) -> tuple[str, ...]:
    """What is in it, or itself, since an empty directory is something to remove, too. Another run may remove it at any time."""
    try:
        return tuple(sorted(map(str, directory.iterdir()))) or (str(directory),)
    except (FileNotFoundError, NotADirectoryError):
        return ()


def ensure(request: Request, *, check_mode: bool = False, host: Host = Host()) -> Outcome:
    """Make the wanted version the active one, or in check mode say what that takes."""
    with _sentences(request):
        state = observe(request)
        plan = make_plan(request, state)
        if check_mode and plan.install and not plan.clean:
            # How much it takes is not known without the network, but no release fits into less.
            _need_room(request, host, RESERVE, doing="install")
        if check_mode or not plan.changed or plan.awaits_archive:
            return Outcome(plan, False, plan.sources, settled=_settled(request, state))
        if plan.install:
            _check_before_install(request, host)
        make_directory(Path(request.root))
        with locked(Path(request.root) / LOCK, doing=f"changing {request.root}", wait=host.lock_wait, sleep=host.sleep):
            host.step("locked")
            # Another run may have done it all while this one waited.
            plan = make_plan(request, observe(request))
            sources = _apply(plan, host)
            # What was read before need not be read again.
            after = observe(dataclasses.replace(request, content=False))
            return Outcome(plan, plan.changed, sources, settled=_settled(request, after))


def _settled(request: Request, state: State) -> bool:
    return not make_plan(dataclasses.replace(request, state="active"), state).changed


def _check_before_install(request: Request, host: Host) -> None:
    if request.archives:
        zstd = [path for path in request.archives.values() if archive_format(Path(path)) == "zstd"]
    else:
        zstd = [asset.name for asset in request.assets if asset.name.endswith(".zst")]
    if zstd and not host.zstd():
        raise ReleaseError(
            f"zstd is not on the host, and {os.path.basename(zstd[0])} cannot be unpacked without: install the package zstd."
        )


@contextlib.contextmanager
def _sentences(request: Request) -> t.Iterator[None]:
    try:
        yield
    except Busy as exc:
        raise ReleaseError(str(exc)) from exc
    except OSError as exc:
        path = exc.filename2 or exc.filename or request.root
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ReleaseError(f"The disk of {path} is full: free some space; the active version goes on serving.") from exc
        if exc.errno in (errno.EACCES, errno.EPERM):
            raise ReleaseError(f"Not allowed to change {path} ({exc.strerror}): run the task as root, with become.") from exc
        raise ReleaseError(f"Cannot change {path}: {exc.strerror or exc}; the active version goes on serving.") from exc


def _apply(plan: Plan, host: Host) -> tuple[Source, ...]:
    request = plan.request
    sources = plan.sources
    for path in plan.clean:
        remove(Path(path))
        host.step("cleaned")
    if plan.install:
        with _fetched(plan, host) as fetched:
            host.step("fetched")
            sources = tuple(item.source for item in fetched)
            _install(plan, fetched, host)
        host.step("installed")
    if plan.switch:
        switch(Path(request.link), request.target, Undo(request.undo))
        host.step("switched")
    for path in map(Path, plan.remove):
        remove(path, aside=path.parent == Path(request.root))
        host.step("removed")
    if plan.close:
        Undo(request.undo).close()
        host.step("closed")
    with contextlib.suppress(OSError):
        (Path(request.root) / DOWNLOADS).rmdir()
    return sources


@contextlib.contextmanager
def _fetched(plan: Plan, host: Host) -> t.Iterator[tuple[Fetched, ...]]:
    """The archives as files on the host; downloads are deleted once they are installed."""
    request = plan.request
    if request.archives:
        size = sum(Path(path).stat().st_size for path in request.archives.values())
        _need_room(request, host, size * UNPACKED_FACTOR, doing="unpack")
        yield tuple(_verified(request, asset) for asset in request.assets)
        return
    checksums = _checksums(request, host)
    host.step("checksums")
    directory = Path(request.root) / DOWNLOADS / str(request.version)
    make_directory(directory.parent, mode=0o700)
    make_directory(directory, mode=0o700)
    done: list[Fetched] = []
    try:
        for asset in request.assets:
            done.append(_downloaded(request, asset, checksums[asset.part], directory, done, host))
            host.step("downloaded")
        _need_room(request, host, sum(item.source.bytes for item in done) * UNPACKED_FACTOR, doing="unpack")
        yield tuple(done)
    except BaseException:
        # Goes when nothing is in it that the next run could go on with.
        with contextlib.suppress(OSError):
            directory.rmdir()
            directory.parent.rmdir()
        raise
    remove(directory)


def _checksums(request: Request, host: Host) -> dict[str, str]:
    """The checksum of each asset, as given or else as the release's own list says."""
    checksums = dict(request.checksums)
    missing = [asset for asset in request.assets if asset.part not in checksums]
    if missing:
        address = shown_url(request.checksum_list)
        try:
            text = fetch_text(request.checksum_list, timeout=request.timeout, sleep=host.sleep)
        except NotThere as exc:
            raise ReleaseError(f"{address} does not exist: check version and url, or give the SHA-256 of the archive as checksum.") from exc
        checksums.update({asset.part: checksum_in(text, name=asset.name, source=address) for asset in missing})
    return checksums


def _downloaded(request: Request, asset: Asset, checksum: str, directory: Path, done: t.Sequence[Fetched], host: Host) -> Fetched:
    source = request.source(asset)
    earlier = sum(item.source.bytes for item in done)

    def room(remaining: int, total: int) -> None:
        _need_room(request, host, remaining + (earlier + total) * UNPACKED_FACTOR, doing="download and unpack")

    part = directory / f"{asset.name}.part"
    download = Download(source.url, part, checksum=checksum, timeout=request.timeout, room=room, sleep=host.sleep)
    size = download.run()
    return Fetched(asset, dataclasses.replace(source, url=shown_url(source.url), sha256=checksum, bytes=size), part)


def _verified(request: Request, asset: Asset) -> Fetched:
    path, source = Path(request.archives[asset.part]), request.source(asset)
    found = file_digest(path)
    if source.sha256 and source.sha256 != found:
        raise ReleaseError(
            f"The archive {source.name} has the SHA-256 {found} and not {source.sha256}: nothing was changed and the"
            f" active version goes on serving; check the checksum, or copy the archive again."
        )
    return Fetched(asset, dataclasses.replace(source, sha256=found, bytes=path.stat().st_size), path)


def _need_room(request: Request, host: Host, computed: int, *, doing: str) -> None:
    needed = computed if request.min_free is None else request.min_free
    free = host.free(Path(request.root))
    if free < needed:
        about = "about " if request.min_free is None else ""
        raise ReleaseError(
            f"{request.root} has {_size(free)} free, and {about}{_size(needed)} are needed to {doing} Ollama"
            f" {request.version}: free some space there, or give another root."
        )


def _size(count: int) -> str:
    number = float(count)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if number < 1024 or unit == "GiB":
            break
        number /= 1024
    return f"{count} bytes" if unit == "bytes" else f"{number:.1f} {unit}"


def _install(plan: Plan, fetched: t.Sequence[Fetched], host: Host) -> None:
    request = plan.request
    root, tree = Path(request.root), Path(request.tree)
    fresh = working_directory(root, str(request.version))
    old: Path | None = None
    try:

        def room(size: int, name: str) -> None:
            free = host.free(fresh)
            if free < size + RESERVE:
                raise ReleaseError(
                    f"{root} has {_size(free)} free, and {_size(size + RESERVE)} are needed to go on with {name} of Ollama"
                    f" {request.version}: free some space there, or give another root; the active version goes on serving."
                )

        digests: dict[str, str] = {}
        for item in fetched:
            digests.update(unpack(item.path, fresh, asset=item.asset, label=item.source.name, room=room))
            host.step("unpacked")
        check_binary(fresh, architecture=request.architecture, archive=fetched[0].source.name)
        check_links(fresh, archive=", ".join(item.source.name for item in fetched))
        entries = tuple(
            dataclasses.replace(entry, sha256=digests[entry.path]) if entry.type == "file" else entry for entry in scan(fresh).values()
        )
        write_manifest(
            fresh,
            Manifest(
                version=str(request.version),
                architecture=request.architecture,
                overlays=request.overlays,
                sources=tuple(item.source for item in fetched),
                files=entries,
            ),
        )
        for entry in entries:
            if entry.type == "directory":
                fsync_directory(fresh / entry.path)
        host.step("recorded")
        old = place(fresh, tree)
        host.step("placed")
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    if old is not None:
        remove(old)
