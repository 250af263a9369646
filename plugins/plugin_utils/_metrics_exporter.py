# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ollama_exporter of a host is told, from the inventory. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import collections
import re
import typing as t

from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.llm.host.plugins.module_utils._names import InvalidName, ModelName
from ansible_collections.llm.host.plugins.plugin_utils._bind import PENDING
from ansible_collections.llm.host.plugins.plugin_utils._listen import EVERYWHERE, bracketed, listens, reach

__all__ = ("exporter_config",)

Variables = t.Mapping[str, t.Any]
# Those whose GPUs Ollama computes with by itself.
COMPUTE = frozenset({"nvidia", "amd", "jetson"})
FROM = re.compile(r"^\s*FROM\s+(\S+)", re.IGNORECASE | re.MULTILINE)


def exporter_config(
    host: str,
    hostvars: t.Mapping[str, Variables],
    groups: t.Mapping[str, t.Sequence[str]],
    defaults: Variables,
    vendors: t.Iterable[str] = (),
    bound: Variables | None = None,
) -> dict[str, t.Any]:
    """``defaults``: those of the role ollama. ``vendors``: whose GPUs the host has. ``bound``: where ollama_bind leads, where only the host knows."""
    variables: Variables = collections.ChainMap(hostvars[host], defaults)  # type: ignore[arg-type]
    tailscale = host in groups.get("tailscale", ())
    said = variables.get("metrics_gpus")
    if host not in groups.get("ollama", ()):
        return {"servers": [], "stores": [], "models": [], "gpus_expected": said, "tailscale": tailscale}
    instances = variables["ollama_instances"]
    present = [entry for entry in variables.get("ollama_models") or () if entry.get("state", "present") == "present"]
    listed = {gpu for instance in instances for gpu in instance.get("gpus") or ()}
    return {
        "version": str(variables["ollama_version"]).lstrip("v"),
        "servers": [
            {
                "name": str(instance["name"]),
                "url": f"http://{_address(host, variables, bound)}:{instance['port']}",
                "gpus_expected": _on_gpus(instance, variables, vendors),
            }
            for instance in instances
        ],
        # Its unit shows it the store there.
        "stores": [{"path": str(variables["ollama_models_dir"]), "at": "/mnt/0"}],
        "models": [_model(entry, variables.get("ollama_models_lock") or {}) for entry in present],
        "kept": _bases(present),
        "exclusive": boolean(variables.get("ollama_models_exclusive", False), strict=False),
        "gpus_expected": len(listed) or None if said is None else int(said),
        "tailscale": tailscale,
    }


def _address(host: str, variables: Variables, bound: Variables | None) -> str:
    address = listens(host, variables) or str(next(iter((bound or {}).get("addresses") or ()), PENDING))
    if reach(address) == EVERYWHERE:
        return "127.0.0.1"
    return bracketed(address)


def _on_gpus(instance: Variables, variables: Variables, vendors: t.Iterable[str]) -> bool:
    if not boolean(variables.get("ollama_expect_gpu", True), strict=False):
        return False
    if instance.get("gpus") is not None:
        return bool(instance["gpus"])
    said = variables.get("metrics_gpus")
    return bool(COMPUTE.intersection(vendors)) if said is None else int(said) > 0


def _model(entry: Variables, lock: Variables) -> dict[str, str]:
    """The name, and the digest where it is pinned. What is built on the host has none."""
    name = str(entry["name"])
    locked = {_key(other): str(digest) for other, digest in lock.items()}
    built = any(entry.get(option) for option in ("from", "modelfile", "modelfile_content"))
    digest = "" if built else str(entry.get("digest") or locked.get(_key(name), ""))
    return {"name": name, "digest": digest} if digest else {"name": name}


def _bases(entries: t.Iterable[Variables]) -> list[str]:
    """The models that others are built from, which are there without being declared."""
    named = [name for entry in entries for name in (str(entry.get("from") or ""), *FROM.findall(str(entry.get("modelfile_content") or "")))]
    return sorted({name for name in named if _is_name(name)})


def _is_name(text: str) -> bool:
    try:
        return bool(ModelName.parse(text))
    except InvalidName:
        return False


def _key(name: str) -> str:
    try:
        return ModelName.parse(str(name)).key
    except InvalidName:
        return str(name)
