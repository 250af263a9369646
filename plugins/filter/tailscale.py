# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What cannot work of the variables of the role tailscale, said before anything changes."""

from __future__ import annotations

import collections
import ipaddress
import re
import typing as t
from urllib.parse import urlsplit

Hostvars = t.Mapping[str, t.Mapping[str, t.Any]]
EVERYWHERE = ("0.0.0.0/0", "::/0")


def tailscale_problems(wishes: t.Mapping[str, t.Any]) -> list[str]:
    """One sentence for each."""
    return list(_problems(wishes))


def tailscale_names(hosts: t.Iterable[str], hostvars: Hostvars) -> list[str]:
    """A sentence for each name that several hosts would have in the tailnet."""
    by_name: dict[str, list[str]] = collections.defaultdict(list)
    for host in hosts:
        by_name[str(hostvars[host].get("tailscale_hostname") or host.partition(".")[0]).lower()].append(host)
    return [
        f"{' and '.join(sorted(found))} would both be called {name} in the tailnet: give one of them another tailscale_hostname."
        for name, found in sorted(by_name.items())
        if len(found) > 1
    ]


def _problems(wishes: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    key, oauth = wishes["auth_key"], wishes["oauth_client_secret"]
    if key and oauth:
        yield "tailscale_auth_key and tailscale_oauth_client_secret are both given: keep one of them."
    if oauth and not wishes["tags"]:
        yield "tailscale_oauth_client_secret makes keys for tagged hosts only: write at least one tag into tailscale_tags, such as tag:llm."
    for position, tag in enumerate(wishes["tags"]):
        if not re.fullmatch(r"tag:[A-Za-z][A-Za-z0-9-]*", str(tag)):
            yield f"tailscale_tags[{position}] is {tag!r}: write it as tag:llm, with letters, digits and hyphens."
    for name in ("login_server", "repository_url"):
        if wishes[name] and not _is_url(str(wishes[name])):
            yield f"tailscale_{name} is {wishes[name]!r}: write an address such as https://headscale.example.com, without user and password."
    if not wishes["package"] and not re.fullmatch(r"\d+\.\d+\.\d+", str(wishes["version"])):
        yield f"tailscale_version is {str(wishes['version'])!r}: write a release such as 1.96.4."
    if not re.fullmatch(r"[0-9A-Fa-f]{40}", re.sub(r"\s", "", str(wishes["repository_fingerprint"]))):
        yield f"tailscale_repository_fingerprint is {wishes['repository_fingerprint']!r}: write the 40 hexadecimal digits of the key's fingerprint."
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?", str(wishes["hostname"])):
        yield f"tailscale_hostname is {wishes['hostname']!r}: write a name of letters, digits and hyphens, without a domain."
    yield from _route_problems(wishes)
    yield from _serve_problems(wishes["serve"])


def _route_problems(wishes: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    for position, route in enumerate(wishes["advertise_routes"]):
        where = f"tailscale_advertise_routes[{position}]"
        if str(route) in EVERYWHERE:
            yield f"{where} is {route}: set tailscale_advertise_exit_node instead."
            continue
        try:
            network = ipaddress.ip_network(str(route), strict=False)
        except ValueError:
            yield f"{where} is {route!r}: write a network, such as 10.20.0.0/16."
        else:
            if str(network) != str(route):
                yield f"{where} is {route}: write {network}, as the network is called."
    if wishes["exit_node"] and wishes["advertise_exit_node"]:
        yield "tailscale_exit_node and tailscale_advertise_exit_node are both set: a host is an exit node, or uses one."
    if wishes["exit_node_allow_lan_access"] and not wishes["exit_node"]:
        yield "tailscale_exit_node_allow_lan_access needs a tailscale_exit_node: name one, or leave it out."


def _serve_problems(serve: t.Sequence[t.Mapping[str, t.Any]]) -> t.Iterator[str]:
    seen: dict[int, int] = {}
    for position, entry in enumerate(serve):
        where, port = f"tailscale_serve[{position}]", int(entry.get("port", 443))
        if not 0 < port < 65536:
            yield f"{where}.port is {port}: write a port from 1 to 65535."
        if port in seen:
            yield f"{where} has port {port}, which tailscale_serve[{seen[port]}] has, too: give it another one."
        seen.setdefault(port, position)
        if not re.fullmatch(r"(https?|https\+insecure)://(127\.0\.0\.1|localhost):\d+/?|unix:/\S+", str(entry.get("target", ""))):
            yield (
                f"{where}.target is {entry.get('target', '')!r}: write where it listens on this host, such as http://127.0.0.1:11434 "
                "or unix:/run/llm-gateway/tailnet.sock."
            )


def _is_url(text: str) -> bool:
    parts = urlsplit(text)
    return parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc and not parts.query


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"tailscale_names": tailscale_names, "tailscale_problems": tailscale_problems}
