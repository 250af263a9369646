# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Prometheus asks and whom Alertmanager tells, from the inventory. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import base64
import re
import typing as t

from ansible_collections.llm.host.plugins.plugin_utils._bundles import CERTIFICATE, reached_at, read_bundle
from ansible_collections.llm.host.plugins.plugin_utils._listen import bracketed
from ansible_collections.llm.host.plugins.plugin_utils._metrics import PORT

__all__ = ("addresses", "alertmanager", "certificates", "probe_modules", "probe_targets", "probes", "secrets", "targets")

Hostvars = t.Mapping[str, t.Mapping[str, t.Any]]
# What the role gateway uses where a host says nothing; the defaults of a role are not among the variables of other hosts.
GATEWAY_PORT = 443
# Whom nobody told is not told.
NOBODY = "nobody"
SECRET = re.compile(r"password|secret|token|credential|api_url|(^|_)(url|key)$")


def certificates(looks: t.Iterable[t.Mapping[str, t.Any]], known: str, told: t.Mapping[str, str] | None = None) -> dict[str, str]:
    """The PEM text of each host, by name: those that were ``told``, and what the ``looks`` found, which are results of slurp.

    A host that was looked at in vain has the one of ``known``, a bundle.
    """
    before = read_bundle(known)
    texts = {
        look["item"]: base64.b64decode(look["content"]).decode(errors="replace") if look.get("content") else before.get(look["item"], "")
        for look in looks
    }
    return {host: text.strip() + "\n" for host, text in sorted({**texts, **(told or {})}.items()) if CERTIFICATE.search(text)}


def addresses(names: t.Mapping[str, t.Sequence[str]]) -> dict[str, str]:
    """Where each host is asked, from the subject alternative names of its certificate."""
    return {host: reached_at(host, alternatives) for host, alternatives in names.items()}


def targets(
    where: t.Mapping[str, str], modules: t.Mapping[str, t.Mapping[str, t.Mapping[str, t.Any]]], hostvars: Hostvars
) -> list[dict[str, t.Any]]:
    """The entries of a file for Prometheus' file_sd: one for each module of each host."""
    return [
        {
            "targets": [f"{bracketed(address)}:{int(hostvars[host].get('metrics_port') or PORT)}"],
            "labels": {"instance": host, "job": module, "__param_module": module},
        }
        for host, address in where.items()
        for module, told in modules.get(host, {}).items()
        if told["scrape"]
    ]


def probes(hosts: t.Iterable[str], hostvars: Hostvars, where: t.Mapping[str, str], monitor: str) -> list[dict[str, t.Any]]:
    """How each gateway is asked whether it is ready: its ``url``, the ``target`` that leads there from ``monitor``, its ``domain``, whose ``authority``."""
    found = []
    for host in hosts:
        given = hostvars[host]
        binds = given.get("gateway_bind", ["all"])
        inside = set([binds] if isinstance(binds, str) else binds) <= {"loopback", "127.0.0.1", "::1"}
        address = given.get("gateway_verify_address") or ("127.0.0.1" if host == monitor and inside else "" if inside else where.get(host))
        domain = given.get("gateway_domain")
        if not address or not domain:
            continue
        port = int(given.get("gateway_port") or GATEWAY_PORT)
        mode = (given.get("gateway_tls") or {}).get("mode", "selfsigned")
        found.append(
            {
                "gateway": host,
                "url": given.get("gateway_url") or f"https://{domain}{'' if port == GATEWAY_PORT else f':{port}'}",
                "target": f"https://{bracketed(str(address))}:{port}/readyz",
                "domain": domain,
                "host": domain if port == GATEWAY_PORT else f"{domain}:{port}",
                "selfsigned": mode == "selfsigned",
                "ca": given.get("gateway_verify_ca") or "",
            }
        )
    return found


def probe_targets(asked: t.Iterable[t.Mapping[str, t.Any]]) -> list[dict[str, t.Any]]:
    """The entries of a file for Prometheus' file_sd, which name the module of the blackbox exporter."""
    return [
        {
            "targets": [entry["target"]],
            "labels": {"instance": entry["url"], "job": "probe", "gateway": entry["gateway"], "__param_module": entry["gateway"]},
        }
        for entry in asked
    ]


def probe_modules(asked: t.Iterable[t.Mapping[str, t.Any]], authorities: str) -> dict[str, t.Any]:
    """The configuration of the blackbox exporter: a module for each gateway. ``authorities``: the file with those that the system does not know."""
    return {
        "modules": {
            entry["gateway"]: {
                "prober": "http",
                "timeout": "5s",
                "http": {
                    "valid_status_codes": [200],
                    "follow_redirects": False,
                    "fail_if_not_ssl": True,
                    "preferred_ip_protocol": "ip4",
                    "headers": {"Host": entry["host"]},
                    "tls_config": {
                        "server_name": entry["domain"],
                        **({"ca_file": authorities} if entry["selfsigned"] or entry["ca"] else {}),
                    },
                },
            }
            for entry in asked
        }
    }


def alertmanager(receivers: t.Sequence[t.Mapping[str, t.Any]], smtp: t.Mapping[str, t.Any], raw: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Alertmanager's configuration: everybody is told everything, or only what is as severe as they say. ``raw`` comes last and wins."""
    config = {
        "global": {f"smtp_{_SMTP.get(name, name)}": value for name, value in smtp.items()},
        "route": {
            "receiver": NOBODY,
            "group_by": ["alertname", "instance"],
            "group_wait": "30s",
            "group_interval": "5m",
            "repeat_interval": "12h",
            "routes": [
                {
                    "receiver": receiver["name"],
                    "continue": True,
                    **({"matchers": [f'severity=~"{"|".join(receiver["severities"])}"']} if receiver.get("severities") else {}),
                }
                for receiver in receivers
            ],
        },
        "receivers": [{"name": NOBODY}, *map(_receiver, receivers)],
    }
    merged = _merged(config, {name: value for name, value in raw.items() if name != "receivers"})
    return {**merged, "receivers": [*config["receivers"], *(raw.get("receivers") or [])]}


def secrets(value: t.Any, name: str = "") -> list[str]:
    """The texts in a configuration that are secrets, by the names of their keys."""
    if isinstance(value, t.Mapping):
        return [text for key, inner in value.items() for text in secrets(inner, str(key))]
    if isinstance(value, (list, tuple)):
        return [text for inner in value for text in secrets(inner, name)]
    # A shorter one would also be found in words that are none.
    return [value] if isinstance(value, str) and SECRET.search(name) and len(value) > 5 else []


_SMTP = {"username": "auth_username", "password": "auth_password"}


def _receiver(entry: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    emails = entry.get("email") or []
    found: dict[str, t.Any] = {"name": entry["name"]}
    if emails:
        found["email_configs"] = [{"to": address, "send_resolved": True} for address in ([emails] if isinstance(emails, str) else emails)]
    if entry.get("webhook"):
        token = entry.get("webhook_token")
        found["webhook_configs"] = [
            {
                "url": entry["webhook"],
                "send_resolved": True,
                **({"http_config": {"authorization": {"type": "Bearer", "credentials": token}}} if token else {}),
            }
        ]
    if entry.get("slack"):
        found["slack_configs"] = [{"api_url": entry["slack"], "send_resolved": True}]
    return found


def _merged(base: t.Mapping[str, t.Any], over: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    both = {name for name in base if isinstance(base[name], t.Mapping) and isinstance(over.get(name), t.Mapping)}
    return {**base, **over, **{name: _merged(base[name], over[name]) for name in both}}
