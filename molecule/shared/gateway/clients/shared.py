# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the programs beside this file share. Each uses one client as its documentation shows it, and prints what its user saw, as JSON.

They run in an environment of their own (requirements/clients.txt), with SSL_CERT_FILE for the authority and these variables.
"""

from __future__ import annotations

import json
import os
import socket
import typing as t

__all__ = ["CHAT", "EMBED", "KEY", "MESSAGES", "URL", "WRONG_KEY", "problem", "show"]

URL = os.environ["LLM_URL"]
KEY = os.environ["LLM_KEY"]
CHAT = os.environ["LLM_CHAT"]
EMBED = os.environ["LLM_EMBED"]
WRONG_KEY = "wrong-key-of-enough-length"
MESSAGES: t.Any = [{"role": "user", "content": "hello"}]

# What a name server would say.
_known = socket.getaddrinfo
_host = os.environ["LLM_HOST"]


def _resolve(name: t.Any, *args: t.Any, **kwargs: t.Any) -> t.Any:
    return _known(os.environ["LLM_ADDRESS"] if name in (_host, _host.encode()) else name, *args, **kwargs)


socket.getaddrinfo = _resolve


def problem(call: t.Callable[[], t.Any]) -> str:
    """The error that a user sees; none is an empty string."""
    try:
        call()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def show(**seen: t.Any) -> None:
    print(json.dumps(seen))
