# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other people's programs, used against a host from outside: the clients of .venv-clients and what is in the image llm-host/lab:client."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import typing as t
from pathlib import Path

__all__ = ["CHAT", "EMBED", "KEY", "NAME", "PASSWORD", "URL", "Outside"]

ROOT = Path(__file__).resolve().parents[4]
PROGRAMS = ROOT / "molecule/shared/gateway/clients"

# What the inventory of the gateway's scenarios says.
NAME = "llm.test"
URL = f"https://{NAME}"
KEY = "alice-has-a-key-of-enough-length"
PASSWORD = "alice has a pass phrase"
CHAT = "tiny"
EMBED = "embed"


@dataclasses.dataclass(frozen=True)
class Outside:
    """Where a host is, and whom to trust when one talks to it."""

    host: str
    address: str
    authority: Path

    @classmethod
    def of(cls, host: t.Any, authority: Path) -> Outside:
        """A host of the scenario; its authority is written to a file."""
        name = host.backend.get_hostname()
        authority.write_bytes(host.file("/etc/llm-gateway/tls/ca.crt").content)
        address = subprocess.run([ROOT / "tests/lab/lab", "address", name], check=True, capture_output=True, text=True).stdout.strip()
        return cls(name, address, authority)

    def client(self, program: str, text: str = "") -> dict[str, t.Any]:
        """What one of the programs in clients/ saw, in the clients' own environment."""
        subprocess.run([ROOT / "tests/setup", "clients"], check=True)
        variables = {
            "LLM_URL": URL, "LLM_HOST": NAME, "LLM_ADDRESS": self.address, "LLM_KEY": KEY, "LLM_CHAT": CHAT, "LLM_EMBED": EMBED,
            "SSL_CERT_FILE": str(self.authority), "PATH": os.environ["PATH"],
            # Its list of prices, which it would look for on GitHub.
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        }  # fmt: skip
        command = [ROOT / ".venv-clients/bin/python", PROGRAMS / f"{program}.py"]
        done = subprocess.run(command, env=variables, input=text, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def image(self, *command: str, options: t.Sequence[str] = (), text: str = "") -> str:
        """What a program of the image for clients prints; the authority is /ca.crt there."""
        subprocess.run([ROOT / "tests/lab/lab", "client"], check=True)
        run = ["docker", "run", "--rm", "-i", "--network", "llm-host-lab", "--add-host", f"{NAME}:{self.address}"]
        run += ["-v", f"{self.authority}:/ca.crt:ro", *options, "llm-host/lab:client", *command]
        done = subprocess.run(run, input=text, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
