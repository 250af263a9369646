# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import os
import shutil
import signal
import typing as t
from pathlib import Path

import pytest

from ansible_collections.llm.host.plugins.module_utils import _release, _release_tree
from ansible_collections.llm.host.plugins.module_utils._release import Host, Outcome, ensure
from ansible_collections.llm.host.plugins.module_utils._release_plan import make_request
from ansible_collections.llm.host.plugins.module_utils._release_values import ReleaseError
from ansible_collections.llm.host.plugins.module_utils._undo import Undo
from ansible_collections.llm.host.tests.unit.plugins.module_utils.release_support import (
    SCRIPT,
    Item,
    Server,
    packed,
    release_items,
    running_server,
    sha256,
    tree_of,
)

OLD, NEW = "0.13.5", "0.32.15"
ASSET = "ollama-linux-amd64.tar.zst"
ROCM = "ollama-linux-amd64-rocm.tar.zst"
ROOMY = 1 << 50


class Machine:
    """A host in a directory, and a server with two releases."""

    def __init__(self, top: Path, server: Server) -> None:
        self.top = top
        self.root = top / "opt/ollama"
        self.link = top / "usr/local/bin/ollama"
        self.server = server
        self.waits: list[float] = []

    def request(self, version: str = NEW, **changes: t.Any) -> t.Any:
        options: dict[str, t.Any] = {
            "machine": "x86_64",
            "root": str(self.root),
            "link": str(self.link),
            "url": self.server.url,
            "timeout": 5,
            **changes,
        }
        return make_request(version=version, **options)

    def host(self, **changes: t.Any) -> Host:
        return Host(**{"free": lambda path: ROOMY, "sleep": self.waits.append, **changes})

    def run(self, version: str = NEW, *, check_mode: bool = False, host: Host | None = None, **changes: t.Any) -> Outcome:
        return ensure(self.request(version, **changes), check_mode=check_mode, host=host or self.host())

    def active(self) -> str:
        """What the program behind the link says it is."""
        return self.link.read_bytes().removeprefix(SCRIPT).decode()

    def whole(self) -> bool:
        """Whether the active version is one of the two releases, complete."""
        tree = self.link.resolve().parent.parent
        have = tree_of(tree)
        del have[".llm-host.json"]
        return have == {item.name: item.target or item.content.hex() for item in release_items(self.active()) if item.kind != b"5"}

    def names(self) -> list[str]:
        return sorted(os.listdir(self.root))


@pytest.fixture
def machine(tmp_path: Path) -> t.Iterator[Machine]:
    with running_server() as server:
        server.publish(OLD, "ollama-linux-amd64.tgz", packed(release_items(OLD), suffix=".tgz"))
        server.publish(NEW, ASSET, packed(release_items(NEW)))
        server.publish(NEW, ROCM, packed([Item("lib/ollama/rocm_v7_2/librocm.so", b"r")]))
        yield Machine(tmp_path, server)


def test_bare_host_gets_the_release_and_nothing_is_left_over(machine: Machine) -> None:
    outcome = machine.run()
    assert (outcome.done, outcome.active, machine.active(), machine.whole()) == (True, True, NEW, True)
    assert os.readlink(machine.link) == f"{machine.root}/{NEW}/bin/ollama"
    assert machine.names() == [".lock", NEW]
    (source,) = outcome.sources
    data = machine.server.files[f"/v{NEW}/{ASSET}"]
    assert (source.url, source.sha256, source.bytes) == (
        f"{machine.server.url}/v{NEW}/{ASSET}",
        sha256(data),
        len(data),
    )


def test_second_run_changes_nothing_and_asks_nobody(machine: Machine) -> None:
    first = machine.run()
    before, asked = tree_of(machine.top), len(machine.server.requests)
    for content in (False, True):
        outcome = machine.run(content=content)
        assert (outcome.done, outcome.active, outcome.sources) == (False, True, first.sources)
    assert tree_of(machine.top) == before
    assert len(machine.server.requests) == asked


def test_upgrade_over_the_change_of_format_and_back_again_without_the_network(machine: Machine) -> None:
    machine.run(OLD)
    assert machine.run(NEW).plan.state.link.version == OLD
    assert (machine.active(), machine.names()) == (NEW, [".lock", OLD, NEW])
    asked = len(machine.server.requests)
    back = machine.run(OLD)
    assert (machine.active(), back.plan.install, back.sources[0].name) == (OLD, False, "ollama-linux-amd64.tgz")
    assert len(machine.server.requests) == asked


