#!/usr/bin/env python3
# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A flat apt repository of the shape of NVIDIA's, with driver packages whose modules compile in seconds. Needs dpkg-deb (dpkg) and gpg (gnupg).

Run it again on the same directory to add a version; the key stays the same.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from email.utils import formatdate
from pathlib import Path

KEY = "3bf863cc.pub"
NAME = "nvidia"
FLAVOURS = {"nvidia-kernel-open-dkms": "nvidia-kernel-dkms", "nvidia-kernel-dkms": "nvidia-kernel-open-dkms"}
LIBRARIES = ("libnvidia-ml1", "libcuda1", "nvidia-persistenced", "nvidia-modprobe")

MODULE = """\
#include <linux/module.h>
static int __init start(void) {{ {statement} return 0; }}
static void __exit stop(void) {{ }}
module_init(start);
module_exit(stop);
MODULE_LICENSE("GPL");
MODULE_VERSION("{version}");
MODULE_DESCRIPTION("{description}");
"""

DKMS_CONF = """\
PACKAGE_NAME="nvidia"
PACKAGE_VERSION="{version}"
AUTOINSTALL="yes"
MAKE[0]="make -C /lib/modules/${{kernelver}}/build M=${{dkms_tree}}/nvidia/{version}/build modules"
CLEAN="true"
BUILT_MODULE_NAME[0]="nvidia"
DEST_MODULE_LOCATION[0]="/kernel/drivers/video"
BUILT_MODULE_NAME[1]="nvidia-uvm"
DEST_MODULE_LOCATION[1]="/kernel/drivers/video"
"""

# As dh_dkms writes them.
POSTINST = """\
#!/bin/sh
set -e
if [ "$1" = configure ]; then
  {fault}
  /usr/lib/dkms/common.postinst nvidia {version} /usr/share/nvidia-dkms "" $2
fi
"""
PRERM = """\
#!/bin/sh
set -e
case "$1" in
  remove|upgrade|deconfigure)
    if [ "$(dkms status -m nvidia -v {version})" ]; then dkms remove -m nvidia -v {version} --all; fi ;;
esac
"""


class Repository:
    def __init__(self, out: Path, architecture: str) -> None:
        self._out, self._architecture = out, architecture
        out.mkdir(parents=True, exist_ok=True)

    def add(self, name: str, version: str, fields: dict[str, str], files: dict[str, str | Path], scripts: dict[str, str]) -> None:
        with tempfile.TemporaryDirectory() as place:
            tree = Path(place)
            # dpkg-deb takes the modes as they are, and what mkdtemp makes is for one user alone.
            tree.chmod(0o755)
            (tree / "DEBIAN").mkdir()
            control = {
                "Package": name,
                "Version": f"{version}-1",
                "Architecture": self._architecture,
                "Maintainer": "llm.host contributors <nobody@example.com>",
                "Section": "non-free/kernel",
                "Priority": "optional",
                **fields,
                "Description": "stand-in for a package of a GPU driver",
            }
            (tree / "DEBIAN" / "control").write_text("".join(f"{key}: {value}\n" for key, value in control.items()))
            for script, text in scripts.items():
                (tree / "DEBIAN" / script).write_text(text)
                (tree / "DEBIAN" / script).chmod(0o755)
            for path, text in {f"usr/share/doc/{name}/README": "A stand-in for tests.\n", **files}.items():
                (tree / path).parent.mkdir(parents=True, exist_ok=True)
                if isinstance(text, Path):
                    (tree / path).symlink_to(text)
                else:
                    (tree / path).write_text(text)
            target = self._out / f"{name}_{version}-1_{self._architecture}.deb"
            subprocess.run(
                ["dpkg-deb", "--root-owner-group", "-Zgzip", "-b", str(tree), str(target)], check=True, stdout=subprocess.DEVNULL
            )

    def index(self) -> str:
        """Write the lists, sign them, and return the fingerprint of the key."""
        packages = "\n".join(self._entry(path) for path in sorted(self._out.glob("*.deb"))).encode()
        contents = {"Packages": packages, "Packages.gz": gzip.compress(packages, mtime=0)}
        for name, content in contents.items():
            (self._out / name).write_bytes(content)
        sums = "".join(f" {hashlib.sha256(content).hexdigest()} {len(content)} {name}\n" for name, content in contents.items())
        header = {"Origin": "NVIDIA", "Label": "NVIDIA CUDA", "Architecture": self._architecture, "Date": formatdate(usegmt=True)}
        (self._out / "Release").write_text("".join(f"{key}: {value}\n" for key, value in header.items()) + f"SHA256:\n{sums}")
        return self._sign()

    @staticmethod
    def _entry(path: Path) -> str:
        control = subprocess.run(["dpkg-deb", "-f", str(path)], check=True, capture_output=True, text=True).stdout
        content = path.read_bytes()
        return f"{control}Filename: ./{path.name}\nSize: {len(content)}\nSHA256: {hashlib.sha256(content).hexdigest()}\n"

    def _sign(self) -> str:
        home = self._out / ".gnupg"
        home.mkdir(mode=0o700, exist_ok=True)
        # The socket of gpg's agent needs a short path.
        with tempfile.TemporaryDirectory(prefix="gpg") as short:
            shutil.copytree(home, short, dirs_exist_ok=True)
            environment = {**os.environ, "GNUPGHOME": short}

            def gpg(*arguments: str) -> str:
                command = ["gpg", "--batch", "--yes", "--quiet", "--passphrase", "", "--pinentry-mode", "loopback", *arguments]
                return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout

            if not gpg("--list-secret-keys", "--with-colons"):
                gpg("--quick-gen-key", "cudatools <cudatools@example.com>", "rsa4096", "sign", "never")
            fingerprint = next(line.split(":")[9] for line in gpg("--list-keys", "--with-colons").splitlines() if line.startswith("fpr:"))
            (self._out / KEY).write_text(gpg("--armor", "--export", fingerprint))
            gpg("--clearsign", "-o", str(self._out / "InRelease"), str(self._out / "Release"))
            gpg("--armor", "--detach-sign", "-o", str(self._out / "Release.gpg"), str(self._out / "Release"))
            subprocess.run(["gpgconf", "--kill", "gpg-agent"], check=False, env=environment, capture_output=True)
            shutil.copytree(short, home, dirs_exist_ok=True, ignore=shutil.ignore_patterns("S.*", "*.lock", ".#*"))
        return fingerprint


