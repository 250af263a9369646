# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""For how long the endpoint of a single instance does not answer while its version changes, against a bare restart."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import ssl
import statistics
import subprocess
import threading
import time
import typing as t

from hosts import address

__all__ = ("upgrade",)

PAUSE = 0.02
REPEATS = 3


class Client(threading.Thread):
    """Asks for a word, one request after the other, and remembers when it got one."""

    def __init__(self, host: str) -> None:
        super().__init__(daemon=True)
        ca = subprocess.run(
            ["docker", "exec", host, "cat", "/etc/llm-gateway/tls/ca.crt"], check=True, capture_output=True, text=True
        ).stdout
        self._context = ssl.create_default_context(cadata=ca)
        self._context.check_hostname = False
        self._address = address(host)
        self._over = threading.Event()
        self.answered: list[float] = []

    def run(self) -> None:
        body = json.dumps({"model": "tiny", "prompt": "hello", "stream": False, "options": {"num_predict": 1}})
        headers = {"Authorization": "Bearer alice-has-a-key-of-enough-length", "Content-Type": "application/json", "Host": "llm-host-bench"}
        while not self._over.wait(PAUSE):
            connection = http.client.HTTPSConnection(self._address, context=self._context, timeout=30)
            with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
                connection.request("POST", "/api/generate", body, headers)
                response = connection.getresponse()
                response.read()
                if response.status == 200:
                    self.answered.append(time.monotonic())

    def stop(self) -> float:
        """The longest time without an answer."""
        self._over.set()
        self.join()
        return max(later - earlier for earlier, later in itertools.pairwise(self.answered))


def silence(host: str, change: t.Callable[[], object]) -> float:
    client = Client(host)
    client.start()
    time.sleep(1)
    change()
    time.sleep(2)
    return client.stop()


def upgrade(host: str, play: t.Callable[..., object]) -> None:
    """Between two versions and back; ``play`` runs a playbook on the host with variables."""
    restart = ["docker", "exec", host, "systemctl", "restart", "ollama"]
    bare = [silence(host, lambda: subprocess.run(restart, check=True)) for _ in range(REPEATS)]
    versions = [("0.32.14", "0.13.5")[number % 2] for number in range(REPEATS)]
    changed = [silence(host, lambda wanted=version: play("playbooks/upgrade.yml", ollama_version=wanted)) for version in versions]
    ratio = statistics.median(changed) / statistics.median(bare)
    print("\nseconds without an answer of a single instance behind its gateway")
    for what, seconds in (("a bare restart", bare), ("an upgrade, gate included", changed)):
        print(f"  {what:<28}{statistics.median(seconds):>8.2f}   (median of {', '.join(f'{value:.2f}' for value in seconds)})")
    print(f"  {ratio:.1f} : 1", flush=True)
