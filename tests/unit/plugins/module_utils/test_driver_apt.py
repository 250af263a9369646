# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""apt and dpkg: what they print, and what is made of their complaints."""

from __future__ import annotations

import fcntl
import multiprocessing

import pytest

from ansible_collections.llm.host.plugins.module_utils import _driver_apt
from ansible_collections.llm.host.plugins.module_utils._driver_apt import (
    Apt,
    AptError,
    find_archive,
    parse_installed,
    parse_offers,
    parse_transaction,
)
from ansible_collections.llm.host.plugins.module_utils._driver_plan import Installed, Offer, Transaction

URI = "http://mirror.example.com/nvidia"
BAD_KEY = f"""Hit:1 http://archive.example.com/debian trixie InRelease
W: OpenPGP signature verification failed: {URI}  InRelease: No good signature from required signer: 7CCF
"""
OTHER_AWAY = "W: Failed to fetch http://example.org/apt/InRelease  Could not resolve 'example.org'\n"
DPKG = """dpkg: error processing package nvidia-kernel-open-dkms (--configure):
 installed nvidia-kernel-open-dkms package post-installation script subprocess returned error exit status 10
Errors were encountered while processing:
 nvidia-kernel-open-dkms
E: Sub-process /usr/bin/dpkg returned an error code (1)
"""
UNMET = """The following packages have unmet dependencies:
 nvidia-driver-cuda : Depends: libcuda1 (= 580.95.05-1) but 600.1.1-1 is to be installed
E: Unable to correct problems, you have held broken packages.
"""


class Replies:
    """Answers each command that begins so; what is not foreseen fails the test."""

    def __init__(self, **replies: tuple[int, str, str]) -> None:
        self.replies, self.commands = replies, []

    def __call__(self, args, *, environ_update, cwd=None):
        self.commands.append(args)
        word = next(word for word in args if word in self.replies)
        return self.replies[word]


@pytest.fixture
def apt_that(tmp_path):
    return lambda **replies: Apt(Replies(**replies), tmp_path / "archives")


def test_installed_packages():
    rows = [
        ("dpkg", "1.22", "install", "installed", "ok", "amd64"),
        ("libcuda1:amd64", "550-1", "hold", "installed", "ok", "amd64"),
        ("libcuda1:i386", "550-1", "install", "installed", "ok", "i386"),
        ("nvidia-kernel-dkms", "550-1", "install", "half-configured", "ok", "amd64"),
        ("nvidia-smi", "535-1", "deinstall", "config-files", "ok", "amd64"),
        ("libnvidia-ml1:amd64", "550-1", "install", "half-installed", "reinstreq", "amd64"),
        ("gone", "", "unknown", "not-installed", "ok", ""),
    ]
    assert parse_installed("".join("\t".join(row) + "\n" for row in rows)) == {
        "dpkg": Installed("1.22"),
        "libcuda1": Installed("550-1", held=True),
        "libcuda1:i386": Installed("550-1"),
        "nvidia-kernel-dkms": Installed("550-1", complete=False),
        "nvidia-smi": Installed("535-1", present=False),
        "libnvidia-ml1": Installed("550-1", complete=False),
    }


def test_offers():
    output = f" libcuda1 | 580.95.05-1 | {URI}  Packages\n libcuda1 | 550.163.01-2 | http://archive.example.com/debian trixie/non-free amd64 Packages\n"
    output += " libcuda1 | 550.163.01-2 | http://archive.example.com/debian trixie/non-free Sources\n"
    assert parse_offers(output) == {"libcuda1": [Offer("580.95.05-1", URI), Offer("550.163.01-2", "http://archive.example.com/debian")]}


def test_transaction():
    output = """Remv nvidia-open-kernel-dkms [550.90.07-1]
Inst libcuda1 [550.90.07-1] (550.163.01-2 Debian:13.8/stable [amd64])
Inst nvidia-kernel-dkms (550.163.01-2 Debian:13.8/stable [amd64])
Conf libcuda1 (550.163.01-2 Debian:13.8/stable [amd64])
"""
    assert parse_transaction(output) == Transaction(
        {"libcuda1": ("550.90.07-1", "550.163.01-2"), "nvidia-kernel-dkms": ("", "550.163.01-2")},
        {"nvidia-open-kernel-dkms": "550.90.07-1"},
    )


def test_apt_that_goes_on_with_old_lists_of_the_wanted_repository_is_an_error(apt_that):
    with pytest.raises(AptError, match="No good signature from required signer: 7CCF"):
        apt_that(update=(0, "", BAD_KEY)).update(f"{URI}/")


