# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages are installed, or everything is put back, also by the run after one that was killed. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import typing as t
from pathlib import Path

from ansible_collections.llm.host.plugins.module_utils._driver_apt import Apt, AptError, find_archive
from ansible_collections.llm.host.plugins.module_utils._driver_build import BuildError, Dkms, Source
from ansible_collections.llm.host.plugins.module_utils._driver_plan import Installed, Wanted
from ansible_collections.llm.host.plugins.module_utils._host_file import HostFile, read_text

__all__ = ("Build", "Installer")


@dataclasses.dataclass(frozen=True)
class Build:
    """What was built out of a package, on trial or when it was installed."""

    package: str
    sources: tuple[Source, ...]
    kernels: tuple[str, ...]
    trial: bool = True


class Installer:
    """``work`` is where it keeps packages, and what it needs to go back after a run that was killed."""

    def __init__(self, apt: Apt, dkms: Dkms, work: Path) -> None:
        self._apt, self._dkms, self._work = apt, dkms, work
        self._record = work / "before.json"

    @property
    def interrupted(self) -> bool:
        return self._record.exists()

    def install(self, arguments: t.Sequence[str], *, builds: t.Sequence[Build] = (), check: t.Callable[[], None] = lambda: None) -> None:
        """Install, or put everything back. Who is killed meanwhile finds the record in the next run."""
        before = self._apt.installed()
        places = [
            (str(path), build, source) for build in builds for source in build.sources for path in self._dkms.handed(source, build.package)
        ]
        record: dict[str, t.Any] = {
            "packages": {name: package.version for name, package in before.items() if package.present},
            "held": [name for name, package in before.items() if package.held],
            "handed": [path for path, build, _source in places if build.trial],
            "back": {path: f"{self._work / 'back' / Path(path).name}" for path, build, _source in places if not build.trial},
        }
        HostFile(str(self._record), json.dumps(record) + "\n", mode=0o600, owner=os.geteuid(), group=os.getegid()).write()
        try:
            for path, build, source in places:
                self._dkms.pack(source, build.kernels, Path(path if build.trial else record["back"][path]), trial=build.trial)
            self._apt.install(arguments)
            left = self._apt.unfinished()
            if left:
                raise AptError(f"apt left {', '.join(left)} half installed.")
            check()
        except (AptError, BuildError) as error:
            left = self._go_back(record)
            if left:
                raise AptError(f"{error} The way back failed, too: {left}") from error
            if isinstance(error, AptError):
                raise AptError(f"{error} The packages are as they were before.") from error
            raise
        finally:
            self._forget(record)

    def recover(self, wanted: Wanted) -> bool:
        """Finish what was interrupted, or what somebody else left half done. Whether it went on instead of back."""
        record = json.loads(read_text(str(self._record)) or "{}")
        reason = self._apt.finish()
        if (reason or self._apt.unfinished()) and record:
            reason = self._go_back(record)
        self._forget(record)
        installed = self._apt.installed()
        left = [name for name in self._apt.unfinished() if not wanted.is_driver(name)]
        if left:
            raise AptError(
                f"dpkg cannot finish {', '.join(left)}, which was interrupted before: {reason} Repair or remove it, and run again."
            )
        return bool(record) and any(not _same(installed.get(name), version) for name, version in record["packages"].items())

    def _go_back(self, record: t.Mapping[str, t.Any]) -> str:
        """Versions as they were; what could not be put back, or nothing."""
        packages, now = record["packages"], self._apt.installed()
        fresh = [name for name in now if name not in packages]
        if fresh:
            self._apt.purge(fresh)
        lost = {name: version for name, version in packages.items() if not _same(now.get(name), version)}
        places = (self._work / "kept", self._work / "archives", Path("/var/cache/apt/archives"))
        archives = [archive for name, version in lost.items() if (archive := find_archive(places, name, version))]
        self._exchange(record)
        if archives:
            self._apt.put_back(archives)
        reason = self._apt.finish()
        now = self._apt.installed()
        self._apt.mark("hold", [name for name in record["held"] if name in now])
        wrong = sorted(
            {name for name, version in packages.items() if not _same(now.get(name), version)}
            | {n for n, p in now.items() if not p.complete}
        )
        return f"{', '.join(wrong)} could not be put back. {reason}".strip() if wrong else ""

    @staticmethod
    def _exchange(record: t.Mapping[str, t.Any]) -> None:
        """The scripts of the old packages are to load the old modules."""
        for path in record["handed"]:
            Path(path).unlink(missing_ok=True)
        for path, kept in record["back"].items():
            if Path(kept).exists():
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(kept, path)

    def _forget(self, record: t.Mapping[str, t.Any]) -> None:
        for path in map(Path, (*record.get("handed", ()), *record.get("back", ()))):
            path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                path.parent.rmdir()
        shutil.rmtree(self._work / "back", ignore_errors=True)
        self._record.unlink(missing_ok=True)

    def keep(self, wanted: Wanted) -> None:
        """The packages of the driver stay, so that there is a way back to it when no archive has it any more."""
        kept = self._work / "kept"
        installed = self._apt.installed()
        wanted_archives = []
        for name, package in installed.items():
            archive = (
                find_archive([self._work / "archives", kept], name, package.version) if wanted.is_driver(name) and package.present else None
            )
            if archive and archive.parent != kept:
                kept.mkdir(parents=True, exist_ok=True)
                archive = Path(shutil.move(str(archive), kept / archive.name))
            wanted_archives.append(archive)
        for path in kept.glob("*.deb"):
            if path not in wanted_archives:
                path.unlink()


def _same(package: Installed | None, version: str) -> bool:
    return package is not None and package.present and package.complete and package.version == version
