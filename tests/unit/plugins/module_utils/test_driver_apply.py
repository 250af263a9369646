# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A driver becomes what is wanted or stays what it was: with an apt and a DKMS in memory that fail where a test says so."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil

import pytest

from ansible_collections.llm.host.plugins.module_utils import _driver_apply, _host_file
from ansible_collections.llm.host.plugins.module_utils._driver_apply import Driver, DriverError, SourceFiles
from ansible_collections.llm.host.plugins.module_utils._driver_apt import AptError
from ansible_collections.llm.host.plugins.module_utils._driver_build import BuildError, Source
from ansible_collections.llm.host.plugins.module_utils._driver_plan import Installed, Offer, Refusal, Transaction, Wanted
from ansible_collections.llm.host.plugins.module_utils._driver_sources import Archive

KERNEL = "6.12.107+deb13-amd64"
WANTED = Wanted(
    {"nvidia-kernel-dkms": "", "libcuda1": ""},
    version="580",
    driver=("*nvidia*", "libcuda1"),
    dkms="nvidia-kernel-dkms",
    kernel_packages=("linux-image-amd64", "linux-headers-amd64"),
)
BASE = {"dkms": "3.2", "linux-headers-amd64": "6.12", "linux-image-amd64": "6.12"}
OLD = {"nvidia-kernel-dkms": "570.1-1", "libcuda1": "570.1-1"}


class Killed(BaseException):
    pass


class FakeApt:
    def __init__(self, packages, offers):
        self.packages = {name: Installed(version) for name, version in packages.items()}
        self.offered = {name: [Offer(version, "http://x") for version in versions] for name, versions in offers.items()}
        self.named, self.brings = (), {}
        self.fails_at, self.stuck, self.calls, self.kernel = None, False, [], "6.12"

    def installed(self):
        return dict(self.packages)

    def files_of(self, package):
        return [package]

    def archives(self):
        return self.named

    def offers(self, names):
        return {name: self.offered[name] for name in names if name in self.offered}

    def update(self, uri=""):
        self.calls.append("update")

    def simulate(self, arguments, preferences=None):
        install, remove = {}, {}
        for argument in arguments:
            name, _equals, version = argument.partition("=")
            if argument.endswith("-"):
                remove[argument[:-1]] = self.packages[argument[:-1]].version
                continue
            version = version or (self.kernel if name.startswith("linux") else "3.2")
            before = self.packages[name].version if name in self.packages else ""
            if before != version:
                install[name] = (before, version)
                install.update({new: ("", version) for new, version in self.brings.items() if name.startswith("linux")})
        return Transaction(install, remove)

    def download(self, arguments):
        self.calls.append("download")

    def fetch(self, versions, target):
        target.mkdir(parents=True, exist_ok=True)
        for name, version in versions.items():
            (target / f"{name}_{version}_amd64.deb").touch()
        return []

    def install(self, arguments):
        self.calls.append("install")
        transaction = self.simulate(arguments)
        for name in transaction.remove:
            del self.packages[name]
        for name, (_before, after) in transaction.install.items():
            broken = name == self.fails_at
            self.packages[name] = Installed(after, complete=not broken)
            if broken:
                raise self.failure

    failure: BaseException = AptError("apt cannot install the packages.")

    def wait(self):
        self.calls.append("wait")

    def unfinished(self):
        return sorted(name for name, package in self.packages.items() if not package.complete)

    def finish(self):
        if self.stuck:
            return "its script fails."
        self.packages = {name: dataclasses.replace(package, complete=True) for name, package in self.packages.items()}
        return ""

    def purge(self, names):
        self.packages = {name: package for name, package in self.packages.items() if name not in names}

    def put_back(self, archives):
        for archive in archives:
            name, version, _architecture = archive.name.split("_")
            self.packages[name] = Installed(version)

    def mark(self, how, names):
        for name in names:
            self.packages[name] = dataclasses.replace(self.packages[name], held=how == "hold")


