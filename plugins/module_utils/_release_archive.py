# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unpack the archives of a release into a directory. PRIVATE to the collection: it can change at any time.

Names and links in an archive are input like any other: what would leave the directory is refused, never repaired.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import posixpath
import re
import shutil
import stat
import struct
import subprocess
import tarfile
import tempfile
import typing as t
import zlib
from pathlib import Path

from ansible_collections.llm.host.plugins.module_utils._release_assets import Asset
from ansible_collections.llm.host.plugins.module_utils._release_values import BINARY, ReleaseError

__all__ = ("archive_format", "can_read_zstd", "check_binary", "check_links", "fsync_directory", "unpack")

CHUNK = 1 << 20
TAR_BLOCK = 512
TAR_BUFFER = 2048 * TAR_BLOCK
ZSTD = b"\x28\xb5\x2f\xfd"
ZSTD_SKIPPABLE = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18", re.DOTALL)
GZIP = b"\x1f\x8b"
USTAR = slice(257, 262)
SEARCH_PATH = "/usr/local/bin:/usr/bin:/bin"
ELF_MACHINES: t.Mapping[int, str] = {0x3E: "amd64", 0xB7: "arm64", 0x03: "i386", 0x28: "arm", 0xF3: "riscv64"}
EXECUTABLE_BITS = stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH


class _Reader(t.Protocol):
    def read(self, size: int = -1) -> bytes:
        """At most ``size`` bytes."""


def archive_format(path: Path) -> str:
    """'zstd', 'gzip' or 'tar', by the first bytes of the file and not by its name."""
    try:
        with path.open("rb") as stream:
            head = stream.read(TAR_BLOCK)
    except OSError as exc:
        raise ReleaseError(f"Cannot read the archive {path}: {exc.strerror}.") from exc
    if head.startswith(ZSTD) or ZSTD_SKIPPABLE.match(head):
        return "zstd"
    if head.startswith(GZIP):
        return "gzip"
    if head[USTAR] == b"ustar":
        return "tar"
    if not head:
        raise ReleaseError(f"The archive {path} is empty: copy it again.")
    raise ReleaseError(f"{path} is not an archive of Ollama: it is neither a .tar.zst nor a .tgz file, whatever its name says.")


def _zstd_program() -> str | None:
    return shutil.which("zstd", path=os.pathsep.join(filter(None, (os.environ.get("PATH"), SEARCH_PATH))))


def _zstd_library() -> t.Any:
    try:
        from compression import zstd
    except ImportError:
        return None
    return zstd


def can_read_zstd() -> bool:
    return bool(_zstd_program() or _zstd_library())


class _Checked:
    """A stream of a tar archive that reports damage as a sentence, and knows how the archive ended."""

    def __init__(self, stream: _Reader, damaged: t.Callable[[str], ReleaseError]) -> None:
        self._stream = stream
        self._damaged = damaged
        self._count = 0
        self._written = 0

    def read(self, size: int) -> bytes:
        try:
            chunk = self._stream.read(size)
        except (EOFError, zlib.error, OSError) as exc:
            raise self._damaged(str(exc)) from exc
        except Exception as exc:
            if type(exc).__name__ == "ZstdError":
                raise self._damaged(str(exc)) from exc
            raise
        if written := chunk.rstrip(b"\0"):
            self._written = self._count + len(written)
        self._count += len(chunk)
        return chunk

    def finish(self, end: int) -> None:
        """Read on from ``end`` of the last entry: a block of zero bytes ends an archive, and nothing else may follow.

        The standard library takes an end without that mark, and an entry it cannot read, for the end of the archive.
        """
        while self.read(CHUNK):
            pass
        if self._written > end:
            raise self._damaged(f"it cannot be read from byte {end} on")
        if self._count < end + TAR_BLOCK:
            raise self._damaged("it has no end mark")


