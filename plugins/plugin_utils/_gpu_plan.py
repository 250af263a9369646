# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which driver a host's GPUs and its Ollama need, and from where. PRIVATE to the collection: it can change at any time.

Sources: Ollama's docs/gpu.mdx; NVIDIA's driver installation guide (kernel modules by generation; the last branch for Maxwell, Pascal and Volta).
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.llm.host.plugins.module_utils._compat import OLDEST_CAPABILITY, driver_needed, numbers
from ansible_collections.llm.host.plugins.module_utils._release_assets import Version
from ansible_collections.llm.host.plugins.module_utils._release_values import ReleaseError

__all__ = ("plan",)

Info = t.Mapping[str, t.Any]
# Compute capabilities: Turing is the first with the open kernel module, Blackwell the first without the other one.
FIRST_OPEN, FIRST_OPEN_ONLY = (7, 5), (10, 0)
LAST_BRANCH_BEFORE_TURING = 580
FIRST_BRANCH_OF_BLACKWELL = 570
BRANCH = re.compile(r"\d{3}(\.\d+){0,2}")
DEBIAN_FLAVOUR = re.compile(r"-((?:cloud-|rt-)?(?:amd64|arm64))$")
UBUNTU_FLAVOUR = re.compile(r"-([a-z][a-z0-9-]*)$")
COMPUTE_MODES = {"default": "DEFAULT", "exclusive_process": "EXCLUSIVE_PROCESS", "prohibited": "PROHIBITED"}


@dataclasses.dataclass(frozen=True)
class Need:
    """What the NVIDIA GPUs of a host and its Ollama ask of a driver."""

    oldest: int
    newest: int
    modules: tuple[str, ...]
    why: str

    def fits(self, branch: str) -> bool:
        return self.oldest <= _major(branch) <= self.newest

    def describe(self) -> str:
        upper = f" and {self.newest} or older" if self.newest < 999 else ""
        return f"{self.oldest} or newer{upper}{self.why}"


def plan(info: Info, wishes: Info, offers: t.Sequence[Info]) -> dict[str, t.Any]:
    """What is to be done on a host.

    ``info`` is what C(gpu_info) returns, ``wishes`` are the variables of the role without their prefix, ``offers`` the drivers that the
    distribution and its vendors have. ``action`` is C(none), C(keep) or C(install); ``problems`` are reasons to stop, a sentence each.
    """
    problems = _malformed(wishes)
    if problems:
        return _result("none", problems=problems)
    outside = _outside(info)
    if outside:
        return _result("none", note=outside)
    nvidia = _usable(info)
    amd = [gpu for gpu in info["gpus"] if gpu["vendor"] == "amd" and gpu["driver"] != "vfio-pci"]
    if not nvidia and not amd:
        return _result("none", note=_unusable_note(info))
    if wishes["driver_source"] == "none":
        return _result(
            "none",
            vendors=_vendors(nvidia, amd),
            note=f"{_names(nvidia + amd)}: gpu_driver_source is none, so the driver is left to others.",
        )
    problems = _settings_problems(nvidia, wishes)
    found = _nvidia(info, nvidia, wishes, offers) if nvidia else _result("none")
    if amd:
        found = _with_amd(found, info, amd, wishes, offers)
    return {**found, "problems": problems + found["problems"], "vendors": _vendors(nvidia, amd)}


def _result(action: str, **values: t.Any) -> dict[str, t.Any]:
    return {"action": action, "note": "", "problems": [], "vendors": [], "driver": {}, "branch": "", "modules": "", "source": "", **values}


def _malformed(wishes: Info) -> list[str]:
    found = []
    branch = str(wishes["driver_branch"])
    if branch and not BRANCH.fullmatch(branch):
        found.append(f'gpu_driver_branch is \'{branch}\': write a branch such as "580", or a version such as "580.95.05".')
    if branch and wishes["driver_source"] == "none":
        found.append("gpu_driver_branch is set, and gpu_driver_source is none: take one of them away.")
    limit = wishes["power_limit"]
    if limit is not None and not (str(limit).isdigit() and int(limit) > 0):
        found.append(f"gpu_power_limit is {limit}: write watts as a whole number such as 300, or null.")
    mode = wishes["compute_mode"]
    if mode is not None and str(mode).lower() not in COMPUTE_MODES:
        found.append(f"gpu_compute_mode is '{mode}': write default, exclusive_process or prohibited, or null.")
    if wishes["secure_boot"] == "enrol" and not wishes["mok_password"]:
        found.append(
            "gpu_secure_boot is enrol, and gpu_mok_password is empty: choose a password, which is asked for at the console at the next boot."
        )
    return found


