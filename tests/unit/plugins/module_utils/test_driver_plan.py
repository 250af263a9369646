# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which packages of a driver are installed, and for which kernels: truth tables."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.llm.host.plugins.module_utils._driver_plan import (
    Choice,
    Installed,
    Kernel,
    Kernels,
    Offer,
    Refusal,
    Transaction,
    Wanted,
    choose,
    choose_kernels,
    holds,
    in_branch,
    refusal_of,
    steer,
)

VENDOR, DEBIAN = "https://mirror.example.com/nvidia", "http://archive.example.com/debian"
WANTED = Wanted(
    {"nvidia-kernel-dkms": "", "libcuda1": "", "nvidia-modprobe": "*"},
    version="550",
    driver=("*nvidia*", "libcuda1"),
    dkms="nvidia-kernel-dkms",
    kernel_packages=("linux-image-amd64", "linux-headers-amd64"),
)
OFFERS = {
    "nvidia-kernel-dkms": [Offer("580.95.05-1", VENDOR), Offer("550.163.01-2", DEBIAN), Offer("550.90.07-1", DEBIAN)],
    "libcuda1": [Offer("580.95.05-1", VENDOR), Offer("550.163.01-2", DEBIAN), Offer("550.90.07-1", DEBIAN)],
    "nvidia-modprobe": [Offer("570.133.07-1", DEBIAN)],
    "libnvidia-encode1": [Offer("580.95.05-1", VENDOR), Offer("550.163.01-2", DEBIAN)],
}
NEW, OLD, OTHER = Installed("550.163.01-2"), Installed("550.90.07-1"), Installed("535.1-1")
WHOLE = {"nvidia-kernel-dkms": OLD, "libcuda1": OLD, "nvidia-modprobe": Installed("570.133.07-1")}


@pytest.mark.parametrize(
    ("version", "branch", "expected"),
    [
        pytest.param("550.163.01-2", "550", True, id="first-number"),
        pytest.param("5500.1-1", "550", False, id="whole-numbers-only"),
        pytest.param("580.95.05-0ubuntu0.24.04.1", "580.95.05", True, id="all-numbers"),
        pytest.param("580.95.051-1", "580.95.05", False, id="last-number-is-whole-too"),
        pytest.param("1:550.1-1", "550", True, id="epoch-does-not-count"),
        pytest.param("20240109+1", "20240109", True, id="other-separators"),
        pytest.param("1-550", "550", False, id="revision-does-not-count"),
        pytest.param("1.0", "", True, id="any"),
    ],
)
def test_branch(version, branch, expected):
    assert in_branch(version, branch) is expected


@pytest.mark.parametrize(
    ("changes", "installed", "expected"),
    [
        pytest.param({}, WHOLE, Choice(), id="what-is-installed-of-the-branch-stays"),
        pytest.param(
            {},
            {},
            Choice({"nvidia-kernel-dkms": "550.163.01-2", "libcuda1": "550.163.01-2", "nvidia-modprobe": "570.133.07-1"}),
            id="newest-of-the-branch-and-not-of-all",
        ),
        pytest.param({}, {**WHOLE, "libcuda1": OTHER}, Choice({"libcuda1": "550.90.07-1"}), id="what-lacks-joins-what-is-there"),
        pytest.param(
            {"upgrade": True},
            WHOLE,
            Choice({"nvidia-kernel-dkms": "550.163.01-2", "libcuda1": "550.163.01-2"}),
            id="upgrade-within-the-branch",
        ),
        pytest.param({"upgrade": True}, {**WHOLE, "nvidia-kernel-dkms": NEW, "libcuda1": NEW}, Choice(), id="upgrade-has-an-end"),
        pytest.param(
            {"version": "580"},
            {**WHOLE, "libnvidia-encode1": OLD},
            Choice({"nvidia-kernel-dkms": "580.95.05-1", "libcuda1": "580.95.05-1", "libnvidia-encode1": "580.95.05-1"}),
            id="other-parts-follow-into-another-branch",
        ),
        pytest.param(
            {},
            {**WHOLE, "nvidia-open-kernel-dkms": OLD},
            Choice({}, ("nvidia-open-kernel-dkms",)),
            id="the-other-flavour-goes",
        ),
        pytest.param({}, {**WHOLE, "nvidia-open-kernel-dkms": Installed("1", present=False)}, Choice(), id="what-is-removed-is-gone"),
        pytest.param(
            {"packages": {"firmware-amd-graphics": ""}, "dkms": ""},
            {},
            Choice({"firmware-amd-graphics": ""}),
            id="candidate-without-a-branch",
        ),
    ],
)
def test_choice(changes, installed, expected):
    offers = {**OFFERS, "firmware-amd-graphics": [Offer("20250410-2", DEBIAN)]}
    assert choose(dataclasses.replace(WANTED, **changes), installed, offers) == expected


