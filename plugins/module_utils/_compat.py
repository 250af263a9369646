# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What on a host does not go together with a version of Ollama. PRIVATE to the collection: it can change at any time.

Sources: Ollama's release notes and docs/gpu.mdx; discover/cuda_compat.go for the drivers, server/images.go for REQUIRES, the release workflow for MLX.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.llm.host.plugins.module_utils._release_assets import FIRST_MLX, FIRST_SEPARATE_MLX, Version

__all__ = ("OLDEST_CAPABILITY", "Holding", "Nvidia", "conflicts", "driver_in", "driver_needed", "numbers", "older", "takeover_conflicts")

TENSOR = "application/vnd.ollama.image.tensor"
# Since this version CUDA devices with an older driver are left out.
FIRST_WITH_DRIVER = (0, 30, 11)
OLDEST_DRIVER = 550
# For GPUs of a compute capability below this one.
OLD_GPU, OLDEST_DRIVER_OF_OLD_GPUS = (7, 0), 570
# Of a GPU that is used at all.
OLDEST_CAPABILITY = (5, 0)


@dataclasses.dataclass(frozen=True)
class Holding:
    """A model in the store: the least version that it asks for, and the media types of its layers."""

    name: str
    requires: str = ""
    layers: frozenset[str] = frozenset()


@dataclasses.dataclass(frozen=True)
class Nvidia:
    """The driver that is loaded, and the compute capabilities of the GPUs, as far as they are known."""

    driver: str
    capabilities: tuple[str, ...] = ()


def conflicts(version: Version, *, overlays: t.Collection[str], models: t.Iterable[Holding], nvidia: Nvidia | None) -> list[str]:
    """A sentence for each reason not to go to ``version``."""
    found = []
    for model in models:
        if model.requires and older(version, model.requires):
            found.append(
                f"{model.name} needs Ollama {model.requires} or newer, and ollama_version is {version}: raise ollama_version, or remove the model first."
            )
        if TENSOR in model.layers and version.numbers < FIRST_MLX:
            found.append(
                f"{model.name} consists of safetensors, which Ollama before 0.14.0 does not run: raise ollama_version, or remove the model first."
            )
        elif TENSOR in model.layers and version.numbers >= FIRST_SEPARATE_MLX and "mlx" not in overlays:
            found.append(
                f"{model.name} consists of safetensors, which Ollama {version} runs with the overlay mlx only: add mlx to ollama_overlays,"
                " or remove the model first."
            )
    return found + (_driver_conflicts(version, nvidia) if nvidia else [])


def driver_needed(version: str, capabilities: t.Iterable[str]) -> int:
    """The oldest branch of NVIDIA's driver with which a version of Ollama uses GPUs of these compute capabilities; the newest one where none is said."""
    if version and Version.parse(version).numbers < FIRST_WITH_DRIVER:
        return 0
    return OLDEST_DRIVER_OF_OLD_GPUS if _old(capabilities) else OLDEST_DRIVER


def _old(capabilities: t.Iterable[str]) -> list[str]:
    return [text for text in capabilities if numbers(text) < OLD_GPU]


def _driver_conflicts(version: Version, nvidia: Nvidia) -> list[str]:
    needed = driver_needed(str(version), nvidia.capabilities)
    if int(nvidia.driver.partition(".")[0]) >= needed:
        return []
    old = _old(nvidia.capabilities)
    why = f" for GPUs of compute capability {', '.join(old)}" if old else ""
    return [
        f"The NVIDIA driver is {nvidia.driver}, and Ollama {version} needs {needed} or newer{why}, or else runs on the CPU: upgrade the driver first,"
        f" or choose an ollama_version before 0.30.11."
    ]


def takeover_conflicts(*, unit: str, runs_as: str, user: str, user_home: str, keeps_identity: bool, home: str) -> list[str]:
    """Why what is there would lose its models or its identity under another user or home. ``user_home`` is that of ``user`` on the host."""
    if runs_as and runs_as != user:
        return [
            f"{unit} runs as the user {runs_as}, and ollama_user is {user}, who could not use its models: set ollama_user to {runs_as},"
            " with ollama_group and ollama_home as they are there."
        ]
    if user_home and user_home != home and keeps_identity:
        return [f"The user {user} has its identity key in {user_home}, and ollama_home is {home}: set ollama_home to {user_home}."]
    return []


def driver_in(text: str) -> str:
    """The version in /proc/driver/nvidia/version, empty where there is none."""
    found = re.search(r"Kernel Module.*?\s(\d+\.\d+(?:\.\d+)?)\s", text)
    return found.group(1) if found else ""


def older(version: Version, needed: str) -> bool:
    return version.numbers < numbers(needed)


def numbers(text: str) -> tuple[int, ...]:
    """Of a version, for comparing."""
    return tuple(int(number) for number in re.findall(r"\d+", text.partition("-")[0])[:3])
