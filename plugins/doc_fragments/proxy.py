# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of every module that downloads by itself. PRIVATE to the collection."""

from __future__ import annotations


class ModuleDocFragment:
    """Fragment ``llm.host.proxy``."""

    DOCUMENTATION = r"""
options:
  https_proxy:
    description:
      - Proxy for the module's own HTTPS requests, such as V(http://proxy.example.com:3128). The host's environment decides when empty.
      - A password in it appears neither in output nor in a process list.
    type: str
    default: ""
  http_proxy:
    description: The same for HTTP requests.
    type: str
    default: ""
  no_proxy:
    description: Hosts to reach without a proxy.
    type: list
    elements: str
    default: []
"""
