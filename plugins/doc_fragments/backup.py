# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a host has what is backed up. PRIVATE to the collection."""

from __future__ import annotations


class ModuleDocFragment:
    """Fragment ``llm.host.backup``."""

    DOCUMENTATION = r"""
options:
  home:
    description: The home of the user who runs Ollama, as C(ollama_home) says.
    type: path
    default: /usr/share/ollama
  models_dir:
    description: The store, as C(ollama_models_dir) says.
    type: path
    default: /usr/share/ollama/.ollama/models
  state_dir:
    description: Where the host remembers how its models were built, as C(ollama_models_state_dir) says.
    type: path
    default: /var/lib/llm-host
"""
