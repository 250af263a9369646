# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.llm.host.plugins.module_utils._release_assets import (
    Version,
    assets_of,
    checksum_in,
    clean_checksum,
    machine_architecture,
)
from ansible_collections.llm.host.plugins.module_utils._release_values import ReleaseError, shown_url

ONE, TWO = "1" * 64, "a" * 64


@pytest.mark.parametrize(
    ("text", "expected", "final"),
    [
        pytest.param("0.32.15", "0.32.15", True, id="plain"),
        pytest.param("v0.32.15", "0.32.15", True, id="leading-v-is-stripped"),
        pytest.param(" 0.9.0\n", "0.9.0", True, id="blanks-around-are-stripped"),
        pytest.param("0.33.0-rc2", "0.33.0-rc2", False, id="pre-release-is-known-as-one"),
    ],
)
def test_version_is_understood(text: str, expected: str, final: bool) -> None:
    version = Version.parse(text)
    assert (str(version), version.final) == (expected, final)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param("latest", "write the number of a release", id="latest-names-another-release-tomorrow"),
        pytest.param("Latest", "write the number of a release", id="in-any-case-of-letters"),
        pytest.param("0.32", "'0.32' is not a release", id="a-yaml-number"),
        pytest.param("", "'' is not a release", id="empty"),
        pytest.param("0.32.15+standin", "not a release", id="build-metadata"),
        pytest.param("../../etc", "not a release", id="a-path"),
        pytest.param("0.32.15/x", "not a release", id="a-path-behind"),
        pytest.param("0.32.15-rc1/..", "not a release", id="a-path-in-the-pre-release"),
        pytest.param("00.1.2", "not a release", id="leading-zeros"),
    ],
)
def test_what_is_no_version_is_refused_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ReleaseError, match=sentence):
        Version.parse(text)


def test_versions_are_ordered_by_number_and_a_pre_release_comes_first() -> None:
    texts = ["0.9.3", "0.14.0-rc1", "0.14.0", "0.32.15"]
    assert [str(version) for version in sorted(map(Version.parse, reversed(texts)))] == texts


@pytest.mark.parametrize(
    ("version", "suffix", "listed"),
    [
        pytest.param("0.9.3", ".tgz", True, id="last-with-checksums-of-the-old-workflow"),
        pytest.param("0.9.4", ".tgz", False, id="first-without-checksums"),
        pytest.param("0.12.9", ".tgz", False, id="last-without-checksums"),
        pytest.param("0.12.10", ".tgz", True, id="checksums-are-back"),
        pytest.param("0.13.5", ".tgz", True, id="last-tgz"),
        pytest.param("0.14.0", ".tar.zst", True, id="first-tar-zst"),
        pytest.param("0.32.15", ".tar.zst", True, id="now"),
    ],
)
def test_format_and_checksums_by_version(version: str, suffix: str, listed: bool) -> None:
    parsed = Version.parse(version)
    assert (parsed.suffix, parsed.has_checksums) == (suffix, listed)


@pytest.mark.parametrize(
    ("version", "architecture", "overlays", "names"),
    [
        pytest.param("0.13.5", "amd64", [], ["ollama-linux-amd64.tgz"], id="tgz"),
        pytest.param("0.14.0", "arm64", [], ["ollama-linux-arm64.tar.zst"], id="zst-on-arm"),
        pytest.param(
            "0.32.15",
            "amd64",
            ["mlx", "rocm"],
            ["ollama-linux-amd64.tar.zst", "ollama-linux-amd64-rocm.tar.zst", "ollama-linux-amd64-mlx.tar.zst"],
            id="base-first-then-overlays-in-a-fixed-order",
        ),
        pytest.param(
            "0.32.15",
            "arm64",
            ["jetpack6"],
            ["ollama-linux-arm64.tar.zst", "ollama-linux-arm64-jetpack6.tar.zst"],
            id="jetson",
        ),
        pytest.param("0.20.0", "amd64", ["mlx"], ["ollama-linux-amd64.tar.zst"], id="mlx-was-inside-the-base-archive"),
    ],
)
def test_assets_by_version_architecture_and_overlays(version: str, architecture: str, overlays: list[str], names: list[str]) -> None:
    assets = assets_of(version=Version.parse(version), architecture=architecture, overlays=overlays)
    assert [asset.name for asset in assets] == names


