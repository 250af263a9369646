# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which packages of a GPU driver are installed, in which versions, for which kernels: decided from values.

PRIVATE to the collection: it can change at any time.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import re
import typing as t

from ansible_collections.llm.host.plugins.module_utils._machine import by_version

__all__ = (
    "Choice",
    "Installed",
    "Kernel",
    "Kernels",
    "Offer",
    "Refusal",
    "Transaction",
    "Wanted",
    "choose",
    "choose_kernels",
    "holds",
    "in_branch",
    "other_flavours",
    "refusal_of",
    "steer",
    "upstream",
)


class Refusal(ValueError):
    """What cannot be done; the text is a sentence."""


@dataclasses.dataclass(frozen=True)
class Installed:
    version: str
    held: bool = False
    # False while dpkg has not finished with it.
    complete: bool = True
    # False for what was removed with its configuration left.
    present: bool = True


@dataclasses.dataclass(frozen=True)
class Offer:
    """A version of a package that apt can download, and from where."""

    version: str
    uri: str = ""


@dataclasses.dataclass(frozen=True)
class Wanted:
    """``packages`` maps names to patterns of versions, empty where the branch decides."""

    packages: t.Mapping[str, str]
    version: str = ""
    driver: tuple[str, ...] = ()
    dkms: str = ""
    kernel_packages: tuple[str, ...] = ()
    hold: bool = True
    upgrade: bool = False
    uri: str = ""

    def is_driver(self, name: str) -> bool:
        return any(fnmatch.fnmatchcase(name.partition(":")[0], pattern) for pattern in self.driver)

    def fits(self, name: str, version: str) -> bool:
        """Whether this version of the package is one of those that are wanted."""
        if self.packages.get(name):
            return fnmatch.fnmatchcase(version, self.packages[name])
        return not self.is_driver(name) or in_branch(version, self.version)

    def any_version(self, name: str) -> bool:
        return not self.packages.get(name) and not (self.is_driver(name) and (self.version or self.uri))

    @property
    def headers(self) -> tuple[str, ...]:
        return tuple(name for name in self.kernel_packages if name.startswith("linux-headers")) if self.dkms else ()


@dataclasses.dataclass(frozen=True)
class Choice:
    """``unknown`` are packages that apt may know once it has read the new sources."""

    install: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    remove: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        return bool(self.install or self.remove or self.unknown)


@dataclasses.dataclass(frozen=True)
class Transaction:
    """What apt would do: names with the version before, empty where there is none, and the version after."""

    install: t.Mapping[str, tuple[str, str]] = dataclasses.field(default_factory=dict)
    remove: t.Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Kernel:
    """A kernel of the host. ``headers`` are there, or come: ``package`` is to be installed for them, if any."""

    name: str
    image: bool = False
    headers: bool = False
    package: str = ""


@dataclasses.dataclass(frozen=True)
class Kernels:
    build: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()


def upstream(version: str) -> str:
    """The version without epoch and Debian's revision."""
    number = version.partition(":")[2] or version
    return number.rpartition("-")[0] or number


def in_branch(version: str, branch: str) -> bool:
    """Whether a package's version begins with these numbers, each of them whole."""
    number = upstream(version)
    return not branch or number == branch or (number.startswith(branch) and not number[len(branch)].isalnum())


def other_flavours(wanted: Wanted, installed: t.Mapping[str, Installed]) -> tuple[str, ...]:
    """Installed packages that would build the modules of this driver, too."""
    return tuple(
        sorted(
            name
            for name, package in installed.items()
            if package.present
            and wanted.is_driver(name)
            and re.search(r"(^|-)dkms(-|$)", name)
            and name != wanted.dkms
            and name not in wanted.packages
        )
    )


def choose(
    wanted: Wanted, installed: t.Mapping[str, Installed], offers: t.Mapping[str, t.Sequence[Offer]], *, pending: bool = False
) -> Choice:
    """What apt is asked for; without a version it takes its own candidate.

    ``pending``: there are sources that it has not read yet. Offers are in order, the newest first.
    """
    present = {name: package.version for name, package in installed.items() if package.present}
    install: dict[str, str] = {}
    unknown: list[str] = []
    sibling = next(
        (present[name] for name in (wanted.dkms, *wanted.packages) if name in present and _branch_fits(wanted, name, present[name])), ""
    )
    for name in wanted.packages:
        have = present.get(name, "")
        if have and wanted.fits(name, have) and not wanted.upgrade:
            continue
        fitting = _fitting(wanted, name, offers)
        if wanted.any_version(name) and (fitting or have):
            # apt knows better than the order of versions, such as where backports are used.
            install[name] = ""
            continue
        if not fitting:
            if have and wanted.fits(name, have):
                continue
            if not pending:
                raise Refusal(_not_offered(wanted, name, offers.get(name, ())))
            unknown.append(name)
            continue
        best = sibling if sibling in fitting and not wanted.upgrade else fitting[0]
        if best != have:
            install[name] = best
    remove = other_flavours(wanted, installed)
    if install or remove or wanted.upgrade:
        install.update(_companions(wanted, present, offers, {*wanted.packages, *remove}))
    return Choice(install, remove, tuple(unknown))


def _branch_fits(wanted: Wanted, name: str, version: str) -> bool:
    return wanted.is_driver(name) and not wanted.packages.get(name) and in_branch(version, wanted.version)