@pytest.mark.parametrize("uri", ["", URI])
def test_another_repository_may_be_away(apt_that, uri):
    apt_that(update=(0, "", OTHER_AWAY)).update(uri)


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        pytest.param(
            DPKG, "nvidia-kernel-open-dkms: installed nvidia-kernel-open-dkms package post-installation script", id="dpkg-names-the-package"
        ),
        pytest.param(UNMET, "nvidia-driver-cuda : Depends: libcuda1", id="dependencies"),
        pytest.param("E: You don't have enough free space in /x/.\n", "You don't have enough free space in /x/.", id="errors"),
    ],
)
def test_complaints_are_one_sentence(apt_that, output, expected):
    with pytest.raises(AptError) as caught:
        apt_that(install=(100, output, "")).install(["nvidia-kernel-open-dkms=550"])
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_archives_that_apt_has_not_read_are_told_apart(tmp_path):
    read = "Packages|http://x/debian/|trixie|Debian|main|/etc/apt/sources.list:1\n"
    named = read.replace("Debian|main", "$(ORIGIN)|main") * 2 + "Packages|http://x/debian/|sid|$(ORIGIN)|main|/etc/apt/sources.list:2\n"
    apt = Apt(lambda args, *, environ_update: (0, named if "--no-release-info" in args else read, ""), tmp_path)
    assert [(archive.suite, archive.origin, archive.read) for archive in apt.archives()] == [("trixie", "Debian", True), ("sid", "", False)]


def test_pins_that_are_not_written_yet_count_in_a_simulation(tmp_path, monkeypatch):
    preferences, seen = tmp_path / "preferences.d", {}
    preferences.mkdir()
    (preferences / "mine").write_text("Package: x\n")
    (preferences / "llm-host-gpu").write_text("old\n")
    monkeypatch.setattr(_driver_apt, "PREFERENCES", str(preferences))

    def run(args, *, environ_update, cwd=None):
        place = next(word.partition("=")[2] for word in args if "PreferencesParts" in word)
        seen.update({name: (_driver_apt.Path(place) / name).read_text() for name in ("mine", "llm-host-gpu")})
        return 0, "", ""

    Apt(run, tmp_path).simulate(["libcuda1"], "new\n")
    assert seen == {"mine": "Package: x\n", "llm-host-gpu": "new\n"}


def test_archives_are_found_whatever_the_epoch(tmp_path):
    (tmp_path / "libcuda1_1%3a550-1_amd64.deb").touch()
    assert find_archive([tmp_path / "absent", tmp_path], "libcuda1:amd64", "1:550-1") == tmp_path / "libcuda1_1%3a550-1_amd64.deb"
    assert find_archive([tmp_path], "libcuda1", "550-1") is None


def hold_lock(path: str, held, done) -> None:
    with open(path, "a", encoding="utf-8") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        held.set()
        done.wait(20)


def test_dpkg_that_another_process_uses_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(_driver_apt, "LOCKS", (str(tmp_path / "lock"),))
    monkeypatch.setattr(_driver_apt, "LOCK_TIMEOUT", 0)
    apt = Apt(Replies(), tmp_path)
    apt.wait()
    held, done = multiprocessing.Event(), multiprocessing.Event()
    other = multiprocessing.Process(target=hold_lock, args=(str(tmp_path / "lock"), held, done))
    other.start()
    try:
        assert held.wait(20)
        with pytest.raises(AptError, match="Another apt or dpkg"):
            apt.wait()
    finally:
        done.set()
        other.join()
    apt.wait()


BUSY = """E: Could not get lock /var/lib/apt/lists/lock. It is held by process 4711 (apt-get)
E: Unable to lock directory /var/lib/apt/lists/
"""


@pytest.mark.parametrize("ask", [lambda apt: apt.update(), lambda apt: apt.install(["tailscale=1.96.4"])], ids=["update", "install"])
def test_lists_and_downloads_that_another_apt_uses_are_waited_for(ask, tmp_path, monkeypatch):
    answers, pauses = [(100, "", BUSY), (100, "", BUSY), (0, "", "")], []
    monkeypatch.setattr(_driver_apt.time, "sleep", pauses.append)
    ask(Apt(lambda args, *, environ_update: answers.pop(0), tmp_path))
    assert (answers, pauses) == ([], [1, 1])


def test_another_apt_that_never_ends_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(_driver_apt, "LOCK_TIMEOUT", -1)
    with pytest.raises(AptError, match=r"cannot read its sources: .*held by process 4711"):
        Apt(lambda args, *, environ_update: (100, "", BUSY), tmp_path).update()
