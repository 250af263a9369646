# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One user, or several: what they ask for and how they are served. Empty where metrics_user_labels is none."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Row
from panels import Ask, Board, board, lines, number, rows, variable

__all__ = ["user"]

WHO = 'user=~"$user"'
INFERENCE = f'{{{WHO},endpoint=~"chat|generate|embed|transcribe"}}'


def user() -> Board:
    made = board("llm-host-user", "llm.host: user", "Requests, tokens, errors and latency of a user.")
    made = made.with_variable(variable("user", "User", "label_values(llm_gateway_requests_total, user)"))
    return _latency(_traffic(_sums(made)))


def _sums(made: Board) -> Board:
    kinds = ("prompt", "completion")
    tokens = [f"sum by (user, model) (increase(llm_gateway_{kind}_tokens_total{{{WHO}}}[$__range]))" for kind in kinds]
    failed = f'sum(increase(llm_gateway_requests_total{{{WHO},code=~"[45].."}}[$__range]))'
    return (
        made.with_row(Row("In the chosen time"))
        .with_panel(
            number(
                "Requests", "All requests, whatever the answer.", "short", f"sum(increase(llm_gateway_requests_total{{{WHO}}}[$__range]))"
            )
        )
        .with_panel(
            number(
                "Failed",
                "Share of the requests that were answered with a status from 400 on.",
                "percentunit",
                f"({failed} or vector(0)) / sum(increase(llm_gateway_requests_total{{{WHO}}}[$__range]))",
            )
        )
        .with_panel(number("Tokens read", "Prompt tokens.", "short", f"sum(increase(llm_gateway_prompt_tokens_total{{{WHO}}}[$__range]))"))
        .with_panel(
            number(
                "Tokens written", "Completion tokens.", "short", f"sum(increase(llm_gateway_completion_tokens_total{{{WHO}}}[$__range]))"
            )
        )
        .with_panel(number("At once", "Requests that run or wait now.", "short", f"sum(llm_balancer_user_requests{{{WHO}}})"))
        .with_panel(
            number(
                "Refused",
                "Requests beyond what the user may send.",
                "short",
                f"sum(increase(llm_balancer_user_refused_total{{{WHO}}}[$__range]))",
            )
        )
        .with_panel(
            rows(
                "Tokens by user and model",
                "Prompt and completion tokens together, in the chosen time.",
                "short",
                " + ".join(tokens),
                ["user", "model"],
                "tokens",
            )
        )
        .with_panel(
            rows(
                "Requests by user, model and status",
                "In the chosen time.",
                "short",
                f"sum by (user, model, code) (increase(llm_gateway_requests_total{{{WHO}}}[$__range]))",
                ["user", "model", "code"],
                "requests",
            )
        )
    )


def _traffic(made: Board) -> Board:
    return (
        made.with_row(Row("Over time"))
        .with_panel(
            lines(
                "Requests by model",
                "In a second.",
                "reqps",
                Ask(f"sum by (model) (rate(llm_gateway_requests_total{{{WHO}}}[5m]))", "{{model}}"),
                stacked=True,
            )
        )
        .with_panel(
            lines(
                "Tokens written by model",
                "In a second.",
                "short",
                Ask(f"sum by (model) (rate(llm_gateway_completion_tokens_total{{{WHO}}}[5m]))", "{{model}}"),
                stacked=True,
            )
        )
        .with_panel(
            lines(
                "Errors by status",
                "Requests in a second that were answered with a status from 400 on.",
                "reqps",
                Ask(f'sum by (code) (rate(llm_gateway_requests_total{{{WHO},code=~"[45].."}}[5m]))', "{{code}}"),
                stacked=True,
            )
        )
    )


def _latency(made: Board) -> Board:
    def quantiles(what: str) -> list[Ask]:
        buckets = f"sum by (model, le) (rate(llm_gateway_{what}_seconds_bucket{INFERENCE}[5m]))"
        return [Ask(f"histogram_quantile(0.{percent}, {buckets})", "{{model}} " + f"p{percent}") for percent in (50, 95, 99)]

    refused = Ask(f"sum by (user, reason) (rate(llm_balancer_user_refused_total{{{WHO}}}[5m]))", "{{user}} {{reason}}")
    return (
        made.with_row(Row("How they are served"))
        .with_panel(lines("Time to the whole answer by model", "In windows of five minutes.", "s", *quantiles("request")))
        .with_panel(
            lines(
                "Time to the first byte by model",
                "Time to the first token where the answer is streamed, and to all of it where it is not.",
                "s",
                *quantiles("first_byte"),
            )
        )
        .with_panel(lines("Refused by the balancer", "In a second, by the limit that was reached.", "reqps", refused))
    )
