# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A double of `tailscaled`, for tests only: states, addresses and traffic as of the real one, against the double of a control server.

Packets go from the interface into UDP to the other node, signed with a secret that the control server gives to members alone.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import hmac
import http.client
import json
import os
import re
import secrets
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import typing as t
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

VERSION = "@VERSION@"
INTERFACE = "tailscale0"
POLL = 0.5
SEAL = 16
NEW_PREFS: dict[str, t.Any] = {
    "ControlURL": "", "RouteAll": False, "ExitNodeID": "", "ExitNodeIP": "", "ExitNodeAllowLANAccess": False, "CorpDNS": True,
    "RunSSH": False, "RunWebClient": False, "WantRunning": False, "LoggedOut": False, "ShieldsUp": False, "AdvertiseTags": None,
    "Hostname": "", "AdvertiseRoutes": None, "NoSNAT": False, "NetfilterMode": 2, "AutoUpdate": {"Check": True, "Apply": None},
    "AppConnector": {"Advertise": False}, "PostureChecking": False,
}  # fmt: skip


class Refused(Exception):
    """The control server said no."""


class Away(Exception):
    """The control server does not answer."""


class Daemon:
    def __init__(self, state: Path, port: int) -> None:
        self.path, self.port = state, port
        self.lock = threading.RLock()
        self.saved: dict[str, t.Any] = {"machine_key": f"mkey:{secrets.token_hex(16)}", "current": "", "profiles": {}}
        if state.exists():
            self.saved.update(json.loads(state.read_text()))
        if not self.saved["profiles"]:
            self.new_profile()
        self.netmap: dict[str, t.Any] | None = None
        # Of the interface, as the main loop has set them last.
        self.addresses: list[str] = []
        self.key, self.error, self.url, self.trouble = "", "", "", ""
        # Whether a register request is due; also at boot, as of every client.
        self.login_due = bool(self.profile["node_key"])
        # What was said to the control server before a logout counts no more.
        self.logouts = 0
        self.changed = threading.Event()

    @property
    def profile(self) -> dict[str, t.Any]:
        return self.saved["profiles"][self.saved["current"]]

    @property
    def prefs(self) -> dict[str, t.Any]:
        return self.profile["prefs"]

    def save(self) -> None:
        temporary = self.path.with_suffix(".new")
        temporary.write_text(json.dumps(self.saved))
        temporary.chmod(0o600)
        temporary.replace(self.path)

    def new_profile(self) -> None:
        identity = secrets.token_hex(2)
        self.saved["profiles"][identity] = {"prefs": dict(NEW_PREFS), "node_key": "", "tailnet": "", "account": "", "serve": {}}
        self.saved["current"] = identity

    @property
    def backend(self) -> str:
        prefs, netmap = self.prefs, self.netmap
        if not prefs["WantRunning"] and not prefs["LoggedOut"] and self.profile["node_key"]:
            return "Stopped"
        if netmap is None:
            if prefs["LoggedOut"] or self.url or not self.profile["node_key"]:
                return "NeedsLogin"
            return "NoState"
        if netmap["self"]["expired"]:
            return "NeedsLogin"
        if not netmap["self"]["authorized"]:
            return "NeedsMachineAuth"
        return "Running" if self.addresses == netmap["self"]["ips"] else "Starting"

    def status(self) -> dict[str, t.Any]:
        netmap = self.netmap
        own = netmap["self"] if netmap else None
        state = self.backend
        result: dict[str, t.Any] = {
            "Version": f"{VERSION}-double",
            "TUN": True,
            "BackendState": state,
            "AuthURL": self.url,
            "TailscaleIPs": own["ips"] if own and state not in ("NeedsLogin", "Stopped") else None,
            "Self": self._peer(own) if own else self._nobody(),
            "Health": self._health(state),
            "MagicDNSSuffix": netmap["suffix"] if netmap else "",
            "CurrentTailnet": {"Name": "example.com", "MagicDNSSuffix": netmap["suffix"], "MagicDNSEnabled": True} if netmap else None,
            "CertDomains": [own["name"].rstrip(".")] if netmap and netmap["https"] and state == "Running" else None,
            "Peer": {peer["node_key"]: self._peer(peer) for peer in (netmap["peers"] if netmap else [])},
            "User": None,
        }  # fmt: skip
        if self.profile["node_key"]:
            result["HaveNodeKey"] = True
        return result

    def _nobody(self) -> dict[str, t.Any]:
        key = self.profile["node_key"] or "nodekey:0"
        return {"ID": "", "PublicKey": key, "HostName": socket.gethostname(), "DNSName": "", "TailscaleIPs": None, "Online": False}

    def _health(self, state: str) -> list[str]:
        if state == "NeedsLogin":
            return [
                f"You are logged out. The last login error was: {self.error or self.trouble}"
                if self.error or self.trouble
                else "You are logged out."
            ]
        return [f"Unable to connect to the Tailscale coordination server: {self.trouble}"] if self.trouble else []

    def _peer(self, node: dict[str, t.Any]) -> dict[str, t.Any]:
        found = {
            "ID": node["id"], "PublicKey": node["node_key"], "HostName": node["hostname"], "DNSName": node["name"], "OS": "linux",
            "UserID": 1, "TailscaleIPs": node["ips"], "AllowedIPs": [f"{ip}/{128 if ':' in ip else 32}" for ip in node["ips"]],
            "Created": node["created"], "Online": not self.trouble, "ExitNode": False, "ExitNodeOption": False, "Active": False,
        }  # fmt: skip
        if node["tags"]:
            found["Tags"] = node["tags"]
        if node["expiry"]:
            found["KeyExpiry"] = node["expiry"]
        if node["expired"]:
            found["Expired"] = True
        return found

    def answer(self, request: dict[str, t.Any]) -> t.Any:
        """What the command asks for."""
        op = request["op"]
        with self.lock:
            if op == "status":
                return self.status()
            if op == "prefs":
                return self.prefs
            if op == "notify":
                node_key = self.netmap["self"]["node_key"] if self.netmap else self.profile["node_key"]
                return {"state": self.backend, "error": self.error, "url": self.url, "node_key": node_key}
            if op == "profiles":
                return [
                    {"id": key, "tailnet": value["tailnet"], "account": value["account"], "current": key == self.saved["current"]}
                    for key, value in self.saved["profiles"].items()
                    if value["node_key"]
                ]
            if op == "serve_get":
                return self.profile["serve"]
            return self._change(op, request)

    def _change(self, op: str, request: dict[str, t.Any]) -> t.Any:
        if op == "edit":
            self.prefs.update(request["prefs"])
        elif op == "serve_set":
            self.profile["serve"] = request["config"]
        elif op == "start":
            self.prefs.update(request["prefs"])
            self.netmap, self.error, self.url, self.trouble, self.key, self.login_due = None, "", "", "", request["auth_key"], True
            if request["force"]:
                self.profile["node_key"] = ""
        elif op == "new_profile":
            self.new_profile()
            self._begin()
        elif op == "switch":
            if request["id"] not in self.saved["profiles"]:
                return {"failure": f'No profile named "{request["id"]}"'}
            left = self.saved["current"]
            self.saved["current"] = request["id"]
            if not self.saved["profiles"][left]["node_key"]:
                del self.saved["profiles"][left]
            self._begin()
        elif op == "delete_profile":
            self.saved["profiles"].pop(request["id"], None)
        elif op == "logout":
            try:
                self._call("logout", self._me())
            except Away as error:
                return {"failure": f"500 Internal Server Error: {error}"}
            self.profile.update(node_key="", serve={})
            self.prefs.update(LoggedOut=True, WantRunning=False)
            self.netmap, self.error, self.url = None, "", ""
            self.logouts += 1
        self.save()
        self.changed.set()
        return {}

    def _begin(self) -> None:
        self.netmap, self.error, self.url, self.trouble, self.key = None, "", "", "", ""
        self.login_due = bool(self.profile["node_key"])

    def step(self) -> None:
        """What a client has to say to its control server, once. The lock is not held while that is away."""
        with self.lock:
            profile, prefs, logouts = self.profile, self.prefs, self.logouts
            if prefs["LoggedOut"] or not prefs["WantRunning"] or not prefs["ControlURL"] or (self.url and not self.key):
                return
            register = self.login_due
            request = self._me()
            if register and not request["node_key"]:
                request["node_key"] = f"nodekey:{secrets.token_hex(16)}"
            request.update(auth_key=self.key, tags=prefs["AdvertiseTags"] or [])
        if not register and not request["node_key"]:
            return
        try:
            said = self._call("register", request) if register else {}
            netmap = None if said.get("auth_url") else self._call("map", request)
            trouble, error = "", ""
        except Away as reason:
            said, netmap, trouble, error = {}, None, str(reason), ""
        except Refused as reason:
            said, netmap, trouble, error = {}, None, "", str(reason)
        with self.lock:
            if profile is not self.profile or request["auth_key"] != self.key or logouts != self.logouts:
                return
            self.trouble, self.error, self.url = trouble, error, said.get("auth_url", "")
            if netmap:
                self.netmap, self.login_due, self.key = netmap, False, ""
                self.profile.update(node_key=request["node_key"], tailnet=prefs["ControlURL"], account=netmap["self"]["login"])
                self.save()
            elif error and not register:
                self.netmap = None

    def _me(self) -> dict[str, t.Any]:
        return {
            "machine_key": self.saved["machine_key"],
            "node_key": self.profile["node_key"],
            "hostname": self.prefs["Hostname"] or socket.gethostname(),
            "port": self.port,
        }

    def certificate(self, name: str) -> dict[str, str]:
        return self._call("cert", {"name": name})

    def _call(self, what: str, request: dict[str, t.Any]) -> t.Any:
        url = f"{self.prefs['ControlURL'].rstrip('/')}/machine/{what}"
        try:
            with urllib.request.urlopen(urllib.request.Request(url, json.dumps(request).encode()), timeout=5) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise Refused(json.load(error)["message"]) from None
        except OSError as error:
            raise Away(f'fetch control key: Get "{url}": dial tcp: {error}') from None


