# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packed archives look like releases and are the same bytes each time; the upstream serves them as the internet does."""

from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import pathlib
import subprocess
import typing as t

import pack
import pytest
import upstream
from suite import MODELS


def members(archive: pathlib.Path) -> dict[str, str]:
    """Mode and owner of each member."""
    text = subprocess.run(["tar", "-tvf", str(archive)], capture_output=True, text=True, check=True).stdout
    return {line.split(maxsplit=5)[5].partition(" -> ")[0]: " ".join(line.split()[:2]) for line in text.splitlines()}


@pytest.mark.parametrize(
    ("version", "arch", "names"),
    [
        pytest.param("0.32.15", "amd64", ["", "-mlx", "-rocm"], id="today-amd64"),
        pytest.param("0.32.15", "arm64", ["", "-jetpack5", "-jetpack6"], id="today-arm64"),
        pytest.param("0.14.0", "amd64", ["", "-rocm"], id="before-mlx-had-its-own-archive"),
    ],
)
def test_assets_of_a_release(tmp_path: pathlib.Path, version: str, arch: str, names: list[str]) -> None:
    pack.pack(version, arch=arch, out=tmp_path)
    found = sorted(path.name for path in (tmp_path / f"v{version}").iterdir())
    assert found == sorted([*(f"ollama-linux-{arch}{name}.tar.zst" for name in names), "sha256sum.txt"])


def test_archive_has_the_real_shape(tmp_path: pathlib.Path) -> None:
    found = members(pack.pack("0.32.15", arch="amd64", out=tmp_path))
    assert found["bin/ollama"] == "-rwxr-xr-x 0/0"
    assert {"lib/ollama/llama-server", "lib/ollama/cuda_v13/libggml-cuda.so", "lib/ollama/vulkan/libggml-vulkan.so"} <= set(found)
    assert any(mode.startswith("l") for mode in found.values())
    assert not any(name.startswith(("./", "/")) for name in found)


def test_leading_dot(tmp_path: pathlib.Path) -> None:
    assert "./bin/ollama" in members(pack.pack("0.32.15", arch="amd64", out=tmp_path, leading_dot=True))


def test_old_release_is_a_tgz_without_llama_server(tmp_path: pathlib.Path) -> None:
    archive = pack.pack("0.13.5", arch="amd64", out=tmp_path)
    assert archive.name == "ollama-linux-amd64.tgz"
    assert "lib/ollama/llama-server" not in members(archive)


@pytest.mark.parametrize(("version", "there"), [("0.9.3", True), ("0.9.4", False), ("0.12.9", False), ("0.12.10", True)])
def test_checksum_file_is_missing_where_it_really_was(tmp_path: pathlib.Path, version: str, there: bool) -> None:
    pack.pack(version, arch="amd64", out=tmp_path)
    assert (tmp_path / f"v{version}" / "sha256sum.txt").exists() is there