def test_keep_zero_leaves_the_active_version_only(machine: Machine) -> None:
    machine.run(OLD)
    outcome = machine.run(keep=0)
    assert outcome.plan.remove == (f"{machine.root}/{OLD}",)
    assert machine.names() == [".lock", NEW]


def test_overlay_is_added_to_an_installed_version_and_taken_away(machine: Machine) -> None:
    rocm = machine.root / NEW / "lib/ollama/rocm_v7_2/librocm.so"
    machine.run()
    outcome = machine.run(overlays=["rocm"])
    assert rocm.exists()
    assert [source.part for source in outcome.sources] == ["base", "rocm"]
    assert not machine.run(overlays=["rocm"]).plan.changed
    machine.run()
    assert not rocm.exists()
    assert machine.names() == [".lock", NEW]


@pytest.mark.parametrize("exchange", [True, False], ids=["one-exchange", "two-renames"])
def test_altered_version_is_replaced_and_the_file_is_named(machine: Machine, monkeypatch: pytest.MonkeyPatch, exchange: bool) -> None:
    if not exchange:
        monkeypatch.setattr(_release_tree, "_exchange", lambda one, other: False)
    machine.run()
    (machine.root / NEW / "lib/ollama/llama-server").unlink()
    outcome = machine.run()
    assert outcome.plan.reasons == ("lib/ollama/llama-server: missing",)
    assert machine.whole()
    assert machine.names() == [".lock", NEW]


def test_program_of_the_vendor_and_its_libraries_go_when_the_change_is_good(machine: Machine) -> None:
    _vendor(machine)
    library = machine.link.parent.parent / "lib/ollama"
    library.mkdir(parents=True)
    undo = Undo(str(machine.top / "undo.json"))

    def run(state: str) -> Outcome:
        return machine.run(state=state, undo=str(machine.top / "undo.json"))

    assert not run("installed").settled
    assert machine.active() == "vendor"
    switched = run("switched")
    assert (switched.active, switched.settled, machine.active()) == (True, False, NEW)
    assert library.exists()
    undo.restore()
    assert machine.active() == "vendor"
    run("switched")
    assert run("active").settled
    assert (machine.active(), undo.open, library.exists()) == (NEW, False, False)
    assert [path.name for path in machine.link.parent.iterdir()] == ["ollama"]


def test_version_that_served_is_kept_until_the_change_is_good(machine: Machine) -> None:
    undo = str(machine.top / "undo.json")
    machine.run(OLD)
    machine.run(state="switched", undo=undo, keep=0)
    assert (machine.active(), OLD in machine.names()) == (NEW, True)
    machine.run(undo=undo, keep=0)
    assert OLD not in machine.names()


@pytest.mark.parametrize("version", [OLD, NEW])
def test_check_mode_announces_exactly_what_the_run_does_and_touches_nothing(machine: Machine, version: str) -> None:
    machine.run(OLD)
    (machine.root / OLD / "bin/ollama").chmod(0o600)
    (machine.root / ".unpack-1-x").mkdir()
    (machine.root / ".download").mkdir()
    (machine.root / ".download/0.1.0").write_text("")
    before, asked = tree_of(machine.top), len(machine.server.requests)
    announced = machine.run(version, check_mode=True, host=machine.host(zstd=lambda: False))
    assert tree_of(machine.top) == before
    assert len(machine.server.requests) == asked
    assert (announced.done, announced.active) == (False, False)
    done = machine.run(version)
    assert (announced.plan.actions(), announced.plan.before(), announced.plan.after()) == (
        done.plan.actions(),
        done.plan.before(),
        done.plan.after(),
    )
    assert machine.run(version, check_mode=True).plan.actions() == []


