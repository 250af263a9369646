# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run on a GPU driver does, and how that is told. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.llm.host.plugins.module_utils._driver_plan import Choice, Installed, Kernels, Transaction, Wanted

__all__ = ("Plan", "changes_of", "diff_of", "expected_after", "unknown_version")


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


def unknown_version(wanted: Wanted, name: str) -> str:
    version = wanted.packages[name] or (f"{wanted.version}.*" if wanted.version and wanted.is_driver(name) else "*")
    return f"{version} from {wanted.uri or 'the components to be added'}"


def expected_after(installed: t.Mapping[str, Installed], plan: Plan) -> dict[str, Installed]:
    gone = set(plan.transaction.remove)
    found = {name: package for name, package in installed.items() if name not in gone}
    for name, (_old, new) in plan.packages.items():
        if new:
            found[name] = Installed(new, held=name in installed and installed[name].held)
    found.update({name: Installed("") for name in (*plan.choice.unknown, *plan.base) if name not in found})
    return found


def diff_of(
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
    new += [f"{name} {unknown_version(wanted, name)}" for name in plan.choice.unknown]
    new += [f"{name} (newest)" for name in (*plan.base, *plan.kernels.packages) if name not in plan.packages]
    new += [f"modules for {kernel}" for kernel in plan.build] + [f"{name} held" for name in hold]
    if old or new:
        texts.append({"before_header": "packages", "after_header": "packages", "before": _lines(old), "after": _lines(new)})
    return texts


def changes_of(
    packages: t.Iterable[t.Mapping[str, str]], files: t.Iterable[str], hold: t.Iterable[str], release: t.Iterable[str]
) -> list[str]:
    """A line for each change."""
    return [
        *(_change(package) for package in packages),
        *(f"{path} is written" for path in files),
        *(f"{name} is held" for name in hold),
        *(f"{name} is released" for name in release),
    ]


def _change(package: t.Mapping[str, str]) -> str:
    name, before, after = package["name"], package["before"], package["after"]
    if not after:
        return f"{name} {before} is removed"
    return f"{name} {before} becomes {after}" if before else f"{name} {after} is installed"


def _lines(lines: t.Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
