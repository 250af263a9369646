# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answer Prometheus on 127.0.0.1: python3 -m ollama_exporter /etc/llm-metrics/exporter.json

Nothing is asked while Prometheus waits: everything is looked at in the background, each in a thread of its own, and a scrape reads what was
seen last. config.py tells what the file says, table.py which metrics there are. The directory above this one is in PYTHONPATH; it also has
the parts of the collection that are used here.
"""

from __future__ import annotations

import sys
import threading

import prometheus_client

from .background import Errors
from .config import ConfigError, read_config
from .exposition import Collector
from .gpus import GpuWatch
from .servers import ServerWatch
from .stores import StoreWatch
from .table import Watch
from .tailnet import TailnetWatch

ADDRESS = "127.0.0.1"


def main(path: str) -> int:
    try:
        config = read_config(path)
    except ConfigError as exc:
        print(exc, file=sys.stderr)
        return 1
    errors = Errors()
    servers = [ServerWatch(server, config.declared, poll_seconds=config.poll_seconds, errors=errors) for server in config.servers]
    stores = [StoreWatch(store, lambda: [server.needed for server in servers], errors=errors) for store in config.stores]
    watches: list[Watch] = [*servers, *stores, GpuWatch(config.gpus_expected, errors=errors)]
    if config.tailscale:
        watches.append(TailnetWatch(errors=errors))
    registry = prometheus_client.CollectorRegistry(auto_describe=False)
    registry.register(Collector([*watches, errors]))
    for watch in watches:
        watch.start()
    try:
        prometheus_client.start_http_server(config.port, ADDRESS, registry)
    except OSError as exc:
        print(
            f"Cannot listen on {ADDRESS}:{config.port}: {exc.strerror}; is another exporter running, or is port {config.port} taken?",
            file=sys.stderr,
        )
        return 1
    threading.Event().wait()
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Give one argument, the path of the configuration.")
    sys.exit(main(sys.argv[1]))