def test_check_mode_on_a_bare_host_needs_no_directory_and_no_zstd(machine: Machine) -> None:
    outcome = machine.run(check_mode=True, host=machine.host(zstd=lambda: False))
    assert outcome.plan.changed
    assert os.listdir(machine.top) == []


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        pytest.param(lambda machine: machine.server.files.update({f"/v{NEW}/{ASSET}": b"other"}), "has the SHA-256 .* and not", id="sum"),
        pytest.param(lambda machine: machine.server.files.pop(f"/v{NEW}/{ASSET}"), "does not exist", id="no-such-asset"),
        pytest.param(
            lambda machine: machine.server.files.pop(f"/v{NEW}/sha256sum.txt"),
            "sha256sum.txt does not exist: check version and url, or give the SHA-256",
            id="no-list-of-checksums",
        ),
        pytest.param(
            lambda machine: machine.server.files.update({f"/v{NEW}/sha256sum.txt": b"<html>"}),
            f"no checksum for {ASSET}",
            id="list-without-the-asset",
        ),
        pytest.param(lambda machine: machine.server.statuses.extend([502] * 9), "answers 502", id="server-down"),
        pytest.param(lambda machine: machine.server.cut_after.extend([0] * 9), "the connection ended after 0 of", id="cut"),
        pytest.param(
            lambda machine: machine.server.publish(NEW, ASSET, packed([Item("bin/ollama", b"", 0o644)])),
            "two different checksums",
            id="asset-was-replaced",
        ),
    ],
)
def test_failed_download_leaves_the_old_version_serving(machine: Machine, spoil: t.Callable[[Machine], t.Any], sentence: str) -> None:
    machine.run(OLD)
    before = tree_of(machine.root / OLD)
    spoil(machine)
    with pytest.raises(ReleaseError, match=sentence):
        machine.run()
    assert (machine.active(), machine.whole()) == (OLD, True)
    assert tree_of(machine.root / OLD) == before
    assert [name for name in machine.names() if not name.startswith(".download")] == [".lock", OLD]
    assert not machine.run(OLD, check_mode=True).plan.install


def test_given_checksum_is_enough_where_no_list_is(machine: Machine) -> None:
    del machine.server.files[f"/v{NEW}/sha256sum.txt"]
    machine.run(checksum=sha256(machine.server.files[f"/v{NEW}/{ASSET}"]))
    assert machine.server.asked("sha256sum.txt") == []
    assert machine.active() == NEW


def test_next_run_goes_on_with_a_download_that_broke_off(machine: Machine) -> None:
    machine.server.cut_after = [700, 100]
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        machine.run(host=machine.host(sleep=sleep))
    machine.server.requests.clear()
    machine.run()
    assert machine.server.asked(ASSET) == ["bytes=800-"]
    assert (machine.active(), machine.names()) == (NEW, [".lock", NEW])


def test_missing_zstd_is_said_before_anything_is_fetched(machine: Machine) -> None:
    with pytest.raises(ReleaseError, match=f"zstd is not on the host, and {ASSET} .* install the package zstd"):
        machine.run(host=machine.host(zstd=lambda: False))
    assert (machine.server.requests, os.listdir(machine.top)) == ([], [])
    machine.run(OLD, host=machine.host(zstd=lambda: False))
    assert machine.active() == OLD


def test_full_disk_is_said_with_numbers_before_a_byte_is_fetched(machine: Machine) -> None:
    machine.run(OLD)
    with pytest.raises(ReleaseError, match=r"has 2.0 KiB free, and about \d+\.\d KiB are needed to download and unpack"):
        machine.run(host=machine.host(free=lambda path: 2048))
    assert machine.active() == OLD
    with pytest.raises(ReleaseError, match=r"has 2.0 KiB free, and 1.0 MiB are needed"):
        machine.run(host=machine.host(free=lambda path: 2048), min_free=1 << 20)
    assert machine.names() == [".lock", OLD]


def test_full_disk_is_said_in_check_mode_on_a_bare_host_too(machine: Machine) -> None:
    with pytest.raises(ReleaseError, match=r"has 2.0 KiB free, and about 16.0 MiB are needed to install Ollama"):
        machine.run(host=machine.host(free=lambda path: 2048), check_mode=True)
    assert os.listdir(machine.top) == []


def test_what_a_killed_run_left_makes_room_before_anything_is_fetched(machine: Machine) -> None:
    machine.run(OLD)
    (machine.root / ".unpack-0.32.15-dead").mkdir()

    def free(path: Path) -> int:
        return 0 if list(machine.root.glob(".unpack-*-dead")) else ROOMY

    machine.run(host=machine.host(free=free))
    assert machine.active() == NEW


