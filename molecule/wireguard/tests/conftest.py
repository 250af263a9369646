# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three hosts in a WireGuard network, the gateway among them, and one outside of it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import typing as t
from pathlib import Path

import pytest
import testinfra
from load import Client, Place, Pool, address, eventually

from ansible_collections.llm.host.plugins.plugin_utils._wireguard_addresses import assigned
from ansible_collections.llm.host.plugins.plugin_utils._wireguard_clients import private_key_in

HOSTS = ("wg-edge", "wg-01", "wg-02")
NETWORKS = ("10.86.0.0/16", "fd86::/64")
WEB = 8086
# A connection says nothing where a proxy on the way to the internet takes it.
ASK = """
import sys, urllib.request
try:
    text = urllib.request.urlopen(sys.argv[1], timeout=2).read().decode()
    print("answered" if "Ollama is running" in text or "Directory listing" in text else "not by us")
except OSError:
    print("closed")
"""
# One connection that goes on for as long as nobody stops it, and says how much of it came back.
TALK = """
import os, socket, sys, time
sock = socket.create_connection((sys.argv[1], int(sys.argv[2])), 30)
count = 0
while True:
    sock.sendall(b"x")
    count += len(sock.recv(1))
    with open("/run/talk.new", "w") as file:
        file.write(str(count))
    os.replace("/run/talk.new", "/run/talk")
    time.sleep(0.05)
"""
ECHO = """
import socketserver, sys
class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(1):
            self.request.sendall(data)
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
Server((sys.argv[1], int(sys.argv[2])), Echo).serve_forever()
"""


def tunnel(name: str, family: int = 0) -> str:
    """The address of a host in the tunnel."""
    return assigned(name, NETWORKS)[family]


@dataclasses.dataclass(frozen=True)
class Peer:
    endpoint: str
    allowed: str
    handshake: int
    received: int
    sent: int


class Network(Pool):
    """The site. ``run`` runs the role with variables."""

    def __init__(self, run: t.Callable[..., t.Any]) -> None:
        self.hosts = {name: testinfra.get_host(f"docker://{name}") for name in (*HOSTS, "wg-outsider")}
        edge = self.hosts["wg-edge"]
        super().__init__(edge, Place(address("wg-edge"), edge.file("/etc/llm-gateway/tls/ca.crt").content_string))
        self.clients = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "clients"
        self._run = run

    def run(self, *options: str, playbook: str = "network.yml", env: t.Mapping[str, str] | None = None, **variables: t.Any) -> t.Any:
        return self._run(f"molecule/wireguard/{playbook}", "--extra-vars", json.dumps(variables), *options, env=env)

    def sh(self, name: str, command: str, *arguments: str) -> str:
        return self.hosts[name].check_output(command, *arguments)

    def public_key(self, name: str, interface: str = "wg0") -> str:
        return self.sh(name, f"wg show {interface} public-key")

    def private_keys(self) -> list[str]:
        """Of the hosts and of the laptop."""
        return [
            *(key for name in HOSTS for key in self.sh(name, "cat /etc/wireguard/*.key").split()),
            private_key_in((self.clients / "laptop.conf").read_text()),
        ]

    def peer(self, name: str, other: str, interface: str = "wg0") -> Peer:
        """What a host knows of another one."""
        rows = [line.split("\t") for line in self.sh(name, f"wg show {interface} dump").splitlines()[1:]]
        wanted = f"{tunnel(other)}/32"
        _key, _psk, endpoint, allowed, handshake, received, sent, _keepalive = next(row for row in rows if wanted in row[3].split(","))
        return Peer(endpoint, allowed, int(handshake), int(received), int(sent))

    def peers(self, name: str, interface: str = "wg0") -> set[str]:
        allowed = self.sh(name, f"wg show {interface} allowed-ips").replace("\t", " ")
        return {other for other in (*HOSTS, "laptop") if f" {tunnel(other)}/32" in allowed}

    def reaches(self, name: str, where: str, port: int = 11434) -> bool:
        """Whether a host is answered there by Ollama, or by :meth:`web`."""
        place = f"[{where}]" if ":" in where else where
        return self.sh(name, "python3 -c %s %s", ASK, f"http://{place}:{port}/") == "answered"

    def answers(self) -> bool:
        """Whether a request comes through gateway and tunnel."""
        call = self.call("alice", tokens=3)
        call.join(10)
        return call.status == 200

    def settle(self, seconds: float = 30) -> None:
        """Until the balancer has both hosts and the web server listens, also when they have just been started themselves."""

        def up() -> bool:
            with contextlib.suppress(AssertionError):
                listens = self.host.run("ss -Hltn sport = 443 | grep -q .").rc == 0
                return listens and len(self.names) == 2 and {self.status(name) for name in self.names} == {"UP"}
            return False

        eventually(up, seconds)

    def boot(self, *names: str) -> None:
        subprocess.run(["docker", "start", *names], check=True, capture_output=True)

    def lose_power(self, *names: str) -> None:
        subprocess.run(["docker", "kill", *names], check=True, capture_output=True)

    @contextlib.contextmanager
    def web(self, name: str, family: int = 0) -> t.Iterator[str]:
        """Something that listens in the tunnel and is of no concern to Ollama's firewall; yields where."""
        self.sh(name, f"systemd-run --quiet --unit=web python3 -m http.server --bind {tunnel(name, family)} {WEB}")
        try:
            yield tunnel(name, family)
        finally:
            self.sh(name, "systemctl stop web; systemctl reset-failed")

    @contextlib.contextmanager
    def talk(self, name: str, other: str) -> t.Iterator[t.Callable[[], int]]:
        """A connection through the tunnel, from one host to another; yields how much came back so far."""
        self.sh(other, f"systemd-run --quiet --unit=echo python3 -c %s {tunnel(other)} 7007", ECHO)
        eventually(lambda: self.hosts[other].run("ss -Hltn sport = 7007 | grep .").rc == 0)
        self.sh(name, f"systemd-run --quiet --unit=talk python3 -c %s {tunnel(other)} 7007", TALK)
        try:
            eventually(lambda: self.hosts[name].file("/run/talk").exists)
            yield lambda: int(self.sh(name, "cat /run/talk"))
        finally:
            self.sh(name, "systemctl stop talk; systemctl reset-failed; rm -f /run/talk*")
            self.sh(other, "systemctl stop echo; systemctl reset-failed")


@pytest.fixture(scope="session")
def network(run_playbook) -> Network:
    return Network(run_playbook)


@pytest.fixture
def client(network) -> t.Callable[[], Client]:
    return lambda: Client(network.place)
