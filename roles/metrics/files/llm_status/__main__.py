# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the monitors once, and write what they say: python3 -m llm_status /etc/llm-metrics /run/llm-status/status.json

In the directory are status.json, with the ``monitors``: the address and port of each under the name that its certificate has, in the order in
which they are asked; certificate and key of this host; and the certificates of the monitors. The directory above this one is in PYTHONPATH.
Exits with 1 when no monitor answered.
"""

from __future__ import annotations

import json
import os
import ssl
import sys
import time
import typing as t
from pathlib import Path

from . import status
from .prometheus import Monitor, Prometheus, Unanswered

MONITOR_SECONDS = 10
"""For all that is asked of one monitor; the next run is due after 30."""


def ask(monitors: t.Sequence[Monitor], context: ssl.SSLContext, now: float) -> dict[str, t.Any]:
    """What the first monitor says that answers. Raises Unanswered with a line for each of them when none does."""
    reasons = []
    for monitor in monitors:
        try:
            with Prometheus(monitor, context, seconds=MONITOR_SECONDS) as prometheus:
                return status.collect(prometheus, now)
        except Unanswered as error:
            reasons.append(f"{monitor.name}: {error}")
    raise Unanswered("\n".join(reasons) or "no monitor is declared")


def context_of(settings: Path) -> ssl.SSLContext:
    """Trusts nothing but the certificates of the monitors. Raises OSError when a file cannot be read."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cafile=settings / "monitors.crt")
    context.load_cert_chain(settings / "identity.crt", settings / "identity.key")
    return context


def write(path: Path, value: t.Mapping[str, t.Any]) -> None:
    """In one step, readable by the group. Whoever reads it sees the old or the new one."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(json.dumps(value, separators=(",", ":"), allow_nan=False), encoding="utf-8")
    new.chmod(0o640)
    os.replace(new, path)


def main(directory: str, target: str) -> int:
    settings, path, now = Path(directory), Path(target), time.time()
    try:
        monitors = [Monitor(*entry) for entry in json.loads((settings / "status.json").read_text(encoding="utf-8"))["monitors"].items()]
        write(path, status.answered(ask(monitors, context_of(settings), now), now))
    except (Unanswered, OSError) as error:
        write(path, status.unanswered(status.read(path), now))
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