def test_another_run_that_ends_its_download_meanwhile_is_no_failure(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.run()
    downloads = machine.root / ".download"
    downloads.mkdir()
    iterdir = Path.iterdir

    def ended(path: Path) -> t.Iterator[Path]:
        if path == downloads:
            downloads.rmdir()
        return iterdir(path)

    monkeypatch.setattr(Path, "iterdir", ended)
    assert machine.run().plan.state.downloads == ()


def test_disk_that_fills_up_while_unpacking_is_said_with_the_file(machine: Machine) -> None:
    machine.run(OLD)
    sizes = iter([ROOMY, ROOMY, ROOMY, 1000])
    with pytest.raises(ReleaseError, match=r"1000 bytes free, and 16.0 MiB are needed to go on with lib/ollama/libggml-base"):
        machine.run(host=machine.host(free=lambda path: next(sizes)))
    assert machine.active() == OLD
    assert machine.names() == [".download", ".lock", OLD]
    machine.run()
    assert machine.active() == NEW


@pytest.mark.parametrize("call", [1, 2, 5, 9, 12])
def test_disk_that_is_full_after_all_is_a_sentence_and_the_old_version_serves(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    machine.run(OLD)
    calls = iter(range(1, 1000))
    fsync = os.fsync

    def full(descriptor: int) -> None:
        if next(calls) == call:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(ReleaseError, match=r"The disk of .*/opt/ollama is full: free some space"):
            machine.run()
    assert (machine.active(), machine.whole()) == (OLD, True)
    machine.run()
    assert (machine.active(), machine.names()) == (NEW, [".lock", OLD, NEW])


def test_archive_file_needs_no_network(machine: Machine, tmp_path: Path) -> None:
    archive = tmp_path / "strange name"
    archive.write_bytes(packed(release_items("0.33.0-rc2", prefix="./"), suffix=".tgz"))
    outcome = machine.run("0.33.0-rc2", archive=str(archive))
    assert (machine.active(), machine.whole(), machine.server.requests) == ("0.33.0-rc2", True, [])
    assert outcome.sources[0].sha256 == sha256(archive.read_bytes())
    assert archive.exists()


@pytest.mark.parametrize(
    ("content", "changes", "sentence"),
    [
        pytest.param(packed(release_items())[:-20], {}, "cut short or damaged", id="cut-short"),
        pytest.param(packed(release_items()), {"checksum": "1" * 64}, "and not 1111.*goes on serving", id="other-checksum"),
        pytest.param(packed([Item("x", b"")]), {}, "holds no bin/ollama", id="something-else"),
        pytest.param(b"", {}, "is empty", id="empty"),
        pytest.param(None, {}, "Cannot read the archive", id="missing"),
    ],
)
def test_bad_archive_file_changes_nothing(machine: Machine, content: bytes | None, changes: dict[str, t.Any], sentence: str) -> None:
    machine.run(OLD)
    archive = machine.top / "a.tar.zst"
    if content is not None:
        archive.write_bytes(content)
    before = tree_of(machine.top)
    with pytest.raises(ReleaseError, match=sentence):
        machine.run(archive=str(archive), **changes)
    assert tree_of(machine.top) == before
    assert machine.names() == [".lock", OLD]


def test_archive_on_the_controller_is_asked_for_and_nothing_is_done(machine: Machine) -> None:
    outcome = machine.run(archive="files/a.tgz", archives_here=False)
    assert (outcome.done, outcome.plan.awaits_archive, os.listdir(machine.top)) == (False, True, [])


@pytest.mark.skipif(os.geteuid() != 0, reason="root can become somebody else")
def test_without_rights_a_sentence_says_become(machine: Machine) -> None:
    machine.top.chmod(0o755)
    for parent in machine.top.parents:
        if parent != Path("/") and parent != Path("/tmp"):
            parent.chmod(parent.stat().st_mode | 0o011)
    os.seteuid(65534)
    try:
        with pytest.raises(ReleaseError, match=r"Not allowed to change .*become"):
            machine.run()
    finally:
        os.seteuid(0)


def _steps(machine: Machine, prepare: t.Callable[[Machine], None], run: t.Callable[[Machine, Host], t.Any]) -> list[str]:
    prepare(machine)
    steps: list[str] = []
    run(machine, machine.host(step=steps.append))
    shutil.rmtree(machine.root)
    machine.link.unlink()
    return steps


def _killed(machine: Machine, at: int, run: t.Callable[[Machine, Host], t.Any]) -> bool:
    """Run in a child that gets SIGKILL at its step ``at``; whether it came that far."""
    child = os.fork()
    if child == 0:
        count = iter(range(1000))

        def step(name: str) -> None:
            if next(count) == at:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            run(machine, machine.host(step=step))
        finally:
            os._exit(0)
    _pid, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def _old_is_active(machine: Machine) -> None:
    machine.run(OLD)


def _new_is_altered(machine: Machine) -> None:
    machine.run(NEW)
    (machine.root / NEW / "lib/ollama/stale.so").write_text("")


def _vendor(machine: Machine) -> None:
    machine.link.parent.mkdir(parents=True, exist_ok=True)
    machine.link.write_bytes(SCRIPT + b"vendor")


@pytest.mark.parametrize(
    ("prepare", "before"),
    [
        pytest.param(_old_is_active, OLD, id="upgrade"),
        pytest.param(_new_is_altered, NEW, id="repair-of-the-active-version"),
        pytest.param(_vendor, "vendor", id="take-over"),
    ],
)
@pytest.mark.parametrize("source", ["download", "archive"])
def test_kill_at_any_step_leaves_a_whole_version_and_the_next_run_finishes(
    machine: Machine, prepare: t.Callable[[Machine], None], before: str, source: str
) -> None:
    archive = machine.top / "archive"
    archive.write_bytes(machine.server.files[f"/v{NEW}/{ASSET}"])
    options: dict[str, t.Any] = {"archive": str(archive)} if source == "archive" else {}

    def run(machine: Machine, host: Host) -> Outcome:
        return machine.run(NEW, host=host, keep=0, **options)

    steps = _steps(machine, prepare, run)
    assert {"locked", "fetched", "unpacked", "recorded", "placed", "installed"} <= set(steps)
    for at, name in enumerate(steps):
        prepare(machine)
        assert _killed(machine, at, run), name
        active = machine.active()
        assert active in (before, NEW), name
        assert active == "vendor" or machine.whole() or before == NEW, name
        assert run(machine, machine.host()).active, name
        assert (machine.active(), machine.whole()) == (NEW, True), name
        assert machine.names() == [".lock", NEW], name
        assert not run(machine, machine.host()).plan.changed, name
        shutil.rmtree(machine.root)
        for path in machine.link.parent.iterdir():
            path.unlink()


SYSTEM_CALLS = ("rename", "symlink", "mkdir", "rmdir", "link", "unlink")


def test_kill_between_any_two_changes_of_the_disk_leaves_a_whole_version(machine: Machine) -> None:
    """Finer than the steps: the child dies before its n-th system call that changes a name."""
    archive = machine.top / "archive"
    archive.write_bytes(machine.server.files[f"/v{NEW}/{ASSET}"])
    machine.run(OLD)
    shutil.copytree(machine.root, machine.top / "prepared", symlinks=True)

    def attempt(at: int) -> bool:
        child = os.fork()
        if child == 0:
            count = iter(range(10**6))

            def wrapped(call: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
                def killing(*args: t.Any, **kwargs: t.Any) -> t.Any:
                    if next(count) == at:
                        os.kill(os.getpid(), signal.SIGKILL)
                    return call(*args, **kwargs)

                return killing

            for name in SYSTEM_CALLS:
                setattr(os, name, wrapped(getattr(os, name)))
            try:
                machine.run(NEW, archive=str(archive), keep=0)
            finally:
                os._exit(0)
        _pid, status = os.waitpid(child, 0)
        return os.WIFSIGNALED(status)

    at = 0
    while attempt(at):
        assert machine.active() in (OLD, NEW), at
        assert machine.whole(), at
        machine.run(NEW, archive=str(archive), keep=0)
        assert (machine.active(), machine.whole(), machine.names()) == (NEW, True, [".lock", NEW]), at
        shutil.rmtree(machine.root)
        shutil.copytree(machine.top / "prepared", machine.root, symlinks=True)
        _release_tree.switch(machine.link, f"{machine.root}/{OLD}/bin/ollama")
        at += 1
    assert at > 20


def test_two_runs_at_once_both_end_well_and_one_does_the_work(machine: Machine) -> None:
    read, write = os.pipe()
    children = []
    for _number in range(2):
        child = os.fork()
        if child == 0:
            try:
                outcome = machine.run(host=machine.host(sleep=_release.time.sleep))
                os.write(write, b"+" if outcome.done else b"-")
            finally:
                os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    os.close(write)
    results = os.read(read, 10)
    os.close(read)
    assert sorted(results) == sorted(b"+-")
    assert len(machine.server.asked(ASSET)) == 1
    assert (machine.active(), machine.names()) == (NEW, [".lock", NEW])