def library(version: str) -> dict[str, str | Path]:
    directory, name = "usr/lib/x86_64-linux-gnu", "libnvidia-ml.so"
    return {f"{directory}/{name}.{version}": "A stand-in for tests.\n", f"{directory}/{name}.1": Path(f"{name}.{version}")}


def add_driver(repository: Repository, version: str, *, broken: bool, failing: bool) -> None:
    same = f"(= {version}-1)"
    for name, other in FLAVOURS.items():
        source = f"usr/src/{NAME}-{version}"
        statement = "pci_resize_resource(NULL, 0);" if broken else ""
        texts = {"version": version, "statement": statement, "description": f"stand-in from {name}"}
        files = {
            f"{source}/dkms.conf": DKMS_CONF.format(version=version),
            f"{source}/Makefile": "obj-m := nvidia.o nvidia-uvm.o\n",
            f"{source}/nvidia.c": ("#include <linux/pci.h>\n" if broken else "") + MODULE.format(**texts),
            f"{source}/nvidia-uvm.c": MODULE.format(**{**texts, "statement": ""}),
        }
        # It fails where its trial build succeeded, as the scripts of a package can.
        scripts = {"postinst": POSTINST.format(version=version, fault="exit 9" if failing else ":"), "prerm": PRERM.format(version=version)}
        fields = {
            "Depends": f"dkms, nvidia-modprobe {same}",
            "Provides": f"nvidia-kernel-{version}, nvidia-kernel-dkms-any {same}",
            "Conflicts": other,
            "Replaces": other,
        }
        repository.add(name, version, fields, files, scripts)
    for name in LIBRARIES:
        repository.add(name, version, {}, library(version) if name == "libnvidia-ml1" else {}, {})
    depends = ", ".join(f"{name} {same}" for name in LIBRARIES)
    repository.add("nvidia-driver-cuda", version, {"Depends": depends}, {}, {})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="directory to serve")
    parser.add_argument("--version", action="append", default=[], help="version to add; may be given several times")
    parser.add_argument("--broken", action="store_true", help="its modules do not compile")
    parser.add_argument("--failing", action="store_true", help="they compile, but installing the package fails")
    parser.add_argument("--architecture", default="amd64")
    arguments = parser.parse_args()
    repository = Repository(arguments.out, arguments.architecture)
    for version in arguments.version:
        add_driver(repository, version, broken=arguments.broken, failing=arguments.failing)
    print(json.dumps({"fingerprint": repository.index(), "key": str(arguments.out / KEY)}))


if __name__ == "__main__":
    main()