class Wire:
    """The interface, and the packets of it."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        Path("/dev/net").mkdir(exist_ok=True)
        if not os.path.exists("/dev/net/tun"):
            os.mknod("/dev/net/tun", 0o600 | 0o020000, os.makedev(10, 200))
        self.tun = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(self.tun, 0x400454CA, struct.pack("16sH22x", INTERFACE.encode(), 0x1001))
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("", daemon.port))
        self.addresses: list[str] = []
        run("ip", "link", "set", INTERFACE, "mtu", "1280", "up")

    def addresses_are(self, wanted: list[str]) -> None:
        if wanted == self.addresses:
            return
        run("ip", "address", "flush", "dev", INTERFACE)
        for address in wanted:
            # Nobody else answers for it, so it need not be looked for.
            run(
                "ip",
                "address",
                "add",
                f"{address}/{128 if ':' in address else 32}",
                "dev",
                INTERFACE,
                *(["nodad"] if ":" in address else []),
            )
        for network, option in (("100.64.0.0/10", "-4"), ("fd7a:115c:a1e0::/48", "-6")):
            if wanted:
                run("ip", option, "route", "replace", network, "dev", INTERFACE)
        self.addresses = wanted

    def outward(self) -> None:
        while True:
            packet = os.read(self.tun, 65535)
            netmap = self.daemon.netmap
            if not netmap or not self.addresses:
                continue
            target = address_of(packet, source=False)
            for peer in netmap["peers"]:
                if target in peer["ips"]:
                    self.udp.sendto(seal(netmap["wire"], packet) + packet, tuple(peer["endpoint"]))

    def inward(self) -> None:
        while True:
            data = self.udp.recv(65535)
            netmap, mark, packet = self.daemon.netmap, data[:SEAL], data[SEAL:]
            if not netmap or not self.addresses or not packet or not hmac.compare_digest(mark, seal(netmap["wire"], packet)):
                continue
            known = any(address_of(packet, source=True) in peer["ips"] for peer in netmap["peers"])
            if known and not (self.daemon.prefs["ShieldsUp"] and begins(packet)):
                os.write(self.tun, packet)


def seal(secret: str, packet: bytes) -> bytes:
    return hmac.new(secret.encode(), packet, hashlib.sha256).digest()[:SEAL]


def address_of(packet: bytes, *, source: bool) -> str:
    if packet[0] >> 4 == 4:
        return socket.inet_ntop(socket.AF_INET, packet[12:16] if source else packet[16:20])
    return socket.inet_ntop(socket.AF_INET6, packet[8:24] if source else packet[24:40])


def begins(packet: bytes) -> bool:
    """Whether it opens a TCP connection."""
    if packet[0] >> 4 == 4:
        return packet[9] == 6 and packet[(packet[0] & 15) * 4 + 13] & 0x12 == 2
    return packet[6] == 6 and packet[53] & 0x12 == 2


class Server:
    """What `tailscale serve` answers for."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.servers: list[ThreadingHTTPServer] = []
        self.serving: t.Any = None

    def serve(self, addresses: list[str]) -> None:
        config = self.daemon.profile["serve"] if addresses else {}
        if (addresses, config) == self.serving:
            return
        for server in self.servers:
            server.shutdown()
            server.server_close()
        self.servers = []
        for port, kind in config.get("TCP", {}).items():
            name, web = next(((name, web) for name, web in config.get("Web", {}).items() if name.endswith(f":{port}")), ("", {}))
            target = web.get("Handlers", {}).get("/", {}).get("Proxy")
            if target:
                self._listen(addresses, int(port), target, name.rpartition(":")[0] if kind.get("HTTPS") else "")
        self.serving = (addresses, config)

    def _listen(self, addresses: list[str], port: int, target: str, name: str) -> None:
        handler = type("Bound", (Proxy,), {"target": target, "daemon": self.daemon, "scheme": "https" if name else "http"})
        context = tls(self.daemon.certificate(name)) if name else None
        for address in addresses[:1]:
            server = ThreadingHTTPServer((address, port), handler)
            if context:
                server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            self.servers.append(server)


