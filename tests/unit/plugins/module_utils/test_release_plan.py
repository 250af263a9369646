# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
import typing as t

import pytest

from ansible_collections.llm.host.plugins.module_utils._release_plan import Plan, Request, State, make_plan, make_request
from ansible_collections.llm.host.plugins.module_utils._release_values import Link, Manifest, ReleaseError, Source

ONE, TWO = "1" * 64, "2" * 64
TARGET = "/opt/ollama/{}/bin/ollama"


def request(version: str = "0.32.15", **changes: t.Any) -> Request:
    options: dict[str, t.Any] = {
        "machine": "x86_64",
        "root": "/opt/ollama",
        "link": "/usr/local/bin/ollama",
        "url": "https://mirror/ollama",
        **changes,
    }
    return make_request(version=version, **options)


def manifest(version: str = "0.32.15", **changes: t.Any) -> Manifest:
    source = Source("base", "ollama-linux-amd64.tar.zst", "https://mirror/x", ONE, 10)
    return dataclasses.replace(Manifest(version, "amd64", (), (source,), ()), **changes)


def host(active: str = "", *installed: str, **changes: t.Any) -> State:
    link = Link("link", TARGET.format(active), active) if active else Link()
    wanted = "0.32.15" in installed
    state = State(link=link, previous=link.version, installed=installed, tree_exists=wanted, manifest=manifest() if wanted else None)
    return dataclasses.replace(state, **changes)


def summary(plan: Plan) -> tuple[bool, bool, tuple[str, ...]]:
    return plan.install, plan.switch, (*plan.clean, *plan.remove)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        pytest.param(host(), (True, True, ()), id="bare-host"),
        pytest.param(host("0.32.15", "0.32.15"), (False, False, ()), id="nothing-to-do"),
        pytest.param(host("0.30.0", "0.32.15", "0.30.0"), (False, True, ()), id="installed-and-not-active-only-switches"),
        pytest.param(host("0.30.0", "0.30.0"), (True, True, ()), id="upgrade-keeps-the-one-before"),
        pytest.param(
            host("0.30.0", "0.31.0", "0.30.0"),
            (True, True, ("/opt/ollama/0.31.0",)),
            id="the-active-one-is-kept-before-a-later-installation",
        ),
        pytest.param(
            host("0.32.15", "0.32.15", "0.31.0", "0.30.0"),
            (False, False, ("/opt/ollama/0.30.0",)),
            id="too-many-old-ones",
        ),
        pytest.param(host(link=Link("file")), (True, True, ()), id="a-program-of-the-vendor-gives-way"),
        pytest.param(
            host("0.32.15", "0.32.15", link=Link("link", "../x/0.32.15/bin/ollama", "0.32.15")),
            (False, True, ()),
            id="link-to-the-version-in-other-words-is-written-anew",
        ),
        pytest.param(host("0.32.15", "0.32.15", altered=("bin/ollama: missing",)), (True, False, ()), id="altered-is-replaced"),
        pytest.param(host("0.32.15", tree_exists=True), (True, False, ()), id="tree-without-a-manifest-is-replaced"),
        pytest.param(
            host("0.32.15", "0.32.15", leftovers=("/opt/ollama/.unpack-x",), downloads=("/opt/ollama/.download/0.32.15",)),
            (False, False, ("/opt/ollama/.unpack-x", "/opt/ollama/.download/0.32.15")),
            id="leftovers-of-a-killed-run",
        ),
        pytest.param(
            host("", downloads=("/opt/ollama/.download/0.30.0", "/opt/ollama/.download/0.32.15")),
            (True, True, ("/opt/ollama/.download/0.30.0",)),
            id="download-that-can-go-on-is-kept",
        ),
    ],
)
def test_plan(state: State, expected: tuple[bool, bool, tuple[str, ...]]) -> None:
    assert summary(make_plan(request(), state)) == expected


@pytest.mark.parametrize(
    ("keep", "removed"),
    [
        pytest.param(0, ["0.29.0", "0.30.0", "0.31.0"], id="none"),
        pytest.param(1, ["0.30.0", "0.31.0"], id="the-active-one"),
        pytest.param(2, ["0.30.0"], id="the-active-one-and-the-last-installed"),
        pytest.param(9, [], id="all"),
    ],
)
def test_keep(keep: int, removed: list[str]) -> None:
    plan = make_plan(request(keep=keep), host("0.29.0", "0.31.0", "0.30.0", "0.29.0"))
    assert plan.remove == tuple(f"/opt/ollama/{version}" for version in removed)


