# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The key pair that ``serve`` makes on its first start."""

from __future__ import annotations

import base64
import os
import secrets
import struct
import textwrap

__all__ = ["ensure_key"]


def _string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def ensure_key(home: str) -> str:
    """Write id_ed25519 and its .pub when missing; gives back the public part when they are new.

    The files have the right shape, owner and mode. They hold random bytes and sign nothing.
    """
    folder = os.path.join(home, ".ollama")
    path = os.path.join(folder, "id_ed25519")
    if os.path.exists(path):
        return ""
    os.makedirs(folder, mode=0o755, exist_ok=True)
    public, seed = secrets.token_bytes(32), secrets.token_bytes(32)
    check = secrets.token_bytes(4)
    blob = _string(b"ssh-ed25519") + _string(public)
    private = check + check + blob + _string(seed + public) + _string(b"")
    private += bytes(range(1, 1 + -len(private) % 8))
    body = b"openssh-key-v1\0" + _string(b"none") * 2 + _string(b"") + struct.pack(">I", 1) + _string(blob) + _string(private)
    lines = "\n".join(textwrap.wrap(base64.b64encode(body).decode(), 70))
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as stream:
        stream.write(f"-----BEGIN OPENSSH PRIVATE KEY-----\n{lines}\n-----END OPENSSH PRIVATE KEY-----\n")
    text = f"ssh-ed25519 {base64.b64encode(blob).decode()}\n"
    with open(f"{path}.pub", "w", encoding="ascii") as stream:
        stream.write(text)
    return text
