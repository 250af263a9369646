# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which metrics a host has, where they are asked for, and by whom. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import dataclasses
import datetime
import ipaddress
import re
import typing as t

from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.llm.host.plugins.module_utils._bind import ALL, LOOPBACK, TAILSCALE, WIREGUARD, literal, word_of
from ansible_collections.llm.host.plugins.plugin_utils._bundles import CERTIFICATE, read_bundle, write_bundle
from ansible_collections.llm.host.plugins.plugin_utils._certificates import expiry, is_address, utc
from ansible_collections.llm.host.plugins.plugin_utils._wireguard_addresses import DEFAULT_INTERFACE, member_addresses

__all__ = (
    "ASKERS", "PORT", "address_of", "alt_names", "askers_of", "bundle", "certificates_of", "enabled", "identity_due", "module_files", "modules_of",
    "openings", "problems", "source_of",
)  # fmt: skip

Hostvars = t.Mapping[str, t.Mapping[str, t.Any]]
Groups = t.Mapping[str, t.Sequence[str]]
Variables = t.Mapping[str, t.Any]

# The defaults of a role are not among the variables of other hosts.
PORT = 9998
BALANCER_PORT = 8405
PROMETHEUS_PORT = 9090
MONITORING, GATEWAY = ASKERS = ("monitoring", "gateway")
# The variable in which a host that is part of the run has its certificate.
OWN = "__metrics_own"
RENEW = datetime.timedelta(days=60)
BIND = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,14}\Z")


@dataclasses.dataclass(frozen=True)
class Module:
    """What can be asked for at a host: where it is on loopback, whether it is metrics, and whether it belongs to a scrape."""

    port: int
    path: str = "/metrics"
    verify: bool = True
    scrape: bool = True


def enabled(variables: Variables, groups: Groups) -> bool:
    """Whether a host has metrics at all."""
    said = variables.get("metrics_enabled")
    return bool(groups.get(MONITORING)) if said is None else boolean(said, strict=False)


def modules_of(host: str, hostvars: Hostvars, groups: Groups) -> dict[str, Module]:
    """By name; none where the host has no metrics."""
    variables = hostvars[host]
    if not enabled(variables, groups):
        return {}
    found = {"node": Module(9100), "ollama": Module(9778)}
    if host in groups.get(GATEWAY, ()):
        found["gateway"] = Module(3903)
        balancer = int(variables.get("balancer_metrics_port", BALANCER_PORT))
        if balancer and not variables.get("gateway_backends"):
            found["balancer"] = Module(balancer)
            if variables.get("metrics_user_labels", "name") == "name":
                found["users"] = Module(balancer, "/metrics/users")
    if host in groups.get(MONITORING, ()):
        prometheus = int(variables.get("monitoring_port", PROMETHEUS_PORT))
        for name in ("query", "query_range", "alerts"):
            found[name] = Module(prometheus, f"/api/v1/{name}", verify=False, scrape=False)
    return found


def module_files(modules: t.Mapping[str, Variables], directory: str) -> list[dict[str, str]]:
    """A file for each module, as exporter_exporter reads them and llm.host.host_files takes them."""
    return [
        {
            "path": f"{directory}/{name}.yml",
            "content": "# Written by llm.host.\n"
            "method: http\n"
            "timeout: 10s\n"
            "http:\n"
            "  address: 127.0.0.1\n"
            f"  port: {module['port']}\n"
            f"  path: {module['path']}\n"
            f"  verify: {str(module['verify']).lower()}\n",
        }
        for name, module in modules.items()
    ]


def address_of(host: str, hostvars: Hostvars, bound: Variables | None = None) -> str:
    """Where a monitor reaches the host; empty where only the host knows that. ``bound``: what it told of metrics_bind."""
    variables = hostvars[host]
    if variables.get("metrics_address"):
        return str(variables["metrics_address"])
    bind = _bind(variables)
    if bind == ALL:
        return str(variables.get("ansible_host") or host).strip("[] ")
    if bind == LOOPBACK:
        return "127.0.0.1"
    if bind == WIREGUARD:
        return member_addresses(host, variables)[0]
    address = literal(bind)
    return str(address) if address is not None else str(next(iter((bound or {}).get("addresses") or ()), ""))


def askers_of(host: str, hostvars: Hostvars, groups: Groups) -> list[str]:
    """Other hosts that may ask for metrics: those with Prometheus, and of these the gateways, which show how all is."""
    roles = ASKERS if host in groups.get(MONITORING, ()) else (MONITORING,)
    found = dict.fromkeys(name for role in roles for name in groups.get(role, ()))
    return [name for name in found if name != host and enabled(hostvars[name], groups)]


def certificates_of(names: t.Iterable[str], hostvars: Hostvars, asked: t.Iterable[Variables] = (), path: str = "") -> dict[str, str]:
    """The certificates of hosts that are known: what they told in this run, or answered when they were ``asked`` for ``path``."""
    answers = {str(result["item"]): str((result.get("texts") or {}).get(path, "")) for result in asked}
    found = {name: str(hostvars[name].get(OWN) or answers.get(name, "")) for name in names}
    return {name: text for name, text in found.items() if text}