@pytest.mark.parametrize(
    ("wanted", "switch", "remove", "close"),
    [
        pytest.param("installed", False, (), False, id="installed"),
        pytest.param("switched", True, (), False, id="switched"),
        pytest.param("active", True, ("/opt/ollama/0.29.0", "/usr/local/lib/ollama"), True, id="active"),
    ],
)
def test_each_state_does_more_than_the_one_before(wanted: str, switch: bool, remove: tuple[str, ...], close: bool) -> None:
    state = host("0.30.0", "0.32.15", "0.30.0", "0.29.0", replaced=("/usr/local/lib/ollama",), unproved=True)
    plan = make_plan(request(state=wanted, undo="/undo.json"), state)
    assert (plan.switch, plan.remove, plan.close) == (switch, remove, close)


def test_the_version_before_an_interrupted_run_is_kept_although_the_link_left_it() -> None:
    state = host("0.32.15", "0.32.15", "0.31.0", "0.30.0", previous="0.30.0")
    assert make_plan(request(), state).remove == ("/opt/ollama/0.31.0",)


@pytest.mark.parametrize(
    ("changes", "held", "reason"),
    [
        pytest.param({}, {"version": "0.30.0"}, "holds version 0.30.0", id="directory-with-a-wrong-name"),
        pytest.param({"machine": "aarch64"}, {}, "built for amd64", id="other-architecture"),
        pytest.param({"overlays": ["rocm"]}, {}, "overlays are none, not rocm", id="overlay-is-added"),
        pytest.param({}, {"overlays": ("rocm",)}, "overlays are rocm, not none", id="overlay-is-gone"),
        pytest.param({"checksum": TWO}, {}, f"had the checksum {ONE}, not {TWO}", id="other-checksum"),
    ],
)
def test_tree_of_something_else_is_installed_again(changes: dict[str, t.Any], held: dict[str, t.Any], reason: str) -> None:
    plan = make_plan(request(**changes), host("0.32.15", "0.32.15", manifest=manifest(**held)))
    assert plan.install
    assert reason in plan.reasons[0]


def test_same_checksum_in_another_spelling_changes_nothing() -> None:
    assert not make_plan(request(checksum=f"sha256:{ONE}"), host("0.32.15", "0.32.15")).changed


@pytest.mark.parametrize(
    ("version", "changes", "sentence"),
    [
        pytest.param("0.33.0-rc1", {}, "is a pre-release, whose files on the server are moved", id="pre-release"),
        pytest.param("0.10.0", {}, "published no checksums for version 0.10.0.*in checksum", id="no-checksums"),
        pytest.param(
            "0.10.0",
            {"overlays": ["rocm"], "checksum": ONE},
            r"SHA-256 of ollama-linux-amd64-rocm.tgz in overlay_checksums\['rocm'\]",
            id="no-checksum-for-the-overlay",
        ),
    ],
)
def test_download_that_could_not_be_trusted_is_refused_before_anything(version: str, changes: dict[str, t.Any], sentence: str) -> None:
    with pytest.raises(ReleaseError, match=sentence):
        make_plan(request(version, **changes), State())


@pytest.mark.parametrize(
    ("version", "changes"),
    [
        pytest.param("0.33.0-rc1", {"archive": "/a"}, id="pre-release-from-a-file"),
        pytest.param("0.10.0", {"archive": "/a"}, id="no-checksums-from-a-file"),
        pytest.param("0.10.0", {"checksum": ONE}, id="checksum-given"),
    ],
)
def test_what_can_be_trusted_is_taken(version: str, changes: dict[str, t.Any]) -> None:
    assert make_plan(request(version, **changes), State()).install


def test_pre_release_that_is_installed_can_be_gone_back_to() -> None:
    state = State(tree_exists=True, manifest=manifest("0.33.0-rc1"), installed=("0.33.0-rc1",))
    assert summary(make_plan(request("0.33.0-rc1"), state)) == (False, True, ())


