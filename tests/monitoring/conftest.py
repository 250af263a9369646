# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prometheus, Alertmanager and the blackbox exporter of each Debian, in a container of the lab."""

from __future__ import annotations

import io
import subprocess
import tarfile
import typing as t
import uuid

import pytest

PACKAGES = "prometheus prometheus-alertmanager prometheus-blackbox-exporter"


class Debian:
    """A container with the packages."""

    def __init__(self, release: str) -> None:
        self.name = f"llm-host-promtool-{uuid.uuid4().hex[:8]}"
        _docker("run", "--detach", "--rm", "--name", self.name, f"llm-host/lab:{release}", "sleep", "infinity")

    def run(self, *command: str, data: bytes = b"", check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(["docker", "exec", "--interactive", self.name, *command], input=data, capture_output=True, check=False)
        result = subprocess.CompletedProcess(command, done.returncode, done.stdout.decode(), done.stderr.decode())
        assert not check or result.returncode == 0, result.stdout + result.stderr
        return result

    def write(self, files: t.Mapping[str, str]) -> None:
        """Files by their path."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            for path, text in files.items():
                entry = tarfile.TarInfo(path.lstrip("/"))
                entry.size, entry.mode = len(text.encode()), 0o644
                tar.addfile(entry, io.BytesIO(text.encode()))
        self.run("tar", "--directory=/", "--extract", data=archive.getvalue())


def _docker(*arguments: str) -> None:
    subprocess.run(["docker", *arguments], check=True, capture_output=True)


@pytest.fixture(name="debian", scope="session", params=["debian12", "debian13"])
def _debian(request):
    debian = Debian(request.param)
    try:
        debian.run("sh", "-c", f"DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends {PACKAGES}")
        yield debian
    finally:
        _docker("rm", "--force", debian.name)
