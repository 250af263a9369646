# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module costs while a large model is pulled or built: seconds over the bare request, and memory.

Everything runs on this machine, against the stand-in and the lab's registry, so that no connection is measured.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/standin"))

from local import GGUF, call, free_port, start_ollama, start_upstream

__all__ = ("transfers",)

SIZE = 1 << 30
REPEATS = 3
# A good day of a public registry, in bytes per second.
LINK = 60_000_000
MEMORY_TARGET = 60.0
OVERHEAD_TARGET = 3.0
MODULE = "ansible_collections.llm.host.plugins.modules.ollama_model"


@dataclasses.dataclass(frozen=True)
class Cost:
    """Of one process: wall clock seconds, and the most memory that it had, in MB."""

    seconds: float
    megabytes: float


def measured(command: t.Sequence[str], given: str = "") -> Cost:
    began = time.monotonic()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT)
        assert process.stdin
        process.stdin.write(given.encode())
        process.stdin.close()
        _pid, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - began
        if process.returncode:
            output.seek(0)
            sys.exit(f"{command[:4]} failed: {output.read().decode()[-3000:]}")
    return Cost(seconds, usage.ru_maxrss / 1024)


class Machine:
    """A registry with a model of 1 GB, and an Ollama."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        upstream, registry = start_upstream(folder)
        self._api = f"http://127.0.0.1:{free_port()}"
        self._processes = [registry, start_ollama(folder, self._api)]
        self.name = f"{upstream.removeprefix('http://')}/library/large"
        call("POST", f"{upstream}/_upstream/tag", {"model": "large", "from": "tiny:latest", "layers": [{"kind": "bench", "size": SIZE}]})

        self._faults = f"{upstream}/_upstream/faults"

    def throttle(self, bytes_per_second: int) -> None:
        call("PUT", self._faults, [{"path": "/blobs/", "bytes_per_second": bytes_per_second}] if bytes_per_second else [])

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()

    def bare_pull(self) -> Cost:
        """Ollama's own request, its stream read to the end by the smallest client there is."""
        program = (
            "import sys, urllib.request as u; r = u.urlopen(u.Request(sys.argv[1], sys.argv[2].encode(), method='POST'));"
            "last = [line for line in r][-1]; sys.exit(b'success' not in last)"
        )
        body = json.dumps({"model": self.name, "insecure": True})
        return measured([sys.executable, "-c", program, f"{self._api}/api/pull", body])

    def module(self, **options: t.Any) -> Cost:
        arguments = {"api_url": self._api, "state_dir": str(self.folder / "state"), **options}
        program = (
            "import sys; from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder as F;"
            f"F(paths=[{str(ROOT / '.collections')!r}])._install(); import {MODULE} as m;"
            "from ansible.module_utils import basic; basic._ANSIBLE_ARGS = sys.stdin.buffer.read(); basic._ANSIBLE_PROFILE = 'legacy';"
            "m.main()"
        )
        return measured([sys.executable, "-c", program], json.dumps({"ANSIBLE_MODULE_ARGS": arguments}))

    def pull(self) -> Cost:
        return self.module(name=self.name, insecure=True, store_dir=str(self.folder / "models"))

    def build(self) -> Cost:
        weights = self.folder / "large.gguf"
        if not weights.exists():
            shutil.copy(GGUF, weights)
            os.truncate(weights, SIZE)
        return self.module(name="own", **{"from": str(weights)})

    def forget(self, name: str = "") -> None:
        call("DELETE", f"{self._api}/api/delete", {"model": name or self.name})


def compare(machine: Machine, how: str) -> float:
    """Print the seconds of both ways to pull; returns the most memory that the module had, in MB."""
    bare, through = [], []
    for _ in range(REPEATS):
        bare.append(machine.bare_pull())
        machine.forget()
        through.append(machine.pull())
        machine.forget()
    plain, module = (statistics.median(cost.seconds for cost in costs) for costs in (bare, through))
    more = statistics.median(one.seconds - other.seconds for one, other in zip(through, bare, strict=True))
    print(f"  {how}: {plain:.1f} s by the bare request, {module:.1f} s through the module: {more:+.2f} s = {100 * more / plain:+.1f} %")
    return max(cost.megabytes for cost in through)


def transfers() -> None:
    """Print the figures. They are targets and no verdicts: the machine decides about them, too."""
    with tempfile.TemporaryDirectory() as folder:
        machine = Machine(Path(folder))
        try:
            print(f"\na pull of {SIZE / 1e9:.2f} GB (target: under {OVERHEAD_TARGET:.0f} % more; medians of {REPEATS} pairs)")
            machine.throttle(LINK)
            memory = compare(machine, f"at {LINK / 1e6:.0f} MB/s")
            machine.throttle(0)
            memory = max(memory, compare(machine, "as fast as this machine can"))
            print(f"  memory of the module: {memory:.0f} MB (target: under {MEMORY_TARGET:.0f} MB)")
            built = machine.build()
            print(f"a build from {SIZE / 1e9:.2f} GB of weights on the host: {built.seconds:.1f} s, {built.megabytes:.0f} MB")
        finally:
            machine.close()


if __name__ == "__main__":
    transfers()
