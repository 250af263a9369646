#!/usr/bin/python
# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an Ollama host has and does."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ollama_info
short_description: Look at the models, the memory and the store of an Ollama host
version_added: 0.1.0
description:
  - Tells the version, the models with their digests, which of them are loaded and how much of each is on a GPU, how much room the
    store takes, and what in it belongs to no model.
  - A host on which nothing listens is no failure, so that a whole fleet can be asked.
author:
  - llm.host contributors (@llm-host)
options:
  store_dir:
    description:
      - Where Ollama's store is on the managed host.
    type: path
    default: /usr/share/ollama/.ollama/models
extends_documentation_fragment:
  - llm.host.api
attributes:
  check_mode:
    description: Nothing is ever changed.
    support: full
  diff_mode:
    description: Nothing is ever changed.
    support: none
seealso:
  - module: llm.host.ollama_models
"""

EXAMPLES = r"""
- name: Look at a host
  llm.host.ollama_info:
  register: ollama

- name: Refuse to go on when a model is not wholly on the GPU
  ansible.builtin.assert:
    that: ollama.loaded | rejectattr('processor', 'eq', '100% GPU') | length == 0

# On the command line, what every host has and which versions it keeps for going back:
# ansible ollama -b -m llm.host.ollama_info
"""

RETURN = r"""
reachable:
  description: Whether something listens at O(api_url). If not, V(version) is null and the lists are empty.
  returned: success
  type: bool
  sample: true
version:
  description: The version of the server that runs.
  returned: success
  type: str
  sample: 0.32.15
models:
  description: Every model, the one written last first.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The name, with its tag.
      type: str
      sample: llama3.2:1b
    digest:
      description: The digest of its manifest, as a pin needs it.
      type: str
      sample: sha256:baf6a787fdffd633537aa2eb51cfd54cb93ff08e28040095462bb63daf552878
    size:
      description: Its size in bytes. Models can share blobs, so the sum can be more than the store holds.
      type: int
      sample: 1321098329
    capabilities:
      description: What it can do.
      type: list
      elements: str
      sample: [completion, tools]
    kept_of:
      description: For a version that was kept when it was replaced, the name of the model; else null.
      type: str
      sample: null
loaded:
  description: The models in memory.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The name, with its tag.
      type: str
      sample: llama3.2:1b
    digest:
      description: The digest of the version that is loaded.
      type: str
      sample: sha256:baf6a787fdffd633537aa2eb51cfd54cb93ff08e28040095462bb63daf552878
    size:
      description: How many bytes it takes in all.
      type: int
      sample: 2151677952
    size_vram:
      description: How many of them on GPUs.
      type: int
      sample: 2151677952
    processor:
      description: The split in the words of C(ollama ps).
      type: str
      sample: 41%/59% CPU/GPU
    context_length:
      description: Tokens of context of one request.
      type: int
      sample: 8192
    expires_at:
      description: When it will be unloaded if nobody asks, as the server writes it. A model that stays for ever has a date centuries ahead.
      type: str
      sample: "2026-08-20T09:20:11.5Z"
store:
  description: What is on disk, or null when O(store_dir) cannot be read.
  returned: success
  type: dict
  contains:
    path:
      description: The directory.
      type: str
      sample: /usr/share/ollama/.ollama/models
    blobs:
      description: How many whole files there are.
      type: int
      sample: 14
    bytes:
      description: How much room they take.
      type: int
      sample: 9821098329
    free_bytes:
      description: How much is free for a user without privileges.
      type: int
      sample: 210821098329
    orphans:
      description: Whole files that no model uses.
      type: dict
      contains:
        count:
          description: How many.
          type: int
          sample: 0
        bytes:
          description: How much room they take.
          type: int
          sample: 0
        names:
          description: Their names in the directory C(blobs).
          type: list
          elements: str
          sample: []
    partials:
      description: Parts of files that a pull left, or is working on.
      type: dict
      contains:
        count:
          description: How many.
          type: int
          sample: 0
        bytes:
          description: How much room they take.
          type: int
          sample: 0
        names:
          description: Their names in the directory C(blobs).
          type: list
          elements: str
          sample: []
    damaged_manifests:
      description: Manifests that cannot be read, by their paths in the store.
      type: list
      elements: str
      sample: []
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llm.host.plugins.module_utils._http import OpenUrlTransport
from ansible_collections.llm.host.plugins.module_utils._library_module import api_options
from ansible_collections.llm.host.plugins.module_utils._plan import is_kept_copy
from ansible_collections.llm.host.plugins.module_utils._server import ApiError, Loaded, OllamaServer, Present, Unreachable
from ansible_collections.llm.host.plugins.module_utils._store import Store, StoreError, StoreFile


def main() -> None:
    """Wire options to the look."""
    module = AnsibleModule(
        argument_spec={
            "store_dir": {"type": "path", "default": "/usr/share/ollama/.ollama/models"},
            **api_options(),
        },
        supports_check_mode=True,
    )
    server = OllamaServer(OpenUrlTransport(use_proxy=False), module.params["api_url"], timeout=module.params["api_timeout"])
    try:
        result = _ask(server)
    except ApiError as exc:
        module.fail_json(msg=exc.message)
    module.exit_json(changed=False, **result, store=_survey(Store(module.params["store_dir"])))


def _ask(server: OllamaServer) -> dict[str, t.Any]:
    try:
        version = server.version()
    except Unreachable as exc:
        if not exc.refused:
            raise
        return {"reachable": False, "version": None, "models": [], "loaded": []}
    return {
        "reachable": True,
        "version": version,
        "models": [_model(item) for item in server.tags()],
        "loaded": [_loaded(item) for item in server.running()],
    }


def _model(item: Present) -> dict[str, t.Any]:
    return {
        "name": item.name.short,
        "digest": f"sha256:{item.digest}",
        "size": item.size,
        "capabilities": list(item.capabilities),
        "kept_of": item.name.short[: -len(f"-{item.digest[:12]}")] if is_kept_copy(item) else None,
    }


def _loaded(item: Loaded) -> dict[str, t.Any]:
    return {
        "name": item.name.short,
        "digest": f"sha256:{item.digest}",
        "size": item.size,
        "size_vram": item.size_vram,
        "processor": processor(item.size, item.size_vram),
        "context_length": item.context_length,
        "expires_at": item.expires_at,
    }


def processor(size: int, size_vram: int) -> str:
    """How a model is split, by the rule of Ollama's own command line."""
    if not size_vram:
        return "100% CPU"
    if size_vram >= size:
        return "100% GPU"
    on_cpu = round((size - size_vram) / size * 100)
    return f"{on_cpu}%/{100 - on_cpu}% CPU/GPU"


def _survey(store: Store) -> dict[str, t.Any] | None:
    if not store.exists:
        return None
    try:
        found = store.survey()
        free = store.free_bytes()
    except StoreError:
        return None
    return {
        "path": store.path,
        "blobs": found.blobs,
        "bytes": found.bytes,
        "free_bytes": free,
        "orphans": _files(found.orphans),
        "partials": _files(found.partials),
        "damaged_manifests": list(found.damaged_manifests),
    }


def _files(files: t.Sequence[StoreFile]) -> dict[str, t.Any]:
    return {"count": len(files), "bytes": sum(file.size for file in files), "names": [file.name for file in files]}


if __name__ == "__main__":
    main()
