# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates from an ACME server: what is wrong with the settings, what is due, what certbot is to do and what it says.

PRIVATE to the collection: it can change at any time.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.llm.host.plugins.module_utils._bind import LOOPBACK, TAILSCALE, TAILSCALE_INTERFACE, WIREGUARD, in_tailnet, literal
from ansible_collections.llm.host.plugins.plugin_utils._certificates import expiry, is_address, utc

__all__ = ("acme_due", "acme_failure", "acme_problems", "certbot_options")

NAME = re.compile(r"(\*\.)?(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*\Z")
EMAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+\Z")
DIRECTORY = re.compile(r"https://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~/-]*)?\Z")
# Of a directory of Let's Encrypt, which looks from the internet.
PUBLIC = "api.letsencrypt.org"
# certbot gives the hooks to a shell.
HOOK = re.compile(r"/[A-Za-z0-9._/-]+\Z")
# What certbot keeps in the settings of a certificate, as it writes them on each line.
KEPT = re.compile(r"^\s*([a-z_]+) = (.*?),?\s*$", re.MULTILINE)
KEYS = {
    "selfsigned": (),
    "files": ("certificate", "key"),
    "acme": ("email", "directory", "ca", "challenge", "dns_hook"),
}
NOISE = re.compile(
    r"Saving debug log|Ask for help|Requesting a certificate|Renewing an existing|An unexpected error|Account registered|Some challenges|Plugins sel|Hint:"
)
PROBLEM = re.compile(r"^\s*Domain: *(\S+)\n(?:\s*Type: .*\n)?\s*Detail: *(.+)$", re.MULTILINE)
UNTRUSTED = re.compile(r"certificate verify failed: ([^('\"]+)")
SYSTEM_ERROR = re.compile(r"\[Errno -?\d+\] ([^'\")]+)")
EXCEPTION = re.compile(r"^[\w.]+(Error|Exception): ")


