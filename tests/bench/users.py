# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users of a balancer on its host, each with so many requests at once: prints what each request saw; for crowd.py.

All of them leave when the time is over. Seconds count from the start.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
import typing as t


async def ask(port: int, user: t.Mapping[str, t.Any], tokens: int) -> int:
    """The status of a request, when its answer is complete."""
    text = json.dumps({"model": user["model"], "prompt": "x", "stream": False, "options": {"num_predict": tokens}})
    head = f"POST /api/generate HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-LLM-User: {user['name']}\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"{head}Content-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode())
        return int((await reader.read()).split(b" ", 2)[1])
    finally:
        writer.close()


async def worker(port: int, user: t.Mapping[str, t.Any], number: int, began: float, seen: list[t.Any]) -> None:
    chooser = random.Random(f"{user['name']} {number}")
    while True:
        await asyncio.sleep(user["pause"] * 2 * chooser.random())
        asked = time.monotonic()
        status = await ask(port, user, chooser.randint(*user["tokens"]))
        seen.append({"user": user["name"], "asked": asked - began, "seconds": time.monotonic() - asked, "status": status})


async def main(port: int, seconds: float, users: t.Sequence[t.Mapping[str, t.Any]]) -> None:
    seen: list[t.Any] = []
    began = time.monotonic()
    workers = [asyncio.ensure_future(worker(port, user, number, began, seen)) for user in users for number in range(user["parallel"])]
    failed, _ = await asyncio.wait(workers, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
    for task in failed:
        task.result()
    for task in workers:
        task.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
    print(json.dumps(seen))


if __name__ == "__main__":
    asyncio.run(main(**json.loads(sys.argv[1])))
