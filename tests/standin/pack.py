#!/usr/bin/env python3
# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pack the stand-in like a release: same input, same bytes."""

from __future__ import annotations

import argparse
import dataclasses
import gzip
import hashlib
import io
import pathlib
import re
import subprocess
import sys
import tarfile
import typing as t
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
PACKAGE = HERE / "ollama_standin"
BLOBS = HERE.parent / "data" / "models" / "store" / "blobs"
REWRITTEN = (
    "sha256-79dc5e550bd3027f0f051e57fe75b88be19ff2b7ce004978d4158864bb3e5161",
    "sha256-37b5819265b2bfa3fbf5e2a03e81fba8d451650f631c566716316f0cd325f541",
)
SHEBANG = b"#!/usr/bin/env python3\n"
MTIME = 1767225600
ZIP_DATE = (2026, 1, 1, 0, 0, 0)
FIRST_ZST = (0, 14, 0)
FIRST_LLAMA_SERVER = (0, 30, 0)
FIRST_MLX_ASSET = (0, 23, 1)
FIRST_CUDA_V13 = (0, 11, 11)
NO_CHECKSUMS = ((0, 9, 4), (0, 12, 9))


@dataclasses.dataclass(frozen=True)
class Entry:
    """One member of an archive."""

    name: str
    data: bytes = b""
    mode: int = 0o644
    link: str = ""


def parse_version(text: str) -> tuple[int, int, int]:
    match = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a final version: write X.Y.Z")
    return int(match[1]), int(match[2]), int(match[3])


def zipapp(version: str, faults: str = "") -> bytes:
    """bin/ollama: the package with its version, the faults it is born with, and the two rewritten test models."""
    header = (PACKAGE / "_version.py").read_text(encoding="utf-8").partition("VERSION =")[0]
    files = {f"ollama_standin/{path.name}": path.read_bytes() for path in sorted(PACKAGE.glob("*.py"))}
    files["ollama_standin/_version.py"] = f'{header}VERSION = "{version}+standin"\nFAULTS = {faults!r}\n'.encode()
    files |= {f"ollama_standin/rewritten/{name}": (BLOBS / name).read_bytes() for name in REWRITTEN}
    files["__main__.py"] = (PACKAGE / "__main__.py").read_bytes()
    stream = io.BytesIO(SHEBANG)
    stream.seek(0, io.SEEK_END)
    with zipfile.ZipFile(stream, "a") as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, ZIP_DATE)
            info.external_attr = 0o644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, files[name])
    return stream.getvalue()


def placeholder(name: str) -> bytes:
    return f"{name}: a placeholder of the Ollama stand-in\n".encode()


def library(folder: str, names: t.Iterable[str]) -> list[Entry]:
    """Shared objects with the version links that real releases carry."""
    entries = []
    for name in names:
        entries.append(Entry(f"{folder}/{name}", placeholder(name), 0o755))
        if ".so." in name:
            stem, _, number = name.partition(".so.")
            major = number.partition(".")[0]
            entries.append(Entry(f"{folder}/{stem}.so.{major}", link=name))
    return entries


def base_entries(version: tuple[int, int, int], text: str, arch: str, faults: str = "") -> list[Entry]:
    entries = [Entry("bin/ollama", zipapp(text, faults), 0o755)]
    entries += library("lib/ollama", ["libggml-base.so.0.0.0"])
    cpus = ("haswell", "skylakex") if arch == "amd64" else ("armv8.2_1",)
    entries += library("lib/ollama", [f"libggml-cpu-{cpu}.so" for cpu in cpus])
    if version >= FIRST_LLAMA_SERVER:
        entries += [Entry(f"lib/ollama/{name}", placeholder(name), 0o755) for name in ("llama-quantize", "llama-server")]
    entries += library("lib/ollama/cuda_v12", ["libcublas.so.12.8.4.1", "libggml-cuda.so"])
    if version >= FIRST_CUDA_V13:
        entries += library("lib/ollama/cuda_v13", ["libcublas.so.13.1.0.3", "libggml-cuda.so"])
    if arch == "amd64" and version >= FIRST_LLAMA_SERVER:
        entries += library("lib/ollama/vulkan", ["libggml-vulkan.so"])
    return entries


