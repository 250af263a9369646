# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why tailscale did not do what it was asked to, in one sentence. PRIVATE to the collection: it can change at any time."""

from __future__ import annotations

import re
import typing as t

__all__ = ("Attempt", "explain", "without_secrets")

SECRET = re.compile(r"\b(tskey|hskey)-[A-Za-z0-9_?=&.:/-]+")
NEW_KEY = "make a new one, reusable where several hosts join with it, and put it into tailscale_auth_key"


class Attempt(t.NamedTuple):
    """What was said, in what state it ended, and what it was about. ``health`` is what the daemon complains of."""

    output: str
    backend: str
    health: t.Sequence[str]
    server: str
    limit: int


# tailscale hands on what the control server says: the words of Tailscale's own, and then those of Headscale.
CAUSES = (
    (
        r"requested tags|tags? .*(invalid|not permitted)|not permitted.* tag",
        "The control server {server} does not let this key give the tags: let its owner own them in the policy (tagOwners), or change tailscale_tags",
    ),
    (r"oauth2|cannot fetch token|oauth", "The control server {server} does not accept tailscale_oauth_client_secret: look whether it may write auth keys"),
    (r"already used|already been used|used up|api key \S+ not valid", f"The auth key was used up: {NEW_KEY}"),
    (r"(auth ?key|api key).*(expired|does not exist)|expired.*(auth ?key|api key)", f"The auth key has expired or was deleted: {NEW_KEY}"),
    (r"invalid key|unable to validate|auth ?key not found|not valid|invalid auth", f"The control server {{server}} does not know the auth key: {NEW_KEY}"),
    (
        r"dial tcp|dial udp|connection refused|no such host|no route|network is unreachable|i/o timeout|fetch control key|tls:|x509|deadline exceeded",
        "The control server {server} did not answer within {limit} seconds: look at tailscale_login_server and at the way there",
    ),
    (
        r"timeout waiting|timed out",
        "The control server {server} did not let this host in within {limit} seconds: look at tailscale_login_server and at tailscale status",
    ),
)  # fmt: skip


def explain(attempt: Attempt) -> str:
    """One sentence, and in brackets what tailscale said itself."""
    if attempt.backend == "NeedsMachineAuth":
        return "This host waits to be approved: approve it in the admin console of the tailnet, and run again."
    said = without_secrets(_essence(attempt.output))
    complaints = without_secrets("; ".join(attempt.health))
    for text in (said, complaints):
        for pattern, sentence in CAUSES[: -1 if text == said and complaints else None]:
            if re.search(pattern, text, re.IGNORECASE):
                return f"{sentence.format(server=attempt.server, limit=attempt.limit)} (it says: {text[:300].rstrip('.')})."
    return f"tailscale failed: {said[:300] or complaints[:300] or attempt.backend or 'without a word'}."


def without_secrets(text: str) -> str:
    return SECRET.sub(r"\1-…", text)


def _essence(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip() and not line.startswith(("Warning:", "#"))]
    return "; ".join(lines).replace("backend error: ", "").rstrip(".")