class Proxy(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    target = scheme = ""
    daemon: Daemon

    def _pass(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        headers = {
            name: value for name, value in self.headers.items() if not name.lower().startswith(("tailscale-", "x-forwarded-", "connection"))
        }
        headers.update(
            {"X-Forwarded-For": self.client_address[0], "X-Forwarded-Host": self.headers["Host"], "X-Forwarded-Proto": self.scheme}
        )
        for peer in self.daemon.netmap["peers"] if self.daemon.netmap else []:
            # Tagged nodes are nobody's.
            if self.client_address[0] in peer["ips"] and not peer["tags"]:
                headers.update({"Tailscale-User-Login": peer["login"], "Tailscale-User-Name": peer["login"].partition("@")[0].title()})
        self.close_connection = True
        try:
            upstream = connection_to(self.target)
            upstream.request(self.command, self.path, self.rfile.read(length) if length else None, headers)
            answer = upstream.getresponse()
        except OSError:
            self.send_error(502)
            return
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "transfer-encoding", "server", "date"):
                self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        while part := answer.read1(65536):
            self.wfile.write(part)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = do_OPTIONS = _pass

    def log_message(self, *_arguments: object) -> None:
        """It has no log."""


def connection_to(target: str) -> http.client.HTTPConnection:
    if not target.startswith("unix:"):
        parts = urlsplit(target)
        return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=600)
    connection = http.client.HTTPConnection("localhost", timeout=600)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(target.removeprefix("unix:"))
    return connection