def acme_problems(settings: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    """One sentence for each thing that is wrong with gateway_tls in mode acme, or that belongs to another mode than the chosen one."""
    tls = settings["tls"]
    for mode, keys in KEYS.items():
        for key in keys if mode != tls["mode"] else ():
            if key in tls and key not in KEYS[tls["mode"]]:
                yield f"gateway_tls has {key}, which is for mode {mode}, but its mode is {tls['mode']}: remove it, or change the mode."
    if tls["mode"] == "acme":
        yield from _value_problems(tls, settings["tls_given"])
        yield from _name_problems(settings)
        yield from _challenge_problems(settings)


def _value_problems(tls: t.Mapping[str, t.Any], given: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    if tls.get("email") and not EMAIL.match(str(tls["email"])):
        yield f"gateway_tls has the email '{tls['email']}', which is not an address: write it as in ops@example.com, or leave it out."
    if "directory" in tls and not DIRECTORY.match(str(tls["directory"])):
        yield (
            f"gateway_tls has the directory '{tls['directory']}', which is not an https address: "
            f"write it as in https://ca.example.com/acme/acme/directory, or leave it out for Let's Encrypt."
        )
    if tls.get("ca") and "-----BEGIN CERTIFICATE-----" not in (given.get("ca") or ""):
        yield (
            f"gateway_tls names the ca {tls['ca']}, which is not on the controller or holds no certificate: "
            f"name the PEM file of the authority that the ACME server's own certificate is from."
        )


def _name_problems(settings: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    dns = settings["tls"].get("challenge") == "dns-01"
    for variable, name in [
        ("gateway_domain", settings["domain"]),
        *(("gateway_tls_alt_names", name) for name in settings["tls_alt_names"]),
    ]:
        if is_address(name) or not NAME.match(str(name)):
            yield f"{variable} has '{name}', but with mode acme only host names get a certificate: write it as in ollama.example.com."
        elif str(name).startswith("*.") and not dns:
            yield f"{variable} has '{name}', and names with * are proved through DNS only: set challenge: dns-01 and dns_hook in gateway_tls."


def _challenge_problems(settings: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    tls = settings["tls"]
    hook = tls.get("dns_hook")
    if tls.get("challenge") != "dns-01":
        if not settings["http_port"]:
            yield (
                "gateway_http_port is 0, but the ACME server looks at port 80 to see whose host this is: "
                "leave it at 80, or set challenge: dns-01 and dns_hook in gateway_tls."
            )
        if _is_public(tls) and settings["bind"] and all(map(_is_inside, settings["bind"])):
            yield (
                f"gateway_bind {', '.join(map(str, settings['bind']))} is where Let's Encrypt, which asks port 80 of each name, does not get: "
                f"set challenge: dns-01 and dns_hook in gateway_tls, or another mode."
            )
        if hook:
            yield "gateway_tls has a dns_hook, which is for challenge dns-01: set challenge: dns-01, or remove it."
        return
    if settings["provider"] == "caddy":
        yield "gateway_tls has challenge dns-01, for which Debian's Caddy lacks the plugins: use http-01, or set gateway_provider to nginx."
    if not hook:
        yield "gateway_tls has challenge dns-01 but no dns_hook: name the script on the host that writes the record into your DNS."
    elif not HOOK.match(str(hook)):
        yield f"gateway_tls has the dns_hook '{hook}': write an absolute path of letters, digits, '.', '_', '-' and '/'."


def _is_public(tls: t.Mapping[str, t.Any]) -> bool:
    return PUBLIC in str(tls.get("directory") or PUBLIC)


def _is_inside(entry: t.Any) -> bool:
    """Whether nobody gets there from the internet; to an address of a LAN a router can lead."""
    address = literal(str(entry))
    return entry in (LOOPBACK, TAILSCALE, WIREGUARD, TAILSCALE_INTERFACE) or (
        address is not None and (address.is_loopback or in_tailnet(address))
    )


def acme_due(certificate: t.Mapping[str, t.Any], kept: str, names: t.Iterable[str], options: t.Sequence[str], now: str) -> str:
    """Why certbot is to issue a certificate, empty when the present one will do. An empty mapping says that there is none.

    ``kept`` is the file in which certbot keeps how it renews the certificate, ``options`` are those of ``certbot_options``. That time
    runs out is certbot's own business, which renews by a timer; only what has expired is issued here.
    """
    if not certificate or not kept:
        return "there is no certificate yet"
    if expiry(certificate) <= utc(now):
        return f"the certificate expired on {expiry(certificate):%Y-%m-%d}"
    if {*map(str.lower, certificate["subject_alt_name"] or [])} != {f"dns:{name.lower()}" for name in names}:
        return "the certificate is for other names"
    have, want = dict(KEPT.findall(kept.partition("[[")[0])), _to_be_kept(options)
    if have.get("server") != want["server"]:
        return "the certificate is from another ACME server"
    if any(have.get(key, "") != value for key, value in want.items()):
        return "certbot would renew the certificate in another way"
    return ""


def certbot_options(acme: t.Mapping[str, t.Any], webroot: str, deploy_hook: str) -> list[str]:
    """How certbot proves that the names are ours, and what it does with a renewed certificate. It keeps all of it for renewals."""
    if acme["challenge"] == "dns-01":
        proof = ["--authenticator=manual", "--preferred-challenges=dns-01"]
        proof += [f"--manual-auth-hook={acme['dns_hook']} add", f"--manual-cleanup-hook={acme['dns_hook']} remove"]
    else:
        proof = ["--authenticator=webroot", f"--webroot-path={webroot}"]
    return [f"--server={acme['directory']}", *proof, "--key-type=ecdsa", f"--deploy-hook={deploy_hook}"]


def _to_be_kept(options: t.Iterable[str]) -> dict[str, str]:
    """The same options as certbot writes them down. It spells the challenge in a way of its own, which the authenticator implies."""
    names = {"deploy_hook": "renew_hook"}
    pairs = (option.removeprefix("--").split("=", 1) for option in options)
    kept = {names.get(key.replace("-", "_"), key.replace("-", "_")): value for key, value in pairs}
    kept.pop("preferred_challenges", None)
    return kept


def acme_failure(lines: t.Sequence[str]) -> str:
    """What went wrong, from all that certbot printed; without a full stop."""
    output = "\n".join(lines)
    problems = [f"{domain}: {detail.strip().rstrip('.')}" for domain, detail in PROBLEM.findall(output)]
    if problems:
        return "; ".join(problems)
    untrusted = UNTRUSTED.search(output)
    if untrusted:
        return (
            f"the ACME server's own certificate is not trusted ({untrusted[1].strip()}); gateway_tls.ca names the authority that it is from"
        )
    said = next((EXCEPTION.sub("", line.strip()) for line in lines if line.strip() and not NOISE.search(line)), "it did not say why")
    system = SYSTEM_ERROR.search(said)
    return f"the ACME server cannot be reached ({system[1].strip()})" if system else said.rstrip(".")
