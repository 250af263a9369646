# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A GPU driver becomes what is wanted, or stays what it was. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import shutil
import typing as t
from pathlib import Path

from ansible_collections.llm.host.plugins.module_utils._driver_apt import Apt, AptError, find_archive, locked
from ansible_collections.llm.host.plugins.module_utils._driver_build import BuildError, Dkms, Source
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
from ansible_collections.llm.host.plugins.module_utils._host_file import HostFile, read_text
from ansible_collections.llm.host.plugins.module_utils._undo import Undo

__all__ = ("Driver", "DriverError", "Plan", "SourceFiles")

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


@dataclasses.dataclass(frozen=True)
class Build:
    """What was built out of a package, on trial or when it was installed."""

    package: str
    sources: tuple[Source, ...]
    kernels: tuple[str, ...]
    trial: bool = True


@dataclasses.dataclass(frozen=True)
class Plan:
    """``base`` brings headers, DKMS and a compiler with what ``comes``, and replaces nothing.

    ``later`` are the kernels that count once the kernel is upgraded. ``build`` are kernels that the installed source has no modules for.
    """

    choice: Choice = dataclasses.field(default_factory=Choice)
    base: tuple[str, ...] = ()
    comes: Transaction = dataclasses.field(default_factory=Transaction)
    kernels: Kernels = dataclasses.field(default_factory=Kernels)
    transaction: Transaction = dataclasses.field(default_factory=Transaction)
    kernel_upgrade: Transaction = dataclasses.field(default_factory=Transaction)
    later: Kernels = dataclasses.field(default_factory=Kernels)
    build: tuple[str, ...] = ()

    @property
    def packages(self) -> dict[str, tuple[str, str]]:
        """What changes, with the versions before and after."""
        found = {name: (version, "") for name, version in self.transaction.remove.items()}
        found.update(self.comes.install)
        found.update(self.transaction.install)
        found.update(self.kernel_upgrade.install)
        return dict(sorted(found.items()))

    @property
    def changed(self) -> bool:
        return bool(self.packages or self.choice.unknown or self.base or self.build)


class Driver:
    """``work`` is where it keeps packages, the trial build, and what it needs to go back after a run that was killed."""

    def __init__(self, apt: Apt, dkms: Dkms, *, work: Path, modinfo: t.Callable[[str, Path], str], root: Path = Path("/")) -> None:
        self._apt, self._dkms, self._work, self._modinfo, self._root = apt, dkms, work, modinfo, root
        self._undo = Undo(str(work / "undo.json"))
        self._record = work / "before.json"

    def ensure(self, wanted: Wanted, files: SourceFiles, *, check_mode: bool) -> dict[str, t.Any]:
        if check_mode:
            return self._ensure(wanted, files, check_mode=True)
        self._work.mkdir(parents=True, exist_ok=True)
        # A run whose connection was lost goes on, and somebody starts another one.
        with locked([str(self._work / "lock")], "Another run of llm.host.gpu_driver has been at work"):
            return self._ensure(wanted, files, check_mode=False)

    def _ensure(self, wanted: Wanted, files: SourceFiles, *, check_mode: bool) -> dict[str, t.Any]:
        installed = self._apt.installed()
        unfinished = sorted(name for name, package in installed.items() if not package.complete)
        interrupted = bool(unfinished) or self._record.exists()
        if interrupted and not check_mode:
            # What looks unfinished may be what another apt is just doing.
            self._apt.wait()
            self._recover(wanted)
            installed = self._apt.installed()
        before = {path: read_text(path) for path in files.contents}
        differing = files.differing
        unread = files.sources_differ or self._unread(files)
        plan = (self._look if check_mode else self._apply)(wanted, installed, files, unread=unread)
        after = installed if check_mode else self._apt.installed()
        expected = _expected(after, plan) if check_mode else after
        hold, release = holds(wanted, expected)
        if not check_mode:
            self._hold(wanted, after)
            self._clean()
        texts = {path: files.contents[path] for path in differing}
        return {
            "changed": bool(plan.changed or differing or hold or release or interrupted),
            "packages": [{"name": name, "before": old, "after": new} for name, (old, new) in plan.packages.items()]
            + [{"name": name, "before": "", "after": _unknown(wanted, name)} for name in plan.choice.unknown],
            "kernels": list(plan.later.build),
            "held": sorted(
                name
                for name, package in expected.items()
                if package.present and wanted.hold and (wanted.is_driver(name) or name in wanted.kernel_packages)
            ),
            "files": list(differing),
            **self._outcome(wanted, after, plan),
            "diff": _diff(before, texts, plan, wanted, hold, release),
        }

    def _look(self, wanted: Wanted, installed: dict[str, Installed], files: SourceFiles, *, unread: bool) -> Plan:
        preferences = files.contents.get(files.preferences)
        if wanted.upgrade:
            self._apt.update()
        try:
            return self._plan(wanted, installed, pending=unread, preferences=preferences)
        except Refusal:
            # The lists may be older than what they are asked for.
            self._apt.update()
            return self._plan(wanted, installed, pending=unread, preferences=preferences)

    def _apply(self, wanted: Wanted, installed: dict[str, Installed], files: SourceFiles, *, unread: bool) -> Plan:
        try:
            self._write(files)
            if unread:
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
                self._transaction([*plan.base, *plan.kernels.packages])
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
        self._keep(wanted)
        if plan.kernel_upgrade.install:
            # Held first: a kernel that fails must not leave the driver free.
            self._hold(wanted, self._apt.installed())
            self._upgrade_kernel(wanted, plan)
            self._keep(wanted)
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
            self._transaction(arguments, builds=[*builds, *self._old_builds(replaced)])
        self._complete(wanted, plan.kernels.build)

    def _upgrade_kernel(self, wanted: Wanted, plan: Plan) -> None:
        replaced = {name: old for name, (old, _new) in plan.kernel_upgrade.install.items() if old}
        self._apt.fetch(replaced, self._work / "kept")
        present = self._apt.installed()
        names = [name for name in wanted.kernel_packages if name in present]
        try:
            self._transaction(names, check=lambda: self._complete(wanted, plan.later.build))
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

    def _transaction(
        self, arguments: t.Sequence[str], *, builds: t.Sequence[Build] = (), check: t.Callable[[], None] = lambda: None
    ) -> None:
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

    def _recover(self, wanted: Wanted) -> None:
        """Finish what was interrupted, or what somebody else left half done."""
        record = json.loads(read_text(str(self._record)) or "{}")
        reason = self._apt.finish()
        if (reason or self._apt.unfinished()) and record:
            reason = self._go_back(record)
        self._forget(record)
        installed = self._apt.installed()
        if record and any(not _same(installed.get(name), version) for name, version in record["packages"].items()):
            # It went on instead of back, and the files of apt that it wrote belong to it.
            self._undo.close()
        left = [name for name in self._apt.unfinished() if not wanted.is_driver(name)]
        if left:
            raise AptError(
                f"dpkg cannot finish {', '.join(left)}, which was interrupted before: {reason} Repair or remove it, and run again."
            )

    def _hold(self, wanted: Wanted, installed: t.Mapping[str, Installed]) -> None:
        hold, release = holds(wanted, installed)
        self._apt.mark("hold", hold)
        self._apt.mark("unhold", release)

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

    def _keep(self, wanted: Wanted) -> None:
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