def test_directory_in_the_place_of_the_link_is_refused() -> None:
    with pytest.raises(ReleaseError, match="neither a link nor a program"):
        make_plan(request(), host(link=Link("other")))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        pytest.param({"machine": "riscv64"}, "no release for the architecture", id="architecture"),
        pytest.param({"root": "opt/ollama"}, "root 'opt/ollama' is not the absolute path of a directory", id="root"),
        pytest.param({"root": "/opt/.."}, "root '/opt/..' is not the absolute path", id="root-of-the-system"),
        pytest.param({"link": "ollama"}, "link 'ollama' is not the absolute path of a link", id="link"),
        pytest.param({"url": "mirror/ollama"}, "url 'mirror/ollama' is not the address", id="url"),
        pytest.param({"keep": -1}, "keep is -1", id="keep"),
        pytest.param({"timeout": 0}, "timeout is 0", id="timeout"),
        pytest.param({"overlays": ["rocm", "mlx", "rocm"]}, r"overlays\[0\] and overlays\[2\] are both 'rocm'", id="twice"),
        pytest.param({"overlay_checksums": {"rocm": ONE}}, "overlays does not list", id="checksum-of-no-overlay"),
        pytest.param({"checksum": "x"}, "checksum 'x' is not a SHA-256", id="checksum"),
        pytest.param({"archive": "/a", "overlays": ["rocm"]}, r"in overlay_archives\['rocm'\]", id="overlay-without-file"),
        pytest.param({"archive": "/a", "overlay_archives": {"rocm": "/b"}}, "overlays does not list", id="file-of-no-overlay"),
        pytest.param({"overlays": ["rocm"], "overlay_archives": {"rocm": "/b"}}, "needs archive", id="overlay-file-without-base"),
    ],
)
def test_bad_option_is_a_sentence(changes: dict[str, t.Any], sentence: str) -> None:
    with pytest.raises(ReleaseError, match=sentence):
        request(**changes)


def test_archive_on_the_controller_is_waited_for_only_to_install() -> None:
    there = request(archive="files/a.tar.zst", archives_here=False)
    assert make_plan(there, host()).awaits_archive
    assert not make_plan(there, host("0.30.0", "0.32.15", "0.30.0")).awaits_archive
    assert not make_plan(request(archive="/a.tar.zst"), host()).awaits_archive


def test_actions_and_diff_of_a_take_over() -> None:
    plan = make_plan(request(overlays=["rocm"]), host(link=Link("file"), leftovers=("/opt/ollama/.unpack-1",)))
    base = "https://mirror/ollama/v0.32.15/ollama-linux-amd64.tar.zst"
    rocm = "https://mirror/ollama/v0.32.15/ollama-linux-amd64-rocm.tar.zst"
    assert plan.actions() == [
        "Remove /opt/ollama/.unpack-1, left by a run that was interrupted",
        f"Download {base}",
        f"Download {rocm}",
        "Install /opt/ollama/0.32.15 from ollama-linux-amd64.tar.zst, ollama-linux-amd64-rocm.tar.zst",
        "Keep the program /usr/local/bin/ollama as /usr/local/bin/ollama.before-llm-host",
        "Point /usr/local/bin/ollama to /opt/ollama/0.32.15/bin/ollama",
    ]
    assert plan.before() == {
        "version": None,
        "link": "a program that is no link",
        "installed": [],
        "leftovers": ["/opt/ollama/.unpack-1"],
    }
    assert plan.after() == {
        "version": "0.32.15",
        "link": "/opt/ollama/0.32.15/bin/ollama",
        "installed": ["0.32.15"],
        "sources": [base, rocm],
    }


def test_diff_names_altered_files_and_no_credentials() -> None:
    plan = make_plan(
        request(url="https://user:pw@mirror/ollama"),
        host("0.32.15", "0.32.15", altered=("bin/ollama: missing",)),
    )
    assert plan.before()["altered"] == ["bin/ollama: missing"]
    assert "pw" not in f"{plan.actions()} {plan.after()}"


def test_diff_of_nothing_is_empty() -> None:
    plan = make_plan(request(), host("0.32.15", "0.32.15", "0.30.0"))
    assert plan.before() == plan.after()
    assert plan.actions() == []