def _fitting(wanted: Wanted, name: str, offers: t.Mapping[str, t.Sequence[Offer]]) -> list[str]:
    fitting = [offer for offer in offers.get(name, ()) if wanted.fits(name, offer.version)]
    ours = [offer for offer in fitting if wanted.uri and offer.uri.rstrip("/") == wanted.uri.rstrip("/")]
    return [offer.version for offer in ours or fitting]


def _companions(
    wanted: Wanted, present: t.Mapping[str, str], offers: t.Mapping[str, t.Sequence[Offer]], settled: t.Collection[str]
) -> dict[str, str]:
    """Other parts of the driver that are installed and follow it into the branch."""
    found = {}
    for name, have in present.items():
        if name in settled or not wanted.version or not wanted.is_driver(name):
            continue
        fitting = _fitting(wanted, name, offers)
        if fitting and (wanted.upgrade or not in_branch(have, wanted.version)) and fitting[0] != have:
            found[name] = fitting[0]
    return found


def _not_offered(wanted: Wanted, name: str, offers: t.Sequence[Offer]) -> str:
    pattern = wanted.packages.get(name)
    which = (
        f"{name} {pattern}" if pattern else f"{name} of the branch {wanted.version}" if wanted.version and wanted.is_driver(name) else name
    )
    if not offers:
        return (
            f"apt offers no {which}, and no other version of it: set gpu_nvidia_repository or gpu_driver_source so that a repository is used that has it, "
            "or give another gpu_driver_branch."
        )
    seen = ", ".join(dict.fromkeys(f"{upstream(offer.version)} from {offer.uri}" for offer in offers))
    return (
        f"apt offers no {which}, but {seen}: set gpu_driver_branch to one of these, or gpu_nvidia_repository to a repository that has it."
    )


def steer(wanted: Wanted, transaction: Transaction, offers: t.Mapping[str, t.Sequence[Offer]]) -> dict[str, str]:
    """Parts of the driver that apt would take from elsewhere although the wanted repository has them."""
    found = {}
    for name, (_before, after) in transaction.install.items():
        if not wanted.uri or not wanted.is_driver(name):
            continue
        ours = [offer.version for offer in offers.get(name, ()) if offer.uri.rstrip("/") == wanted.uri.rstrip("/")]
        fitting = [version for version in ours if wanted.fits(name, version)]
        if fitting and after not in ours:
            found[name] = fitting[0]
    return found


def refusal_of(wanted: Wanted, transaction: Transaction, installed: t.Mapping[str, Installed]) -> str:
    """Why apt must not do it, or nothing."""
    lost = sorted(name for name in transaction.remove if not wanted.is_driver(name))
    if lost:
        return (
            f"apt would remove {', '.join(lost)}, which is no part of the driver: remove it yourself if it is not needed, "
            "or set another gpu_driver_branch or gpu_driver_source."
        )
    dropped = sorted(name for name in transaction.remove if name in wanted.packages)
    if dropped:
        return f"apt would remove {', '.join(dropped)}, which is wanted: these packages do not go together in the branch {wanted.version or 'of apt'}."
    stuck = sorted(
        name
        for name in transaction.install
        if name in installed and installed[name].held and not wanted.is_driver(name) and name not in wanted.kernel_packages
    )
    if stuck:
        return f"apt would change {', '.join(stuck)}, which is held: 'apt-mark unhold' it, or set another gpu_driver_branch."
    return ""


def holds(wanted: Wanted, installed: t.Mapping[str, Installed]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Which packages are to be held, and which are to be released."""
    concerned = {
        name: package
        for name, package in installed.items()
        if package.present and (wanted.is_driver(name) or name in wanted.kernel_packages)
    }
    names = tuple(sorted(name for name, package in concerned.items() if package.held is not wanted.hold))
    return (names, ()) if wanted.hold else ((), names)


def choose_kernels(running: str, kernels: t.Collection[Kernel]) -> Kernels:
    """For which kernels modules are built: the one that runs, and the one that starts next. Raises Refusal."""
    known = {kernel.name: kernel for kernel in kernels}
    images = sorted((kernel for kernel in kernels if kernel.image), key=lambda kernel: by_version(kernel.name))
    now, following = known.get(running), images[-1] if images else None
    chosen = [kernel for kernel in (now, following) if kernel and kernel.headers]
    if following and not following.headers:
        raise Refusal(
            f"The kernel {following.name} is installed and starts next, and no archive has its headers (linux-headers-{following.name}): upgrade the kernel "
            "and reboot, or remove it, and run again."
        )
    if not chosen and not images:
        # Without a kernel of its own the host is a container: whose modules these are its image decides.
        chosen = sorted((kernel for kernel in kernels if kernel.headers), key=lambda kernel: by_version(kernel.name))[-1:]
    if not chosen:
        raise Refusal(
            f"The kernel {running} runs, and no archive has its headers (linux-headers-{running}): upgrade the kernel (linux-image-… and linux-headers-…), "
            "reboot, and run again."
        )
    unique = list({kernel.name: kernel for kernel in chosen}.values())
    return Kernels(tuple(kernel.name for kernel in unique), tuple(kernel.package for kernel in unique if kernel.package))
