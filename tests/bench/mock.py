# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An answer that comes token by token, 60 of them, 20 ms apart, in Ollama's form or OpenAI's; for mock.conf."""

from __future__ import annotations

import http.server
import json
import time
import typing as t

TOKENS = 60
HEAD = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1795000000, "model": "tiny", "system_fingerprint": "fp_ollama"}
USAGE = {"prompt_tokens": 10, "completion_tokens": TOKENS, "total_tokens": TOKENS + 10}


def native() -> t.Iterator[bytes]:
    for number in range(TOKENS):
        yield b'{"response":"word %d","done":false}\n' % number
    yield b'{"response":"","done":true,"prompt_eval_count":10,"eval_count":%d}\n' % TOKENS


def events(*, counted: bool) -> t.Iterator[bytes]:
    for number in range(TOKENS):
        yield event({**HEAD, "choices": [{"index": 0, "delta": {"content": f"word {number}"}, "finish_reason": None}]})
    yield (event({**HEAD, "choices": [], "usage": USAGE}) if counted else b"") + b"data: [DONE]\n\n"


def event(value: t.Mapping[str, t.Any]) -> bytes:
    return b"data: %b\n\n" % json.dumps(value, separators=(",", ":")).encode()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        request = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        like_openai = self.path.startswith("/v1/")
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream" if like_openai else "application/x-ndjson")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for line in events(counted=b"include_usage" in request) if like_openai else native():
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            self.wfile.flush()
            time.sleep(0.02)
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: object) -> None:
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", 11435), Handler).serve_forever()
