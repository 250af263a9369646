# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with the balancer's settings, what it knows of each user, and what it says. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import collections
import ipaddress
import typing as t

from ansible_collections.llm.host.plugins.plugin_utils._gateway_texts import error_bodies

__all__ = ("balancer_limits", "balancer_problems", "balancer_texts", "balancer_users")

# Lower goes first.
PRIORITIES = {"interactive": 0, "batch": 1}
UNLIMITED = 1_000_000
# HAProxy keeps the order of its queue within a window of 2^20 ms.
LONGEST_QUEUE_TIMEOUT = 300
LONGEST_STEP = 60
LIMITS = ("concurrency", "rate")


def balancer_problems(settings: t.Mapping[str, t.Any]) -> list[str]:
    """One sentence for each thing that is wrong; ``settings`` are the role's variables without their prefix, and what it knows of others."""
    return [
        *_port_problems(settings),
        *_source_problems(settings),
        *_number_problems(settings),
        *_user_problems(settings["users"]),
        *_server_problems(settings["servers"]),
    ]


def balancer_limits(user: t.Mapping[str, t.Any], concurrency: int, rate: int) -> str:
    """How many requests a user may have at once and in a minute, and the class of priority, as the configuration takes them apart."""
    given = [_given(user, "concurrency", concurrency), _given(user, "rate", rate)]
    return "/".join(
        str(value) for value in [*(int(limit) or UNLIMITED for limit in given), PRIORITIES[_given(user, "priority", "interactive")]]
    )


def balancer_users(users: t.Iterable[t.Mapping[str, t.Any]], concurrency: int, rate: int) -> str:
    """The lines of a map from the name of a user to their limits, of those for whom something else holds than for everybody."""
    usual = balancer_limits({}, concurrency, rate)
    found = [(user["name"], balancer_limits(user, concurrency, rate)) for user in users]
    return "".join(f"{name} {limits}\n" for name, limits in found if limits != usual)


def balancer_texts(error: t.Mapping[str, str], limit: str = "") -> dict[str, str]:
    """An error in HAProxy's log format, in quotes, for the clients of Ollama, OpenAI and Anthropic; ``limit`` is a sample that stands for ``#``."""
    return {
        shape: "'" + body.replace("%", "%%").replace("'", "'\\''").replace("#", f"%[{limit}]" if limit else "#") + "'"
        for shape, body in zip(("ollama", "openai", "anthropic"), error_bodies(error))
    }


def _given(user: t.Mapping[str, t.Any], option: str, default: t.Any) -> t.Any:
    value = user.get(option)
    return default if value is None else value


def _port_problems(settings: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    if not 0 < settings["port"] < 65536:
        yield f"balancer_port {settings['port']} is not a port: use 11400, or another number from 1 to 65535."
    if not 0 <= settings["metrics_port"] < 65536:
        yield f"balancer_metrics_port {settings['metrics_port']} is not a port: use 8405, or 0 for none."
    taken = {"gateway_port": settings["gateway_port"], "gateway_http_port": settings["gateway_http_port"]}
    for server in settings["servers"]:
        address, _colon, port = server["address"].rpartition(":")
        if address.strip("[]") in ("127.0.0.1", "localhost", "::1"):
            taken[f"the instance {server['name']}"] = int(port)
    own = {name: settings[name.removeprefix("balancer_")] for name in ("balancer_port", "balancer_metrics_port")}
    for name, port in own.items():
        for other, number in taken.items():
            if port and port == number:
                yield f"{name} {port} is also the port of {other}: give each its own."
    if own["balancer_port"] == own["balancer_metrics_port"]:
        yield f"balancer_port and balancer_metrics_port are both {settings['port']}: give each its own, or set balancer_metrics_port to 0."


def _source_problems(settings: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    try:
        if settings["source"]:
            ipaddress.ip_address(settings["source"].strip("[] "))
    except ValueError:
        yield f"balancer_source {settings['source']!r} is not an address: write one that this host has, such as 10.20.0.5, or leave it out."


def _number_problems(settings: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    if settings["queue"] < 1:
        yield f"balancer_queue {settings['queue']} leaves no request waiting: write 1 or more."
    if not 1 <= settings["queue_timeout"] <= LONGEST_QUEUE_TIMEOUT:
        yield f"balancer_queue_timeout {settings['queue_timeout']} is not a wait: write 1 to {LONGEST_QUEUE_TIMEOUT} seconds."
    elif settings["queue_timeout"] >= settings["timeout"]:
        yield (
            f"balancer_queue_timeout {settings['queue_timeout']} is not less than gateway_timeout {settings['timeout']}, so the gateway would "
            f"give up first: lower the one, or raise the other."
        )
    if not 0 <= settings["fairness"] <= LONGEST_STEP:
        yield f"balancer_fairness {settings['fairness']} is out of range: write 1 to {LONGEST_STEP} seconds, or 0 for first come first served."
    for limit in LIMITS:
        if settings[limit] < 0:
            yield f"balancer_{limit} {settings[limit]} is not a number of requests: write 1 or more, or 0 for no limit."


def _user_problems(users: t.Any) -> t.Iterator[str]:
    # What else can be wrong with them, the role gateway says.
    for position, user in enumerate(users if isinstance(users, (list, tuple)) else ()):
        if not isinstance(user, t.Mapping):
            continue
        where = f"gateway_users[{position}] '{user.get('name')}'"
        for limit in LIMITS:
            if user.get(limit) is not None and not str(user[limit]).isdecimal():
                yield f"{where} has {limit} {user[limit]}, which is not a number of requests: write 1 or more, or 0 for no limit."
        if user.get("priority") is not None and user["priority"] not in PRIORITIES:
            yield f"{where} has priority {user['priority']}: write {' or '.join(PRIORITIES)}, or leave it out."


def _server_problems(servers: t.Sequence[t.Mapping[str, t.Any]]) -> t.Iterator[str]:
    for name, count in collections.Counter(server["name"] for server in servers).items():
        if count > 1:
            yield (
                f"{count} instances would be called {name} by the balancer: "
                f"give the hosts or the instances names that differ in letters, digits, '.', '_' or '-'."
            )