def test_the_chosen_repository_goes_before_others_that_have_the_branch_too():
    offers = {**OFFERS, "libcuda1": [Offer("550.163.01-2", DEBIAN), Offer("550.163.01-1", VENDOR)]}
    choice = choose(dataclasses.replace(WANTED, uri=f"{VENDOR}/"), {}, offers)
    assert choice.install["libcuda1"] == "550.163.01-1"
    further = steer(dataclasses.replace(WANTED, uri=VENDOR), Transaction({"libcuda1": ("", "550.163.01-2"), "gcc": ("", "12-1")}), offers)
    assert further == {"libcuda1": "550.163.01-1"}


def test_a_branch_that_nobody_has_is_refused_with_what_there_is():
    with pytest.raises(
        Refusal, match=r"no nvidia-kernel-dkms of the branch 560, but 580\.95\.05 from .*, 550\.163\.01 from .*gpu_driver_branch"
    ):
        choose(dataclasses.replace(WANTED, version="560"), {}, OFFERS)
    with pytest.raises(Refusal, match=r"no nvidia-kernel-dkms of the branch 550, and no other version of it: set gpu_nvidia_repository"):
        choose(WANTED, {}, {})


def test_sources_that_are_not_read_yet_may_have_it():
    assert choose(WANTED, {}, {}, pending=True).unknown == tuple(WANTED.packages)


@pytest.mark.parametrize(
    ("transaction", "expected"),
    [
        pytest.param(Transaction(remove={"nvidia-open-kernel-dkms": "1"}), "", id="driver-makes-room-for-driver"),
        pytest.param(Transaction(remove={"xorg": "1"}), "would remove xorg, which is no part of the driver", id="nothing-else-is-removed"),
        pytest.param(Transaction(remove={"libcuda1": "1"}), "would remove libcuda1, which is wanted", id="nothing-wanted-is-removed"),
        pytest.param(Transaction({"gcc": ("1", "2")}), "would change gcc, which is held", id="what-somebody-held-stays"),
        pytest.param(Transaction({"linux-image-amd64": ("1", "2"), "libcuda1": ("1", "2")}), "", id="what-we-held-moves"),
    ],
)
def test_refusals(transaction, expected):
    installed = {name: Installed("1", held=True) for name in ("gcc", "linux-image-amd64", "libcuda1")}
    answer = refusal_of(WANTED, transaction, installed)
    assert (expected in answer) if expected else answer == ""


@pytest.mark.parametrize(
    ("hold", "held", "expected"),
    [
        pytest.param(True, (), (("libcuda1", "linux-image-amd64"), ()), id="driver-and-kernel"),
        pytest.param(True, ("libcuda1",), (("linux-image-amd64",), ()), id="what-lacks"),
        pytest.param(False, ("libcuda1", "gcc"), ((), ("libcuda1",)), id="what-others-held-stays-held"),
    ],
)
def test_holds(hold, held, expected):
    names = ("gcc", "libcuda1", "linux-image-amd64", "nvidia-smi")
    installed = {name: Installed("1", held=name in held, present=name != "nvidia-smi") for name in names}
    assert holds(dataclasses.replace(WANTED, hold=hold), installed) == expected


A, B = "6.12.9+deb13-amd64", "6.12.10+deb13-amd64"


@pytest.mark.parametrize(
    ("kernels", "expected"),
    [
        pytest.param([Kernel(A, image=True, headers=True)], Kernels((A,)), id="the-running-one"),
        pytest.param([Kernel(A, image=True, headers=True, package="h")], Kernels((A,), ("h",)), id="headers-are-fetched"),
        pytest.param(
            [Kernel(B, image=True, headers=True), Kernel(A, image=True, headers=True)], Kernels((A, B)), id="and-the-newest-by-number"
        ),
        pytest.param(
            [Kernel(A, image=True), Kernel(B, image=True, headers=True)], Kernels((B,)), id="headers-are-gone-but-a-newer-kernel-comes"
        ),
        pytest.param([Kernel(A), Kernel(B, headers=True)], Kernels((B,)), id="container-without-a-kernel"),
    ],
)
def test_kernels(kernels, expected):
    assert choose_kernels(A, kernels) == expected


@pytest.mark.parametrize(
    ("kernels", "message"),
    [
        pytest.param([Kernel(A, image=True)], f"The kernel {A} is installed and starts next", id="no-headers-anywhere"),
        pytest.param(
            [Kernel(A, image=True, headers=True), Kernel(B, image=True)], f"The kernel {B} is installed", id="next-start-would-lose-the-gpu"
        ),
        pytest.param([Kernel(A)], f"The kernel {A} runs, and no archive has its headers", id="kernel-of-somebody-else"),
    ],
)
def test_kernels_without_headers_are_refused(kernels, message):
    with pytest.raises(Refusal, match=message.replace("+", r"\+")):
        choose_kernels(A, kernels)