@pytest.mark.parametrize(
    ("version", "content"),
    [
        pytest.param("0.24.0", r"lib/ollama/rocm/", id="plain-directory-until-0.24"),
        pytest.param("0.30.0", r"lib/ollama/rocm_v[^/]*/", id="versioned-directory-from-0.30"),
    ],
)
def test_directory_of_the_rocm_overlay_by_version(version: str, content: str) -> None:
    assert assets_of(version=Version.parse(version), architecture="amd64", overlays=["rocm"])[1].content == content


@pytest.mark.parametrize(
    ("version", "architecture", "overlay", "sentence"),
    [
        pytest.param("0.32.15", "arm64", "rocm", "exists for amd64 only, and this host is arm64", id="rocm-on-arm"),
        pytest.param("0.32.15", "arm64", "mlx", "exists for amd64 only", id="mlx-on-arm"),
        pytest.param("0.32.15", "amd64", "jetpack6", "exists for arm64 only", id="jetpack-on-a-pc"),
        pytest.param("0.13.5", "amd64", "mlx", "came with 0.14.0", id="mlx-before-it-existed"),
    ],
)
def test_overlays_that_do_not_exist_are_refused(version: str, architecture: str, overlay: str, sentence: str) -> None:
    with pytest.raises(ReleaseError, match=sentence):
        assets_of(version=Version.parse(version), architecture=architecture, overlays=[overlay])


def test_architecture_of_the_machine() -> None:
    assert [machine_architecture(name) for name in ("x86_64", "aarch64", "amd64", "ARM64")] == [
        "amd64",
        "arm64",
        "amd64",
        "arm64",
    ]
    with pytest.raises(ReleaseError, match="no release for the architecture 'riscv64': a host needs"):
        machine_architecture("riscv64")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(ONE, ONE, id="bare"),
        pytest.param(f"sha256:{TWO.upper()}", TWO, id="prefix-and-capitals"),
        pytest.param("  ", "", id="none"),
    ],
)
def test_checksum_is_cleaned(text: str, expected: str) -> None:
    assert clean_checksum(text, option="checksum") == expected


@pytest.mark.parametrize("text", ["abc", f"sha512:{ONE}", ONE[:-1], f"{ONE}0", f"{ONE[:-1]}g"])
def test_what_is_no_checksum_is_refused(text: str) -> None:
    with pytest.raises(ReleaseError, match=r"overlay_checksums.* is not a SHA-256 checksum"):
        clean_checksum(text, option="overlay_checksums['rocm']")


@pytest.mark.parametrize(
    "listing",
    [
        pytest.param(f"{ONE}  ./x.tgz\n{TWO}  ./y.tgz\n", id="with-dot-slash"),
        pytest.param(f"{ONE}  x.tgz\r\n{TWO}  y.tgz", id="without-and-with-windows-line-ends"),
        pytest.param(f"{ONE} *x.tgz\n{ONE} *x.tgz\n", id="binary-mark-and-the-same-line-twice"),
        pytest.param(f"# a comment\n\n{ONE.upper()}  ./x.tgz", id="comments-and-capitals"),
    ],
)
def test_checksum_is_found_in_the_list(listing: str) -> None:
    assert checksum_in(listing, name="x.tgz", source="U") == ONE


@pytest.mark.parametrize(
    ("listing", "sentence"),
    [
        pytest.param(f"{ONE}  ./other.tgz", r"no checksum for x.tgz \(it lists other.tgz\)", id="another-asset"),
        pytest.param("<html>", "nothing that reads like a checksum", id="a-page-of-a-proxy"),
        pytest.param(f"{ONE}  x.tgz\n{TWO}  ./x.tgz", "two different checksums", id="two-for-one-name"),
        pytest.param(f"{ONE}  ./sub/x.tgz", "no checksum for x.tgz", id="same-name-in-another-directory"),
    ],
)
def test_list_without_the_checksum_is_refused(listing: str, sentence: str) -> None:
    with pytest.raises(ReleaseError, match=sentence):
        checksum_in(listing, name="x.tgz", source="U")


@pytest.mark.parametrize("secret", ["user:pw", "user:p@ss", "token"])
def test_credentials_of_a_mirror_are_not_shown(secret: str) -> None:
    assert shown_url(f"https://{secret}@mirror/x@1") == "https://mirror/x@1"
