# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configurations of people's devices, on the controller. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
import tempfile
import typing as t
from pathlib import Path

from ansible_collections.llm.host.plugins.module_utils._host_file import HostFile, read_text
from ansible_collections.llm.host.plugins.module_utils._wireguard import PENDING

__all__ = ("PLACEHOLDER", "Clients", "private_key_in", "render")

PLACEHOLDER = "WRITE-THE-PRIVATE-KEY-OF-THIS-DEVICE-HERE"
# Bytes that a QR code can hold.
CODE_ROOM = 2900
CODES = {".png": "PNG", ".txt": "UTF8"}


class Clients:
    """A directory with a configuration for each client, and a QR code beside where the key is in it."""

    def __init__(self, dest: str, qrencode: str | None = None) -> None:
        self._dest = Path(dest)
        self._qrencode = shutil.which("qrencode") if qrencode is None else qrencode
        self.codes_missing = False
        self.too_long: list[str] = []

    def ensure(self, client: t.Mapping[str, t.Any], *, check_mode: bool) -> tuple[str, list[str]]:
        """Its public key, and the files that were written or removed, or would be."""
        conf = self._dest / f"{client['name']}.conf"
        if client["state"] == "absent":
            return "", self._remove(conf, check_mode=check_mode)
        text = read_text(str(conf)) or ""
        private = PLACEHOLDER if client["public_key"] else private_key_in(text)
        if not private and check_mode:
            return PENDING, [str(conf)]
        private = private or new_private_key()
        wanted = HostFile(str(conf), render(client, private, known_peers(text)), mode=0o600, owner=os.getuid(), group=os.getgid())
        changed = [str(conf)] if wanted.differs() else []
        if changed and not check_mode:
            self._dest.mkdir(mode=0o700, parents=True, exist_ok=True)
            wanted.write()
        if not client["public_key"]:
            changed += self._codes(conf, anew=bool(changed), check_mode=check_mode)
        return client["public_key"] or public_key_of(private), changed

    def _codes(self, conf: Path, *, anew: bool, check_mode: bool) -> list[str]:
        if conf.exists() and conf.stat().st_size > CODE_ROOM:
            self.too_long.append(conf.stem)
            return []
        self.codes_missing |= not self._qrencode
        due = [path for path in map(conf.with_suffix, CODES) if anew or not path.exists()] if self._qrencode else []
        for path in due if not check_mode else []:
            handle, temporary = tempfile.mkstemp(dir=self._dest, prefix=f".{path.name}-")
            os.close(handle)
            # It reads the file, so that the key is on no command line.
            subprocess.run(
                [str(self._qrencode), "-t", CODES[path.suffix], "-r", str(conf), "-o", temporary], check=True, capture_output=True
            )
            os.replace(temporary, path)
        return [str(path) for path in due]

    def _remove(self, conf: Path, *, check_mode: bool) -> list[str]:
        there = [path for path in (conf, *map(conf.with_suffix, CODES)) if path.exists()]
        for path in there if not check_mode else []:
            path.unlink()
        return [str(path) for path in there]


def render(client: t.Mapping[str, t.Any], private_key: str, known: t.Mapping[str, str]) -> str:
    """The file that all WireGuard apps read. Peers whose key nobody could tell keep the one that is known of them."""
    lines = ["[Interface]", f"PrivateKey = {private_key}", f"Address = {', '.join(client['addresses'])}"]
    for peer in client["peers"]:
        key = peer["public_key"] or known.get(peer["name"], "")
        if key:
            lines += ["", "[Peer]", f"# {peer['name']}", f"PublicKey = {key}", f"AllowedIPs = {', '.join(peer['allowed'])}"]
            lines += [f"Endpoint = {peer['endpoint']}", "PersistentKeepalive = 25"]
    return "\n".join(lines) + "\n"


def private_key_in(text: str) -> str:
    found = re.search(r"^PrivateKey = (\S{44})$", text, re.MULTILINE)
    return found[1] if found else ""


def known_peers(text: str) -> dict[str, str]:
    return dict(re.findall(r"^# (.+)\nPublicKey = (\S+)$", text, re.MULTILINE))


def new_private_key() -> str:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    return base64.b64encode(X25519PrivateKey.generate().private_bytes_raw()).decode()


def public_key_of(private_key: str) -> str:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    key = X25519PrivateKey.from_private_bytes(base64.b64decode(private_key))
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()
