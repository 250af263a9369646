# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The metrics, in the order in which they are written, and what a value of one is."""

from __future__ import annotations

import dataclasses
import typing as t

__all__ = ("COUNTER", "GAUGE", "METRICS", "Metric", "Part", "Sample", "Watch")

GAUGE = "gauge"
COUNTER = "counter"
# The name of a metric, the values of its labels, and its value.
Sample = t.Tuple[str, t.Tuple[str, ...], float]


class Part(t.Protocol):
    """Something that knows values. It answers at once, from what it saw last."""

    def samples(self) -> t.Iterable[Sample]: ...


class Watch(Part, t.Protocol):
    """A part that looks in the background, once it is started."""

    def start(self) -> None: ...


@dataclasses.dataclass(frozen=True)
class Metric:
    """Its type, its labels, and a sentence."""

    kind: str
    labels: tuple[str, ...]
    help: str


_SERVER = ("server",)
_MODEL = ("server", "model")
_STORE = ("path",)
_GPU = ("gpu",)

METRICS: dict[str, Metric] = {
    "ollama_up": Metric(GAUGE, _SERVER, "Whether the Ollama server answers when it is asked for its loaded models."),
    "ollama_info": Metric(GAUGE, ("server", "version"), "The version of the Ollama server."),
    "ollama_scrape_seconds": Metric(GAUGE, _SERVER, "How long the last answer about loaded models took."),
    "ollama_models": Metric(GAUGE, _SERVER, "Models that are installed."),
    "ollama_model_bytes": Metric(GAUGE, _MODEL, "Memory of a loaded model, with its context."),
    "ollama_model_vram_bytes": Metric(GAUGE, _MODEL, "The part of it that is in the memory of GPUs."),
    "ollama_model_context_tokens": Metric(GAUGE, _MODEL, "Tokens of context of one request to a loaded model."),
    "ollama_model_expiry_timestamp_seconds": Metric(GAUGE, _MODEL, "When a loaded model is unloaded if nobody asks it; +Inf is never."),
    "ollama_model_loads_total": Metric(COUNTER, _MODEL, "How often a model was loaded since the exporter started."),
    "ollama_model_unloads_total": Metric(COUNTER, _MODEL, "How often a model was unloaded since the exporter started."),
    "ollama_gpu_expected": Metric(GAUGE, _SERVER, "Whether the models of the server belong onto GPUs."),
    "ollama_model_on_cpu": Metric(GAUGE, _MODEL, "Whether a loaded model belongs onto GPUs and is not there with all of its memory."),
    "ollama_drift": Metric(
        GAUGE,
        ("server", "kind"),
        "What is not as declared: models that are missing, undeclared or of another digest, or 1 for the version.",
    ),
    "ollama_store_bytes": Metric(GAUGE, _STORE, "Room that the files of models take, unfinished downloads included."),
    "ollama_store_orphaned_bytes": Metric(GAUGE, _STORE, "Room that files take which no model uses."),
    "ollama_store_orphaned_blobs": Metric(GAUGE, _STORE, "Files that no model uses."),
    "ollama_store_free_bytes": Metric(GAUGE, _STORE, "Room that is free for a user without privileges."),
    "ollama_store_needed_bytes": Metric(
        GAUGE, _STORE, "What the next pull may need: the largest declared model that is installed, a second time."
    ),
    "ollama_exporter_errors_total": Metric(COUNTER, ("what",), "Looks that failed, by what was looked at."),
    "llm_gpu_info": Metric(GAUGE, ("gpu", "name", "vendor", "driver"), "A GPU, by its PCI address."),
    "llm_gpu_utilization_ratio": Metric(GAUGE, _GPU, "How much of the time the GPU computed."),
    "llm_gpu_memory_used_bytes": Metric(GAUGE, _GPU, "Memory of the GPU that is used."),
    "llm_gpu_memory_total_bytes": Metric(GAUGE, _GPU, "Memory of the GPU."),
    "llm_gpu_power_watts": Metric(GAUGE, _GPU, "Power that the GPU draws."),
    "llm_gpu_temperature_celsius": Metric(GAUGE, _GPU, "Temperature of the GPU."),
    "llm_gpu_throttled": Metric(GAUGE, ("gpu", "reason"), "Whether the GPU runs slower than it could, for this reason."),
    "llm_gpu_ecc_errors_total": Metric(COUNTER, ("gpu", "kind"), "Errors of the GPU's memory since its driver was loaded."),
    "llm_gpu_xid_errors_total": Metric(COUNTER, (), "Errors (Xid) that the driver of NVIDIA wrote into the kernel's log since boot."),
    "llm_gpus": Metric(GAUGE, (), "GPUs that work; those that are part of a processor beside others do not count."),
    "llm_gpus_expected": Metric(GAUGE, (), "GPUs that this host is to have."),
    "llm_tailscale_key_expiry_timestamp_seconds": Metric(GAUGE, (), "When the key of this host in the tailnet expires."),
}
