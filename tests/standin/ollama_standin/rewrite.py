# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``llama-quantize COPY`` makes of the two known test models.

The real server rewrites a GGUF file at create. Its result is known for the files in ``tests/data/models``;
any other file is kept as it is.
"""

from __future__ import annotations

import importlib.resources
import pathlib

__all__ = ["RESULTS", "result"]

RESULTS = {
    "sha256:b3ab139e31c365cce44001f67f00cd9e2f00e9fd058d2930e8eaea13ff03085a": "sha256-79dc5e550bd3027f0f051e57fe75b88be19ff2b7ce004978d4158864bb3e5161",
    "sha256:6803dce10124b341c0e2cf678fcc82c9333d0bd9d894e6ee8a291ff95ca116b9": "sha256-37b5819265b2bfa3fbf5e2a03e81fba8d451650f631c566716316f0cd325f541",
}
_CHECKOUT = pathlib.Path(__file__).resolve().parents[2] / "data" / "models" / "store" / "blobs"


def result(digest: str) -> bytes | None:
    """The rewritten file, or None when the file stays as it is."""
    name = RESULTS.get(digest)
    if name is None:
        return None
    packed = importlib.resources.files("ollama_standin") / "rewritten" / name
    return packed.read_bytes() if packed.is_file() else (_CHECKOUT / name).read_bytes()
