# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with the gateway's settings, and whether its certificate is due. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import datetime
import ipaddress
import re
import typing as t

from ansible_collections.llm.host.plugins.module_utils._bind import ALL, literal
from ansible_collections.llm.host.plugins.module_utils._gateway_users import user_problems
from ansible_collections.llm.host.plugins.module_utils._modelfile import PARAMETERS
from ansible_collections.llm.host.plugins.module_utils._names import ModelName
from ansible_collections.llm.host.plugins.plugin_utils._certificates import expiry, is_address, utc
from ansible_collections.llm.host.plugins.plugin_utils._gateway_acme import acme_problems
from ansible_collections.llm.host.plugins.plugin_utils._gateway_texts import bytes_of

__all__ = ("certificate_due", "certificate_problems", "gateway_problems", "model_keys", "subject_alt_names")

DOMAIN = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*\Z")
URL = re.compile(r"https://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~/-]*)?\Z")
BACKEND = re.compile(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]):(\d{1,5})\Z")
ORIGIN = re.compile(r"(https?|chrome-extension|moz-extension|safari-web-extension)://[a-z0-9.\[\]:-]+\Z")
INTERFACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,14}\Z")
SIZE = re.compile(r"\d+[kmgKMG]?\Z")
PEM = {
    "certificate": re.compile(r"-----BEGIN CERTIFICATE-----"),
    "key": re.compile(r"-----BEGIN (RSA |EC )?PRIVATE KEY-----(?!\nProc-Type: 4,ENCRYPTED)"),
}
PEM_WANTED = {"certificate": "-----BEGIN CERTIFICATE-----", "key": "-----BEGIN PRIVATE KEY----- and no passphrase"}
RENEW_LEAF = datetime.timedelta(days=30)
# The authority is renewed early, so that clients can be given the new certificate while the old one is still good.
RENEW_AUTHORITY = datetime.timedelta(days=365)
PACKAGE = re.compile(r"[a-z0-9][a-z0-9.+-]+(=[A-Za-z0-9.+:~-]+)?\Z")
# As much as bcrypt takes.
CADDY_PASSWORD = 72
# What a request may say and a site may ignore.
OPTIONS = ("keep_alive", *PARAMETERS)
# The longest value of a variable of nginx, in which a request without its options is sent on.
LARGEST_REWRITTEN = "255m"


def gateway_problems(settings: t.Mapping[str, t.Any]) -> list[str]:
    """One sentence for each thing that is wrong; ``settings`` are the role's variables without their prefix."""
    return [
        *_address_problems(settings),
        *_bind_problems(settings["bind"]),
        *_limit_problems(settings),
        *_tls_problems(settings),
        *acme_problems(settings),
        *user_problems(settings["users"]),
        *_tailnet_problems(settings),
        *_engine_problems(settings),
        *_policy_problems(settings),
    ]


def model_keys(models: t.Iterable[str]) -> list[str]:
    """The one form of each name in which names are compared."""
    return [ModelName.parse(name).key for name in models]


