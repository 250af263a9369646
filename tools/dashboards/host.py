# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One host, or several beside one another: servers, models, GPUs, stores, and the machine under them."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Row
from panels import Ask, Board, board, lines, number, rows, variable

__all__ = ["host"]

HERE = '{instance=~"$instance"}'


def host() -> Board:
    made = board("llm-host-host", "llm.host: host", "The servers, models, GPUs and stores of a host, and the machine under them.")
    made = made.with_variable(variable("instance", "Host", 'label_values(up{job="node"}, instance)'))
    return _machine(_stores(_gpus(_models(_health(made)))))


def _health(made: Board) -> Board:
    return (
        made.with_row(Row("Servers"))
        .with_panel(number("Servers up", "Share of the Ollama servers that answer.", "percentunit", f"avg(ollama_up{HERE})", bad_below=1))
        .with_panel(number("Models installed", "On all servers of the chosen hosts.", "short", f"sum(ollama_models{HERE})"))
        .with_panel(
            number(
                "GPUs missing",
                "How many of the declared GPUs are not found.",
                "short",
                f"sum(llm_gpus_expected{HERE}) - sum(llm_gpus{HERE})",
                bad_from=1,
            )
        )
        .with_panel(
            number(
                "Models on the CPU",
                "Models that should be on a GPU and are not wholly there.",
                "short",
                f"sum(ollama_model_on_cpu{HERE})",
                bad_from=1,
            )
        )
        .with_panel(number("Drift", "Models and versions that are not as declared.", "short", f"sum(ollama_drift{HERE})", bad_from=1))
        .with_panel(
            number(
                "Xid errors",
                "Faults of NVIDIA GPUs in the kernel's log, in the last day.",
                "short",
                f"sum(increase(llm_gpu_xid_errors_total{HERE}[1d]))",
                bad_from=1,
            )
        )
        .with_panel(
            rows(
                "Versions",
                "Which version of Ollama each server runs.",
                "short",
                f"max by (instance, server, version) (ollama_info{HERE})",
                ["instance", "server", "version"],
                "runs",
            )
        )
        .with_panel(
            rows(
                "What is not as declared",
                "How many models are missing, have another digest or are not declared, and whether the version differs.",
                "short",
                f"sum by (instance, server, kind) (ollama_drift{HERE}) > 0",
                ["instance", "server", "kind"],
                "how many",
            )
        )
    )


def _models(made: Board) -> Board:
    share = (
        f"sum by (instance, server, model) (ollama_model_vram_bytes{HERE}) / sum by (instance, server, model) (ollama_model_bytes{HERE})"
    )
    return (
        made.with_row(Row("Models"))
        .with_panel(
            lines(
                "Models in memory",
                "How much memory each loaded model takes.",
                "bytes",
                Ask(f"ollama_model_bytes{HERE}", "{{instance}} {{server}} {{model}}"),
                stacked=True,
            )
        )
        .with_panel(
            lines(
                "Share on the GPU",
                "Of each loaded model. What is not there is computed slowly by the CPU.",
                "percentunit",
                Ask(share, "{{instance}} {{server}} {{model}}"),
                most=1,
            )
        )
        .with_panel(
            lines(
                "Loads and unloads",
                "In five minutes, by model.",
                "short",
                Ask(f"increase(ollama_model_loads_total{HERE}[5m])", "{{server}} {{model}} loaded"),
                Ask(f"increase(ollama_model_unloads_total{HERE}[5m])", "{{server}} {{model}} unloaded"),
            )
        )
    )


