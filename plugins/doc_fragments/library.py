# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of how the models of a host are brought into the declared state. PRIVATE to the collection."""

from __future__ import annotations


class ModuleDocFragment:
    """Fragment ``llm.host.library``."""

    DOCUMENTATION = r"""
options:
  keep:
    description:
      - How many versions of each model to keep when a pull or copy replaces it, under C(<tag>-<12 digits of the digest>).
    type: int
    default: 1
  lock:
    description:
      - Digests by name. They pin models that have no digest of their own, and the bases that a build pulls.
      - A model that has a digest of its own, another one than here, is refused. A model of a library that is pulled and is
        not in the lock is named in a warning.
    type: dict
  lock_timeout:
    description:
      - Seconds to wait for another run that changes the models of the same host.
    type: int
    default: 3600
  look_only:
    description:
      - When anything is to be done, do nothing and say so in RV(ignore:pending).
      - The action plugin sets it for a first look, before it lets the work run in the background. It is not meant for tasks.
    type: bool
    default: false
  parallel:
    description:
      - How many models to pull at the same time.
    type: int
    default: 2
  preload_urls:
    description:
      - Base URLs of all servers into which preloaded models are loaded, when several share one store. Only the one at
        O(api_url) when this is empty.
    type: list
    elements: str
    default: []
  progress_timeout:
    description:
      - Seconds that a pull, a build or a load may go without any progress.
    type: int
    default: 600
  registry_url:
    description:
      - Base URL of the registry to ask what tags are now, instead of C(https://registry.ollama.ai).
      - It does not change where Ollama pulls from. Names that begin with a registry host are looked up there.
    type: str
  remove_orphans:
    description:
      - Remove the blobs in O(store_dir) that no model uses and the remains of interrupted pulls, when nobody touched them
        for an hour.
    type: bool
    default: false
  state_dir:
    description:
      - Directory on the managed host for the record of how models were built there, and for the lock against other runs.
      - While models are worked on, its file C(models.progress) tells in JSON which, and how far they are.
    type: path
    default: /var/lib/llm-host
  store_dir:
    description:
      - Where Ollama's store is on the managed host.
      - With it, nothing is pulled when what is still to be downloaded is larger than the free space there, and blobs that
        no model uses are reported.
    type: path
"""