class FakeDkms:
    def __init__(self, apt):
        self.apt, self.broken, self.tried, self.built = apt, False, [], {KERNEL}

    def sources_among(self, files):
        return [Source("nvidia", self.apt.packages[name].version.partition("-")[0]) for name in files if name in self.apt.packages]

    def installed(self, source):
        return self.built

    def unpack(self, archive):
        return [Source("nvidia", archive.name.split("_")[1].partition("-")[0])]

    def try_build(self, source, kernel):
        self.tried.append((source.version, kernel))
        if self.broken:
            raise BuildError(source, kernel, "x.c:1: error: no", "/log")

    def handed(self, source, package):
        return []

    def pack(self, *arguments, **options):
        pass

    def build(self, source, kernel):
        if self.broken:
            raise BuildError(source, kernel, "x.c:1: error: no", "/log")
        self.built = {*self.built, kernel}

    def clear(self):
        pass


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A host with a kernel, and the driver of the given packages."""
    for path in (f"lib/modules/{KERNEL}/build/include", "boot", "proc/sys/kernel", "sys/module/nvidia"):
        (tmp_path / path).mkdir(parents=True)
    (tmp_path / "boot" / f"vmlinuz-{KERNEL}").touch()
    (tmp_path / "proc/sys/kernel/osrelease").write_text(f"{KERNEL}\n")
    monkeypatch.setattr(
        _driver_apply, "HostFile", lambda path, content, **kw: _host_file.HostFile(path, content, **{**kw, "group": os.getegid()})
    )

    class Host:
        root = tmp_path
        apt = FakeApt({**BASE, **OLD}, {name: ["590.1-1", "580.2-1", "580.1-1", "570.1-1"] for name in OLD})
        dkms = FakeDkms(apt)
        pin = tmp_path / "pin"

        def ensure(self, wanted=WANTED, *, pin="580", check_mode=False):
            driver = Driver(self.apt, self.dkms, work=tmp_path / "work", modinfo=lambda field, path: "", root=tmp_path)
            return driver.ensure(wanted, SourceFiles({str(self.pin): pin}, str(self.pin)), check_mode=check_mode)

        def state(self):
            return {
                name: package.version for name, package in self.apt.packages.items()
            }, self.pin.read_text() if self.pin.exists() else None

    Host.pin.write_text("570")
    return Host()


def test_a_driver_is_tried_and_then_installed_and_held(host):
    result = host.ensure()
    assert host.dkms.tried == [("580.2", KERNEL)]
    assert host.state() == ({**BASE, "nvidia-kernel-dkms": "580.2-1", "libcuda1": "580.2-1"}, "580")
    assert result["held"] == ["libcuda1", "linux-headers-amd64", "linux-image-amd64", "nvidia-kernel-dkms"]
    assert sorted(name for name, package in host.apt.packages.items() if package.held) == result["held"]
    host.apt.calls.clear()
    again = host.ensure()
    assert (again["changed"], host.apt.calls) == (False, [])


def test_check_mode_announces_what_happens_and_does_nothing(host):
    before = host.state()
    foreseen = host.ensure(check_mode=True)
    assert host.state() == before
    assert host.apt.calls == []
    happened = host.ensure()
    assert {key: foreseen[key] for key in ("packages", "held", "files", "kernels", "changed", "diff")} == {
        key: happened[key] for key in ("packages", "held", "files", "kernels", "changed", "diff")
    }


def test_what_does_not_compile_changes_nothing(host):
    host.dkms.broken = True
    before = host.state()
    with pytest.raises(
        DriverError, match=r"nvidia 580\.2 does not compile for the kernel .*x\.c:1: error: no.*The driver is as it was.*gpu_driver_branch"
    ):
        host.ensure()
    assert host.state() == before
    assert "install" not in host.apt.calls


@pytest.mark.parametrize("package", ["nvidia-kernel-dkms", "libcuda1"])
def test_a_package_that_fails_brings_all_back(host, package):
    host.apt.fails_at = package
    before = host.state()
    with pytest.raises(AptError, match="The packages are as they were before"):
        host.ensure()
    assert host.state() == before
    assert host.apt.unfinished() == []


def test_a_run_that_was_killed_is_finished_by_the_next(host):
    host.apt.fails_at, host.apt.failure = "nvidia-kernel-dkms", Killed()
    with pytest.raises(Killed):
        host.ensure()
    host.apt.fails_at = None
    result = host.ensure()
    assert result["changed"]
    assert host.state()[0] == {**BASE, "nvidia-kernel-dkms": "580.2-1", "libcuda1": "580.2-1"}
    assert host.apt.unfinished() == []


def test_sources_that_a_killed_run_wrote_are_read(host):
    host.apt.named = (Archive("http://x", "/", "", entry=str(host.pin), read=False),)
    host.ensure()
    assert host.apt.calls[0] == "update"


def test_what_cannot_be_finished_after_a_kill_goes_back(host):
    work = host.root / "work"
    (work / "kept").mkdir(parents=True)
    for name, version in OLD.items():
        (work / "kept" / f"{name}_{version}_amd64.deb").touch()
    packages = {name: package.version for name, package in host.apt.packages.items()}
    (work / "before.json").write_text(json.dumps({"packages": packages, "held": ["libcuda1"], "handed": [], "back": {}}))
    host.apt.packages["nvidia-kernel-dkms"] = Installed("580.2-1", complete=False)
    host.apt.packages["nvidia-extra"] = Installed("580.2-1", complete=False)
    host.apt.stuck = True
    result = host.ensure(dataclasses.replace(WANTED, version="570"), pin="570")
    assert result["changed"]
    assert host.state() == ({**BASE, **OLD}, "570")
    assert not (work / "before.json").exists()


def test_what_others_left_half_done_is_named(host):
    host.apt.packages["xorg"] = Installed("1", complete=False)
    host.apt.stuck = True
    with pytest.raises(AptError, match="dpkg cannot finish xorg, which was interrupted before: its script fails"):
        host.ensure()


def test_a_branch_that_nobody_has_is_looked_for_once_and_nothing_changes(host):
    before = host.state()
    with pytest.raises(Refusal, match="of the branch 999"):
        host.ensure(dataclasses.replace(WANTED, version="999"))
    assert host.apt.calls == ["update"]
    assert host.state() == before


def test_a_kernel_that_fails_leaves_the_new_driver_held(host):
    host.ensure()
    host.apt.kernel, host.apt.fails_at = "6.13", "linux-image-amd64"
    host.apt.offered = {name: [Offer("580.3-1", "http://x")] for name in OLD}
    with pytest.raises(AptError):
        host.ensure(dataclasses.replace(WANTED, upgrade=True))
    assert host.apt.packages["nvidia-kernel-dkms"] == Installed("580.3-1", held=True)
    assert host.apt.packages["linux-image-amd64"].version == "6.12"


def test_a_kernel_that_the_driver_does_not_compile_for_goes_back(host):
    host.ensure()
    new = "6.12.108+deb13-amd64"
    host.apt.kernel, host.apt.brings = "6.13", {f"linux-image-{new}": "6.13", f"linux-headers-{new}": "6.13"}
    host.dkms.broken = True
    before = host.state()
    with pytest.raises(DriverError, match=r"does not compile for the kernel 6\.12\.108.*The kernel is as it was before"):
        host.ensure(dataclasses.replace(WANTED, upgrade=True))
    assert host.state() == before
    host.dkms.broken = False
    assert host.ensure(dataclasses.replace(WANTED, upgrade=True))["kernels"] == [KERNEL, new]
    assert host.dkms.built == {KERNEL, new}


def test_modules_that_a_kernel_lacks_are_built(host):
    host.ensure()
    host.dkms.built = set()
    result = host.ensure()
    assert result["changed"]
    assert result["built"] == {KERNEL: "580.2"}


def test_headers_that_are_gone_matter_only_where_something_is_to_be_built(host):
    host.ensure()
    shutil.rmtree(host.root / f"lib/modules/{KERNEL}/build")
    assert host.ensure()["changed"] is False
    before = host.state()
    with pytest.raises(Refusal, match="no archive has its headers"):
        host.ensure(dataclasses.replace(WANTED, version="590"))
    assert host.state() == before


def test_released_packages_stay(host):
    host.ensure()
    result = host.ensure(dataclasses.replace(WANTED, hold=False))
    assert (result["changed"], result["held"]) == (True, [])
    assert not any(package.held for package in host.apt.packages.values())


@pytest.mark.parametrize(
    ("loaded", "running", "expected"),
    [
        pytest.param("", KERNEL, False, id="nothing-is-loaded"),
        pytest.param("580.2", KERNEL, False, id="what-is-installed-is-loaded"),
        pytest.param("570.1", KERNEL, True, id="another-version-is-loaded"),
        pytest.param("580.2", "6.11-of-somebody", True, id="another-kernel-runs"),
    ],
)
def test_reboot(host, loaded, running, expected):
    host.ensure()
    (host.root / "sys/module/nvidia/version").write_text(f"{loaded}\n")
    (host.root / "proc/sys/kernel/osrelease").write_text(f"{running}\n")
    assert host.ensure()["reboot"] is expected