def tls(found: dict[str, str]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as place:
        Path(place, "crt").write_text(found["certificate"])
        Path(place, "key").write_text(found["key"])
        context.load_cert_chain(f"{place}/crt", f"{place}/key")
    return context


def run(*command: str) -> None:
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def listen(daemon: Daemon, path: Path) -> None:
    """The commands of root."""
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        path.chmod(0o600)
        server.listen(16)
        while True:
            connection = server.accept()[0]
            threading.Thread(target=reply, args=(daemon, connection), daemon=True).start()


def reply(daemon: Daemon, connection: socket.socket) -> None:
    with connection:
        line = connection.makefile().readline()
        if line:
            connection.sendall(json.dumps(daemon.answer(json.loads(line))).encode() + b"\n")


def ready() -> None:
    """As of Type=notify."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.sendto(b"READY=1", re.sub("^@", "\0", address))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--state", type=Path, default=Path("/var/lib/tailscale/tailscaled.state"))
    parser.add_argument("--socket", type=Path, default=Path("/run/tailscale/tailscaled.sock"))
    parser.add_argument("--port", type=int, default=41641)
    parser.add_argument("--cleanup", action="store_true")
    arguments = parser.parse_args()
    if arguments.cleanup:
        return
    daemon = Daemon(arguments.state, arguments.port)
    wire, server = Wire(daemon), Server(daemon)
    for target in (wire.outward, wire.inward):
        threading.Thread(target=target, daemon=True).start()
    threading.Thread(target=listen, args=(daemon, arguments.socket), daemon=True).start()
    ready()
    while True:
        daemon.step()
        with daemon.lock:
            addresses = daemon.netmap["self"]["ips"] if daemon.netmap and daemon.backend in ("Starting", "Running") else []
        wire.addresses_are(addresses)
        daemon.addresses = addresses
        try:
            server.serve(addresses)
        except (OSError, Refused, Away) as error:
            print(f"serve: {error}", flush=True)
        daemon.changed.wait(POLL)
        daemon.changed.clear()


if __name__ == "__main__":
    main()
