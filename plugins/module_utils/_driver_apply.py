# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A GPU driver becomes what is wanted, or stays what it was. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import typing as t
from pathlib import Path

from ansible_collections.llm.host.plugins.module_utils._driver_apt import LOCK_TIMEOUT, Apt, AptError, find_archive
from ansible_collections.llm.host.plugins.module_utils._driver_build import BuildError, Dkms, Source
from ansible_collections.llm.host.plugins.module_utils._driver_install import Build, Installer
from ansible_collections.llm.host.plugins.module_utils._driver_plan import (
    Choice,
    Installed,
    Kernel,
    Kernels,
    Refusal,
    Transaction,
    Wanted,
    choose,
    choose_kernels,
    holds,
    other_flavours,
    refusal_of,
    steer,
    upstream,
)
from ansible_collections.llm.host.plugins.module_utils._driver_result import Plan, changes_of, diff_of, expected_after, unknown_version
from ansible_collections.llm.host.plugins.module_utils._host_file import HostFile, read_text
from ansible_collections.llm.host.plugins.module_utils._locked import locked
from ansible_collections.llm.host.plugins.module_utils._undo import Undo

__all__ = ("Driver", "DriverError", "SourceFiles")

AS_IT_WAS = "The driver is as it was before. Set another gpu_driver_branch or gpu_driver_source, or another kernel."
HEADERS = re.compile(r"linux-headers-(\d.*)")
IMAGE = re.compile(r"linux-image-(?:unsigned-)?(\d.*)")


class DriverError(Exception):
    """The driver is as it was, if the text does not say otherwise; it is a sentence."""


@dataclasses.dataclass(frozen=True)
class SourceFiles:
    """Files of apt with their content, None where there is to be none. ``preferences`` is one of the paths."""

    contents: t.Mapping[str, str | None]
    preferences: str

    @property
    def differing(self) -> tuple[str, ...]:
        return tuple(path for path, content in self.contents.items() if read_text(path) != content)

    @property
    def sources_differ(self) -> bool:
        return any(path != self.preferences for path in self.differing)


