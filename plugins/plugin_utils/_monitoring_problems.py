# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with the settings of the monitoring, said before anything changes. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import re
import typing as t
from urllib.parse import urlsplit

__all__ = ("problems",)

DURATION = re.compile(r"\d+[smhdwy]")
SIZE = re.compile(r"\d+(B|KB|MB|GB|TB)")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
SEVERITIES = ("critical", "warning", "info")
CHANNELS = ("email", "webhook", "slack")
# Rates over five minutes need some samples; Prometheus forgets one that is older than that.
SLOWEST_SCRAPE = 60
# How far a threshold may go, where there is a limit.
THRESHOLDS = {
    "latency_percent": (101, None),
    "latency_floor": (0, None),
    "tokens_drop": (1, 99),
    "gpu_memory": (1, 100),
    "queue_waiting": (0, None),
    "refused_per_minute": (0, None),
    "loads_per_hour": (1, None),
    "certificate_days": (1, None),
    "tailnet_key_days": (1, None),
    "disk_free": (1, 99),
    "canary_hours": (1, None),
}
ADVICE = {
    "email": "an address, such as ops@example.com",
    "webhook": "an address that begins with https:// or http://",
    "slack": "the address of an incoming webhook, which begins with https://",
}


def problems(settings: t.Mapping[str, t.Any]) -> list[str]:
    """One sentence for each. ``settings`` are the role's variables without their prefix; no sentence shows a secret."""
    return [
        *_path_problems(settings),
        *_port_problems(settings),
        *_store_problems(settings),
        *_threshold_problems(settings["thresholds"]),
        *_receiver_problems(settings),
        *_raw_problems(settings),
    ]


def _path_problems(settings: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    if not re.fullmatch(r"/[A-Za-z0-9._/-]+/[A-Za-z0-9._-]+", settings["dir"]) or ".." in settings["dir"]:
        yield f"monitoring_dir is {settings['dir']!r}: write a directory of its own, such as /etc/prometheus/llm."
    if urlsplit(settings["runbooks"]).scheme not in ("http", "https"):
        yield f"monitoring_runbooks is {settings['runbooks']!r}: write the address at which docs/alerts.md can be read."


def _port_problems(settings: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    seen = {settings["metrics_port"]: "metrics_port"}
    for name in ("port", "alertmanager_port", "blackbox_port"):
        port = settings[name]
        if not 0 < port < 65536:
            yield f"monitoring_{name} {port} is not a port: use a number from 1 to 65535."
        elif port in seen:
            yield f"monitoring_{name} and {seen[port]} are both {port}: give each its own."
        seen[port] = f"monitoring_{name}"


def _store_problems(settings: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    if not DURATION.fullmatch(settings["retention"]):
        yield f"monitoring_retention is {settings['retention']!r}: write a number and a unit, such as 90d."
    if settings["retention_size"] and not SIZE.fullmatch(settings["retention_size"]):
        yield f"monitoring_retention_size is {settings['retention_size']!r}: write a number and a unit, such as 20GB, or leave it empty."
    if not 1 <= settings["scrape_interval"] <= SLOWEST_SCRAPE:
        yield f"monitoring_scrape_interval is {settings['scrape_interval']}: write from 1 to {SLOWEST_SCRAPE} seconds, since rules look at five minutes."
    for name in settings["external_labels"]:
        if not NAME.fullmatch(str(name)):
            yield f"monitoring_external_labels has {name!r}: a label has letters, digits and underscores, and begins with no digit."
    for position, job in enumerate(settings["scrape_configs"]):
        if not job.get("job_name"):
            yield f"monitoring_scrape_configs[{position}] has no job_name: give it one, as Prometheus wants it."


def _threshold_problems(thresholds: t.Mapping[str, int]) -> t.Iterator[str]:
    for name, (least, most) in THRESHOLDS.items():
        value = thresholds[name]
        if value < least or (most is not None and value > most):
            wanted = f"from {least} to {most}" if most is not None else f"{least} or more"
            yield f"monitoring_{name} is {value}: write {wanted}."


def _receiver_problems(settings: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    seen: dict[str, int] = {}
    for position, entry in enumerate(settings["alert_receivers"]):
        where, name = f"monitoring_alert_receivers[{position}]", entry.get("name")
        if not name:
            yield f"{where} has no name: give it one."
        elif name in seen:
            yield f"{where} is called {name}, as monitoring_alert_receivers[{seen[name]}] is: give each a name of its own."
        seen.setdefault(name, position)
        emails = entry.get("email") or []
        given = {
            "email": [emails] if isinstance(emails, str) else emails,
            **{kind: [entry[kind]] for kind in CHANNELS[1:] if entry.get(kind)},
        }
        if not any(given.values()):
            yield f"{where} {name!r} has neither {', '.join(CHANNELS[:-1])} nor {CHANNELS[-1]}: say where it is told."
        for kind, values in given.items():
            if not all(_reachable(kind, str(value)) for value in values):
                # Not what it is: such addresses are secrets.
                yield f"{where} {name!r} has {kind}, which is none: write {ADVICE[kind]}."
        for severity in entry.get("severities") or []:
            if severity not in SEVERITIES:
                yield f"{where} {name!r} names the severity {severity!r}: write some of {', '.join(SEVERITIES)}."
        if given["email"] and not {"smarthost", "from"} <= set(settings["smtp"]):
            yield f"{where} {name!r} has email, but monitoring_smtp does not say smarthost and from: add them."
    smarthost = settings["smtp"].get("smarthost")
    if smarthost and not re.fullmatch(r"\S+:\d+", str(smarthost)):
        yield f"monitoring_smtp.smarthost is {smarthost!r}: write host and port, such as mail.example.com:587."


def _raw_problems(settings: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    raw = settings["alertmanager_config"]
    names = {entry.get("name") for entry in settings["alert_receivers"]}
    own, route = raw.get("receivers") or [], raw.get("route") or {}
    if not isinstance(own, list):
        yield "monitoring_alertmanager_config.receivers is no list: write one, as Alertmanager wants it."
        own = []
    for position, entry in enumerate(own):
        if not isinstance(entry, t.Mapping) or not entry.get("name"):
            yield f"monitoring_alertmanager_config.receivers[{position}] has no name: give it one."
        elif entry["name"] in names:
            yield f"monitoring_alertmanager_config.receivers[{position}] is called {entry['name']}, as one of monitoring_alert_receivers is: rename one."
    known = {*names, "nobody", *(entry.get("name") for entry in own if isinstance(entry, t.Mapping))}
    if not _is_route(route):
        yield "monitoring_alertmanager_config.route is no dictionary, or its routes are no list of such: write it as Alertmanager wants it."
        route = {}
    for name in _named(route):
        if name not in known:
            yield f"monitoring_alertmanager_config.route names the receiver {name!r}, which nobody declares: declare it, or correct the name."


def _is_route(value: t.Any) -> bool:
    inner = (value.get("routes") or []) if isinstance(value, t.Mapping) else None
    return isinstance(inner, list) and all(map(_is_route, inner))


def _named(route: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    if route.get("receiver"):
        yield str(route["receiver"])
    for inner in route.get("routes") or []:
        yield from _named(inner)


def _reachable(kind: str, value: str) -> bool:
    if kind == "email":
        return bool(re.fullmatch(r"[^@\s]+@[^@\s]+", value))
    parts = urlsplit(value)
    return parts.scheme in (("https",) if kind == "slack" else ("http", "https")) and bool(parts.hostname)
