# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Load the declared models into the memory of an Ollama instance of this host, once it answers.

The arguments are a JSON file and the name of the instance. The file has the addresses of all ``instances`` by name, the ``models``
(name and perhaps keep_alive) and the ``timeout`` in seconds for one load. What Ollama refuses is not tried again; when it goes away
meanwhile, it is waited for.
"""

import json
import sys
import time
import urllib.error
import urllib.request
from typing import Any, Dict, List, Optional, Tuple

START_PATIENCE = 120
ATTEMPTS = 3
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Refused(Exception):
    """Ollama answered with an error."""


def call(url: str, body: Optional[Dict[str, Any]] = None, timeout: float = 10) -> None:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"})
    try:
        with OPENER.open(request, timeout=timeout) as reply:
            reply.read()
    except urllib.error.HTTPError as exc:
        raise Refused(f"HTTP {exc.code} {exc.read().decode(errors='replace')[:500]}") from exc


def await_answer(url: str) -> None:
    deadline = time.monotonic() + START_PATIENCE
    while True:
        try:
            call(f"{url}/api/version")
            return
        except (OSError, Refused):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def load(url: str, model: Dict[str, Any], timeout: float) -> None:
    body = {"model": model["name"], "stream": False}
    if model.get("keep_alive") is not None:
        text = str(model["keep_alive"])
        body["keep_alive"] = int(text) if text.lstrip("-").isdigit() else text
    try:
        call(f"{url}/api/generate", body, timeout)
    except Refused as exc:
        if "does not support generate" not in str(exc):
            raise
        call(f"{url}/api/embed", body, timeout)


def load_all(url: str, models: List[Dict[str, Any]], timeout: float) -> Tuple[List[Dict[str, Any]], bool]:
    """Returns the models during whose load Ollama went away, and whether it took all others."""
    again, taken = [], True
    for model in models:
        try:
            load(url, model, timeout)
            print(f"{model['name']}: loaded", flush=True)
        except Refused as exc:
            print(f"{model['name']}: {exc}", file=sys.stderr)
            taken = False
        except OSError as exc:
            print(f"{model['name']}: {getattr(exc, 'reason', exc)}", file=sys.stderr)
            again.append(model)
    return again, taken


def main(path: str, instance: str) -> int:
    with open(path, encoding="utf-8") as stream:
        config = json.load(stream)
    url, models, success = config["instances"].get(instance), config["models"], True
    for _attempt in range(ATTEMPTS if url else 0):
        if models:
            try:
                await_answer(url)
            except (OSError, Refused) as exc:
                print(f"{url} does not answer: {getattr(exc, 'reason', exc)}", file=sys.stderr)
                return 1
            models, taken = load_all(url, models, float(config["timeout"]))
            success = success and taken
    return 0 if success and not (url and models) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
