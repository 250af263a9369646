# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment of ``ollama serve``, read with Ollama's own leniency."""

from __future__ import annotations

import dataclasses
import ipaddress
import os
import typing as t

from ollama_standin import gotime, log

__all__ = ["BUILTIN_ORIGINS", "Settings", "as_bool", "parse_host"]

_TRUE = {"1", "t", "T", "TRUE", "true", "True"}
_FALSE = {"0", "f", "F", "FALSE", "false", "False"}
_EXTENSIONS = ("chrome-extension://", "safari-extension://", "moz-extension://", "ms-browser-extension://")
_LOCAL = ("localhost", "127.0.0.1", "0.0.0.0")
BUILTIN_ORIGINS: tuple[str, ...] = (
    *(f"{scheme}://{host}{port}" for host in _LOCAL for port in ("", ":*") for scheme in ("http", "https")),
    "app://*",
    "file://*",
    "tauri://*",
    "vscode-webview://*",
    "vscode-file://*",
)


def _var(env: t.Mapping[str, str], name: str) -> str:
    return env.get(name, "").strip().strip("\"'")


def as_bool(text: str, default: bool = False) -> bool:
    """Go's ParseBool; any other text that is not empty counts as true."""
    return default if not text else text not in _FALSE


def _as_uint(env: t.Mapping[str, str], name: str, default: int) -> int:
    text = _var(env, name)
    if not text:
        return default
    if text.isascii() and text.isdigit():
        return int(text)
    log.warn("config.go:263", "invalid environment variable, using default", key=name, value=text, default=default)
    return default


def _as_duration(text: str, default: float) -> float:
    try:
        return gotime.parse_duration(text)
    except ValueError:
        try:
            return float(int(text))
        except ValueError:
            return default


def parse_host(text: str) -> tuple[str, int, str]:
    """Listen address, port and scheme of an OLLAMA_HOST value."""
    scheme, port = "http", 11434
    if text.strip() == "ollama.com":
        return "ollama.com", 443, "https"
    head, separator, rest = text.partition("://")
    if separator:
        scheme = head.lower()
        port = {"http": 80, "https": 443}.get(scheme, 11434)
    else:
        rest = text
    rest = rest.partition("/")[0]
    host, given = _split_host_port(rest)
    if given:
        if given.isascii() and given.isdigit() and int(given) <= 65535:
            port = int(given)
        else:
            log.warn("config.go:46", "invalid port, using default", port=given, default=port)
    return host, port, scheme


def _split_host_port(text: str) -> tuple[str, str]:
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        return host, rest.lstrip(":")
    if text.count(":") == 1:
        host, _, port = text.partition(":")
        return host, port
    try:
        return str(ipaddress.ip_address(text)), ""
    except ValueError:
        return text or "127.0.0.1", ""


def check_origin(entry: str) -> None:
    """The web framework panics on an entry it does not understand."""
    if entry.count("*") > 1:
        raise ValueError("only one * is allowed")
    if "*" not in entry and not entry.startswith(("http://", "https://", *_EXTENSIONS)):
        schemes = ",".join(("http://", "https://", *_EXTENSIONS))
        raise ValueError(f"bad origin: origins must contain '*' or include {schemes}")


@dataclasses.dataclass(frozen=True)
class Settings:
    """What ``ollama serve`` runs with."""

    host: str
    port: int
    models: str
    home: str
    keep_alive: float
    num_parallel: int
    max_loaded_models: int
    max_queue: int
    origins: tuple[str, ...]
    no_cloud: bool
    no_prune: bool
    context_length: int
    debug: bool
    flash_attention: str
    kv_cache_type: str
    load_timeout: float
    sched_spread: bool
    gpu_overhead: int

    @classmethod
    def from_env(cls, env: t.Mapping[str, str] = os.environ) -> Settings:
        host, port, _ = parse_host(_var(env, "OLLAMA_HOST"))
        home = env.get("HOME", "")
        origins = _var(env, "OLLAMA_ORIGINS")
        keep_alive = _as_duration(_var(env, "OLLAMA_KEEP_ALIVE"), 300.0)
        load_timeout = _as_duration(_var(env, "OLLAMA_LOAD_TIMEOUT"), 300.0)
        return cls(
            host=host,
            port=port,
            models=_var(env, "OLLAMA_MODELS") or os.path.join(home, ".ollama", "models"),
            home=home,
            keep_alive=gotime.FOREVER if keep_alive < 0 else keep_alive,
            num_parallel=max(1, _as_uint(env, "OLLAMA_NUM_PARALLEL", 1)),
            max_loaded_models=_as_uint(env, "OLLAMA_MAX_LOADED_MODELS", 0),
            max_queue=_as_uint(env, "OLLAMA_MAX_QUEUE", 512),
            origins=(*(origins.split(",") if origins else ()), *BUILTIN_ORIGINS),
            no_cloud=as_bool(_var(env, "OLLAMA_NO_CLOUD")),
            no_prune=as_bool(_var(env, "OLLAMA_NOPRUNE")),
            context_length=_as_uint(env, "OLLAMA_CONTEXT_LENGTH", 0),
            debug=_var(env, "OLLAMA_DEBUG") not in ("", *_FALSE),
            flash_attention=_var(env, "OLLAMA_FLASH_ATTENTION"),
            kv_cache_type=_var(env, "OLLAMA_KV_CACHE_TYPE").lower(),
            load_timeout=gotime.FOREVER if load_timeout <= 0 else load_timeout,
            sched_spread=as_bool(_var(env, "OLLAMA_SCHED_SPREAD")),
            gpu_overhead=_as_uint(env, "OLLAMA_GPU_OVERHEAD", 0),
        )

    def loopback(self) -> bool:
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def as_map(self) -> str:
        """The text of the ``server config`` log line."""

        def flag(value: bool) -> str:
            return str(value).lower()

        host = f"[{self.host}]" if ":" in self.host else self.host
        pairs = {
            "OLLAMA_CONTEXT_LENGTH": self.context_length,
            "OLLAMA_DEBUG": "DEBUG" if self.debug else "INFO",
            "OLLAMA_FLASH_ATTENTION": flag(as_bool(self.flash_attention)),
            "OLLAMA_GPU_OVERHEAD": self.gpu_overhead,
            "OLLAMA_HOST": f"http://{host}:{self.port}",
            "OLLAMA_KEEP_ALIVE": gotime.format_duration(self.keep_alive),
            "OLLAMA_KV_CACHE_TYPE": self.kv_cache_type,
            "OLLAMA_LOAD_TIMEOUT": gotime.format_duration(self.load_timeout),
            "OLLAMA_MAX_LOADED_MODELS": self.max_loaded_models,
            "OLLAMA_MAX_QUEUE": self.max_queue,
            "OLLAMA_MODELS": self.models,
            "OLLAMA_NOPRUNE": flag(self.no_prune),
            "OLLAMA_NO_CLOUD": flag(self.no_cloud),
            "OLLAMA_NUM_PARALLEL": self.num_parallel,
            "OLLAMA_ORIGINS": "[" + " ".join(self.origins) + "]",
            "OLLAMA_SCHED_SPREAD": flag(self.sched_spread),
        }
        return "map[" + " ".join(f"{key}:{value}" for key, value in pairs.items()) + "]"
