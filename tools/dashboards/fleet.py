# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All hosts and models together: is everything well, and if not, where to look."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Row
from panels import Ask, Board, board, lines, number, rows

__all__ = ["fleet"]


def fleet() -> Board:
    made = board("llm-host-fleet", "llm.host: fleet", "All hosts, models and users together.")
    return _models(_gpus(_queue(_traffic(_latency(_health(made))))))


def _health(made: Board) -> Board:
    return (
        made.with_row(Row("Is everything well?"))
        .with_panel(
            number(
                "Gateways ready",
                "Share of the gateways whose /readyz answers, as the monitor sees them.",
                "percentunit",
                'avg(probe_success{job="probe"})',
                bad_below=1,
            )
        )
        .with_panel(
            number("Servers up", "Share of the Ollama servers that answer their exporter.", "percentunit", "avg(ollama_up)", bad_below=1)
        )
        .with_panel(
            number(
                "Alerts that fire",
                "How many alerts fire now; the table below says which.",
                "short",
                'count(ALERTS{alertstate="firing"}) or vector(0)',
                bad_from=1,
            )
        )
        .with_panel(
            number(
                "95 of 100 answers within",
                "The 95th percentile of the time to the whole answer, in the last five minutes.",
                "s",
                "llm:request_seconds:all:p95",
            )
        )
        .with_panel(
            number("Tokens written", "Tokens that all models together write in a second.", "short", "sum(llm:completion_tokens:rate5m)")
        )
        .with_panel(number("Waiting", "Requests that wait for a free server.", "short", "sum(llm:queue_waiting)"))
        .with_panel(
            rows(
                "Alerts",
                "What fires now, and on which host. docs/alerts.md has a paragraph for each.",
                "short",
                'sum by (alertname, severity, instance) (ALERTS{alertstate="firing"})',
                ["alertname", "severity", "instance"],
                "series",
                span=24,
            )
        )
    )


def _latency(made: Board) -> Board:
    whole = [Ask(f"llm:request_seconds:p{percent}", "{{model}} " + f"p{percent}") for percent in (50, 95, 99)]
    first = [Ask(f"llm:first_byte_seconds:p{percent}", "{{model}} " + f"p{percent}") for percent in (50, 95, 99)]
    everything = [Ask(f"llm:request_seconds:all:p{percent}", f"p{percent}") for percent in (50, 95, 99)]
    return (
        made.with_row(Row("Latency"))
        .with_panel(lines("Time to the whole answer", "Of requests to all models, in windows of five minutes.", "s", *everything))
        .with_panel(
            lines("Time to the whole answer by model", "In windows of five minutes; a model without requests has no line.", "s", *whole)
        )
        .with_panel(
            lines(
                "Time to the first byte by model",
                "Time to the first token where the answer is streamed, and to all of it where it is not.",
                "s",
                *first,
            )
        )
    )


def _traffic(made: Board) -> Board:
    return (
        made.with_row(Row("Traffic"))
        .with_panel(
            lines(
                "Requests by status",
                "Requests in a second, by the status with which they were answered.",
                "reqps",
                Ask("sum by (code) (llm:requests:rate5m)", "{{code}}"),
                stacked=True,
            )
        )
        .with_panel(
            lines(
                "Tokens written by model",
                "Completion tokens in a second, of real requests.",
                "short",
                Ask("llm:completion_tokens:rate5m", "{{model}}"),
                stacked=True,
            )
        )
        .with_panel(
            lines(
                "Tokens read by model",
                "Prompt tokens in a second, of real requests.",
                "short",
                Ask("llm:prompt_tokens:rate5m", "{{model}}"),
                stacked=True,
            )
        )
    )


def _queue(made: Board) -> Board:
    speed = [Ask("max by (host, model) (llm_canary_tokens_per_second)", "{{model}} on {{host}}")]
    usual = [Ask("max by (host, model) (llm:canary_tokens_per_second:avg1d)", "{{model}} on {{host}}, a day's average")]
    return (
        made.with_row(Row("Queue and speed"))
        .with_panel(
            lines(
                "Requests that wait",
                "In the balancer's queue, for any server or a certain one.",
                "short",
                Ask("llm:queue_waiting", "waiting"),
            )
        )
        .with_panel(
            lines(
                "Requests refused",
                "In a second: the queue was full, or they waited too long.",
                "reqps",
                Ask("llm:queue_refused:rate5m", "refused"),
            )
        )
        .with_panel(
            lines(
                "Speed of one generation",
                "Tokens in a second of the canary's fixed generation, so that it compares over weeks.",
                "short",
                *speed,
                *usual,
            )
        )
    )


def _gpus(made: Board) -> Board:
    return (
        made.with_row(Row("GPUs"))
        .with_panel(
            lines(
                "Memory in use",
                "Share of each GPU's memory. Above nine tenths the next model may not fit.",
                "percentunit",
                Ask("llm:gpu_memory:ratio", "{{instance}} GPU {{gpu}}"),
                most=1,
            )
        )
        .with_panel(
            lines(
                "Utilisation",
                "Share of the time in which a GPU computed.",
                "percentunit",
                Ask("llm_gpu_utilization_ratio", "{{instance}} GPU {{gpu}}"),
                most=1,
            )
        )
        .with_panel(
            lines(
                "Temperature",
                "Of each GPU. A GPU that is too hot slows itself down.",
                "celsius",
                Ask("llm_gpu_temperature_celsius", "{{instance}} GPU {{gpu}}"),
            )
        )
    )


def _models(made: Board) -> Board:
    return (
        made.with_row(Row("Models"))
        .with_panel(
            rows(
                "Models in memory",
                "What is loaded now, where, and how much memory it takes.",
                "bytes",
                "sum by (instance, server, model) (ollama_model_bytes)",
                ["instance", "server", "model"],
                "in memory",
            )
        )
        .with_panel(
            lines(
                "Loads in an hour",
                "How often a server loaded a model. Many loads mean that the models do not fit in memory together.",
                "short",
                Ask("llm:model_loads:increase1h", "{{instance}} {{server}}"),
            )
        )
    )
