# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of every module that talks to Ollama. PRIVATE to the collection."""

from __future__ import annotations


class ModuleDocFragment:
    """Fragment ``llm.host.api``."""

    DOCUMENTATION = r"""
options:
  api_url:
    description:
      - Where Ollama answers, as seen from the managed host.
      - Proxies are never used for it.
    type: str
    default: http://127.0.0.1:11434
  api_timeout:
    description:
      - Seconds that a short request to Ollama or to a registry may take.
    type: int
    default: 30
"""