def _outside(info: Info) -> str:
    """Why the driver is not this host's own business."""
    if not info["gpus"]:
        return "No GPU: nothing to do."
    if info["platform"] == "jetson":
        return "A Jetson: its driver is a part of JetPack, so there is nothing to do."
    if info["platform"] == "wsl":
        return "WSL: the driver is that of Windows, so there is nothing to do."
    if info["container"]:
        return f"A container ({info['container']}): its GPU's driver belongs to the host that it runs on, so there is nothing to do."
    return ""


def _usable(info: Info) -> list[Info]:
    """NVIDIA's GPUs that Ollama can use; those of an unknown capability are new ones."""
    return [
        gpu
        for gpu in info["gpus"]
        if gpu["vendor"] == "nvidia"
        and gpu["driver"] != "vfio-pci"
        and (not gpu["compute_capability"] or numbers(gpu["compute_capability"]) >= OLDEST_CAPABILITY)
    ]


def _unusable_note(info: Info) -> str:
    """For hosts whose GPUs are all passed on, too old, or of the processor."""
    return f"{_names(info['gpus'])}: no GPU that Ollama uses through a driver of NVIDIA or AMD, so there is nothing to do."


def _vendors(nvidia: t.Sequence[Info], amd: t.Sequence[Info]) -> list[str]:
    return [*(["amd"] if amd else []), *(["nvidia"] if nvidia else [])]


def _names(gpus: t.Iterable[Info]) -> str:
    return ", ".join(dict.fromkeys(gpu["name"] or gpu["chip"] or f"{gpu['vendor']} {gpu['pci_id']}" for gpu in gpus))


def _settings_problems(nvidia: t.Sequence[Info], wishes: Info) -> list[str]:
    found = []
    limit = wishes["power_limit"]
    if limit is not None and not nvidia:
        found.append("gpu_power_limit is set, and the host has no GPU of NVIDIA: take it away.")
    for gpu in nvidia if limit is not None else []:
        least, most = gpu["power_limit_min"], gpu["power_limit_max"]
        if least and most and not least <= int(limit) <= most:
            found.append(
                f"gpu_power_limit is {limit}, and {gpu['name'] or gpu['pci_id']} takes {least:g} to {most:g} W: write a number between."
            )
    return list(dict.fromkeys(found))


def _need(nvidia: t.Sequence[Info], wanted: str) -> Need | str:
    """Or why no driver serves them all."""
    known = [gpu for gpu in nvidia if gpu["compute_capability"]]
    new = [gpu for gpu in nvidia if not gpu["compute_capability"] or numbers(gpu["compute_capability"]) >= FIRST_OPEN_ONLY]
    old = [gpu for gpu in known if numbers(gpu["compute_capability"]) < FIRST_OPEN]
    if new and old:
        return (
            f"{_names(old)} needs NVIDIA's proprietary kernel module and {_names(new)} the open one, and a host has one of them:"
            " take the GPUs of one kind out, or pass them on to a virtual machine."
        )
    oldest = driver_needed(wanted, [gpu["compute_capability"] for gpu in known])
    if new:
        oldest = max(oldest, FIRST_BRANCH_OF_BLACKWELL)
    why = f" for {_names(nvidia)}" if old or new else ""
    modules = ("proprietary",) if old else ("open",) if new else ("open", "proprietary")
    return Need(oldest, LAST_BRANCH_BEFORE_TURING if old else 999, modules, why)


def _nvidia(info: Info, gpus: t.Sequence[Info], wishes: Info, offers: t.Sequence[Info]) -> dict[str, t.Any]:
    try:
        wanted = str(Version.parse(wishes["ollama_version"])) if wishes["ollama_version"] else ""
    except ReleaseError:
        wanted = ""  # The role ollama says what is wrong with it.
    need = _need(gpus, wanted)
    if isinstance(need, str):
        return _result("none", problems=[need])
    there, branch = _installed(info), str(wishes["driver_branch"])
    if _good(info, there, branch, need, wishes):
        return _kept(info, gpus, there, need, wishes, offers)
    offer, why = _offer(info, need, wishes, offers)
    if offer is None:
        return _result("none", problems=[why])
    unsigned = _secure_boot(info, offer, wishes)
    chosen = branch or _branch(offer, need)
    origin = "NVIDIA's repository" if offer["source"] == "nvidia" else "the distribution"
    return _result(
        "install",
        note=f"{_names(gpus)}: driver {chosen} from {origin}, {offer['modules']} kernel module{_held(wishes)}.{why}",
        problems=[unsigned] if unsigned else [],
        source=offer["source"],
        branch=chosen,
        modules=offer["modules"],
        driver=_options(info, offer, chosen, wishes),
    )


