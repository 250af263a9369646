# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Ollama's unit may do on a host, and when it starts there. PRIVATE to the collection: it can change at any time.

Sources: systemd.exec(5), systemd.resource-control(5), systemd.service(5) on RestartSteps=.
"""

from __future__ import annotations

import difflib
import re
import typing as t

from ansible_collections.llm.host.plugins.plugin_utils._bind import waits
from ansible_collections.llm.host.plugins.plugin_utils._listen import ADDRESS, EVERYWHERE, reach
from ansible_collections.llm.host.plugins.plugin_utils._settings import SettingsError

__all__ = ("check_hardening", "check_limits", "limits", "order", "restart", "sandbox")

GPU_UNIT = "llm-host-gpu.service"
# Nothing is known of the device nodes of a Jetson that could be listed here.
UNLISTED = "jetson"
DEVICES = {
    "nvidia": ("char-nvidia* rw",),
    "amd": ("char-kfd rw", "char-drm rw"),
    "intel": ("char-drm rw",),
    "wsl": ("/dev/dxg rw",),
}
BACKOFF_SINCE = 254

DEFAULTS: dict[str, t.Any] = {
    "NoNewPrivileges": True,
    "CapabilityBoundingSet": "",
    "ProtectSystem": "strict",
    # systemd makes it writable again where it mounts /proc for the unit.
    "ReadOnlyPaths": "/run",
    "ProtectHome": True,
    "PrivateTmp": True,
    "PrivateDevices": True,
    "DevicePolicy": "closed",
    "ProtectKernelTunables": True,
    "ProtectKernelModules": True,
    "ProtectKernelLogs": True,
    "ProtectControlGroups": True,
    "ProtectClock": True,
    "ProtectHostname": True,
    "ProtectProc": "invisible",
    "RestrictNamespaces": True,
    "RestrictRealtime": True,
    "RestrictSUIDSGID": True,
    "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX",
    "LockPersonality": True,
    "MemoryDenyWriteExecute": True,
    "RemoveIPC": True,
    "SystemCallArchitectures": "native",
    "SystemCallFilter": ["@system-service", "~@privileged @resources"],
    "SystemCallErrorNumber": "EPERM",
    "UMask": "0022",
}
# The drivers of GPUs compile at run time, pin themselves to cores and memory, and ask the kernel for devices over netlink.
WITH_GPU: dict[str, t.Any] = {
    "PrivateDevices": None,
    "MemoryDenyWriteExecute": None,
    "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX AF_NETLINK",
    "SystemCallFilter": ["@system-service", "~@privileged"],
}
FURTHER = (
    "AmbientCapabilities", "BindPaths", "BindReadOnlyPaths", "DeviceAllow", "ExecPaths", "IPAddressAllow", "IPAddressDeny", "InaccessiblePaths",
    "KeyringMode", "NoExecPaths", "PrivateIPC", "PrivateMounts", "PrivateNetwork", "PrivateUsers", "ProcSubset", "ReadWritePaths",
    "RestrictFileSystems", "RestrictNetworkInterfaces", "SecureBits", "SocketBindAllow", "SocketBindDeny", "SupplementaryGroups", "SystemCallLog",
    "TemporaryFileSystem",
)  # fmt: skip
MEMORY = re.compile(r"[1-9]\d*[KMGT]?|([1-9]\d?|100)%")
CPU = re.compile(r"[1-9]\d*%")


def check_hardening(options: t.Any) -> None:
    """Raise SettingsError unless ``ollama_hardening`` can be written into a unit."""
    if not isinstance(options, t.Mapping):
        raise SettingsError("ollama_hardening is no dictionary: write one such as {MemoryDenyWriteExecute: false}.")
    known = (*DEFAULTS, *FURTHER)
    for name, value in options.items():
        if name not in known:
            close = difflib.get_close_matches(str(name), known, n=1, cutoff=0.6)
            advice = f"did you mean {close[0]}?" if close else "put it into a drop-in of your own (systemctl edit ollama)."
            raise SettingsError(f"ollama_hardening.{name} is no option of the unit's hardening: {advice}")
        for entry in value if isinstance(value, list) else [value]:
            if isinstance(entry, (dict, list)) or any(ord(character) < 32 for character in str(entry)):
                raise SettingsError(
                    f"ollama_hardening.{name} is not what systemd reads: write true, false, a text of one line, a list of such texts, or null."
                )


def check_limits(settings: t.Mapping[str, t.Any]) -> None:
    """Raise SettingsError unless systemd reads the limits."""
    for name, form, example in (
        ("memory_max", MEMORY, "bytes such as 48G, or a part of the host's memory such as 80%"),
        ("cpu_quota", CPU, "the time of CPUs in per cent of one, such as 400% for four"),
    ):
        value = settings[name]
        if value is not None and not form.fullmatch(str(value)):
            raise SettingsError(f"ollama_{name} is {value!r}: write {example}.")


def limits(settings: t.Mapping[str, t.Any]) -> str:
    """``MemoryMax=`` and ``CPUQuota=``, those that are set. One runner that grows too large ends alone, not with all others."""
    wanted = {"OOMPolicy": "continue", "MemoryMax": settings["memory_max"], "CPUQuota": settings["cpu_quota"]}
    return _lines(wanted)


def sandbox(settings: t.Mapping[str, t.Any], *, gpus: t.Sequence[str]) -> str:
    """The hardening of the unit. ``gpus`` are the vendors of GPUs that the host has."""
    paths = (settings["home"], settings["models_dir"])
    options: dict[str, t.Any] = dict(settings["hardening"])
    wanted = dict(DEFAULTS)
    if any(path.startswith(("/home/", "/root/")) for path in paths):
        wanted["ProtectHome"] = "read-only"
    if gpus:
        wanted.update(WITH_GPU)
        wanted["DeviceAllow"] = list(dict.fromkeys(line for gpu in gpus for line in DEVICES.get(gpu, ())))
    if UNLISTED in gpus or (not _true({**wanted, **options}, "PrivateDevices") and not _closed({**wanted, **options})):
        # systemd closes all devices but the clock for ProtectClock, as it does for any DeviceAllow.
        wanted.update(DevicePolicy=None, DeviceAllow=None, ProtectClock=None)
    extra = _list(options.pop("ReadWritePaths", None))
    wanted.update(options)
    return _lines({"ReadWritePaths": [" ".join(_quoted(path) for path in dict.fromkeys(paths)), *extra], **wanted})


def order(settings: t.Mapping[str, t.Any], *, gpus: t.Sequence[str], interface: str) -> str:
    """After what the unit starts: an address that the host does not have yet is waited for, without an end. Nothing else is required."""
    after = ["network-online.target", "nvidia-persistenced.service"]
    wants = ["network-online.target"]
    if "nvidia" in gpus:
        wants.append(GPU_UNIT)
        after.append(GPU_UNIT)
    if reach(str(settings["host"]).strip("[]")) in (ADDRESS, EVERYWHERE):
        after.append("tailscaled.service")
        if interface:
            after += [f"wg-quick@{interface}.service", f"sys-subsystem-net-devices-{_escaped(interface)}.device"]
    mounts = dict.fromkeys(_quoted(settings[name]) for name in ("models_dir", "home", "install_dir"))
    late = waits("ollama", [str(settings["host"])])
    return "\n".join([f"RequiresMountsFor={' '.join(mounts)}", f"Wants={' '.join(wants)}", f"After={' '.join(after)}", *late])


def restart(*, systemd: int) -> str:
    """The pauses before it is started again: growing where systemd can, and short always, since systemd never forgets how often that was."""
    backoff = {"RestartSteps": 6, "RestartMaxDelaySec": 30} if systemd >= BACKOFF_SINCE else {}
    return _lines({"RestartSec": 3, **backoff})


def _lines(options: t.Mapping[str, t.Any]) -> str:
    return "\n".join(f"{name}={_text(entry)}" for name, value in options.items() for entry in _list(value))


def _list(value: t.Any) -> list[t.Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def _text(value: t.Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _true(options: t.Mapping[str, t.Any], name: str) -> bool:
    return _text(options.get(name)).lower() in ("true", "yes", "on", "1")


def _closed(options: t.Mapping[str, t.Any]) -> bool:
    return _text(options.get("DevicePolicy")) in ("closed", "strict")


def _quoted(path: str) -> str:
    text = path.replace("%", "%%")
    return '"{}"'.format(text.replace("\\", "\\\\").replace('"', '\\"')) if re.search(r"[\s\"'\\]", text) else text


def _escaped(name: str) -> str:
    """As systemd-escape writes it."""
    kept = re.compile(r"[A-Za-z0-9:_]|(?!^)\.")
    return "".join(
        character if kept.match(name, index) else "".join(f"\\x{byte:02x}" for byte in character.encode())
        for index, character in enumerate(name)
    )
