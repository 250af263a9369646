# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What there is to be asked for: every metric that a dashboard may name, and its labels besides job and instance."""

from __future__ import annotations

import typing as t

__all__ = ["EVERYWHERE", "METRICS"]

EVERYWHERE = frozenset({"instance", "job"})

_REQUEST = "engine endpoint model user"
_NAMES = {
    # ollama_exporter
    "ollama_up ollama_models ollama_gpu_expected ollama_scrape_seconds": "server",
    "ollama_info": "server version",
    "ollama_model_bytes ollama_model_vram_bytes ollama_model_context_tokens ollama_model_expiry_timestamp_seconds": "server model",
    "ollama_model_on_cpu": "server model",
    "ollama_model_loads_total ollama_model_unloads_total": "server model",
    "ollama_drift": "server kind",
    "ollama_store_bytes ollama_store_orphaned_bytes ollama_store_orphaned_blobs ollama_store_free_bytes ollama_store_needed_bytes": "path",
    "ollama_exporter_errors_total": "what",
    "llm_gpu_info": "gpu name vendor driver",
    "llm_gpu_utilization_ratio llm_gpu_memory_used_bytes llm_gpu_memory_total_bytes llm_gpu_power_watts llm_gpu_temperature_celsius": "gpu",
    "llm_gpu_throttled": "gpu reason",
    "llm_gpu_ecc_errors_total": "gpu kind",
    "llm_gpu_xid_errors_total llm_gpus llm_gpus_expected llm_tailscale_key_expiry_timestamp_seconds": "",
    # mtail, from the log of the web server
    "llm_gateway_requests_total": f"{_REQUEST} code",
    "llm_gateway_request_seconds_bucket llm_gateway_first_byte_seconds_bucket": f"{_REQUEST} le",
    "llm_gateway_prompt_tokens_total llm_gateway_completion_tokens_total": _REQUEST,
    # HAProxy
    "llm_balancer_user_requests llm_balancer_user_requests_total": "user",
    "llm_balancer_user_refused_total": "user reason",
    # The canary
    "llm_canary_success llm_canary_tokens_per_second llm_canary_first_token_seconds llm_canary_load_seconds": "host server model",
    # The blackbox exporter, Prometheus itself, and node_exporter
    "probe_success probe_duration_seconds probe_ssl_earliest_cert_expiry up": "",
    "ALERTS": "alertname alertstate severity",
    "node_cpu_seconds_total": "cpu mode",
    "node_memory_MemAvailable_bytes node_memory_MemTotal_bytes node_load1": "",
    "node_network_receive_bytes_total node_network_transmit_bytes_total": "device",
    "node_filesystem_avail_bytes node_filesystem_size_bytes": "mountpoint fstype device",
    # Recording rules of the role monitoring
    **{f"llm:{what}_seconds:p{percent}": "model" for what in ("request", "first_byte") for percent in (50, 95, 99)},
    **{f"llm:{what}_seconds:all:p{percent}": "" for what in ("request", "first_byte") for percent in (50, 95, 99)},
    "llm:requests:rate5m": "model code",
    "llm:completion_tokens:rate5m llm:prompt_tokens:rate5m": "model",
    "llm:queue_waiting llm:queue_refused:rate5m": "",
    "llm:gpu_memory:ratio": "gpu",
    "llm:model_loads:increase1h": "server",
    "llm:canary_tokens_per_second:avg1d": "host server model",
}

METRICS: t.Mapping[str, frozenset[str]] = {
    name: frozenset(labels.split()) | EVERYWHERE for names, labels in _NAMES.items() for name in names.split()
}
