# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proxy of a module's own downloads. PRIVATE to the collection: it can change at any time.

Proxies are options and not C(environment:), since Ansible puts the latter on a command line, where a password in them could be read.
"""

from __future__ import annotations

import os
import typing as t

__all__ = ("proxy_options", "use_proxies")


def proxy_options() -> dict[str, dict[str, t.Any]]:
    """The options of the doc fragment C(llm.host.proxy)."""
    return {
        "https_proxy": {"type": "str", "default": "", "no_log": True},
        "http_proxy": {"type": "str", "default": "", "no_log": True},
        "no_proxy": {"type": "list", "elements": "str", "default": []},
    }


def use_proxies(params: t.Mapping[str, t.Any], *, environ: t.MutableMapping[str, str] | None = None) -> None:
    """Let this process use the proxies of ``params``, as ansible.module_utils.urls reads them; what is empty stays as it is."""
    wanted = {"https_proxy": params["https_proxy"], "http_proxy": params["http_proxy"], "no_proxy": ",".join(params["no_proxy"])}
    (os.environ if environ is None else environ).update({name: value for name, value in wanted.items() if value})