@contextlib.contextmanager
def _tar_stream(path: Path, *, label: str) -> t.Iterator[_Checked]:
    def damaged(reason: str) -> ReleaseError:
        return ReleaseError(
            f"The archive {label} is cut short or damaged ({reason.strip().rstrip('.') or 'no reason given'}):"
            f" nothing was changed; download or copy it again."
        )

    kind = archive_format(path)
    if kind == "tar":
        with path.open("rb") as plain:
            yield _Checked(plain, damaged)
    elif kind == "gzip":
        with gzip.open(path, "rb") as unzipped:
            yield _Checked(unzipped, damaged)
    elif program := _zstd_program():
        with tempfile.TemporaryFile() as errors:
            # run_command would hold the whole archive in memory.
            with subprocess.Popen(  # pylint: disable=ansible-bad-function
                [program, "-dcq", "--", str(path)], stdout=subprocess.PIPE, stderr=errors
            ) as process:
                if process.stdout is None:
                    raise AssertionError("a pipe was asked for")
                checked = _Checked(process.stdout, damaged)
                try:
                    yield checked
                except BaseException:
                    process.kill()
                    raise
                while checked.read(CHUNK):
                    pass
            if process.returncode:
                errors.seek(0)
                raise damaged(errors.read(1000).decode("utf-8", "replace").strip().partition("\n")[0])
    elif library := _zstd_library():
        with library.open(path, "rb") as stream:
            yield _Checked(stream, damaged)
    else:
        raise ReleaseError(f"zstd is not on the host, and {label} cannot be unpacked without: install the package zstd.")


def unpack(path: Path, into: Path, *, asset: Asset, label: str, room: t.Callable[[int, str], None]) -> dict[str, str]:
    """Unpack one archive over what is in ``into``; the SHA-256 of each file by its path.

    ``label`` is the archive's name in messages; ``room(size, name)`` is asked before each file and refuses when the
    disk has no place for it.
    """
    digests: dict[str, str] = {}
    seen: list[str] = []
    with _tar_stream(path, label=label) as stream:
        try:
            with tarfile.open(fileobj=t.cast(t.IO[bytes], stream), mode="r|", bufsize=TAR_BUFFER, errorlevel=1) as tar:
                for member in tar:
                    name = _safe_name(member.name, archive=label)
                    if name:
                        seen.append(name)
                        _unpack_member(tar, member, name, into, archive=label, digests=digests, room=room)
                end = tar.offset
        except tarfile.TarError as exc:
            raise ReleaseError(
                f"The archive {label} is cut short or damaged ({exc}): nothing was changed; download or copy it again."
            ) from exc
        stream.finish(end)
    _check_content(seen, asset=asset, archive=label)
    return digests


def _safe_name(raw: str, *, archive: str) -> str:
    """The path inside the tree; empty for the top of the tree."""
    parts = [part for part in raw.split("/") if part not in ("", ".")]
    if raw.startswith("/") or ".." in parts:
        raise ReleaseError(f"The archive {archive} is refused: its entry '{raw}' leads out of the directory it is unpacked into.")
    return "/".join(parts)


def _unpack_member(
    tar: tarfile.TarFile,
    member: tarfile.TarInfo,
    name: str,
    into: Path,
    *,
    archive: str,
    digests: dict[str, str],
    room: t.Callable[[int, str], None],
) -> None:
    target = into / name
    _make_parents(into, name, archive=archive)
    if member.isdir():
        _make_directory(target)
        return
    if target.is_dir() and not target.is_symlink():
        raise ReleaseError(f"The archive {archive} is refused: its entry '{name}' is a directory and a file.")
    with contextlib.suppress(FileNotFoundError):
        target.unlink()
    digests.pop(name, None)
    if member.issym():
        _check_link_target(name, member.linkname, archive=archive)
        os.symlink(member.linkname, target)
    elif member.islnk():
        source = _safe_name(member.linkname, archive=archive)
        if source not in digests:
            raise ReleaseError(f"The archive {archive} is refused: its link '{name}' needs '{member.linkname}', which is not before it.")
        os.link(into / source, target, follow_symlinks=False)
        digests[name] = digests[source]
    elif member.isreg():
        room(member.size, name)
        digests[name] = _write_file(tar, member, target, archive=archive)
    else:
        raise ReleaseError(f"The archive {archive} is refused: its entry '{name}' is neither a file, a directory nor a link.")