def test_same_input_same_bytes_and_true_checksums(tmp_path: pathlib.Path) -> None:
    first, second = (pack.pack("0.32.15", arch="amd64", out=tmp_path / name) for name in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()
    text = (first.parent / "sha256sum.txt").read_text()
    sums = {line.split("  ")[1]: line.split("  ")[0] for line in text.splitlines()}
    assert sums[f"./{first.name}"] == hashlib.sha256(first.read_bytes()).hexdigest()


@pytest.mark.parametrize("version", ["latest", "v0.32.15", "0.33.0-rc2"])
def test_only_final_versions_are_packed(tmp_path: pathlib.Path, version: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="not a final version"):
        pack.pack(version, arch="amd64", out=tmp_path)


class Site:
    """The upstream over http, in this process."""

    def __init__(self, releases: pathlib.Path, *, archive: pathlib.Path | None = None, version: str | None = None) -> None:
        options = argparse.Namespace(
            releases=releases,
            store=MODELS / "store",
            archive=archive,
            archive_version=version,
            bind="127.0.0.1",
            http_port=0,
            tls_cert=None,
        )
        self.port = upstream.serve(options)[0].server_address[1]

    def ask(self, method: str, path: str, body: t.Any = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        try:
            return response.status, found, response.read()
        finally:
            connection.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("releases")
    pack.pack("0.32.15", arch="amd64", out=folder)
    return Site(folder)


DIRECT = "/ollama/ollama/releases/download/v0.32.15/ollama-linux-amd64.tar.zst"


def test_release_urls_of_both_shapes(site: Site) -> None:
    status, headers, body = site.ask("GET", DIRECT)
    assert (status, headers["content-length"]) == (200, str(len(body)))
    checksums = site.ask("GET", DIRECT.replace("ollama-linux-amd64.tar.zst", "sha256sum.txt"))[2].decode()
    assert f"{hashlib.sha256(body).hexdigest()}  ./ollama-linux-amd64.tar.zst\n" in checksums
    assert site.ask("GET", "/v0.32.15/ollama-linux-amd64.tar.zst")[2] == body
    assert site.ask("GET", "/download/ollama-linux-amd64.tar.zst?version=0.32.15")[2] == body
    status, headers, _ = site.ask("GET", "/download/ollama-linux-amd64.tar.zst?version=0.32.15", Host="ollama.com")
    assert (status, headers["location"]) == (302, f"https://github.com{DIRECT}")
    assert site.ask("GET", DIRECT.replace("0.32.15", "0.32.16"))[0] == 404


def test_ranges_and_heads(site: Site) -> None:
    whole = site.ask("GET", DIRECT)[2]
    status, headers, body = site.ask("GET", DIRECT, Range="bytes=10-19")
    assert (status, body, headers["content-range"]) == (206, whole[10:20], f"bytes 10-19/{len(whole)}")
    assert site.ask("GET", DIRECT, Range="bytes=-5")[2] == whole[-5:]
    status, headers, body = site.ask("HEAD", DIRECT)
    assert (status, headers["content-length"], body) == (200, str(len(whole)), b"")


def test_manifests_carry_their_digest_and_tags_move(site: Site) -> None:
    path = "/v2/library/tiny/manifests/latest"
    status, headers, body = site.ask("HEAD", path)
    digest = headers["ollama-content-digest"]
    assert (status, headers["docker-content-digest"], body) == (200, f"sha256:{digest}", b"")
    moved = json.loads(site.ask("POST", "/_upstream/tag", {"model": "tiny", "from": "tiny2"})[2])["digest"]
    assert site.ask("HEAD", path)[1]["ollama-content-digest"] == moved != digest
    site.ask("POST", "/_upstream/tag", {"model": "tiny", "tag": "latest", "digest": digest})
    assert site.ask("HEAD", path)[1]["ollama-content-digest"] == digest
    assert site.ask("POST", "/_upstream/tag", {"model": "tiny", "digest": "0" * 64})[0] == 400


def test_faults_strike_as_often_as_told(site: Site) -> None:
    site.ask("PUT", "/_upstream/faults", [{"path": "releases", "status": 429, "times": 1}])
    assert [site.ask("GET", DIRECT)[0] for _ in range(2)] == [429, 200]
    site.ask("PUT", "/_upstream/faults", {"path": "releases", "truncate": 100})
    with pytest.raises(http.client.IncompleteRead):
        site.ask("GET", DIRECT)
    whole = site.ask("GET", DIRECT)[2]
    site.ask("PUT", "/_upstream/faults", {"path": "releases", "wrong_bytes": True})
    assert site.ask("GET", DIRECT)[2] != whole
    site.ask("DELETE", "/_upstream/faults")
    assert site.ask("GET", DIRECT)[2] == whole
    assert site.ask("PUT", "/_upstream/faults", {"pfad": "x"})[0] == 400


def test_upstream_tells_what_was_asked(site: Site) -> None:
    site.ask("DELETE", "/_upstream/seen")
    site.ask("HEAD", DIRECT, Host="github.com")
    (entry,) = json.loads(site.ask("GET", "/_upstream/seen")[2])["requests"]
    assert (entry["method"], entry["path"], entry["host"]) == ("HEAD", DIRECT, "github.com")


def test_real_archive_takes_the_place_of_the_packed_one(tmp_path: pathlib.Path) -> None:
    archive = tmp_path / "release.archive"
    archive.write_bytes(b"\x28\xb5\x2f\xfd real")
    site = Site(tmp_path, archive=archive, version="0.32.15")
    assert site.ask("GET", DIRECT)[2] == archive.read_bytes()
    checksums = site.ask("GET", DIRECT.replace("ollama-linux-amd64.tar.zst", "sha256sum.txt"))[2].decode()
    assert checksums == f"{hashlib.sha256(archive.read_bytes()).hexdigest()}  ./ollama-linux-amd64.tar.zst\n"
