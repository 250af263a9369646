# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is different between the web servers, for tests that hold both to one contract."""

from __future__ import annotations

import dataclasses
import typing as t

__all__ = ["ENGINES", "Engine"]


@dataclasses.dataclass(frozen=True)
class Engine:
    """One web server, as its tests need to know it."""

    name: str
    unit: str
    group: str
    """The access log, one JSON object a line, and files that may hold errors."""
    log: str
    other_logs: tuple[str, ...]
    """What each line of it says, and where."""
    fields: t.Mapping[str, tuple[str | int, ...]]
    """Files with secrets, for root alone."""
    secret_files: tuple[str, ...]
    """The word that its Server header may say, and nothing more."""
    server: str
    """Whether it slows down who guesses, and whether it can tell which model a request names."""
    limits_guesses: bool
    reads_bodies: bool


ENGINES = {
    "nginx": Engine(
        name="nginx",
        unit="nginx.service",
        group="www-data",
        log="/var/log/nginx/llm-gateway.log",
        other_logs=("/var/log/nginx/access.log", "/var/log/nginx/error.log"),
        fields={
            name: (name,)
            for name in ("time", "remote", "user", "method", "path", "status", "request_time", "ttfb", "bytes_out", "upstream")
        },
        secret_files=("/etc/llm-gateway/nginx/keys.map",),
        server="nginx",
        limits_guesses=True,
        reads_bodies=True,
    ),
    "caddy": Engine(
        name="caddy",
        unit="caddy.service",
        group="caddy",
        log="/var/log/caddy/llm-gateway.log",
        other_logs=(),
        fields={
            **{name: (name,) for name in ("time", "user", "status", "request_time", "bytes_out")},
            **{name: ("request", name) for name in ("remote", "method")},
            "path": ("request", "uri"),
            "ttfb": ("resp_headers", "Server-Timing", 0),
        },
        secret_files=("/etc/llm-gateway/caddy/keys", "/etc/llm-gateway/caddy/passwords"),
        server="",
        limits_guesses=False,
        reads_bodies=False,
    ),
}
