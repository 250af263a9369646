# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the gateway's page says of the models. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import typing as t

from ansible_collections.llm.host.plugins.module_utils._names import InvalidName, ModelName
from ansible_collections.llm.host.plugins.plugin_utils._progress_line import readable_bytes

__all__ = ("page_example", "page_models")


def page_models(
    hosts: t.Iterable[str], hostvars: t.Mapping[str, t.Mapping[str, t.Any]], described: t.Iterable[t.Mapping[str, t.Any]]
) -> list[dict[str, t.Any]]:
    """The models that the hosts declare, each once, in that order.

    ``described`` are the models as ollama_info returns them, whose sizes and abilities nobody declares.
    """
    there = {ModelName.parse(str(model["name"])).key: model for model in described}
    found: dict[str, dict[str, t.Any]] = {}
    for host in hosts:
        variables = hostvars[host]
        lock = {_key(name): digest for name, digest in (variables.get("ollama_models_lock") or {}).items()}
        for entry in variables.get("ollama_models") or ():
            key = _key(entry.get("name"))
            if key and key not in found and entry.get("state") != "absent":
                found[key] = _described(entry, there.get(key, {}), lock.get(key), variables.get("ollama_context_length"))
    return list(found.values())


def page_example(models: t.Iterable[t.Mapping[str, t.Any]]) -> str:
    """The name of a model to chat with, for examples."""
    names = [str(model["name"]) for model in models if "completion" in model["capabilities"]]
    names += [str(model["name"]) for model in models if not model["capabilities"] and "embed" not in str(model["name"])]
    return names[0] if names else "llama3.2"


def _key(name: t.Any) -> str:
    try:
        return ModelName.parse(str(name)).key
    except InvalidName:
        return ""


def _described(entry: t.Mapping[str, t.Any], there: t.Mapping[str, t.Any], locked: t.Any, context_length: int | None) -> dict[str, t.Any]:
    built = any(entry.get(field) for field in ("from", "modelfile", "modelfile_content"))
    pin = entry.get("digest") or locked
    return {
        "name": str(entry["name"]),
        "description": str(entry.get("description") or ""),
        "capabilities": [str(capability) for capability in there.get("capabilities") or ()],
        "size": readable_bytes(int(there["size"])) if there.get("size") else "",
        "context": (entry.get("parameters") or {}).get("num_ctx") or context_length,
        "pin": f"sha256:{str(pin).removeprefix('sha256:')}" if pin and not built else "",
        "built": built,
    }
