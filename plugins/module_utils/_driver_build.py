# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DKMS: whether a driver compiles for a kernel is tried before anything of the host changes. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import dataclasses
import re
import shutil
import typing as t
from pathlib import Path

__all__ = ("BuildError", "Dkms", "Source", "first_error", "parse_status")

ENVIRONMENT = {"LANG": "C", "LC_ALL": "C"}


class BuildError(Exception):
    """A module does not compile."""

    def __init__(self, source: Source, kernel: str, reason: str, log: str) -> None:
        super().__init__(
            f"{source.name} {source.version} does not compile for the kernel {kernel}: {reason or 'dkms does not say why'}"
            + (f" (the whole log: {log})." if log else ".")
        )
        self.log = log


@dataclasses.dataclass(frozen=True)
class Source:
    """The source of modules, as DKMS knows it."""

    name: str
    version: str


class Dkms:
    """``trial`` is a tree of its own, which nothing else uses; ``logs`` is where the log of a failed build is kept."""

    def __init__(self, run: t.Callable[..., tuple[int, str, str]], *, trial: Path, logs: Path, root: Path = Path("/")) -> None:
        self._run, self._trial, self._logs, self._root = run, trial, logs, root

    def sources_among(self, files: t.Iterable[str]) -> list[Source]:
        """The sources that an installed package brought."""
        places = [self._root / path.lstrip("/") for path in files if re.fullmatch(r"/usr/src/[^/]+/dkms\.conf", path)]
        return [source for place in places if (source := _read_source(place))]

    def installed(self, source: Source) -> set[str]:
        """The kernels that have its modules."""
        output = self._do("status", source)[1]
        return parse_status(output, source)

    def unpack(self, archive: Path) -> list[Source]:
        """Take the sources out of a package that is not installed."""
        self.clear()
        content, sources = self._trial / "package", self._trial / "src"
        content.mkdir(parents=True)
        sources.mkdir()
        code, output, errors = self._run(["dpkg-deb", "-x", str(archive), str(content)], environ_update=ENVIRONMENT)
        if code:
            raise OSError(f"cannot unpack {archive.name}: {(errors or output).strip()}")
        found = []
        for configuration in sorted(content.glob("usr/src/*/dkms.conf")):
            source = _read_source(configuration)
            if source:
                configuration.parent.rename(sources / f"{source.name}-{source.version}")
                found.append(source)
        return found

    def try_build(self, source: Source, kernel: str) -> None:
        code, output, errors = self._do("build", source, "-k", kernel, *self._trees)
        if code:
            raise self._failure(source, kernel, self._trial / "dkms", output + errors)

    def pack(self, source: Source, kernels: t.Sequence[str], archive: Path, *, trial: bool) -> None:
        """Put what was built into an archive that the package's script loads instead of compiling once more."""
        archive.parent.mkdir(parents=True, exist_ok=True)
        chosen = [word for kernel in kernels for word in ("-k", kernel)]
        # Without it the script compiles, which costs nothing but time.
        self._do("mktarball", source, *chosen, *(self._trees if trial else ()), "--binaries-only", "--archive", str(archive))

    def handed(self, source: Source, package: str) -> list[Path]:
        """Where scripts of packages look for it: named after the module, as Debian does, or after the package."""
        names = dict.fromkeys((f"{source.name}-dkms", package))
        return [self._root / "usr/share" / name / f"{source.name}-{source.version}.dkms.tar.gz" for name in names]

    def build(self, source: Source, kernel: str) -> None:
        """Build and install what is installed as source only."""
        code, output, errors = self._do("install", source, "-k", kernel)
        if code:
            raise self._failure(source, kernel, self._root / "var/lib/dkms", output + errors)

    def clear(self) -> None:
        shutil.rmtree(self._trial, ignore_errors=True)

    @property
    def _trees(self) -> tuple[str, ...]:
        return ("--dkmstree", str(self._trial / "dkms"), "--sourcetree", str(self._trial / "src"))

    def _do(self, action: str, source: Source, *further: str) -> tuple[int, str, str]:
        if "--dkmstree" in further:
            (self._trial / "dkms").mkdir(parents=True, exist_ok=True)
        return self._run(["dkms", action, "-m", source.name, "-v", source.version, *further], environ_update=ENVIRONMENT)

    def _failure(self, source: Source, kernel: str, tree: Path, output: str) -> BuildError:
        log = tree / source.name / source.version / "build" / "make.log"
        if not log.is_file():
            return BuildError(source, kernel, first_error(output), "")
        kept = self._logs / f"{source.name}-{source.version}-{kernel}.log"
        self._logs.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(log, kept)
        text = log.read_text(encoding="utf-8", errors="replace")
        return BuildError(source, kernel, first_error(text, f"{log.parent}/"), str(kept))


def first_error(text: str, directory: str = "") -> str:
    """The first complaint of a compiler, or of whoever else stopped the build."""
    lines = [line.strip().replace(directory, "") if directory else line.strip() for line in text.splitlines()]
    for pattern in (r"(fatal )?error: ", r"No space left on device", r"^(Error!|ERROR:)", r"\*\*\* ", r"[Ee]rror"):
        found = next((line for line in lines if re.search(pattern, line)), "")
        if found:
            return found[:300]
    return next((line for line in reversed(lines) if line), "")[:300]


def parse_status(output: str, source: Source) -> set[str]:
    """The kernels for which ``dkms status`` calls a module installed."""
    row = re.compile(rf"^{re.escape(source.name)}/{re.escape(source.version)}, ([^,]+), [^:]+: installed", re.MULTILINE)
    return set(row.findall(output))


def _read_source(configuration: Path) -> Source | None:
    """Name and version out of a dkms.conf, which is a shell script, or out of the name of its directory."""
    text = configuration.read_text(encoding="utf-8", errors="replace") if configuration.is_file() else ""
    values = dict(re.findall(r"^\s*PACKAGE_(NAME|VERSION)=[\"']?([\w.+~-]+)[\"']?\s*(?:#.*)?$", text, re.MULTILINE))
    name, _dash, version = configuration.parent.name.rpartition("-")
    source = Source(values.get("NAME", name), values.get("VERSION", version))
    return source if text and source.name and source.version else None