class Driver:
    """``work`` is where it keeps packages, the trial build, and what it needs to go back after a run that was killed."""

    def __init__(self, apt: Apt, dkms: Dkms, *, work: Path, modinfo: t.Callable[[str, Path], str], root: Path = Path("/")) -> None:
        self._apt, self._dkms, self._work, self._modinfo, self._root = apt, dkms, work, modinfo, root
        self._undo = Undo(str(work / "undo.json"))
        self._installer = Installer(apt, dkms, work)

    def ensure(self, wanted: Wanted, files: SourceFiles, *, check_mode: bool) -> dict[str, t.Any]:
        if check_mode:
            return self._ensure(wanted, files, check_mode=True)
        self._work.mkdir(parents=True, exist_ok=True)
        # A run whose connection was lost goes on, and somebody starts another one.
        with locked(self._work / "lock", doing="at work on the driver", wait=LOCK_TIMEOUT):
            return self._ensure(wanted, files, check_mode=False)

    def _ensure(self, wanted: Wanted, files: SourceFiles, *, check_mode: bool) -> dict[str, t.Any]:
        installed = self._apt.installed()
        unfinished = sorted(name for name, package in installed.items() if not package.complete)
        interrupted = bool(unfinished) or self._installer.interrupted
        if interrupted and not check_mode:
            # What looks unfinished may be what another apt is just doing.
            self._apt.wait()
            if self._installer.recover(wanted):
                # The files of apt that the other run wrote belong to what is installed.
                self._undo.close()
            installed = self._apt.installed()
        before = {path: read_text(path) for path in files.contents}
        differing = files.differing
        unread = files.sources_differ or self._unread(files)
        plan = (self._look if check_mode else self._apply)(wanted, installed, files, unread=unread)
        after = installed if check_mode else self._apt.installed()
        expected = expected_after(after, plan) if check_mode else after
        hold, release = holds(wanted, expected)
        if not check_mode:
            self._hold(wanted, after)
            self._clean()
        texts = {path: files.contents[path] for path in differing}
        packages = [{"name": name, "before": old, "after": new} for name, (old, new) in plan.packages.items()]
        packages += [{"name": name, "before": "", "after": unknown_version(wanted, name)} for name in plan.choice.unknown]
        changed = bool(plan.changed or differing or hold or release or interrupted)
        changes = changes_of(packages, differing, hold, release)
        return {
            "changed": changed,
            "changes": changes or (["what was interrupted is finished"] if changed else []),
            "packages": packages,
            "kernels": list(plan.later.build),
            "held": sorted(
                name
                for name, package in expected.items()
                if package.present and wanted.hold and (wanted.is_driver(name) or name in wanted.kernel_packages)
            ),
            "files": list(differing),
            **self._outcome(wanted, after, plan),
            "diff": diff_of(before, texts, plan, wanted, hold, release),
        }

    def _look(self, wanted: Wanted, installed: dict[str, Installed], files: SourceFiles, *, unread: bool) -> Plan:
        preferences = files.contents.get(files.preferences)
        if wanted.upgrade:
            self._apt.update(wanted.uri)
        try:
            return self._plan(wanted, installed, pending=unread, preferences=preferences)
        except Refusal:
            # The lists may be older than what they are asked for.
            self._apt.update(wanted.uri)
            return self._plan(wanted, installed, pending=unread, preferences=preferences)

    def _apply(self, wanted: Wanted, installed: dict[str, Installed], files: SourceFiles, *, unread: bool) -> Plan:
        try:
            self._write(files)
            if unread or wanted.upgrade:
                self._apt.update(wanted.uri)
            try:
                plan = self._plan(wanted, installed)
            except (AptError, Refusal):
                if unread:
                    raise
                # The lists may be older than what they are asked for.
                self._apt.update(wanted.uri)
                plan = self._plan(wanted, installed)
            if not plan.changed:
                return plan
            if plan.base or plan.kernels.packages:
                self._installer.install([*plan.base, *plan.kernels.packages])
            self._change(wanted, plan)
        except (AptError, BuildError, OSError, Refusal) as error:
            self._undo.restore()
            self._clean()
            if isinstance(error, BuildError):
                raise DriverError(f"{error} {AS_IT_WAS}") from error
            raise
        finally:
            self._undo.close()
        left = self._apt.unfinished()
        if left:
            raise AptError(f"dpkg cannot finish {', '.join(left)}: repair or remove it, and run again.")
        self._installer.keep(wanted)
        if plan.kernel_upgrade.install:
            # Held first: a kernel that fails must not leave the driver free.
            self._hold(wanted, self._apt.installed())
            self._upgrade_kernel(wanted, plan)
            self._installer.keep(wanted)
        return plan

    def _plan(self, wanted: Wanted, installed: dict[str, Installed], *, pending: bool = False, preferences: str | None = None) -> Plan:
        present = {name: package for name, package in installed.items() if package.present}
        settled = not wanted.upgrade and not other_flavours(wanted, installed)
        settled = settled and all(name in present and wanted.fits(name, present[name].version) for name in wanted.packages)
        offers = {} if settled else self._apt.offers([*wanted.packages, *(name for name in present if wanted.is_driver(name))])
        choice = choose(wanted, installed, offers, pending=pending)
        needed = [*wanted.headers, "dkms"] if wanted.dkms else []
        base = tuple(name for name in needed if name not in present)
        kernels, comes = Kernels(), Transaction()
        # What has its modules needs no headers any more.
        ready = list(self._built(wanted.dkms).values()) if wanted.dkms in present and wanted.dkms not in choice.install else []
        built = set.intersection(*ready) if ready else set()
        if wanted.dkms:
            try:
                comes = self._apt.simulate(base) if base else comes
                kernels = self._kernels(comes, built)
                if kernels.packages:
                    comes = self._apt.simulate([*base, *kernels.packages])
            except AptError:
                if not pending:
                    raise
            if comes.remove:
                raise Refusal(f"apt would remove {', '.join(sorted(comes.remove))} for {', '.join(base)}: repair that first.")
        transaction = Transaction()
        if (choice.install or choice.remove) and not choice.unknown:
            arguments = _arguments(choice)
            transaction = self._apt.simulate(arguments, preferences)
            offers = {**offers, **(self._apt.offers(transaction.install) if wanted.uri else {})}
            further = steer(wanted, transaction, offers)
            if further:
                choice = dataclasses.replace(choice, install={**choice.install, **further})
                transaction = self._apt.simulate(_arguments(choice), preferences)
            refusal = refusal_of(wanted, transaction, installed)
            if refusal:
                raise Refusal(refusal)
        upgrade = Transaction()
        movable = [name for name in wanted.kernel_packages if name in present]
        if wanted.upgrade and movable:
            upgrade = self._apt.simulate(movable)
            refusal = refusal_of(wanted, upgrade, installed)
            if refusal:
                raise Refusal(refusal)
        build = self._unbuilt(wanted, present, kernels) if wanted.dkms and wanted.dkms not in transaction.install else ()
        later = self._kernels(Transaction({**comes.install, **upgrade.install}), built) if upgrade.install and wanted.dkms else kernels
        return Plan(choice, base, comes, kernels, transaction, upgrade, later, build)

    def _kernels(self, comes: Transaction, built: t.Collection[str]) -> Kernels:
        running = (self._root / "proc/sys/kernel/osrelease").read_text(encoding="utf-8").strip()
        coming = {
            name: {match[1] for package in comes.install if (match := pattern.fullmatch(package))}
            for name, pattern in (("h", HEADERS), ("i", IMAGE))
        }
        modules = self._root / "lib/modules"
        names = {path.name for path in modules.iterdir()} if modules.is_dir() else set()
        ready = {name for name in names if (modules / name / "build" / "include").is_dir()} | coming["h"] | set(built)
        lacking = {*names, running} - ready
        offered = self._apt.offers(f"linux-headers-{name}" for name in lacking) if lacking else {}
        kernels = []
        for name in sorted({*names, *coming["i"], *(n for n in ready if not n.endswith("-common")), running}):
            package = f"linux-headers-{name}" if f"linux-headers-{name}" in offered else ""
            image = (self._root / "boot" / f"vmlinuz-{name}").exists() or name in coming["i"]
            if name in names or name in ready or package or name == running:
                kernels.append(Kernel(name, image=image, headers=name in ready or bool(package), package=package))
        return choose_kernels(running, kernels)

    def _unbuilt(self, wanted: Wanted, present: t.Mapping[str, Installed], kernels: Kernels) -> tuple[str, ...]:
        if wanted.dkms not in present:
            return ()
        built = self._built(wanted.dkms)
        return tuple(kernel for kernel in kernels.build if any(kernel not in found for found in built.values()))

    def _built(self, package: str) -> dict[Source, set[str]]:
        return {source: self._dkms.installed(source) for source in self._dkms.sources_among(self._apt.files_of(package))}

    def _change(self, wanted: Wanted, plan: Plan) -> None:
        """Everything that can fail is tried before the first package changes."""
        if plan.transaction.install or plan.transaction.remove:
            arguments = _arguments(plan.choice)
            self._apt.download(arguments)
            replaced = {name: old for name, (old, _new) in plan.transaction.install.items() if old} | dict(plan.transaction.remove)
            self._apt.fetch(replaced, self._work / "kept")
            sources: list[Source] = []
            if wanted.dkms in plan.transaction.install:
                sources = self._try(wanted.dkms, plan.transaction.install[wanted.dkms][1], plan.kernels.build)
            builds = [Build(wanted.dkms, tuple(sources), plan.kernels.build)]
            self._installer.install(arguments, builds=[*builds, *self._old_builds(replaced)])
        self._complete(wanted, plan.kernels.build)

    def _upgrade_kernel(self, wanted: Wanted, plan: Plan) -> None:
        replaced = {name: old for name, (old, _new) in plan.kernel_upgrade.install.items() if old}
        self._apt.fetch(replaced, self._work / "kept")
        present = self._apt.installed()
        names = [name for name in wanted.kernel_packages if name in present]
        try:
            self._installer.install(names, check=lambda: self._complete(wanted, plan.later.build))
        except BuildError as error:
            raise DriverError(
                f"{error} The kernel is as it was before, and the driver is the new one: set another gpu_driver_branch."
            ) from error

    def _complete(self, wanted: Wanted, kernels: t.Sequence[str]) -> None:
        """Build what the scripts of the packages left out."""
        for kernel in kernels if wanted.dkms else ():
            for source, ready in self._built(wanted.dkms).items():
                if kernel not in ready:
                    self._dkms.build(source, kernel)

    def _try(self, package: str, version: str, kernels: t.Sequence[str]) -> list[Source]:
        archive = find_archive([self._work / "archives"], package, version)
        if archive is None:
            # It comes from a directory of this machine, and apt takes it from there.
            self._apt.fetch({package: version}, self._work / "archives")
            archive = find_archive([self._work / "archives"], package, version)
        if archive is None:
            raise AptError(f"apt has not downloaded {package} {version}.")
        sources = self._dkms.unpack(archive)
        for source in sources:
            for kernel in kernels:
                self._dkms.try_build(source, kernel)
        return sources

    def _old_builds(self, replaced: t.Iterable[str]) -> list[Build]:
        """What need not be compiled again on the way back."""
        builds = []
        for package in replaced:
            for source, kernels in self._built(package).items() if "dkms" in package else ():
                builds.append(Build(package, (source,), tuple(sorted(kernels)), trial=False))
        return builds

    def _hold(self, wanted: Wanted, installed: t.Mapping[str, Installed]) -> None:
        hold, release = holds(wanted, installed)
        self._apt.mark("hold", hold)
        self._apt.mark("unhold", release)

    def _write(self, files: SourceFiles) -> None:
        for path in files.differing:
            content = files.contents[path]
            self._undo.keep(path)
            if content is None:
                Path(path).unlink()
            else:
                HostFile(path, content, owner=os.geteuid(), group=os.getegid()).write()

    def _unread(self, files: SourceFiles) -> bool:
        """Whether apt has no list of one of these sources, as after a run that was killed."""
        return any(archive.entry in files.contents and not archive.read for archive in self._apt.archives())

    def _clean(self) -> None:
        shutil.rmtree(self._work / "archives", ignore_errors=True)
        self._dkms.clear()

    def _outcome(self, wanted: Wanted, installed: t.Mapping[str, Installed], plan: Plan) -> dict[str, t.Any]:
        """For which kernels there are modules, and whether the ones that run are others."""
        running = (self._root / "proc/sys/kernel/osrelease").read_text(encoding="utf-8").strip()
        name = wanted.dkms or next((name for name in wanted.packages if wanted.is_driver(name)), "")
        package = installed.get(name)
        built: dict[str, str] = {}
        if wanted.dkms and package and package.present:
            built = {kernel: source.version for source, kernels in self._built(wanted.dkms).items() for kernel in sorted(kernels)}
        loaded = (read_text(str(self._root / "sys/module/nvidia/version")) or "").strip()
        changes = name in plan.packages or name in plan.choice.unknown
        target = plan.packages[name][1] if name in plan.packages else package.version if package and package.present else ""
        elsewhere = bool(wanted.dkms) and bool(plan.later.build) and running not in plan.later.build
        replaced = bool(loaded) and (changes or (target != "" and loaded != upstream(target)) or self._other_build(running, loaded))
        return {"built": built, "running": running, "loaded": loaded, "reboot": elsewhere or replaced}

    def _other_build(self, running: str, loaded: str) -> bool:
        """Whether the module of the running kernel is another one than that which is loaded, at the same version: the other flavour."""
        source = (read_text(str(self._root / "sys/module/nvidia/srcversion")) or "").strip()
        files = sorted((self._root / "lib/modules" / running / "updates").rglob("nvidia*.ko*")) if source else []
        mine = [path for path in files if re.fullmatch(r"nvidia(-current)?(-open)?\.ko(\.\w+)?", path.name)]
        return bool(mine) and source not in {self._modinfo("srcversion", path) for path in mine}


def _arguments(choice: Choice) -> list[str]:
    return [f"{name}={version}" if version else name for name, version in choice.install.items()] + [f"{name}-" for name in choice.remove]
