# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a team writes about its Ollama instances -> the environment of each unit, checked as Ollama itself would parse it.

PRIVATE to the collection: it can change at any time. Sources: Ollama's envconfig/config.go and server/routes.go.
"""

from __future__ import annotations

import dataclasses
import difflib
import ipaddress
import re
import typing as t
from urllib.parse import urlsplit

from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.llm.host.plugins.module_utils._bind import LOOPBACK, TAILSCALE, WIREGUARD, is_private, literal

__all__ = ("Environment", "SettingsError", "check_instances", "instance_environment", "misspelt")

LOOPBACK_NAMES = (LOOPBACK, "localhost")
NEVER_PROXIED = ("localhost", "127.0.0.1", "::1")
KV_CACHE_TYPES = ("f16", "q8_0", "q4_0")
ORIGIN_SCHEMES = ("http://", "https://", "chrome-extension://", "safari-extension://", "moz-extension://", "ms-browser-extension://")

GO_BOOLEANS = ("1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False")
GO_DURATION = re.compile(r"[+-]?((\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))+")
INTEGER = re.compile(r"[+-]?\d+")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
INTERFACE_NAME = re.compile(r"[A-Za-z0-9_.@-]{1,15}")
INSTANCE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
NVIDIA_GPU = re.compile(r"(GPU|MIG)-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d+")
AMD_GPU = re.compile(r"GPU-[0-9a-f]{16}")

# Which role variable owns an environment variable; ollama_environment may not set these behind its back.
TYPED = {
    "OLLAMA_HOST": "ollama_bind",
    "OLLAMA_MODELS": "ollama_models_dir",
    "OLLAMA_KEEP_ALIVE": "ollama_keep_alive",
    "OLLAMA_CONTEXT_LENGTH": "ollama_context_length",
    "OLLAMA_NUM_PARALLEL": "ollama_num_parallel",
    "OLLAMA_MAX_LOADED_MODELS": "ollama_max_loaded_models",
    "OLLAMA_MAX_QUEUE": "ollama_max_queue",
    "OLLAMA_FLASH_ATTENTION": "ollama_flash_attention",
    "OLLAMA_KV_CACHE_TYPE": "ollama_kv_cache_type",
    "OLLAMA_NO_CLOUD": "ollama_no_cloud",
    "OLLAMA_ORIGINS": "ollama_origins",
    "HTTPS_PROXY": "ollama_https_proxy",
    "HTTP_PROXY": "ollama_http_proxy",
    "NO_PROXY": "ollama_no_proxy",
    "HOME": "ollama_home",
}
FREE_BOOLEANS = (
    "OLLAMA_SCHED_SPREAD", "OLLAMA_VULKAN", "OLLAMA_IGPU_ENABLE", "OLLAMA_GO_TEMPLATE", "OLLAMA_NOPRUNE", "OLLAMA_DEBUG_LOG_REQUESTS",
)  # fmt: skip
FREE_OTHERS = (
    "OLLAMA_LOAD_TIMEOUT", "OLLAMA_GPU_OVERHEAD", "OLLAMA_LLM_LIBRARY", "OLLAMA_REMOTES", "OLLAMA_CLOUD_BASE_URL",
    "OLLAMA_MAX_TRANSFER_STREAMS", "OLLAMA_DEBUG", "OLLAMA_EXPERIMENT", "OLLAMA_LLAMA_CPP_COMPAT",
)  # fmt: skip
GONE = {
    "OLLAMA_GPU_LAYERS": "it never existed; set the model parameter num_gpu in a Modelfile",
    "OLLAMA_NUM_GPU": "it never existed; set the model parameter num_gpu in a Modelfile",
    "OLLAMA_AUTH": "it is for the command line client only; use the gateway role for authentication",
    "OLLAMA_API_KEY": "the server does not read it; use the gateway role for authentication",
    "OLLAMA_REGISTRIES": "no registry variable exists; put the mirror's host into the model's name",
    "OLLAMA_REGISTRY_URL": "no registry variable exists; put the mirror's host into the model's name",
    "OLLAMA_MULTIUSER_CACHE": "it was removed in Ollama 0.30.0",
    "OLLAMA_NEW_ENGINE": "it was removed in Ollama 0.30.0",
    "OLLAMA_INTEL_GPU": "it was removed in Ollama 0.12.11",
    "OLLAMA_NEW_ESTIMATES": "it was removed in Ollama 0.11.11",
    "OLLAMA_TMPDIR": "it was removed in Ollama 0.6.6",
    "OLLAMA_RUNNERS_DIR": "it was removed from Ollama",
    "OLLAMA_MAX_VRAM": "it was removed from Ollama",
}


# Older servers ignore quantised types of the key/value cache without flash attention.
FIRST_QUANTISED_CACHE = (0, 30, 0)


class SettingsError(ValueError):
    """One sentence: which variable, what is wrong with it, what to write instead."""


@dataclasses.dataclass(frozen=True)
class Environment:
    """The environment of one unit; ``secret`` is what may be seen by root alone."""

    public: dict[str, str]
    secret: dict[str, str]


def misspelt(names: t.Iterable[str], *, known: t.Collection[str]) -> list[tuple[str, str]]:
    """Variables that nobody reads but that look like one that is read, each with that one."""
    found = []
    for name in sorted(set(names) - set(known)):
        close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.85)
        if close:
            found.append((name, close[0]))
    return found


def check_instances(instances: t.Any) -> None:
    """Raise SettingsError unless ``ollama_instances`` can become units."""
    seen_names: dict[str, int] = {}
    seen_ports: dict[int, int] = {}
    if not instances:
        raise SettingsError("ollama_instances is empty: leave it out for one instance on port 11434, or declare at least one.")
    for index, instance in enumerate(instances):
        where = f"ollama_instances[{index}]"
        name, port = str(instance.get("name", "")), _integer(f"{where}.port", instance.get("port"), low=1, high=65535)
        if not INSTANCE_NAME.fullmatch(name):
            raise SettingsError(f"{where}.name is {name!r}: write 1 to 32 lower-case letters, digits, '-' or '_'.")
        if name in seen_names:
            raise SettingsError(f"{where} and ollama_instances[{seen_names[name]}] are both named {name!r}: give each its own name.")
        if port in seen_ports:
            raise SettingsError(f"{where} and ollama_instances[{seen_ports[port]}] both use port {port}: give each its own port.")
        seen_names[name], seen_ports[port] = index, index
        _gpus(where, instance.get("gpus") or [])


def instance_environment(settings: t.Mapping[str, t.Any], *, instance: t.Mapping[str, t.Any], first: bool) -> Environment:
    """The checked environment of one instance.

    ``settings`` holds the role's variables without their prefix. ``first``: this instance does all pulls and prunes of the
    shared store. Raises SettingsError.
    """
    host = _listen_address(settings)
    public = {
        "OLLAMA_HOST": f"[{host}]:{instance['port']}" if ":" in host else f"{host}:{instance['port']}",
        "OLLAMA_MODELS": _absolute("ollama_models_dir", settings["models_dir"]),
        "OLLAMA_KEEP_ALIVE": _duration("ollama_keep_alive", settings["keep_alive"]),
        "OLLAMA_NO_CLOUD": _boolean("ollama_no_cloud", settings["no_cloud"]),
    }
    for name, high in (("num_parallel", 1024), ("max_loaded_models", 1024), ("max_queue", 1 << 20), ("context_length", 1 << 24)):
        if settings[name] is not None:
            public[f"OLLAMA_{name.upper()}"] = str(_integer(f"ollama_{name}", settings[name], low=1, high=high))
    if settings["flash_attention"] is not None:
        public["OLLAMA_FLASH_ATTENTION"] = _boolean("ollama_flash_attention", settings["flash_attention"])
    if settings["kv_cache_type"] is not None:
        if settings["kv_cache_type"] not in KV_CACHE_TYPES:
            raise SettingsError(f"ollama_kv_cache_type is {settings['kv_cache_type']!r}: write one of {', '.join(KV_CACHE_TYPES)}.")
        if (
            settings["kv_cache_type"] != "f16"
            and public.get("OLLAMA_FLASH_ATTENTION") != "true"
            and _before(settings, FIRST_QUANTISED_CACHE)
        ):
            raise SettingsError(
                f"ollama_kv_cache_type is {settings['kv_cache_type']!r}, which Ollama before 0.30.0 ignores without flash attention: "
                "set ollama_flash_attention: true, or leave it out."
            )
        public["OLLAMA_KV_CACHE_TYPE"] = settings["kv_cache_type"]
    if settings["origins"]:
        public["OLLAMA_ORIGINS"] = ",".join(_origin(index, origin, settings) for index, origin in enumerate(settings["origins"]))
    if not first:
        public["OLLAMA_NOPRUNE"] = "true"
    public.update(_gpus(instance["name"], instance.get("gpus") or []))
    secret: dict[str, str] = {}
    for name, value in _proxies(settings).items():
        (secret if "@" in value else public)[name] = value
    public.update(_free("ollama_environment", settings["environment"], taken=public))
    secret.update(_free("ollama_secret_environment", settings["secret_environment"], taken=public))
    return Environment(public=dict(sorted(public.items())), secret=dict(sorted(secret.items())))


def _listen_address(settings: t.Mapping[str, t.Any]) -> str:
    """The address that ``ollama_bind`` stands for on the host, which ``host`` of the settings is, once what is written may be used."""
    bind = str(settings["bind"]).strip()
    networks = [_private_network(index, network) for index, network in enumerate(settings["private_networks"])]
    if bind in (*LOOPBACK_NAMES, TAILSCALE, WIREGUARD):
        return str(settings["host"])
    address = literal(bind)
    if address is None:
        if INTERFACE_NAME.fullmatch(bind) and not re.fullmatch(r"[\d.]+", bind):
            return str(settings["host"])
        raise SettingsError(
            f"ollama_bind is {bind!r}: write loopback, tailscale, wireguard, an IP address or the name of an interface, without scheme and port; "
            "the port belongs to ollama_instances."
        )
    if address.is_loopback or boolean(settings["accept_exposed_api"], strict=False):
        return str(address)
    if not address.is_unspecified and any(address in network for network in networks):
        return str(address)
    raise SettingsError(
        f"ollama_bind is {bind}: Ollama has no authentication, so whoever reaches this address can use and delete everything. "
        "Keep loopback behind the gateway role, write tailscale, wireguard or an address inside ollama_private_networks, "
        "or accept the risk with ollama_accept_exposed_api: true."
    )


def _private_network(index: int, value: t.Any) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    where = f"ollama_private_networks[{index}]"
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise SettingsError(f"{where} is {value!r}: write a network such as 10.20.0.0/16.") from None
    if not is_private(network):
        raise SettingsError(
            f"{where} is {value}, of which the internet has addresses: write a network within 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10 "
            "or fc00::/7, or accept the risk with ollama_accept_exposed_api: true and without it."
        )
    return network


def _everybody(settings: t.Mapping[str, t.Any]) -> bool:
    """Whether Ollama, which checks Host on loopback alone, would answer web pages that people's browsers have open."""
    address = literal(str(settings["bind"]))
    loopback = settings["bind"] in LOOPBACK_NAMES or (address is not None and address.is_loopback)
    return not loopback and not boolean(settings["accept_exposed_api"], strict=False)