def _held(wishes: Info) -> str:
    return ", held with the kernel" if wishes["hold"] else ""


def _installed(info: Info) -> str:
    """The version that is there: loaded, or on disk for the kernel that runs or comes next, or as a library."""
    nvidia = info["nvidia"]
    on_disk = nvidia["installed"]
    newest = next((on_disk[kernel] for kernel in reversed(info["kernels"]) if kernel in on_disk), "")
    return str(nvidia["loaded"] or on_disk.get(info["kernel"]) or newest or nvidia["library"])


def _good(info: Info, there: str, branch: str, need: Need, wishes: Info) -> bool:
    if not there or not need.fits(there) or not f"{there}.".startswith(f"{branch}." if branch else ""):
        return False
    kind = info["nvidia"]["kind"]
    return not kind or (kind in need.modules and wishes["driver_modules"] in ("auto", kind))


def _kept(info: Info, gpus: t.Sequence[Info], there: str, need: Need, wishes: Info, offers: t.Sequence[Info]) -> dict[str, t.Any]:
    """What is there is good: it is completed, or upgraded, where the role has installed it, and held either way."""
    ours = [offer for offer in offers if offer["vendor"] == "nvidia" and not offer.get("broken")]
    kind, branch = info["nvidia"]["kind"], str(_major(there))
    stays = f"goes to the newest of its branch {branch}" if wishes["upgrade"] else f"is good for Ollama and stays{_held(wishes)}"
    found = _result("keep", note=f"{_names(gpus)}: driver {there} {stays}.", modules=kind, branch=branch)
    # What is not loaded yet is of the kind that would be installed.
    kinds = [kind] if kind else [each for each in need.modules if wishes["driver_modules"] in ("auto", each)]
    same = [offer for offer in ours if offer["modules"] in kinds and (branch in _branches(offer) or offer.get("any_branch"))]
    if same:
        offer = min(same, key=lambda each: (branch not in _branches(each), each["source"] != wishes["driver_source"]))
        options = _options(info, offer, wishes["driver_branch"] or branch, wishes)
        return {**found, "source": offer["source"], "driver": {**options, "leave": True}}
    patterns = list(dict.fromkeys(pattern for each in ours for pattern in each["driver"]))
    held = {
        "packages": [],
        "version": "",
        "driver": patterns,
        "dkms": "",
        "kernel_packages": [],
        "components": [],
        "repository": None,
        "leave": True,
    }
    return {**found, "driver": held if patterns else {}}


def _offer(info: Info, need: Need, wishes: Info, offers: t.Sequence[Info]) -> tuple[Info | None, str]:
    """The first that fits, the wanted source before the vendor's; or a reason why there is none."""
    source, branch, modules = wishes["driver_source"], str(wishes["driver_branch"]), wishes["driver_modules"]
    system = f"{info['os']['id'].capitalize()} {info['os']['version']}".strip()
    ours = [offer for offer in offers if offer["vendor"] == "nvidia"]
    if not ours:
        return None, (
            f"The role knows no NVIDIA driver for {system}: install one yourself and set gpu_driver_source to none, or use one of the systems in the"
            " role's README."
        )
    if branch and not need.fits(branch):
        return None, f"gpu_driver_branch is {branch}, and Ollama needs {need.describe()}: write such a branch, or leave it empty."
    if modules != "auto" and modules not in need.modules:
        return None, f"gpu_driver_modules is {modules}, and {need.modules[0]} is the only kernel module{need.why}: set it to auto."
    reasons = []
    for offer in sorted(ours, key=lambda each: each["source"] != source):
        if offer["modules"] not in need.modules or modules not in ("auto", offer["modules"]):
            continue
        if offer["source"] != source and source == "nvidia":
            continue
        reason = _misfit(offer, need, branch, system)
        if not reason:
            return offer, f" {reasons[0]}" if reasons and offer["source"] != source else ""
        reasons.append(reason)
    return None, (
        f"There is no driver for {system} that Ollama can use, {need.describe()}: {' '.join(dict.fromkeys(reasons))} Install one yourself and set"
        " gpu_driver_source to none, or set gpu_nvidia_repository to a repository that has one, and gpu_driver_branch to its branch."
    )