def _same(package: Installed | None, version: str) -> bool:
    return package is not None and package.present and package.complete and package.version == version


def _arguments(choice: Choice) -> list[str]:
    return [f"{name}={version}" if version else name for name, version in choice.install.items()] + [f"{name}-" for name in choice.remove]


def _unknown(wanted: Wanted, name: str) -> str:
    version = wanted.packages[name] or (f"{wanted.version}.*" if wanted.version and wanted.is_driver(name) else "*")
    return f"{version} from {wanted.uri or 'the components to be added'}"


def _expected(installed: t.Mapping[str, Installed], plan: Plan) -> dict[str, Installed]:
    gone = set(plan.transaction.remove)
    found = {name: package for name, package in installed.items() if name not in gone}
    for name, (_old, new) in plan.packages.items():
        if new:
            found[name] = Installed(new, held=name in installed and installed[name].held)
    found.update({name: Installed("") for name in (*plan.choice.unknown, *plan.base) if name not in found})
    return found


def _diff(
    before: t.Mapping[str, str | None],
    after: t.Mapping[str, str | None],
    plan: Plan,
    wanted: Wanted,
    hold: t.Sequence[str],
    release: t.Sequence[str],
) -> list[dict[str, str]]:
    texts = [
        {"before_header": path, "after_header": path, "before": before[path] or "", "after": content or ""}
        for path, content in after.items()
    ]
    old = [f"{name} {was}" for name, (was, _new) in plan.packages.items() if was] + [f"{name} held" for name in release]
    new = [f"{name} {becomes}" for name, (_was, becomes) in plan.packages.items() if becomes]
    new += [f"{name} {_unknown(wanted, name)}" for name in plan.choice.unknown]
    new += [f"{name} (newest)" for name in (*plan.base, *plan.kernels.packages) if name not in plan.packages]
    new += [f"modules for {kernel}" for kernel in plan.build] + [f"{name} held" for name in hold]
    if old or new:
        texts.append({"before_header": "packages", "after_header": "packages", "before": _lines(old), "after": _lines(new)})
    return texts


def _lines(lines: t.Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