def _before(settings: t.Mapping[str, t.Any], numbers: tuple[int, int, int]) -> bool:
    """Whether the version that is wanted is older; one that is not told is not."""
    found = re.match(r"v?(\d+)\.(\d+)\.(\d+)", str(settings.get("version") or ""))
    return bool(found) and tuple(map(int, found.groups())) < numbers


def _absolute(variable: str, value: t.Any) -> str:
    path = _line(variable, value)
    if not path.startswith("/") or path == "/":
        raise SettingsError(f"{variable} is {path!r}: write an absolute path such as /srv/ollama/models.")
    return path.rstrip("/")


def _duration(variable: str, value: t.Any) -> str:
    text = _line(variable, value).strip()
    if GO_DURATION.fullmatch(text) or INTEGER.fullmatch(text):
        return text
    raise SettingsError(
        f"{variable} is {text!r}: write a duration such as 30m or 1h30m, seconds as a number, 0 to unload at once, or -1 for ever."
    )


def _boolean(variable: str, value: t.Any) -> str:
    try:
        return "true" if boolean(value, strict=True) else "false"
    except TypeError:
        raise SettingsError(f"{variable} is {value!r}: write true or false.") from None


def _integer(variable: str, value: t.Any, *, low: int, high: int) -> int:
    try:
        if isinstance(value, (bool, float)):
            raise ValueError
        number = int(value)
    except (TypeError, ValueError):
        raise SettingsError(f"{variable} is {value!r}: write a whole number from {low} to {high}.") from None
    if not low <= number <= high:
        raise SettingsError(f"{variable} is {number}: write a whole number from {low} to {high}.")
    return number