def _address_problems(settings: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    if not _is_name(settings["domain"]):
        yield f"gateway_domain '{settings['domain']}' is neither a host name nor an address: write it as in ollama.example.com."
    if not URL.match(str(settings["url"])):
        yield f"gateway_url '{settings['url']}' is not an https address: write it as in https://ollama.example.com."
    if not settings["backends"]:
        yield (
            f"No host is in the group {settings['backend_group']}, so nobody would answer behind this gateway, which stays as it is: put hosts that run "
            f"Ollama there, list instances in gateway_backends as address:port, or take the gateway away too, with playbooks/uninstall.yml."
        )
    for origin in settings["cors_origins"]:
        if origin != "*" and not ORIGIN.match(str(origin)):
            yield f"gateway_cors_origins has '{origin}', which is not an origin: write it as in https://chat.example.com, without a path, or '*'."
    for backend in settings["backends"]:
        match = BACKEND.match(str(backend))
        if not match or not 0 < int(match[2]) < 65536:
            yield f"gateway_backends has '{backend}', which is not an address:port: write it as in 127.0.0.1:11434."
    if not 0 < settings["port"] < 65536:
        yield f"gateway_port {settings['port']} is not a port: use 443, or another number from 1 to 65535."
    if not 0 <= settings["http_port"] < 65536:
        yield f"gateway_http_port {settings['http_port']} is not a port: use 80, or 0 for none."
    if settings["port"] == settings["http_port"]:
        yield f"gateway_port and gateway_http_port are both {settings['port']}: give each its own, or set gateway_http_port to 0."


def _bind_problems(entries: t.Sequence[t.Any]) -> t.Iterator[str]:
    """What the inventory tells; whether the host has the addresses is for the host to say."""
    if not entries:
        yield "gateway_bind is empty, so nobody would reach the gateway: write all, loopback, tailscale, wireguard, an address or an interface."
    if ALL in entries and len(entries) > 1:
        yield f"gateway_bind has all and {_others(entries)}, which all includes: write one of the two."
    for entry in entries:
        address = literal(entry) if isinstance(entry, str) else None
        if address is None and not (isinstance(entry, str) and INTERFACE.match(entry)):
            yield f"gateway_bind has '{entry}': write all, loopback, tailscale, wireguard, an address or the name of an interface."
        elif address is not None and (address.is_unspecified or address.is_multicast or address.is_link_local):
            yield f"gateway_bind has {entry}, which is no address of one host: write one, or all for all addresses."


def _others(entries: t.Iterable[t.Any]) -> str:
    return " and ".join(str(entry) for entry in entries if entry != ALL)


def _limit_problems(settings: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    if settings["timeout"] < 1:
        yield f"gateway_timeout {settings['timeout']} is not a number of seconds above 0: use 600."
    if settings["hsts"] < 0:
        yield f"gateway_hsts {settings['hsts']} is not a number of seconds: use 31536000, or 0 for none."
    if not SIZE.match(str(settings["max_body"])):
        yield f"gateway_max_body '{settings['max_body']}' is not a size: write it as in 64m."


def _tailnet_problems(settings: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    if settings["tailnet_users"] != "none":
        return
    for position, user in enumerate(settings["users"] if isinstance(settings["users"], (list, tuple)) else ()):
        if isinstance(user, t.Mapping) and user.get("tailnet"):
            yield (
                f"gateway_users[{position}] '{user.get('name')}' has a tailnet, but nobody is known by it: set gateway_tailnet_users to declared, "
                f"and tailscale_serve to the socket that it names, or remove it."
            )


def _engine_problems(settings: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    if settings["package"] and not PACKAGE.match(str(settings["package"])):
        yield f"gateway_package '{settings['package']}' is not a package: write it as in {settings['provider']}=1.2.3-1, or leave it empty."
    for position, user in enumerate(settings["users"] if settings["provider"] == "caddy" else ()):
        if isinstance(user, t.Mapping) and len(str(user.get("password") or "").encode()) > CADDY_PASSWORD:
            yield (
                f"gateway_users[{position}] '{user.get('name')}' has a password of more than {CADDY_PASSWORD} bytes, of which Caddy does not read "
                f"the rest: make it shorter, or set gateway_provider to nginx."
            )


def _policy_problems(settings: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    """What only nginx can look at, since it takes a JSON parser; and whether it is well said."""
    ignored, caddy = settings["ignored_options"], settings["provider"] == "caddy"
    for position, user in enumerate(settings["users"] if isinstance(settings["users"], (list, tuple)) else ()):
        if isinstance(user, t.Mapping) and "models" in user:
            where = f"gateway_users[{position}] '{user.get('name')}'"
            if user["models"] is None:
                yield f"{where} has models without a value: name those that the user may use, or remove models to allow all of them."
            if caddy:
                yield f"{where} has models, which Caddy cannot hold anybody to: remove them, or set gateway_provider to nginx."
    if caddy and ignored:
        yield "gateway_ignored_options is not empty, but Caddy cannot take options out of requests: empty it, or set gateway_provider to nginx."
    for name in ignored:
        if name not in OPTIONS:
            yield f"gateway_ignored_options has '{name}', which Ollama does not know: write any of {', '.join(OPTIONS)}."
    if ignored and SIZE.match(str(settings["max_body"])) and bytes_of(settings["max_body"]) > bytes_of(LARGEST_REWRITTEN):
        yield (
            f"gateway_max_body {settings['max_body']} is more than nginx can take options out of: "
            f"write {LARGEST_REWRITTEN} or less, or empty gateway_ignored_options."
        )


def _tls_problems(settings: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    tls, given = settings["tls"], settings["tls_given"]
    for option, marker in PEM.items() if tls["mode"] == "files" else ():
        path, text = tls.get(option), given.get(option) or ""
        if not path:
            yield f"gateway_tls has mode files but no {option}: name the PEM file on the controller."
        elif not text:
            yield f"gateway_tls names the {option} {path}, which is not on the controller or is empty: correct the path."
        elif not marker.search(text):
            yield f"gateway_tls names the {option} {path}, which does not hold one: name a PEM file with {PEM_WANTED[option]}."
    for name in settings["tls_alt_names"] if tls["mode"] != "acme" else ():
        if not _is_name(name):
            yield f"gateway_tls_alt_names has '{name}', which is neither a host name nor an address: correct or remove it."


def certificate_problems(certificate: t.Mapping[str, t.Any], key: t.Mapping[str, t.Any], domain: str, now: str) -> list[str]:
    """What is wrong with given files; both as the filters of community.crypto describe them, ``now`` as in ISO 8601."""
    problems = []
    if certificate["public_key_fingerprints"] != key["public_key_fingerprints"]:
        problems.append("The key of gateway_tls does not belong to its certificate: name the key that the certificate was issued for.")
    if expiry(certificate) <= utc(now):
        problems.append("The certificate of gateway_tls has expired: give a current one.")
    names = certificate["subject_alt_name"] or []
    if not any(_covers(name, domain) for name in names):
        problems.append(
            f"The certificate of gateway_tls is for {', '.join(names) or 'no name'} and not for gateway_domain {domain}: "
            f"give one that names it among its subject alternative names."
        )
    return problems


def certificate_due(certificate: t.Mapping[str, t.Any], authority: t.Mapping[str, t.Any], names: t.Sequence[str], now: str) -> str:
    """Why a certificate is to be issued, empty when the present one will do. An empty mapping says that there is none.

    A reason that begins with "the authority" asks for a new certificate of the authority as well.
    """
    if not authority:
        return "the authority does not exist yet"
    if expiry(authority) - utc(now) < RENEW_AUTHORITY:
        return f"the authority's certificate expires on {expiry(authority):%Y-%m-%d}"
    if not certificate:
        return "there is no certificate yet"
    if expiry(certificate) - utc(now) < RENEW_LEAF:
        return f"the certificate expires on {expiry(certificate):%Y-%m-%d}"
    if {*map(_canonical, certificate["subject_alt_name"] or [])} != {*map(_canonical, subject_alt_names(names))}:
        return "the certificate is for other names"
    if certificate["authority_key_identifier"] != authority["subject_key_identifier"]:
        return "the certificate is from another authority"
    return ""


def subject_alt_names(names: t.Iterable[str]) -> list[str]:
    """``DNS:`` or ``IP:`` before each name, without repetitions."""
    return list(dict.fromkeys(f"{'IP' if is_address(name) else 'DNS'}:{name}" for name in names))


def _is_name(value: t.Any) -> bool:
    return isinstance(value, str) and (is_address(value) or bool(DOMAIN.match(value)))


def _canonical(name: str) -> str:
    kind, value = name.split(":", 1)
    return f"IP:{ipaddress.ip_address(value)}" if kind == "IP" else f"{kind}:{value.lower()}"


def _covers(name: str, domain: str) -> bool:
    kind, value = name.split(":", 1)
    if kind == "IP" or is_address(domain):
        return kind == "IP" and is_address(domain) and ipaddress.ip_address(value) == ipaddress.ip_address(domain)
    value, domain = value.lower(), domain.lower()
    return value == domain or (value.startswith("*.") and value[2:] == domain.partition(".")[2])