def _gpus(made: Board) -> Board:
    return (
        made.with_row(Row("GPUs"))
        .with_panel(
            lines(
                "Memory in use",
                "Of each GPU.",
                "bytes",
                Ask(f"llm_gpu_memory_used_bytes{HERE}", "{{instance}} GPU {{gpu}}"),
                Ask(f"llm_gpu_memory_total_bytes{HERE}", "{{instance}} GPU {{gpu}}, all"),
            )
        )
        .with_panel(
            lines(
                "Utilisation",
                "Share of the time in which a GPU computed.",
                "percentunit",
                Ask(f"llm_gpu_utilization_ratio{HERE}", "{{instance}} GPU {{gpu}}"),
                most=1,
            )
        )
        .with_panel(lines("Power", "What each GPU draws.", "watt", Ask(f"llm_gpu_power_watts{HERE}", "{{instance}} GPU {{gpu}}")))
        .with_panel(lines("Temperature", "Of each GPU.", "celsius", Ask(f"llm_gpu_temperature_celsius{HERE}", "{{instance}} GPU {{gpu}}")))
        .with_panel(
            lines(
                "Slowed down",
                "1 while a GPU runs slower than it could, by the reason.",
                "short",
                Ask(f"llm_gpu_throttled{HERE}", "{{instance}} GPU {{gpu}} {{reason}}"),
                most=1,
            )
        )
        .with_panel(
            lines(
                "Memory errors",
                "ECC errors in five minutes; uncorrected ones break answers.",
                "short",
                Ask(f"increase(llm_gpu_ecc_errors_total{HERE}[5m])", "{{instance}} GPU {{gpu}} {{kind}}"),
            )
        )
    )


def _stores(made: Board) -> Board:
    return (
        made.with_row(Row("Stores of models"))
        .with_panel(
            lines(
                "Free and needed",
                "Free disk of each store, and what the next pull may need.",
                "bytes",
                Ask(f"ollama_store_free_bytes{HERE}", "{{instance}} {{path}} free"),
                Ask(f"ollama_store_needed_bytes{HERE}", "{{instance}} {{path}} needed"),
            )
        )
        .with_panel(lines("Size", "Of each store.", "bytes", Ask(f"ollama_store_bytes{HERE}", "{{instance}} {{path}}")))
        .with_panel(
            lines("Orphaned", "What no model needs any more.", "bytes", Ask(f"ollama_store_orphaned_bytes{HERE}", "{{instance}} {{path}}"))
        )
    )


def _machine(made: Board) -> Board:
    cpu = 'avg by (instance) (rate(node_cpu_seconds_total{mode="idle",instance=~"$instance"}[5m]))'
    disks = '{instance=~"$instance",fstype!~"tmpfs|ramfs|overlay|squashfs"}'
    cables = '{instance=~"$instance",device!~"lo|veth.*|docker.*|br-.*"}'
    return (
        made.with_row(Row("The machine"))
        .with_panel(lines("CPU", "Share of all cores that is busy.", "percentunit", Ask(f"1 - {cpu}", "{{instance}}"), most=1))
        .with_panel(
            lines(
                "Memory",
                "Share of the host's memory that programs use.",
                "percentunit",
                Ask(f"1 - node_memory_MemAvailable_bytes{HERE} / node_memory_MemTotal_bytes{HERE}", "{{instance}}"),
                most=1,
            )
        )
        .with_panel(
            lines("Load", "Programs that run or wait to run, on average of a minute.", "short", Ask(f"node_load1{HERE}", "{{instance}}"))
        )
        .with_panel(
            lines(
                "Disks",
                "Share of each file system that is in use.",
                "percentunit",
                Ask(f"1 - node_filesystem_avail_bytes{disks} / node_filesystem_size_bytes{disks}", "{{instance}} {{mountpoint}}"),
                most=1,
            )
        )
        .with_panel(
            lines(
                "Network in",
                "Bytes in a second.",
                "Bps",
                Ask(f"sum by (instance) (rate(node_network_receive_bytes_total{cables}[5m]))", "{{instance}}"),
            )
        )
        .with_panel(
            lines(
                "Network out",
                "Bytes in a second.",
                "Bps",
                Ask(f"sum by (instance) (rate(node_network_transmit_bytes_total{cables}[5m]))", "{{instance}}"),
            )
        )
    )