def _origin(index: int, value: t.Any, settings: t.Mapping[str, t.Any]) -> str:
    text = _line(f"ollama_origins[{index}]", value)
    if text in ("*", "http://*", "https://*") and _everybody(settings):
        raise SettingsError(
            f"ollama_origins[{index}] is {text!r} and ollama_bind {settings['bind']}: any web page that somebody there opens could use and delete models. "
            "Write the origins of your applications, such as https://chat.example.com."
        )
    wildcards = text.count("*")
    if text and not re.search(r"[\s,\"']", text) and wildcards <= 1 and (wildcards == 1 or text.startswith(ORIGIN_SCHEMES)):
        return text
    raise SettingsError(
        f"ollama_origins[{index}] is {text!r}, at which Ollama would not start: write one origin such as https://chat.example.com or "
        "https://*.example.com, with at most one '*' and no blanks or commas."
    )


def _gpus(where: str, gpus: t.Sequence[t.Any]) -> dict[str, str]:
    ids = [str(gpu) for gpu in gpus]
    if not ids:
        return {}
    if all(AMD_GPU.fullmatch(gpu) for gpu in ids):
        mask = "ROCR_VISIBLE_DEVICES"
    elif all(NVIDIA_GPU.fullmatch(gpu) for gpu in ids):
        mask = "CUDA_VISIBLE_DEVICES"
    else:
        raise SettingsError(f"{where}: gpus is {ids}: write the UUIDs that `nvidia-smi -L` or `rocminfo` prints, all of one vendor.")
    # Vulkan ignores both masks, so a hidden GPU would come back through it.
    return {mask: ",".join(ids), "OLLAMA_VULKAN": "false"}


