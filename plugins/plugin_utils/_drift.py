# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what modules say in check mode to what is not as declared. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import dataclasses
import functools
import ipaddress
import re
import typing as t

from ansible_collections.llm.host.plugins.module_utils._gate import same_version
from ansible_collections.llm.host.plugins.module_utils._names import InvalidName, ModelName

__all__ = ("Drift", "drifts_of")

SITE = "run site.yml"
MODELS = "run models.yml, or site.yml"
MOVE = "run move_models.yml"
RENEW = "extend it or switch its expiry off in the admin console, or let it expire and run site.yml with a new tailscale_auth_key"
UNSERVE = "declare it in tailscale_serve, or remove it with tailscale serve"
RUNBOOK = "and at docs/alerts.md"
SHOWN = 4
SETTING = re.compile(r"^([A-Za-z]+)=(.*)$")
VARIABLE = re.compile(r'^"?([A-Za-z_][A-Za-z0-9_]*)=(.*?)"?$')
# What ansible-core puts before the sentence of a filter.
WRAPPED = re.compile(r"^Task failed: .*The filter plugin '[^']*' failed: ", re.DOTALL)
Result = t.Mapping[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Drift:
    """One thing that is not as declared, and how to mend it."""

    what: str
    expected: str
    found: str
    mend: str = SITE

    @property
    def text(self) -> str:
        return f"{self.what}: expected {self.expected}, found {self.found}; {self.mend}."


def drifts_of(results: t.Mapping[str, t.Any], declared: Result) -> list[Drift]:
    """All of it. ``results`` are the registered results by what was looked at; one that was skipped has nothing to say."""
    found: list[Drift] = []
    for kind, result in results.items():
        parts = result if isinstance(result, list) else [result]
        for part in parts:
            if part and not part.get("skipped"):
                found += _failed(kind, part) or READERS[kind](part, declared)
    return list(dict.fromkeys(found))


def _failed(kind: str, result: Result) -> list[Drift]:
    """A module that failed has a message; its result says nothing else."""
    if kind in ("probe", "problems") or not (result.get("failed") or result.get("msg")):
        return []
    return [Drift(NAMES[kind], "an answer", _sentence(result.get("msg")), "mend that, then run site.yml")]


def _sentence(text: t.Any) -> str:
    return str(text or "a failure without a word").strip().rstrip(".")


def _problems(result: Result, declared: Result) -> list[Drift]:
    return [
        Drift("the declaration", "one that can be carried out", _sentence(WRAPPED.sub("", text)), "mend the inventory")
        for text in result["texts"]
    ]


def _release(result: Result, declared: Result) -> list[Drift]:
    before, after, version = result["diff"]["before"], result["diff"]["after"], result["version"]
    found = [Drift(f"{result['path']}", "the files of the release", _sentence(reason)) for reason in result["altered"]]
    if version not in before["installed"] and not found:
        found.append(Drift(result["path"], f"Ollama {version}", "nothing"))
    if before["link"] != after["link"]:
        found.append(Drift(result["diff"]["before_header"], f"a link to {after['link']}", str(before["link"] or "nothing")))
    found += [Drift(path, "nothing", "an old version, or what a killed run left") for path in result["removed"]]
    return found


def _service(result: Result, declared: Result) -> list[Drift]:
    found, version = [], str(declared.get("version", "")).lstrip("v")
    for entry in result["instances"]:
        unit, actions = entry["unit"], entry["actions"]
        if "enable" in actions:
            found.append(Drift(unit, "a unit that starts at boot", "one that does not"))
        if "start" in actions:
            found.append(Drift(unit, "running", "stopped"))
        elif not entry["version"]:
            found.append(Drift(unit, f"Ollama {version}", "no answer", f"look at journalctl --unit {unit}"))
        elif not same_version(entry["version"], version):
            found.append(Drift(unit, f"Ollama {version}", f"Ollama {entry['version']}"))
        if "restart" in actions:
            found.append(Drift(unit, "running with what is configured", f"running with older settings ({'; '.join(entry['reasons'])})"))
    return found


def _files(result: Result, declared: Result) -> list[Drift]:
    return [_file(diff) for diff in result.get("diff") or []]


def _file(diff: Result) -> Drift:
    path, before, after = diff["before_header"], diff["before"], diff["after"]
    if not before:
        return Drift(path, "a file", "nothing")
    if not after:
        return Drift(path, "nothing", "a file")
    if before == after:
        return Drift(path, "the content, owner and mode that the role gives it", "others")
    if path.startswith("/etc/systemd/") and path.endswith((".conf", ".service")):
        expected, found = _settings(before, after)
        if expected or found:
            return Drift(path, _some(expected) or "no more than that", _some(found) or "nothing of that")
    line = next((number for number, (old, new) in enumerate(zip(_lines(before), _lines(after)), start=1) if old != new), 1)
    return Drift(path, "what the role writes", f"another text from line {line} on")


def _lines(text: str) -> list[str]:
    return [*text.splitlines(), ""]


def _settings(before: str, after: str) -> tuple[list[str], list[str]]:
    """Settings of a unit that differ. What is set besides is named and not shown, since nobody knows whether it is a secret."""
    old, new = _assignments(before), _assignments(after)
    expected, found = [], []
    for name in sorted({*old, *new}):
        if old.get(name) == new.get(name):
            continue
        if name in new:
            expected.append(f"{name}={new[name]}")
        if name not in old:
            found.append(f"no {name}")
        elif name not in new:
            expected.append(f"no {name}")
            found.append(f"{name}")
        else:
            hidden = "@" in old[name] or "PROXY" in name.upper()
            found.append(f"{name} with another value" if hidden else f"{name}={old[name]}")
    return expected, found


def _assignments(text: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for line in text.splitlines():
        setting = SETTING.match(line.strip())
        if not setting:
            continue
        name, value = setting.groups()
        variable = VARIABLE.match(value) if name == "Environment" else None
        name, value = variable.groups() if variable else (name, value)
        values[name] = f"{values[name]} {value}" if name in values else value
    return values


def _some(parts: t.Sequence[str]) -> str:
    return ", ".join(parts[:SHOWN]) + (f" and {len(parts) - SHOWN} more" if len(parts) > SHOWN else "")


def _user(result: Result, declared: Result) -> list[Drift]:
    return (
        [Drift(f"the user {declared['user']}", "its group, its groups and its home as declared", "others")] if result.get("changed") else []
    )


def _directory(result: Result, declared: Result) -> list[Drift]:
    if not result.get("changed"):
        return []
    before, after = (result.get("diff") or {}).get("before") or {}, (result.get("diff") or {}).get("after") or {}
    shown = [[f"{name} {side[name]}" for name in ("state", "owner", "group", "mode") if name in side] for side in (after, before)]
    return [Drift(declared["models_dir"], ", ".join(shown[0]) or "a directory", ", ".join(shown[1]) or "another one")]


def _preflight(result: Result, declared: Result) -> list[Drift]:
    running = result.get("running") or []
    found = [
        Drift(
            unit, "nothing, since ollama_instances does not declare it", f"an instance that {'runs' if unit in running else 'is stopped'}"
        )
        for unit in result["undeclared"]
    ]
    found += [
        Drift(
            "ollama_models_dir",
            declared["models_dir"],
            f"{', '.join(store['units'])} with {', '.join(store['missing'])} in {store['path']}",
            MOVE,
        )
        for store in result["stores"]
    ]
    found += [
        Drift(
            "ollama_models_dir",
            declared["models_dir"],
            f"{item['path']}, which {item['file']} sets",
            "remove that line, or declare that directory",
        )
        for item in result["overrides"]
    ]
    found += [
        Drift(trace["what"], "an end", f"an interruption, of which {trace['path']} is left", trace["mend"])
        for trace in declared.get("traces") or []
        if trace["path"] in result["paths"]
    ]
    return found


def _firewall(result: Result, declared: Result, unit: str = "llm-host-firewall.service") -> list[Drift]:
    found, actions = [], result["actions"]
    for diff in result["diff"]:
        if diff["before_header"].startswith("table "):
            expected = "the rules that let in only whom it should" if diff["after"] else "nothing"
            found.append(Drift(f"the firewall's {diff['before_header']}", expected, "other rules" if diff["before"] else "nothing"))
        else:
            found.append(_file(diff))
    if "enable" in actions or "start" in actions:
        found.append(Drift(unit, "enabled and running", "not enabled" if "enable" in actions else "stopped"))
    return found


def _reach(result: Result, declared: Result) -> list[Drift]:
    """Who got through from where one should not."""
    members = [ipaddress.ip_network(network, strict=False) for network in declared["members"]]
    found = []
    for entry in result.get("reached") or []:
        allowed = entry["address"] in declared["addresses"] and any(ipaddress.ip_address(entry["source"]) in network for network in members)
        if not allowed:
            expected = f"no answer to {result.get('item', 'others')}, which comes from {entry['source']}"
            found.append(Drift(f"{entry['address']} port {entry['port']}", expected, "one", "run site.yml, and look for who listens there"))
    return found


def _models(result: Result, declared: Result) -> list[Drift]:
    found = [_model(item) for item in result["models"] if item["action"] != "none"]
    removed = (result.get("orphans") or {}).get("removed")
    if removed:
        found.append(Drift("the store", "no blobs that no model uses", str(removed), MODELS))
    return found


def _model(item: Result) -> Drift:
    what, reason = f"model {item['name']}", _sentence(item["reason"])
    if item["action"] == "remove":
        return Drift(what, "nothing", f"a model ({reason})", MODELS)
    if not item["digest_before"]:
        return Drift(what, "a model", "nothing", MODELS)
    if item["action"] == "create":
        return Drift(what, "what its recipe makes", f"{item['digest_before']}: {reason}", MODELS)
    return Drift(what, item["digest_after"] or "another digest", f"{item['digest_before']} ({reason})", MODELS)


def _hardware(result: Result, declared: Result) -> list[Drift]:
    """Of the GPUs and their driver, as C(gpu_info) sees them."""
    found = []
    for problem in result["problems"]:
        cure = _sentence(problem["cure"])
        found.append(
            Drift("the GPUs", "a driver that works", _sentence(f"{problem['what']} {problem['cause']}"), cure[:1].lower() + cure[1:])
        )
    return found


def _driver(result: Result, declared: Result) -> list[Drift]:
    """Of the packages of the driver."""
    return [Drift("the packages of the GPU driver", "the declared ones, held", _sentence(change)) for change in result["changes"]]


def _settings_of_gpus(result: Result, declared: Result) -> list[Drift]:
    return [Drift(f"gpu_{name}", "at every GPU", "another at one of them") for name in result["due"]]


def _tailscale(result: Result, declared: Result) -> list[Drift]:
    """Of the node, as C(tailscale_node) sees it."""
    found = [Drift(f"tailscale's {item['name']}", item["wanted"], item["found"]) for item in result["differences"]]
    if {"enable", "start"} & set(result["actions"]) and result["version"]:
        found.append(Drift("tailscaled.service", "enabled and running", "not so"))
    left, within = result["key_days_left"], declared.get("expiry_warning_days", 0)
    if left is not None and left <= within:
        when = f"{'expired' if left < 0 else 'expires'} on {result['key_expiry'][:10]}"
        found.append(Drift("the key of this node in the tailnet", f"one for more than {within} days", f"one that {when}", RENEW))
    found += [Drift("tailscale serve", "nothing else than tailscale_serve says", entry, UNSERVE) for entry in result["foreign_serve"]]
    return found


def _tailscale_package(result: Result, declared: Result) -> list[Drift]:
    found, actions = [], result["actions"]
    if "install" in actions:
        found.append(Drift("the package tailscale", f"version {result['version']}", result["before"] or "nothing"))
    elif "hold" in actions:
        found.append(Drift("the package tailscale", "held", "not held"))
    if "purge" in actions:
        found.append(Drift("the package tailscale", "nothing", result["before"]))
    paths = [diff for diff in result["diff"] if diff["before_header"].startswith("/")]
    return found + [_file(diff) for diff in paths]


def _gpu(result: Result, declared: Result) -> list[Drift]:
    found, on_cpu = [], {_key(name) for name in declared.get("on_cpu") or []}
    for entry in result["instances"]:
        masked = bool((declared.get("gpus") or {}).get(entry["unit"]))
        gpus = entry["gpus"]
        closed = [Drift(entry["unit"], "access to the GPUs", *_cured(text)) for text in entry["blocked"]]
        found += closed
        if gpus == [] and not closed and (masked or any(path.startswith("/dev/nvidia") for path in result["nodes"])):
            which = "the GPUs that its entry in ollama_instances names" if masked else "the GPUs of the host"
            found.append(Drift(entry["unit"], which, "none", "look at the driver, and restart the unit"))
        if not (masked or gpus):
            continue
        for model in entry["loaded"]:
            if model["size_vram"] < model["size"] and _key(model["name"]) not in on_cpu:
                share = f"{100 * model['size_vram'] // model['size']} % of it there, the rest in the memory of the host"
                mend = (
                    "free memory on the GPU, or give the model less context" if gpus != [] else "look at the driver, and restart the unit"
                )
                found.append(Drift(f"model {model['name']} at {entry['unit']}", "all of it in the memory of GPUs", share, mend))
    return found


def _cured(text: str) -> tuple[str, str]:
    """A sentence, in what is wrong and what to do."""
    wrong, _colon, cure = text.partition(": ")
    return wrong, _sentence(cure)


def _key(name: str) -> str:
    try:
        return ModelName.parse(name).key
    except InvalidName:
        return name


def _server(result: Result, declared: Result, server: str = "") -> list[Drift]:
    """Of nginx, Caddy and HAProxy, and of what monitors them."""
    found, name = _files(result, declared), server or declared["server"]
    said = {
        "protect": ("keys and logs that only the right users can read", "others"),
        "disable": ("no site of the distribution", "one"),
        "enable": ("a unit that starts at boot", "one that does not"),
        "retire": ("no other web server in its place", "one"),
        "start": ("running", "stopped"),
    }
    found += [Drift(name, *said[action]) for action in result["actions"] if action in said]
    if not found and {"restart", "reload"} & set(result["actions"]):
        found.append(Drift(name, "running with what is configured", "running with an older configuration"))
    return found


def _instances(result: Result, declared: Result) -> list[Drift]:
    known = {item["name"]: item for item in result["instances"]}
    found = []
    for name in declared["servers"]:
        item, what = known.get(name), f"instance {name} at the balancer"
        if item is None:
            found.append(Drift(what, "ready", "nothing"))
        elif item["state"] != "ready":
            found.append(
                Drift(what, "ready", f"taken out ({item['state']})", f"ansible-playbook llm.host.drain -e instance={name} -e state=ready")
            )
        elif not item["up"]:
            found.append(
                Drift(
                    what, "an answer", "none", "look at this instance's service and at the way there; journalctl --unit haproxy says more"
                )
            )
    return found


def _users(result: Result, declared: Result) -> list[Drift]:
    return [Drift(path, "the declared users, with their keys and passwords", "others") for path in result["files"]]


def _probe(result: Result, declared: Result) -> list[Drift]:
    if not result.get("checks"):
        return [Drift(declared["url"], "an answer", _sentence(result.get("msg")))] if result.get("msg") else []
    broken = [check for check in result["checks"] if not check["ok"]]
    reasons = {check["seen"][check["seen"].find("[Errno") :] for check in broken if "[Errno" in check["seen"]}
    if len(reasons) == 1 and len(broken) > 1:
        return [Drift(declared["url"], "an answer", _sentence(reasons.pop()))]
    return [Drift(declared["url"], check["name"], _sentence(check["seen"])) for check in broken]


def _endpoint(result: Result, declared: Result) -> list[Drift]:
    found = []
    if result.get("due"):
        found.append(Drift("the certificate", "a valid one for the declared names", _sentence(result["due"])))
    if result.get("configured") and result.get("served") and result["configured"] != result["served"]:
        found.append(
            Drift(f"the certificate of {declared['url']}", "the configured one", "another", "run site.yml, or look for a proxy in between")
        )
    if result.get("unlisted"):
        found.append(
            Drift(
                f"the models of {declared['url']}",
                _some(result["unlisted"]),
                "a list without them",
                "run site.yml, and look at what it says of them",
            )
        )
    return found


def _monitoring(result: Result, declared: Result) -> list[Drift]:
    """Of Prometheus, as C(monitoring_info) sees it."""
    asked = {(target["job"], target["instance"]): target for target in result["targets"]}
    found = []
    for entry in declared["targets"]:
        labels = entry["labels"]
        what, target = f"metrics of {labels['job']} of {labels['instance']}", asked.get((labels["job"], labels["instance"]))
        if target is None:
            found.append(Drift(what, "a target of Prometheus", "nothing"))
        elif not target["up"]:
            found.append(Drift(what, "an answer", _sentence(target["error"] or "none yet"), f"look at {labels['instance']}, {RUNBOOK}"))
    silent = [host for host in declared["hosts"] if host not in {entry["labels"]["instance"] for entry in declared["targets"]}]
    found += [
        Drift(f"metrics of {host}", "a certificate by which it is known", "none", "bring it back, then run site.yml") for host in silent
    ]
    lacking = [group for group in declared["groups"] if group not in result["groups"]]
    if lacking:
        found.append(Drift("the rules of Prometheus", _some(lacking), "rules without these"))
    found += [
        Drift(f"rule {name}", "a result", _sentence(error), f"look at journalctl --unit prometheus, {RUNBOOK}")
        for name, error in result["failing"].items()
    ]
    if not result["alertmanagers"]:
        found.append(Drift("Prometheus", "an Alertmanager to send alerts to", "none"))
    return found


def _tunnel(result: Result, declared: Result) -> list[Drift]:
    """Of the other hosts in the WireGuard network."""
    return [
        Drift(
            f"{declared['interface']}, asked for {name}", "an answer through the tunnel", "none", "look at that host, and at the way there"
        )
        for name in result.get("silent") or []
    ]


def _wireguard(result: Result, declared: Result) -> list[Drift]:
    found, name, actions = [_file(diff) for diff in result["diff"]], declared["interface"], result["actions"]
    found += [Drift(f"{name}, peer {peer}", "a peer", "nothing") for peer in result["added"]]
    found += [Drift(f"{name}, peer {peer}", "nothing, since nobody declares it", "a peer") for peer in result["removed"]]
    if "enable" in actions:
        found.append(Drift(f"wg-quick@{name}", "a unit that starts at boot", "one that does not"))
    if "start" in actions:
        found.append(Drift(f"wg-quick@{name}", "running", "stopped"))
    if "restart" in actions:
        found.append(Drift(name, "an interface as declared", "; ".join(result["reasons"])))
    if not found and actions:
        found.append(Drift(name, "running with what is configured", "running with something else"))
    return found


def _units(result: Result, declared: Result) -> list[Drift]:
    """Of units, as C(host_services) sees them."""
    said = {
        "stop": ("stopped", "running"),
        "disable": ("a unit that does not start at boot", "one that does"),
        "enable": ("a unit that starts at boot", "one that does not"),
        "start": ("running", "stopped"),
    }
    found = []
    for entry in result["services"]:
        found += [Drift(entry["name"], *said[action]) for action in entry["actions"] if action in said]
        if {"restart", "reload"} & set(entry["actions"]):
            found.append(
                Drift(entry["name"], "running with what is configured", f"running with older files ({'; '.join(entry['reasons'])})")
            )
        if entry["fault"]:
            found.append(Drift(entry["name"], "an answer", entry["fault"], f"look at journalctl --unit {entry['name']}"))
    return found


def _identity(result: Result, declared: Result) -> list[Drift]:
    """Of the certificate with which a host shows its metrics."""
    return [Drift(declared["identity"], "a valid certificate for this host", _sentence(result["due"]))] if result["due"] else []


def _packages(result: Result, declared: Result) -> list[Drift]:
    return [Drift(f"the package {name}", "one that is installed", "nothing") for name in result["missing_packages"]]


READERS: dict[str, t.Callable[[Result, Result], list[Drift]]] = {
    "problems": _problems,
    "release": _release,
    "files": _files,
    "service": _service,
    "user": _user,
    "directory": _directory,
    "preflight": _preflight,
    "firewall": _firewall,
    "reach": _reach,
    "ingress": functools.partial(_firewall, unit="llm-host-ingress.service"),
    "models": _models,
    "gpu": _gpu,
    "hardware": _hardware,
    "settings": _settings_of_gpus,
    "driver": _driver,
    "tailscale": _tailscale,
    "tailscale_package": _tailscale_package,
    "server": _server,
    "instances": _instances,
    "users": _users,
    "probe": _probe,
    "endpoint": _endpoint,
    "monitoring": _monitoring,
    "alertmanager": functools.partial(_server, server="prometheus-alertmanager.service"),
    "blackbox": functools.partial(_server, server="prometheus-blackbox-exporter.service"),
    "prometheus": functools.partial(_server, server="prometheus.service"),
    "tunnel": _tunnel,
    "wireguard": _wireguard,
    "units": _units,
    "identity": _identity,
    "packages": _packages,
}
NAMES = {
    "release": "the release of Ollama",
    "files": "the files of the role",
    "service": "the units of Ollama",
    "user": "the user of Ollama",
    "directory": "the directory of the models",
    "preflight": "the host",
    "firewall": "the firewall",
    "reach": "who reaches Ollama from elsewhere",
    "ingress": "the firewall of the whole host",
    "models": "the models",
    "gpu": "the models in memory",
    "hardware": "the GPUs",
    "settings": "the settings of the GPUs",
    "driver": "the packages of the GPU driver",
    "tailscale": "the node of the tailnet",
    "tailscale_package": "the package tailscale",
    "server": "the server of this role",
    "instances": "the balancer",
    "users": "the users of the gateway",
    "endpoint": "the endpoint",
    "monitoring": "the monitoring",
    "alertmanager": "Alertmanager",
    "blackbox": "the blackbox exporter",
    "prometheus": "Prometheus",
    "tunnel": "the WireGuard network",
    "wireguard": "the WireGuard interface",
    "units": "the units of this role",
    "packages": "the host",
}
