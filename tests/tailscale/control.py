# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A control server for the double of Tailscale, with what a test wants to know and to change under /admin. Its words are those of the real one."""

from __future__ import annotations

import argparse
import datetime
import json
import secrets
import subprocess
import tempfile
import threading
import typing as t
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

SUFFIX = "tail1ab2.ts.net"
PREFIX4, PREFIX6 = "100.100.0.", "fd7a:115c:a1e0::"
VALID = datetime.timedelta(days=180)


class Refusal(Exception):
    """What the client is told."""


class Tailnet:
    """All that a control server knows. ``keys``, ``nodes`` and the rest are in a file, so that it may be restarted."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()
        self.state: dict[str, t.Any] = {
            "keys": {}, "oauth": [], "allowed_tags": [], "approval": False, "https": True, "nodes": {}, "logins": 0, "next": 1,
            "wire": secrets.token_hex(16),
        }  # fmt: skip
        if path.exists():
            self.state.update(json.loads(path.read_text()))

    def __enter__(self) -> dict[str, t.Any]:
        self._lock.acquire()
        return self.state

    def __exit__(self, *_rest: object) -> None:
        temporary = self._path.with_suffix(".new")
        temporary.write_text(json.dumps(self.state))
        temporary.replace(self._path)
        self._lock.release()

    def register(self, request: t.Mapping[str, t.Any], address: str) -> dict[str, t.Any]:
        with self as state:
            node = state["nodes"].get(request["machine_key"])
            if request["auth_key"]:
                node = self._admit(state, node, request)
            elif not node or node["node_key"] != request["node_key"] or self._expired(node):
                return {"auth_url": f"https://login.example.com/a/{secrets.token_hex(6)}"}
            elif sorted(request["tags"]) != sorted(node["tags"]) and not node["tags"]:
                # A person's host becomes a tagged one only when that person says so.
                return {"auth_url": f"https://login.example.com/a/{secrets.token_hex(6)}"}
            else:
                self._check_tags(state, request["tags"])
                node["tags"] = sorted(request["tags"])
            node.update(endpoint=[address, request["port"]], hostname=request["hostname"])
            return {}

    def map(self, request: t.Mapping[str, t.Any], address: str) -> dict[str, t.Any]:
        with self as state:
            node = state["nodes"].get(request["machine_key"])
            if not node or node["node_key"] != request["node_key"]:
                raise Refusal("node not found")
            node.update(endpoint=[address, request["port"]], hostname=request["hostname"])
            node["seen"] = _now()
            names = self._names(state)
            alive = [key for key, other in state["nodes"].items() if other["authorized"] and not self._expired(other)]
            return {
                "self": self._described(request["machine_key"], node, names),
                "peers": [self._described(key, state["nodes"][key], names) for key in alive if key != request["machine_key"]],
                "wire": state["wire"] if request["machine_key"] in alive else "",
                "suffix": SUFFIX,
                "https": state["https"],
            }

    def logout(self, request: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        with self as state:
            node = state["nodes"].get(request["machine_key"])
            if node and node["ephemeral"]:
                del state["nodes"][request["machine_key"]]
            elif node:
                node["expiry"] = "2000-01-01T00:00:00Z"
            return {}

    def token(self, secret: str) -> dict[str, t.Any]:
        with self as state:
            if secret not in state["oauth"]:
                raise Refusal("API token invalid")
            return {"access_token": f"token-{secret[-6:]}", "token_type": "Bearer"}

    def make_key(self, request: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        create = request["capabilities"]["devices"]["create"]
        with self as state:
            self._check_tags(state, create["tags"])
            key = f"tskey-auth-{secrets.token_hex(8)}"
            state["keys"][key] = {name: create[name] for name in ("reusable", "ephemeral", "preauthorized", "tags")}
            return {"key": key}

    def _admit(self, state: dict[str, t.Any], node: dict[str, t.Any] | None, request: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        key = state["keys"].get(request["auth_key"])
        if key is None:
            raise Refusal("invalid key: unable to validate API key")
        if key.get("expired"):
            raise Refusal("invalid key: API key does not exist")
        if key.get("used") and not key.get("reusable"):
            raise Refusal(f"invalid key: API key {request['auth_key'].rpartition('-')[2][:6]} not valid")
        self._check_tags(state, request["tags"])
        key["used"] = True
        if node is None:
            number = state["next"]
            state["next"] += 1
            node = {"id": f"n{number}CNTRL", "ips": [f"{PREFIX4}{number}", f"{PREFIX6}{number:x}"], "created": _now()}
            state["nodes"][request["machine_key"]] = node
        tags = sorted(request["tags"] or key.get("tags") or [])
        expiry = "" if tags else f"{datetime.datetime.now(datetime.UTC) + VALID:%Y-%m-%dT%H:%M:%SZ}"
        node.update(
            node_key=request["node_key"],
            tags=tags,
            expiry=expiry,
            ephemeral=bool(key.get("ephemeral")),
            login=key.get("login", "ops@example.com"),
            authorized=node.get("authorized", False) or not state["approval"] or bool(key.get("preauthorized")),
        )
        state["logins"] += 1
        return node

    @staticmethod
    def _check_tags(state: t.Mapping[str, t.Any], tags: t.Sequence[str]) -> None:
        wrong = [tag for tag in tags if tag not in state["allowed_tags"]]
        if wrong:
            raise Refusal(f"requested tags [{' '.join(wrong)}] are invalid or not permitted")

    @staticmethod
    def _expired(node: t.Mapping[str, t.Any]) -> bool:
        return bool(node["expiry"]) and node["expiry"] <= _now()

    @staticmethod
    def _names(state: t.Mapping[str, t.Any]) -> dict[str, str]:
        """As the real one does: who comes second with a name gets a number."""
        names: dict[str, str] = {}
        for key, node in state["nodes"].items():
            name, number = node.get("hostname") or "node", 0
            while (name if not number else f"{name}-{number}") in names.values():
                number += 1
            names[key] = name if not number else f"{name}-{number}"
        return names

    def _described(self, key: str, node: t.Mapping[str, t.Any], names: t.Mapping[str, str]) -> dict[str, t.Any]:
        shown = {
            name: node.get(name)
            for name in ("id", "node_key", "ips", "tags", "expiry", "login", "hostname", "endpoint", "authorized", "created")
        }
        return {**shown, "name": f"{names[key]}.{SUFFIX}.", "expired": self._expired(node)}


class Handler(BaseHTTPRequestHandler):
    tailnet: Tailnet
    authority: Path

    def do_GET(self) -> None:
        if self.path == "/admin/state":
            with self.tailnet as state:
                return self._answer(200, state)
        return self._answer(200, {"publicKey": "mkey:00"}) if self.path.startswith("/key") else self._answer(404, {"message": "not found"})

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        try:
            self._answer(200, self._do(text))
        except Refusal as refusal:
            self._answer(401 if self.path.endswith("/token") else 400, {"message": str(refusal)})

    def _do(self, text: str) -> t.Any:
        address = self.client_address[0]
        if self.path == "/api/v2/oauth/token":
            return self.tailnet.token(parse_qs(text)["client_secret"][0])
        request = json.loads(text)
        if self.path == "/machine/register":
            return self.tailnet.register(request, address)
        if self.path == "/machine/map":
            return self.tailnet.map(request, address)
        if self.path == "/machine/logout":
            return self.tailnet.logout(request)
        if self.path == "/machine/cert":
            return self._certificate(request["name"])
        if self.path == "/api/v2/tailnet/-/keys":
            return self.tailnet.make_key(request)
        if self.path == "/admin/set":
            with self.tailnet as state:
                state.update(request)
                return {}
        if self.path == "/admin/node":
            with self.tailnet as state:
                for key, node in list(state["nodes"].items()):
                    if node.get("hostname") == request["hostname"]:
                        state["nodes"].pop(key) if request.get("delete") else node.update(request["set"])
                return {}
        raise Refusal("not found")

    def _certificate(self, name: str) -> dict[str, str]:
        """From the authority of the lab."""
        with tempfile.TemporaryDirectory() as place:
            key, certificate = f"{place}/key", f"{place}/crt"
            command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"]
            command += ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-addext", "basicConstraints=critical,CA:FALSE"]
            command += [
                "-CA",
                str(self.authority / "ca.crt"),
                "-CAkey",
                str(self.authority / "ca.key"),
                "-keyout",
                key,
                "-out",
                certificate,
            ]
            subprocess.run(command, check=True, capture_output=True)
            return {"key": Path(key).read_text(), "certificate": Path(certificate).read_text()}

    def _answer(self, status: int, value: t.Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Requests hold keys."""


def _now() -> str:
    return f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H:%M:%SZ}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=80)
    parser.add_argument("--state", type=Path, required=True, help="file to keep all in")
    parser.add_argument("--authority", type=Path, required=True, help="directory of ca.crt and ca.key")
    arguments = parser.parse_args()
    Handler.tailnet, Handler.authority = Tailnet(arguments.state), arguments.authority
    ThreadingHTTPServer(("", arguments.port), Handler).serve_forever()


if __name__ == "__main__":
    main()