def _misfit(offer: Info, need: Need, branch: str, system: str) -> str:
    name = f"NVIDIA's repository for {system}" if offer["source"] == "nvidia" else system
    if offer.get("broken"):
        return str(offer["broken"])
    if branch and not offer.get("any_branch") and str(_major(branch)) not in _branches(offer):
        return f"{name} has {' and '.join(_branches(offer))}, and gpu_driver_branch is {branch}."
    if not branch and not any(need.fits(each) for each in _branches(offer)):
        return f"{name} has {' and '.join(_branches(offer))}, and Ollama needs {need.describe()}."
    return ""


def _branches(offer: Info) -> list[str]:
    return [str(branch) for branch in offer["branches"]]


def _branch(offer: Info, need: Need) -> str:
    return next(branch for branch in _branches(offer) if need.fits(branch))


def _secure_boot(info: Info, offer: Info, wishes: Info) -> str:
    """Why the kernel would not load what is built here."""
    if not info["secure_boot"] or not offer.get("dkms") or info["mok_enrolled"] or wishes["secure_boot"] == "enrol":
        return ""
    return (
        "Secure Boot is on, and the key that signs kernel modules built here is not enrolled, so the kernel would refuse the driver: set gpu_secure_boot to"
        " enrol and gpu_mok_password, then confirm at the console during the next boot; or enrol /var/lib/dkms/mok.pub yourself (mokutil --import);"
        " or turn Secure Boot off in the firmware. docs/gpu.md says more."
    )


def _options(info: Info, offer: Info, branch: str, wishes: Info) -> dict[str, t.Any]:
    """The options of C(gpu_driver)."""
    fill = {"branch": branch.partition(".")[0], "flavour": _flavour(info), "machine": _machine(info)}
    repository = dict(offer.get("repository") or {})
    if repository:
        repository["uri"] = (wishes["nvidia_repository"] or repository["uri"]).format(**fill)
        repository["key"] = wishes["nvidia_key"] or f"{repository['uri'].rstrip('/')}/{repository['key']}"
        repository["fingerprint"] = (wishes["nvidia_key_fingerprint"] or repository["fingerprint"]).replace(" ", "").upper()
    return {
        "packages": [name.format(**fill) for name in offer["packages"]],
        "version": branch if not offer.get("branch_in_name") else "",
        "driver": list(offer["driver"]),
        "dkms": offer.get("dkms", "").format(**fill),
        "kernel_packages": list(wishes["kernel_packages"]) or [name.format(**fill) for name in offer.get("kernel_packages", [])],
        "components": list(offer.get("components", [])),
        "repository": repository or None,
        "leave": False,
    }


def _flavour(info: Info) -> str:
    """The kind of the kernel that runs, as the names of its packages end."""
    if info["os"]["id"] == "ubuntu":
        found = UBUNTU_FLAVOUR.search(info["kernel"])
        return found.group(1) if found else "generic"
    found = DEBIAN_FLAVOUR.search(info["kernel"])
    return found.group(1) if found else {"aarch64": "arm64"}.get(info["machine"], "amd64")


def _machine(info: Info) -> str:
    """As NVIDIA's repositories call it."""
    return "sbsa" if info["machine"] == "aarch64" else "x86_64"


def _with_amd(found: dict[str, t.Any], info: Info, amd: t.Sequence[Info], wishes: Info, offers: t.Sequence[Info]) -> dict[str, t.Any]:
    """AMD's driver is a part of the kernel; its firmware is a package."""
    offer = next((offer for offer in offers if offer["vendor"] == "amd"), None)
    note = f"{_names(amd)}: the kernel's own driver" + (f", with {' and '.join(offer['packages'])}." if offer else ".")
    note = f"{found['note']} {note}".strip()
    if offer is None:
        return {**found, "note": note, "action": "keep" if found["action"] == "none" else found["action"]}
    if found["driver"]:
        driver = dict(found["driver"])
        driver["packages"] = [*driver["packages"], *offer["packages"]]
        driver["components"] = list(dict.fromkeys([*driver["components"], *offer.get("components", [])]))
        return {**found, "note": note, "driver": driver}
    return {**found, "note": note, "action": "install", "source": "distro", "driver": _options(info, offer, "", wishes)}


def _major(version: str) -> int:
    return int(version.partition(".")[0])