def bundle(names: t.Iterable[str], certificates: t.Mapping[str, str], kept: str, clients: t.Mapping[str, str] | None = None) -> str:
    """The certificates of hosts, each under its name, and those of ``clients``, the texts of files by path.

    Who told none keeps what is in ``kept``, the bundle of before; who is not named has none.
    """
    before = read_bundle(kept)
    known = {f"host {name}": certificates.get(name) or before.get(f"host {name}", "") for name in names}
    known |= {f"file {path}": "\n".join(CERTIFICATE.findall(text)) for path, text in (clients or {}).items()}
    return write_bundle({title: text for title, text in known.items() if text})


def alt_names(host: str, address: str) -> list[str]:
    """What the host's certificate is for: its name in the inventory, and the address at which it is asked."""
    return list(dict.fromkeys(f"{'IP' if is_address(name) else 'DNS'}:{name}" for name in (host, address) if name))


def identity_due(certificate: Variables, names: t.Sequence[str], now: str) -> str:
    """Why a certificate is to be made, empty when the present one will do. ``certificate`` is empty where there is none, or no key to it."""
    if not certificate:
        return "there is none yet"
    if expiry(certificate) - utc(now) < RENEW:
        return f"it expires on {expiry(certificate):%Y-%m-%d}"
    if {*map(_canonical, certificate["subject_alt_name"] or [])} != {*map(_canonical, names)}:
        return "it is for another name or address"
    return ""


def openings(host: str, hostvars: Hostvars, groups: Groups, addresses: t.Mapping[str, t.Sequence[str]]) -> list[dict[str, t.Any]]:
    """What the firewall of the whole host lets in for metrics, as entries of firewall_allow. ``addresses``: what names mean on the host."""
    variables = hostvars[host]
    bind = _bind(variables)
    askers = askers_of(host, hostvars, groups)
    if not (enabled(variables, groups) and askers) or bind == LOOPBACK:
        return []
    if bind in (TAILSCALE, WIREGUARD):
        sources = [bind] if host in groups.get(bind, ()) else []
    else:
        sources = sorted({address for asker in askers for address in _sources(asker, hostvars, addresses)})
    return [{"ports": [int(variables.get("metrics_port", PORT))], "from": sources}] if sources else []


def problems(settings: Variables) -> list[str]:
    """One sentence for each thing that is wrong; ``settings`` are the role's variables without their prefix, and what it knows of others."""
    return [*_setting_problems(settings), *_client_problems(settings["clients"]), *_opening_problems(settings)]


def _setting_problems(settings: Variables) -> t.Iterator[str]:
    bind = settings["bind"]
    if literal(bind) is None and not BIND.match(bind):
        yield f"metrics_bind is '{bind}': write all, loopback, tailscale, wireguard, an address or the name of an interface."
    elif bind not in (ALL, LOOPBACK) and literal(bind) is not None and literal(bind).is_unspecified:  # type: ignore[union-attr]
        yield f"metrics_bind is {bind}, which is no address of one host: write one, or all for all addresses."
    if not 0 < settings["port"] < 65536:
        yield f"metrics_port {settings['port']} is not a port: use 9998, or another number from 1 to 65535."
    if settings["user_labels"] == "hash" and not settings["user_salt"]:
        yield "metrics_user_labels is hash, but metrics_user_salt is empty, so that names could be guessed: write a long random text there."
    if settings["gpus"] is not None and int(settings["gpus"]) < 0:
        yield f"metrics_gpus is {settings['gpus']}: write how many GPUs this host is to have."


def _client_problems(clients: t.Mapping[str, str]) -> t.Iterator[str]:
    for path, text in clients.items():
        if not CERTIFICATE.search(text):
            what = "holds no certificate" if text else "cannot be read"
            yield f"metrics_clients has {path}, which {what}: name a PEM file on the controller that begins with -----BEGIN CERTIFICATE-----."


def _opening_problems(settings: Variables) -> t.Iterator[str]:
    for name, source in settings["sources"].items() if settings["closed"] else ():
        # Before the host was looked at, nobody knows what names mean there.
        if not is_address(source) and settings["addresses"].get(source) == []:
            yield (
                f"The firewall of {settings['host']} cannot let in {name}, which asks for metrics, because {settings['host']} finds no address for "
                f"{source}: set metrics_source of {name} to the address from which it reaches {settings['host']}."
            )


def source_of(host: str, variables: Variables) -> str:
    """From where a host asks others, as the inventory says it: an address or a name."""
    return str(variables.get("metrics_source") or variables.get("ansible_host") or host).strip("[] ")


def _sources(host: str, hostvars: Hostvars, addresses: t.Mapping[str, t.Sequence[str]]) -> list[str]:
    source = source_of(host, hostvars[host])
    found = [source] if is_address(source) else addresses.get(source, ())
    return [address for address in found if not ipaddress.ip_address(address).is_loopback and "%" not in address]


def _bind(variables: Variables) -> str:
    return word_of(str(variables.get("metrics_bind", ALL)).strip("[] "), str(variables.get("wireguard_interface", DEFAULT_INTERFACE)))


def _canonical(name: str) -> str:
    kind, value = name.split(":", 1)
    return f"IP:{ipaddress.ip_address(value)}" if kind == "IP" else f"{kind}:{value.lower()}"
