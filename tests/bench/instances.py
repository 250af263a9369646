# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-ins for Ollama at successive ports, all with the same two models, of which each has room for one; for crowd.py."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

STORE = Path("/tmp/store")


def another(model: str, name: str) -> None:
    """The model once more, with weights that are not the same file."""
    folder = STORE / "manifests/registry.ollama.ai/library"
    manifest = json.loads((folder / model / "latest").read_text())
    layer = next(layer for layer in manifest["layers"] if layer["mediaType"].endswith(".model"))
    weights = (STORE / "blobs" / layer["digest"].replace(":", "-")).read_bytes() + bytes(32)
    layer |= {"digest": f"sha256:{hashlib.sha256(weights).hexdigest()}", "size": len(weights)}
    (STORE / "blobs" / layer["digest"].replace(":", "-")).write_bytes(weights)
    (folder / name).mkdir()
    (folder / name / "latest").write_text(json.dumps(manifest))


def serve(port: int, slots: int) -> subprocess.Popen[bytes]:
    home = Path(f"/tmp/{port}")
    home.mkdir()
    settings = {
        "OLLAMA_HOST": f"0.0.0.0:{port}",
        "OLLAMA_MAX_LOADED_MODELS": "1",
        "OLLAMA_MODELS": str(STORE),
        "OLLAMA_NOPRUNE": "1",
        "OLLAMA_NUM_PARALLEL": str(slots),
    }
    command = [sys.executable, "-m", "ollama_standin", "serve"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, env={**os.environ, "HOME": str(home), "PYTHONPATH": "/tests/standin", **settings}, **quiet)


if __name__ == "__main__":
    first, count, slots = map(int, sys.argv[1:])
    shutil.copytree("/tests/data/models/store", STORE)
    another("tiny", "other")
    for process in [serve(first + number, slots) for number in range(count)]:
        process.wait()
