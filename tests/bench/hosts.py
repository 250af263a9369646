# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts of the lab for as long as something is measured on them."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

__all__ = ("HERE", "LAB", "NETWORK", "ROOT", "address", "machine", "provision", "start", "verdict")

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LAB = ROOT / "tests/lab/lab"
NETWORK = "llm-host-lab"


def start(stack: contextlib.ExitStack, *command: str) -> None:
    name = command[command.index("--name") + 1] if "--name" in command else command[2]
    subprocess.run(["docker", "rm", "-f", "-v", name], capture_output=True)
    stack.callback(subprocess.run, ["docker", "rm", "-f", "-v", name], capture_output=True)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def address(name: str) -> str:
    return subprocess.run([LAB, "address", name], check=True, capture_output=True, text=True).stdout.strip()


def provision(what: str, **variables: t.Any) -> None:
    """Run WHAT.yml on the inventory WHAT."""
    command = ["ansible-playbook", "-i", str(HERE / what), str(HERE / f"{what}.yml"), "-e", json.dumps(variables)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        sys.exit(f"{what}.yml failed:\n{(done.stdout + done.stderr)[-3000:]}")


def machine(when: str) -> None:
    load = " ".join(f"{value:.2f}" for value in os.getloadavg())
    print(f"machine {when}: load average {load}, {os.cpu_count()} cores", flush=True)


def verdict(kept: bool, target: str) -> None:
    """A target, and no more: the machine decides about it, too."""
    print(f"    {'met' if kept else 'missed'}: {target}", flush=True)
