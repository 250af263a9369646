# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names for as many models as a test wants to declare, all of them one tiny model to the lab's registry."""

from __future__ import annotations

import http.client
import json
import subprocess
from pathlib import Path

__all__ = ("offer",)

LAB = Path(__file__).resolve().parents[1] / "lab" / "lab"


def offer(count: int) -> list[dict[str, str]]:
    """Have the registry offer them; gives back the value of ollama_models that declares them."""
    upstream = subprocess.run([LAB, "address", "llm-host-upstream"], check=True, capture_output=True, text=True).stdout.strip()
    connection = http.client.HTTPConnection(upstream, 80, timeout=10)
    models = []
    for number in range(count):
        tag = {"model": "bench", "tag": f"m{number:03}", "from": "tiny:latest"}
        connection.request("POST", "/_upstream/tag", json.dumps(tag))
        reply = connection.getresponse()
        answer = json.loads(reply.read())
        if reply.status != 200:
            raise RuntimeError(f"the lab's registry does not offer {tag['model']}:{tag['tag']}: {answer}")
        models.append({"name": f"{tag['model']}:{tag['tag']}", "digest": answer["digest"]})
    connection.close()
    return models
