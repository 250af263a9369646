# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pack tailscale and tailscaled, real ones or their doubles, as the vendor does, into a signed repository of the same shape.

Needs dpkg-deb (dpkg) and gpg (gnupg). Run it again on the same directory to add a version; the key stays the same.
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

HERE = Path(__file__).parent
UNIT = """\
[Unit]
Description=Tailscale node agent
Documentation=https://tailscale.com/docs/
Wants=network-pre.target
After=network-pre.target NetworkManager.service systemd-resolved.service

[Service]
EnvironmentFile=/etc/default/tailscaled
ExecStart=/usr/sbin/tailscaled --state=/var/lib/tailscale/tailscaled.state --socket=/run/tailscale/tailscaled.sock --port=${PORT} $FLAGS
ExecStopPost=/usr/sbin/tailscaled --cleanup

Restart=on-failure

RuntimeDirectory=tailscale
RuntimeDirectoryMode=0755
StateDirectory=tailscale
StateDirectoryMode=0700
CacheDirectory=tailscale
CacheDirectoryMode=0750
Type=notify

[Install]
WantedBy=multi-user.target
"""
DEFAULTS = 'PORT="41641"\nFLAGS=""\n'
POSTINST = """\
#!/bin/sh
if [ "$1" = configure ]; then
  deb-systemd-helper unmask tailscaled.service >/dev/null || true
  if deb-systemd-helper --quiet was-enabled tailscaled.service; then deb-systemd-helper enable tailscaled.service >/dev/null || true; fi
  if [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload >/dev/null || true
    deb-systemd-invoke restart tailscaled.service >/dev/null || true
  fi
fi
"""
PRERM = """\
#!/bin/sh
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then deb-systemd-invoke stop tailscaled.service >/dev/null || true; fi
"""
POSTRM = """\
#!/bin/sh
if [ -d /run/systemd/system ]; then systemctl --system daemon-reload >/dev/null || true; fi
if [ "$1" = purge ]; then
  deb-systemd-helper purge tailscaled.service >/dev/null || true
  deb-systemd-helper unmask tailscaled.service >/dev/null || true
  rm -rf /var/lib/tailscale
fi
"""


def package(out: Path, programs: Path | None, version: str, architecture: str) -> None:
    with tempfile.TemporaryDirectory() as place:
        tree = Path(place)
        # dpkg-deb takes the modes as they are, and what mkdtemp makes is for one user alone.
        tree.chmod(0o755)
        for name, target in (("tailscale", "usr/bin"), ("tailscaled", "usr/sbin")):
            path = tree / target / name
            path.parent.mkdir(parents=True)
            if programs:
                shutil.copy(programs / name, path)
            else:
                path.write_text(f"#!/usr/bin/env python3\n{(HERE / f'{name}.py').read_text()}".replace("@VERSION@", version))
            path.chmod(0o755)
        for name, text in (("lib/systemd/system/tailscaled.service", UNIT), ("etc/default/tailscaled", DEFAULTS)):
            (tree / name).parent.mkdir(parents=True)
            (tree / name).write_text(text)
        control = {
            "Package": "tailscale",
            "Version": version,
            "Architecture": architecture,
            "Maintainer": "llm.host contributors <nobody@example.com>",
            "Depends": f"init-system-helpers, {'iptables' if programs else 'python3'}",
            "Section": "net",
            "Description": "tailscale" if programs else "a double of tailscale, for tests",
        }
        (tree / "DEBIAN").mkdir()
        (tree / "DEBIAN/control").write_text("".join(f"{key}: {value}\n" for key, value in control.items()))
        (tree / "DEBIAN/conffiles").write_text("/etc/default/tailscaled\n")
        for name, text in (("postinst", POSTINST), ("prerm", PRERM), ("postrm", POSTRM)):
            (tree / "DEBIAN" / name).write_text(text)
            (tree / "DEBIAN" / name).chmod(0o755)
        target = out / f"pool/tailscale_{version}_{architecture}.deb"
        target.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["dpkg-deb", "--root-owner-group", "-Zgzip", "-b", place, str(target)], check=True, stdout=subprocess.DEVNULL)


def entry(path: Path) -> str:
    control = subprocess.run(["dpkg-deb", "-f", str(path)], check=True, capture_output=True, text=True).stdout
    content = path.read_bytes()
    return f"{control}Filename: pool/{path.name}\nSize: {len(content)}\nSHA256: {hashlib.sha256(content).hexdigest()}\n"


def index(out: Path, codename: str, architecture: str) -> Path:
    """The lists of one release; returns what is to be signed."""
    packages = "\n".join(entry(path) for path in sorted((out / "pool").glob("*.deb"))).encode()
    dist = out / "dists" / codename
    binary = f"main/binary-{architecture}"
    (dist / binary).mkdir(parents=True, exist_ok=True)
    sums = ""
    for name, content in ((f"{binary}/Packages", packages), (f"{binary}/Packages.gz", gzip.compress(packages, mtime=0))):
        (dist / name).write_bytes(content)
        sums += f" {hashlib.sha256(content).hexdigest()} {len(content)} {name}\n"
    header = {
        "Origin": "Tailscale",
        "Codename": codename,
        "Components": "main",
        "Architectures": architecture,
        "Date": formatdate(usegmt=True),
    }
    (dist / "Release").write_text("".join(f"{key}: {value}\n" for key, value in header.items()) + f"SHA256:\n{sums}")
    return dist


def sign(out: Path, dists: list[Path]) -> str:
    """Returns the fingerprint of the key."""
    home = out.parent / ".gnupg"
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    # The socket of gpg's agent needs a short path.
    with tempfile.TemporaryDirectory(prefix="gpg") as short:
        shutil.copytree(home, short, dirs_exist_ok=True)
        environment = {**os.environ, "GNUPGHOME": short}

        def gpg(*arguments: str) -> bytes:
            command = ["gpg", "--batch", "--yes", "--quiet", "--passphrase", "", "--pinentry-mode", "loopback", *arguments]
            return subprocess.run(command, check=True, capture_output=True, env=environment).stdout

        if not gpg("--list-secret-keys", "--with-colons"):
            gpg("--quick-gen-key", "A double <nobody@example.com>", "rsa3072", "sign", "never")
        keys = gpg("--list-keys", "--with-colons").decode().splitlines()
        fingerprint = next(line.split(":")[9] for line in keys if line.startswith("fpr:"))
        for dist in dists:
            (out / f"{dist.name}.noarmor.gpg").write_bytes(gpg("--export", fingerprint))
            gpg("--clearsign", "-o", str(dist / "InRelease"), str(dist / "Release"))
        subprocess.run(["gpgconf", "--kill", "gpg-agent"], check=False, env=environment, capture_output=True)
        shutil.copytree(short, home, dirs_exist_ok=True, ignore=shutil.ignore_patterns("S.*", "*.lock", ".#*"))
    return fingerprint


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="directory of the distribution, such as /srv/stable/debian")
    parser.add_argument("--version", action="append", required=True, help="version to add; may be given several times")
    parser.add_argument("--programs", type=Path, help="directory of a real tailscale and tailscaled; without it their doubles")
    parser.add_argument("--codename", action="append", default=[], help="release to serve; may be given several times")
    parser.add_argument("--architecture", default="amd64")
    arguments = parser.parse_args()
    for version in arguments.version:
        package(arguments.out, arguments.programs, version, arguments.architecture)
    dists = [index(arguments.out, codename, arguments.architecture) for codename in arguments.codename]
    print(json.dumps({"fingerprint": sign(arguments.out, dists)}))


if __name__ == "__main__":
    main()
