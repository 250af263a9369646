# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A double of the command `tailscale`, for tests only: the commands, flags, JSON and words of the real one, as far as it goes."""

from __future__ import annotations

import json
import re
import socket
import sys
import time
import typing as t
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

VERSION = "@VERSION@"
SOCKET = "/run/tailscale/tailscaled.sock"
VENDOR = "https://controlplane.tailscale.com"
# Names as in the real one's sources; True for a flag that is a switch.
UP_OR_LOGIN = {
    "qr": True, "qr-format": False, "auth-key": False, "audience": False, "client-id": False, "client-secret": False, "id-token": False,
    "login-server": False, "accept-routes": True, "accept-dns": True, "host-routes": True, "exit-node": False,
    "exit-node-allow-lan-access": True, "shields-up": True, "ssh": True, "advertise-tags": False, "hostname": False,
    "advertise-routes": False, "advertise-connector": True, "advertise-exit-node": True, "report-posture": True, "operator": False,
    "snat-subnet-routes": True, "stateful-filtering": True, "netfilter-mode": False, "timeout": False,
}  # fmt: skip
FLAGS: dict[str, dict[str, bool]] = {
    "up": {**UP_OR_LOGIN, "json": True, "reset": True, "force-reauth": True, "accept-risk": False},
    "login": {**UP_OR_LOGIN, "nickname": False},
    "set": {
        "nickname": False, "accept-routes": True, "accept-dns": True, "exit-node": False, "exit-node-allow-lan-access": True,
        "shields-up": True, "ssh": True, "hostname": False, "advertise-routes": False, "advertise-exit-node": True,
        "advertise-connector": True, "update-check": True, "auto-update": True, "report-posture": True, "webclient": True,
        "relay-server-port": False, "operator": False, "snat-subnet-routes": True, "stateful-filtering": True, "netfilter-mode": False,
        "accept-risk": False,
    },
    "status": {"json": True, "web": True, "active": True, "self": True, "peers": True, "listen": False, "browser": True, "header": True},
    "ip": {"1": True, "4": True, "6": True, "assert": False},
    "down": {"reason": False, "accept-risk": False},
    "logout": {"reason": False},
    "switch": {"list": True, "json": True},
    "version": {"daemon": True, "json": True, "upstream": True, "track": False},
    "serve": {
        "bg": True, "set-path": False, "https": False, "http": False, "tcp": False, "tls-terminated-tcp": False, "yes": True, "service": False,
    },
    "serve status": {"json": True},
    "serve reset": {},
    "debug prefs": {"pretty": True},
}  # fmt: skip
# A flag, the preference behind it, and what it is when nobody says.
PREFERENCES: dict[str, tuple[str, t.Any]] = {
    "login-server": ("ControlURL", VENDOR), "accept-routes": ("RouteAll", False), "accept-dns": ("CorpDNS", True),
    "exit-node": ("ExitNodeIP", ""), "exit-node-allow-lan-access": ("ExitNodeAllowLANAccess", False), "shields-up": ("ShieldsUp", False),
    "ssh": ("RunSSH", False), "advertise-tags": ("AdvertiseTags", None), "hostname": ("Hostname", ""), "operator": ("OperatorUser", ""),
}  # fmt: skip
EVERYWHERE = ["0.0.0.0/0", "::/0"]


class Failure(Exception):
    """Said on standard error, with a status of 1."""