def _proxies(settings: t.Mapping[str, t.Any]) -> dict[str, str]:
    proxies = {}
    for variable, name in (("http_proxy", "HTTP_PROXY"), ("https_proxy", "HTTPS_PROXY")):
        if settings[variable]:
            value = _line(f"ollama_{variable}", settings[variable])
            parts = urlsplit(value)
            if parts.scheme not in ("http", "https", "socks5") or not parts.hostname:
                raise SettingsError(f"ollama_{variable} is not a proxy's URL: write one such as http://proxy.example.com:3128.")
            proxies[name] = value
    if proxies or settings["no_proxy"]:
        proxies["NO_PROXY"] = ",".join(dict.fromkeys((*NEVER_PROXIED, *(str(entry) for entry in settings["no_proxy"]))))
    return proxies


def _free(variable: str, values: t.Mapping[str, t.Any], *, taken: t.Mapping[str, str]) -> dict[str, str]:
    """Check the free-form variables: names that Ollama knows, in the forms that it reads."""
    known = (*TYPED, *FREE_BOOLEANS, *FREE_OTHERS)
    checked = {}
    for name, value in values.items():
        where = f"{variable}.{name}"
        if not NAME.fullmatch(name):
            raise SettingsError(f"{where} is not the name of an environment variable: write letters, digits and '_'.")
        if name.upper() in TYPED:
            raise SettingsError(f"{where} is set through {TYPED[name.upper()]}: write it there.")
        if name in GONE:
            raise SettingsError(f"{where} has no effect: {GONE[name]}.")
        if name.startswith("OLLAMA_") and name not in known:
            close = difflib.get_close_matches(name, known, n=1, cutoff=0.7)
            advice = f"did you mean {TYPED.get(close[0], close[0])}?" if close else "leave it out."
            raise SettingsError(f"{where} is not read by Ollama: {advice}")
        if name in taken and name != "OLLAMA_VULKAN" and name != "OLLAMA_NOPRUNE":
            raise SettingsError(f"{where} is set already by another variable: write it once.")
        if name in FREE_BOOLEANS and not isinstance(value, bool) and str(value) not in GO_BOOLEANS:
            raise SettingsError(f"{where} is {value!r}, which Ollama takes for true: write true or false.")
        if isinstance(value, bool):
            value = "true" if value else "false"
        if value is None or isinstance(value, (dict, list)):
            raise SettingsError(f"{where} is no text: write a string or a number.")
        checked[name] = _line(where, value)
    return checked


def _line(variable: str, value: t.Any) -> str:
    text = "" if value is None else str(value)
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise SettingsError(f"{variable} contains a line break or another control character: write it on one line.")
    return text