def _make_parents(into: Path, name: str, *, archive: str) -> None:
    path = into
    for part in name.split("/")[:-1]:
        path = path / part
        if path.is_symlink():
            raise ReleaseError(f"The archive {archive} is refused: its entry '{name}' would be written through a link.")
        if path.exists() and not path.is_dir():
            raise ReleaseError(f"The archive {archive} is refused: its entry '{name}' lies below a file.")
        _make_directory(path)


def _make_directory(path: Path) -> None:
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        path.unlink()
    path.mkdir(exist_ok=True)
    path.chmod(0o755)


def _check_link_target(name: str, target: str, *, archive: str) -> None:
    resolved = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
    if not target or target.startswith("/") or resolved == ".." or resolved.startswith("../"):
        raise ReleaseError(f"The archive {archive} is refused: its link '{name}' points to '{target}', outside of the release.")


def _write_file(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path, *, archive: str) -> str:
    source = tar.extractfile(member)
    if source is None:
        raise AssertionError("a regular member has content")
    digest = hashlib.sha256()
    mode = 0o755 if member.mode & EXECUTABLE_BITS else 0o644
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as stream:
        left = member.size
        while left:
            chunk = source.read(min(CHUNK, left))
            if not chunk:
                raise ReleaseError(
                    f"The archive {archive} is cut short or damaged (it ends inside '{member.name}'): nothing was"
                    f" changed; download or copy it again."
                )
            stream.write(chunk)
            digest.update(chunk)
            left -= len(chunk)
        stream.flush()
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)
    return digest.hexdigest()


def _check_content(seen: t.Sequence[str], *, asset: Asset, archive: str) -> None:
    wanted = re.compile(asset.content)
    if asset.is_base:
        if BINARY not in seen:
            raise ReleaseError(
                f"The archive {archive} holds no {BINARY}, so it is not a release of Ollama for Linux: give the base archive, {asset.name}."
            )
    elif BINARY in seen:
        raise ReleaseError(
            f"The archive {archive} holds {BINARY}, so it is not the overlay '{asset.part}': give {asset.name} of the same version."
        )
    elif not any(wanted.match(f"{name}/") for name in seen):
        held = ", ".join(sorted({"/".join(name.split("/")[:3]) for name in seen})[:5]) or "nothing"
        raise ReleaseError(
            f"The archive {archive} is not the overlay '{asset.part}' of this version (it holds {held}): give"
            f" {asset.name} of the same version."
        )


def check_binary(tree: Path, *, architecture: str, archive: str) -> None:
    """The program is one that this host can start."""
    binary = tree / BINARY
    if not binary.is_file() or not binary.stat().st_mode & stat.S_IXUSR:
        raise ReleaseError(f"{BINARY} of the archive {archive} is not an executable file: it is not a release of Ollama for Linux.")
    with binary.open("rb") as stream:
        head = stream.read(20)
    if len(head) == 20 and head.startswith(b"\x7fELF"):
        (machine,) = struct.unpack(">H" if head[5] == 2 else "<H", head[18:20])
        built_for = ELF_MACHINES.get(machine, f"machine type {machine}")
        if built_for != architecture:
            raise ReleaseError(f"{BINARY} of the archive {archive} is built for {built_for}, and this host is {architecture}.")


def check_links(tree: Path, *, archive: str) -> None:
    """No chain of links leads out of the tree; each link alone was looked at while it was unpacked."""
    top = tree.resolve()
    for path in tree.rglob("*"):
        if path.is_symlink():
            try:
                inside = top in (resolved := path.resolve()).parents or resolved == top
            except (OSError, RuntimeError):
                inside = False
            if not inside:
                raise ReleaseError(
                    f"The archive {archive} is refused: its link '{path.relative_to(tree)}' leads out of the release, or in a circle."
                )


def fsync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