def parse(command: str, arguments: t.Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """As Go's package flag does, and each flag at most once."""
    known, found, rest = FLAGS[command], {}, list(arguments)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        name, equals, value = rest.pop(0).lstrip("-").partition("=")
        if name not in known:
            raise Failure(f"flag provided but not defined: -{name}")
        if name in found:
            raise Failure(f"invalid value {value!r} for flag -{name}: flag provided multiple times")
        if not equals:
            value = "true" if known[name] else (rest.pop(0) if rest else "")
        if known[name] and value not in ("true", "false", "1", "0", "t", "f"):
            raise Failure(f'invalid boolean value "{value}" for -{name}: parse error')
        found[name] = value
    return found, rest


def ask(op: str, **request: t.Any) -> t.Any:
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(60)
            connection.connect(SOCKET)
            connection.sendall(json.dumps({"op": op, **request}).encode() + b"\n")
            answer = json.loads(connection.makefile().readline() or "null")
    except OSError:
        raise Failure(
            "failed to connect to local tailscaled; it doesn't appear to be running (sudo systemctl start tailscaled ?)"
        ) from None
    if isinstance(answer, dict) and answer.get("failure"):
        raise Failure(answer["failure"])
    return answer


def preferences(flags: t.Mapping[str, str], base: t.Mapping[str, t.Any], status: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """What these flags make of these preferences."""
    prefs = dict(base)
    for name, value in flags.items():
        if name == "advertise-tags":
            tags = [tag if ":" in tag else f"tag:{tag}" for tag in value.split(",") if tag]
            for tag in tags:
                if not re.fullmatch(r"tag:[A-Za-z][A-Za-z0-9-]*", tag):
                    raise Failure(f"tag: \"{tag}\": tag names must start with a letter, after 'tag:'")
            prefs["AdvertiseTags"] = tags or None
        elif name == "exit-node":
            prefs["ExitNodeIP"] = exit_node(value, status)
        elif name in PREFERENCES:
            prefs[PREFERENCES[name][0]] = value in ("true", "1", "t") if name_is_switch(name) else value
    routes = [route for route in base.get("AdvertiseRoutes") or [] if route not in EVERYWHERE]
    everywhere = all(route in (base.get("AdvertiseRoutes") or []) for route in EVERYWHERE)
    if "advertise-routes" in flags:
        routes = [route for route in flags["advertise-routes"].split(",") if route]
    if "advertise-exit-node" in flags:
        everywhere = flags["advertise-exit-node"] == "true"
    prefs["AdvertiseRoutes"] = routes + (EVERYWHERE if everywhere else []) or None
    return prefs


def name_is_switch(name: str) -> bool:
    return UP_OR_LOGIN.get(name, False)


def exit_node(value: str, status: t.Mapping[str, t.Any]) -> str:
    if not value or re.fullmatch(r"[\d.]+|[\da-f:]+", value):
        return value
    for peer in (status.get("Peer") or {}).values():
        if value in (peer["DNSName"].split(".")[0], peer["DNSName"].rstrip(".")):
            return str(peer["TailscaleIPs"][0])
    raise Failure(f'invalid value "{value}" for --exit-node; must be IP or unique node name')


def secret_of(value: str, tags: t.Sequence[str], server: str) -> str:
    """The key itself; the real one makes one with the secret of an OAuth client at api.tailscale.com, and this one at the control server."""
    text = Path(value[5:]).read_text(encoding="utf-8").strip() if value.startswith("file:") else value
    if not text.startswith("tskey-client-"):
        return text
    if not tags:
        raise Failure("oauth authkeys require --advertise-tags")
    secret, _mark, query = text.partition("?")
    options = dict(urllib.parse.parse_qsl(query))
    unknown = set(options) - {"ephemeral", "preauthorized", "baseURL"}
    if unknown:
        raise Failure(f'unknown attribute "{unknown.pop()}"')
    base = options.get("baseURL", server)
    form = urllib.parse.urlencode({"grant_type": "client_credentials", "client_secret": secret}).encode()
    create = {
        "reusable": False,
        "ephemeral": options.get("ephemeral", "true") == "true",
        "preauthorized": options.get("preauthorized") == "true",
    }
    body = {"capabilities": {"devices": {"create": {**create, "tags": list(tags)}}}}
    try:
        token = json.load(urllib.request.urlopen(f"{base}/api/v2/oauth/token", form, timeout=10))["access_token"]
        request = urllib.request.Request(f"{base}/api/v2/tailnet/-/keys", json.dumps(body).encode(), {"Authorization": f"Bearer {token}"})
        return str(json.load(urllib.request.urlopen(request, timeout=10))["key"])
    except urllib.error.HTTPError as error:
        what = "oauth2: cannot fetch token: 401 Unauthorized" if error.code == 401 else json.load(error)["message"]
        raise Failure(f'Post "{base}/api/v2/tailnet/-/keys": {what}') from None
    except OSError as error:
        raise Failure(f'Post "{base}/api/v2/tailnet/-/keys": dial tcp: {error}') from None


def reverts(flags: t.Mapping[str, str], prefs: t.Mapping[str, t.Any]) -> None:
    """`up` wants to hear of all settings that are not as by default."""
    forgotten = [
        f"--{name}={value if not isinstance(value, list) else ','.join(value)}"
        for name, (preference, default) in PREFERENCES.items()
        for value in [prefs.get(preference)]
        if name not in flags and value != default and (value or default)
    ]
    if prefs["ControlURL"] and forgotten:
        raise Failure(
            "Error: changing settings via 'tailscale up' requires mentioning all\nnon-default flags. To proceed, either re-run your command "
            "with --reset or\nuse the command below to explicitly mention the current value of\nall non-default settings:\n\n\ttailscale up "
            + " ".join(sorted(forgotten))
        )


def up(arguments: t.Sequence[str], command: str = "up") -> None:
    flags, rest = parse(command, arguments)
    if rest:
        raise Failure(f"too many non-flag arguments: {rest}")
    if command == "login":
        ask("new_profile")
    status, prefs = ask("status"), ask("prefs")
    if not flags and prefs["ControlURL"] and status["BackendState"] != "NeedsLogin":
        ask("edit", prefs={"WantRunning": True})
        return wait_for_running(0, status, forced=False)
    if flags.get("exit-node-allow-lan-access") == "true" and not flags.get("exit-node"):
        raise Failure("--exit-node-allow-lan-access can only be used with --exit-node")
    if "reset" not in flags:
        reverts(flags, prefs)
    blank = {**prefs, **dict(PREFERENCES.values()), "AdvertiseRoutes": None}
    new = preferences(flags, blank, status)
    force = flags.get("force-reauth") == "true"
    moved = prefs["ControlURL"].rstrip("/") != new["ControlURL"].rstrip("/")
    running = status["BackendState"] == "Running"
    if moved and running and not force:
        raise Failure("can't change --login-server without --force-reauth")
    new.update(WantRunning=True, LoggedOut=False)
    if running and not force and "auth-key" not in flags and prefs["AdvertiseTags"] == new["AdvertiseTags"]:
        ask("edit", prefs=new)
        return None
    key = secret_of(flags["auth-key"], new["AdvertiseTags"] or [], new["ControlURL"]) if flags.get("auth-key") else ""
    ask("start", prefs=new, auth_key=key, force=force or not status.get("HaveNodeKey"))
    return wait_for_running(float(flags.get("timeout", "0").rstrip("s")), status, forced=force)


def wait_for_running(limit: float, before: t.Mapping[str, t.Any], *, forced: bool) -> None:
    deadline, said = time.monotonic() + limit, ""
    while not limit or time.monotonic() < deadline:
        now = ask("notify")
        if now["error"]:
            raise Failure(f"backend error: {now['error']}")
        if now["state"] == "Running" and not (forced and now["node_key"] == before["Self"]["PublicKey"]):
            return
        line = (
            "\nTo approve your machine, visit (as admin):\n\n\thttps://login.tailscale.com/admin\n"
            if now["state"] == "NeedsMachineAuth"
            else ""
        )
        line = line or (f"\nTo authenticate, visit:\n\n\t{now['url']}\n" if now["url"] else "")
        if line and line != said:
            print(line, file=sys.stderr, flush=True)
            said = line
        time.sleep(0.1)
    raise Failure('timeout waiting for Tailscale service to enter a Running state; check health with "tailscale status"')


def set_(arguments: t.Sequence[str]) -> None:
    flags, rest = parse("set", arguments)
    if rest:
        raise Failure(f"too many non-flag arguments: {rest}")
    ask("edit", prefs=preferences(flags, ask("prefs"), ask("status")))


def status(arguments: t.Sequence[str]) -> None:
    flags, _rest = parse("status", arguments)
    found = ask("status")
    if flags.get("json") == "true":
        print(json.dumps(found, indent=2), end="")
        return
    state = found["BackendState"]
    said = {
        "Stopped": "Tailscale is stopped.",
        "NeedsLogin": "Logged out.",
        "NeedsMachineAuth": "Machine is not yet approved by tailnet admin.",
    }
    if state not in ("Running", "Starting"):
        print(said.get(state, f"unexpected state: {state}"))
        raise SystemExit(1)
    for node in [found["Self"], *found["Peer"].values()]:
        print(f"{node['TailscaleIPs'][0]:16}{node['DNSName'].split('.')[0]:20} linux -")


def ip(arguments: t.Sequence[str]) -> None:
    flags, _rest = parse("ip", arguments)
    found = ask("status")
    addresses = [
        entry for entry in found["TailscaleIPs"] or [] if not (("4" in flags and ":" in entry) or ("6" in flags and ":" not in entry))
    ]
    if not addresses:
        raise Failure(f"no current Tailscale IPs; state: {found['BackendState']}")
    print("\n".join(addresses[:1] if "1" in flags else addresses))


def serve(arguments: t.Sequence[str]) -> None:
    if arguments[:1] in (["status"], ["reset"]):
        parse(f"serve {arguments[0]}", arguments[1:])
        if arguments[0] == "reset":
            ask("serve_set", config={})
        else:
            print(json.dumps(ask("serve_get"), indent=2))
        return
    flags, rest = parse("serve", arguments)
    if not rest or len(rest) > 2 or (len(rest) == 2 and rest[1] != "off"):
        raise Failure("Error: invalid argument format\ntry `tailscale serve --help` for usage info")
    plain = "http" in flags
    port, off = flags.get("http") or flags.get("https") or "443", rest[-1] == "off"
    found = ask("status")
    if found["BackendState"] != "Running" and not off:
        raise Failure("getting client status: not running")
    config, name = ask("serve_get"), f"{found['Self']['DNSName'].rstrip('.')}:{port}"
    if off:
        if port not in config.get("TCP", {}):
            raise Failure("error: failed to remove web serve: handler does not exist\n\ntry `tailscale serve --help` for usage info")
        config["TCP"].pop(port)
        config["Web"] = {key: value for key, value in config["Web"].items() if not key.endswith(f":{port}")}
    else:
        have = config.get("TCP", {}).get(port)
        if have and bool(have.get("HTTP")) != plain:
            raise Failure(
                f"error: failed apply web serve: want to serve {'http' if plain else 'https'}, but port is already serving the other"
            )
        if "bg" not in flags:
            raise Failure("a double serves in the background only: use --bg")
        config.setdefault("TCP", {})[port] = {"HTTP" if plain else "HTTPS": True}
        handlers = config.setdefault("Web", {}).setdefault(name, {"Handlers": {}})["Handlers"]
        target = rest[0] if "://" in rest[0] or rest[0].startswith("unix:/") else f"http://127.0.0.1:{rest[0]}"
        handlers[flags.get("set-path") or "/"] = {"Proxy": target.rstrip("/")}
    ask("serve_set", config={key: value for key, value in config.items() if value})


def switch(arguments: t.Sequence[str]) -> None:
    if arguments[:1] == ["remove"]:
        ask("delete_profile", id=arguments[1])
        return
    flags, rest = parse("switch", arguments)
    if flags.get("list") == "true":
        print("ID    Tailnet    Account")
        for profile in ask("profiles"):
            print(f"{profile['id']}  {profile['tailnet']}  {profile['account']}{'*' if profile['current'] else ''}")
        return
    ask("switch", id=rest[0])
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and ask("notify")["state"] in ("NoState", "Starting"):
        time.sleep(0.1)
    print("Success.")


def version(arguments: t.Sequence[str]) -> None:
    flags, _rest = parse("version", arguments)
    if flags.get("json") == "true":
        print(json.dumps({"majorMinorPatch": VERSION, "short": VERSION, "long": f"{VERSION}-double"}, indent="\t"))
    else:
        print(f"{VERSION}\n  a double for tests, not the real one")


def debug(arguments: t.Sequence[str]) -> None:
    if arguments[:1] != ["prefs"]:
        raise Failure(f"tailscale debug: unknown subcommand: {' '.join(arguments)}")
    print(json.dumps(ask("prefs"), indent="\t"))


def down(arguments: t.Sequence[str]) -> None:
    parse("down", arguments)
    ask("edit", prefs={"WantRunning": False})


def logout(arguments: t.Sequence[str]) -> None:
    parse("logout", arguments)
    ask("logout")


COMMANDS: dict[str, t.Callable[[t.Sequence[str]], None]] = {
    "up": up, "login": lambda arguments: up(arguments, "login"), "set": set_, "status": status, "ip": ip, "serve": serve, "switch": switch,
    "version": version, "debug": debug, "down": down, "logout": logout,
}  # fmt: skip


def main() -> None:
    command, *arguments = sys.argv[1:] or ["help"]
    try:
        if command not in COMMANDS:
            raise Failure(f"tailscale: unknown subcommand: {command}")
        COMMANDS[command](arguments)
    except Failure as failure:
        print(failure, file=sys.stderr)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