def overlays(version: tuple[int, int, int], arch: str) -> dict[str, list[Entry]]:
    """The archives that are unpacked over the base one."""
    if arch == "arm64":
        return {f"jetpack{n}": library(f"lib/ollama/cuda_jetpack{n}", ["libggml-cuda.so"]) for n in (5, 6)}
    rocm = "rocm_v7_2" if version >= FIRST_LLAMA_SERVER else "rocm"
    found = {"rocm": library(f"lib/ollama/{rocm}", ["libamdhip64.so.7.2.70201", "libggml-hip.so"])}
    if version >= FIRST_MLX_ASSET:
        found["mlx"] = library("lib/ollama/mlx_cuda_v13", ["libmlx.so", "libmlxc.so"])
    return found


def tar(entries: t.Sequence[Entry], *, leading_dot: bool) -> bytes:
    prefix = "./" if leading_dot else ""
    folders = sorted({str(parent) for entry in entries for parent in pathlib.PurePosixPath(entry.name).parents} - {"."})
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive:

        def add(name: str, **values: t.Any) -> None:
            data = values.pop("data", b"")
            info = tarfile.TarInfo(prefix + name)
            info.mtime, info.size = MTIME, len(data)
            for key, value in values.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(data))

        for folder in folders:
            add(folder, type=tarfile.DIRTYPE, mode=0o755)
        for entry in sorted(entries, key=lambda item: item.name):
            if entry.link:
                add(entry.name, type=tarfile.SYMTYPE, linkname=entry.link, mode=0o777)
            else:
                add(entry.name, data=entry.data, mode=entry.mode)
    return stream.getvalue()


def compress(data: bytes, form: str) -> bytes:
    if form == "tgz":
        stream = io.BytesIO()
        with gzip.GzipFile(filename="", mode="wb", fileobj=stream, mtime=0) as archive:
            archive.write(data)
        return stream.getvalue()
    try:
        return subprocess.run(["zstd", "-19", "-q", "-c", "-T1"], input=data, stdout=subprocess.PIPE, check=True).stdout
    except FileNotFoundError:
        sys.exit("pack.py needs the program zstd: install the package zstd")


def write_checksums(folder: pathlib.Path) -> None:
    lines = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith("ollama-"):
            lines.append(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  ./{path.name}\n")
    (folder / "sha256sum.txt").write_text("".join(lines), encoding="ascii")


def pack(text: str, *, arch: str, out: pathlib.Path, form: str | None = None, leading_dot: bool = False) -> pathlib.Path:
    """Write v<version>/ under ``out``; gives back the base archive."""
    version = parse_version(text)
    form = form or ("zst" if version >= FIRST_ZST else "tgz")
    folder = out / f"v{text}"
    folder.mkdir(parents=True, exist_ok=True)
    suffix = "tar.zst" if form == "zst" else "tgz"
    archives = {f"ollama-linux-{arch}": base_entries(version, text, arch)}
    archives |= {f"ollama-linux-{arch}-{name}": entries for name, entries in overlays(version, arch).items()}
    for name, entries in archives.items():
        (folder / f"{name}.{suffix}").write_bytes(compress(tar(entries, leading_dot=leading_dot), form))
    if not NO_CHECKSUMS[0] <= version <= NO_CHECKSUMS[1]:
        write_checksums(folder)
    return folder / f"ollama-linux-{arch}.{suffix}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--version", required=True, help="X.Y.Z")
    parser.add_argument("--arch", required=True, choices=("amd64", "arm64"))
    parser.add_argument("--out", required=True, type=pathlib.Path, help="the folder that holds v<X.Y.Z>/")
    parser.add_argument("--format", choices=("zst", "tgz"), help="default: what that version was released as")
    parser.add_argument("--leading-dot", action="store_true", help="entries begin with ./")
    options = parser.parse_args()
    try:
        print(pack(options.version, arch=options.arch, out=options.out, form=options.format, leading_dot=options.leading_dot))
    except argparse.ArgumentTypeError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
