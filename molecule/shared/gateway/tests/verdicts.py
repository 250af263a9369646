# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was answered, as verdicts; and verdicts as a page that a person reads. ``python verdicts.py`` writes docs/verdicts.md."""

from __future__ import annotations

import collections
import itertools
import typing as t
from pathlib import Path

import conformance
from conformance import ENDPOINTS, IDENTITIES, METHODS, ODD, ROLES

__all__ = ["PAGE", "declared", "render", "verdict"]

PAGE = Path(__file__).resolve().parents[4] / "docs" / "verdicts.md"
ENGINES = ("nginx", "caddy")
NAMES = {"nginx": "nginx", "caddy": "Caddy"}
Verdicts = t.Mapping[str, str]
"""By the id of the request."""

INTRODUCTION = """\
# What the gateway answers

<!-- Generated: `python molecule/shared/gateway/tests/verdicts.py` writes this page, and the scenarios gateway-nginx and gateway-caddy compare
it with what each web server really answers, on Debian 12 and 13. -->

Each row is a request, each column who sends it: a **stranger** (no identity, a wrong key, a wrong `x-api-key`, a wrong password), a **user** (by key as Bearer,
by `x-api-key`, by password) and an **admin** (by key, by password). "forwarded" means that Ollama answers, and has seen the path as it was sent, the user's name and
role from the gateway, and nothing by which the client proved it. A number is the status with which the gateway itself answers. "then 401" is the answer to what
followed on the same connection; "(begun)" means that Ollama saw the start of a request that was then broken off. `/status` is there with `gateway_status`;
without it, it is an address like any other that does not exist.
"""


def verdict(replies: t.Sequence[t.Mapping[str, t.Any]], seen: t.Mapping[str, t.Any] | None) -> str:
    """What became of a request, from the replies on its connection and what the backend saw of it."""
    first = str(replies[0]["status"] or "no status") if replies else "closed"
    if seen is not None:
        first = "forwarded" if first == str(seen["status"]) else f"{first} (begun)"
    return ", then ".join([first, *(str(reply["status"]) for reply in replies[1:])])


def declared(engine: str) -> dict[str, str]:
    """The verdicts that the contract wants of an engine."""
    requests = itertools.chain(conformance.endpoint_requests(), conformance.odd_requests())
    return {request.id: request.verdict[engine] for request in requests}


def render(verdicts: t.Mapping[str, Verdicts]) -> str:
    """The page, from the verdicts of both engines."""
    parts = [INTRODUCTION, "\n## Endpoints\n\n", *_endpoints(verdicts)]
    for section, title in (("paths", "Odd paths"), ("identity", "Odd identities"), ("framing", "Odd requests")):
        parts += [f"\n## {title}\n\n", *_odd(verdicts, section)]
    parts += ["\n## Where the two differ, and why\n\n", *_differences(verdicts)]
    return "".join(parts)


def _by_role(verdicts: Verdicts, case: str) -> tuple[str, ...]:
    """A request's verdicts by role; identities of one role that differ are all told."""
    found = []
    for role in ROLES:
        of_role = [
            verdicts[name] for identity in IDENTITIES if identity.role == role and (name := f"{case} as {identity.label}") in verdicts
        ]
        found.append(" / ".join(dict.fromkeys(of_role)))
    return tuple(found)


def _both(verdicts: t.Mapping[str, Verdicts], case: str) -> tuple[str, ...]:
    first, second = (_by_role(verdicts[engine], case) for engine in ENGINES)
    if first == second:
        return first
    return tuple(one if one == other else f"{one} (nginx), {other} (Caddy)" for one, other in zip(first, second))


def _endpoints(verdicts: t.Mapping[str, Verdicts]) -> t.Iterator[str]:
    """Endpoints that are alike in everything share their rows, and so do methods."""
    alike: dict[tuple[tuple[str, ...], ...], list[str]] = collections.defaultdict(list)
    for endpoint in ENDPOINTS:
        alike[tuple(_both(verdicts, f"{method} {endpoint.path}") for method in METHODS)].append(f"`{_shortened(endpoint.path)}`")
    yield "| endpoint | method | stranger | user | admin |\n|---|---|---|---|---|\n"
    for rows, paths in alike.items():
        methods: dict[tuple[str, ...], list[str]] = collections.defaultdict(list)
        for method, row in zip(METHODS, rows):
            methods[row].append(method)
        common = max(methods, key=lambda row: len(methods[row]))
        for row in sorted(methods, key=lambda row: row == common):
            what = "all" if len(methods) == 1 else "other" if row == common else ", ".join(methods[row])
            yield f"| {', '.join(paths)} | {what} | {' | '.join(row)} |\n"
            paths = []
    yield f"\nMethods that were asked: {', '.join(METHODS)}.\n"


def _shortened(path: str) -> str:
    return path.replace("0" * 62 + "ab", "…")


def _odd(verdicts: t.Mapping[str, Verdicts], section: str) -> t.Iterator[str]:
    alike: dict[tuple[str, ...], list[str]] = collections.defaultdict(list)
    own = False
    for odd in ODD:
        row = _both(verdicts, _case(odd))
        if odd.section == section and row == _by_role(verdicts["nginx"], _case(odd)):
            own = own or odd.changes_identity
            alike[row if not odd.changes_identity else (row[0],)].append(_escaped(odd.label))
    yield "| request | stranger | user | admin |\n|---|---|---|---|\n"
    for row, labels in alike.items():
        if len(row) == len(ROLES):
            yield f"| {'<br>'.join(labels)} | {' | '.join(row)} |\n"
    if own:
        yield "\n| who says it in a way of their own | verdict |\n|---|---|\n"
        yield from (f"| {'<br>'.join(labels)} | {row[0]} |\n" for row, labels in alike.items() if len(row) == 1)


def _differences(verdicts: t.Mapping[str, Verdicts]) -> t.Iterator[str]:
    yield "For each: stranger, user, admin.\n\n| request | nginx | Caddy | why |\n|---|---|---|---|\n"
    alike: dict[tuple[str, str, str], list[str]] = collections.defaultdict(list)
    for odd in ODD:
        first, second = (_by_role(verdicts[engine], _case(odd)) for engine in ENGINES)
        if first != second:
            alike[(_told(first), _told(second), odd.reason)].append(_escaped(odd.label))
    for (first, second, why), labels in alike.items():
        yield f"| {'<br>'.join(labels)} | {first} | {second} | {why} |\n"


def _told(row: tuple[str, ...]) -> str:
    told = [part for part in row if part]
    return told[0] if len(set(told)) == 1 else "; ".join(told)


def _case(odd: conformance.Odd) -> str:
    return odd.label[:80]


def _escaped(label: str) -> str:
    return label.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(render({engine: declared(engine) for engine in ENGINES}))
