# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replays the recorded exchanges, and compares what came with what was recorded.

What may differ: times, ids, tokens and their counts, the path of the store, the port of the test registry,
the order of models in a list (equal seconds come in any order), the order of parameters.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import re
import typing as t

if t.TYPE_CHECKING:
    from serverunder import Reply, Server
    from suite import Registry

__all__ = ["FOLDER", "Replay", "difference", "entries"]

DATA = pathlib.Path(__file__).resolve().parent.parent / "data"
FOLDER = DATA / "transcripts"
RECORDED_REGISTRY = "127.0.0.1:5001"
RAW_BODIES: dict[int, bytes | pathlib.Path] = {5: b"{nope", 239936: DATA / "models" / "tiny.gguf", 94112: DATA / "models" / "embed.gguf"}
MOVED = (
    ("template", "{{ .System }} {{ .Prompt }}"),
    ("system", "You are tiny."),
    ("license", "test only"),
    ("params", '{"num_ctx":512,"temperature":0}\n'),
)
HEADERS = ("content-type", "allow", "access-control-allow-origin")
VARIES = {
    "version",
    "modified_at",
    "created_at",
    "completed_at",
    "expires_at",
    "created",
    "response",
    "content",
    "text",
    "context",
    "embedding",
    "embeddings",
    "total_duration",
    "load_duration",
    "prompt_eval_count",
    "prompt_eval_duration",
    "eval_count",
    "eval_duration",
    "input_tokens",
    "output_tokens",
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "size_vram",
}
OMITTED_WHEN_ZERO = {"load_duration", "prompt_eval_duration", "eval_duration"}
_STORE_PATH = re.compile(r"/[^\s\"]*/blobs/(sha256-[0-9a-f]{64})")


@dataclasses.dataclass(frozen=True)
class Entry:
    """One recorded exchange."""

    file: str
    title: str
    request: dict[str, t.Any]
    response: dict[str, t.Any]

    @property
    def label(self) -> str:
        return f"{self.file}/{self.title}"


def entries() -> list[Entry]:
    return [
        Entry(path.stem, item["title"], item["request"], item["response"])
        for path in sorted(FOLDER.glob("*.json"))
        for item in json.loads(path.read_text(encoding="utf-8"))
    ]


class Replay:
    """All exchanges played against one server."""

    def __init__(self, server: Server, registry: Registry) -> None:
        self._server = server
        self._registry = registry
        self.replies = {entry.label: self._play(entry) for entry in entries()}

    def _play(self, entry: Entry) -> Reply:
        if entry.label == "06-pull/again: all layers present":
            self._move_tag()
        request = entry.request
        body = request["body"]
        if isinstance(body, dict):
            body = self.localise(json.dumps(body)).encode()
        elif isinstance(body, str):
            raw = RAW_BODIES[int(re.findall(r"\d+", body)[0])]
            body = raw if isinstance(raw, bytes) else raw.read_bytes()
        headers = {"Content-Type": "application/json", **request["headers"]} if body else request["headers"]
        return self._server.ask(request["method"], request["path"], body, headers=headers)

    def _move_tag(self) -> None:
        """The recorded registry had moved the tag, and the new layers had been pulled, before this exchange."""
        self._registry.move("tiny", layers=[{"kind": kind, "text": text} for kind, text in MOVED])
        self._server.post("/api/pull", {"model": self._registry.name("tiny"), "insecure": True})

    def localise(self, text: str) -> str:
        return text.replace(RECORDED_REGISTRY, self._registry.address)


def _items(reply_type: str, body: str) -> t.Any:
    """The body as comparable values: one JSON value, a list of lines, a list of events, or text."""
    if reply_type.startswith("application/x-ndjson"):
        return _collapsed([json.loads(line) for line in body.splitlines() if line])
    if reply_type.startswith("text/event-stream"):
        events = [line.removeprefix("data: ") for line in body.splitlines() if line.startswith("data: ")]
        return _collapsed([event if event == "[DONE]" else json.loads(event) for event in events])
    if reply_type.startswith("application/json") and body.strip():
        return json.loads(body)
    return body


def _collapsed(items: list[t.Any]) -> list[t.Any]:
    """Neighbouring token lines, and progress lines of one blob, count as one."""
    kept: list[t.Any] = []
    for item in items:
        if kept and (_is_token(item) and _is_token(kept[-1]) and _shape(item) == _shape(kept[-1])):
            continue
        if kept and isinstance(item, dict) and "digest" in item and item.get("status") == kept[-1].get("status"):
            kept[-1] = item
            continue
        kept.append(item)
    return kept


def _is_token(item: t.Any) -> bool:
    return isinstance(item, dict) and (item.get("done") is False or "choices" in item)


def _shape(value: t.Any) -> t.Any:
    if isinstance(value, dict):
        return {key: _shape(item) for key, item in value.items()}
    return [_shape(item) for item in value] if isinstance(value, list) else type(value).__name__


def _parameters(text: str) -> list[str]:
    return sorted(text.splitlines())


def _modelfile(text: str) -> list[str]:
    """The lines with the store's path dropped; PARAMETER lines sorted where they stand."""
    lines = _STORE_PATH.sub(r"\1", text).split("\n")
    spots = [number for number, line in enumerate(lines) if line.startswith("PARAMETER ")]
    for number, line in zip(spots, sorted(lines[spot] for spot in spots), strict=True):
        lines[number] = line
    return lines


def _kind(value: t.Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return type(value).__name__
    return "number"


def difference(want: t.Any, have: t.Any, *, where: str = "", digests: bool = True, field: str = "") -> list[str]:
    """Sentences about what differs; an empty list when nothing does."""
    if _kind(want) != _kind(have):
        return [f"{where}: recorded {want!r}, got {have!r}"]
    if isinstance(want, dict):
        return _dict_difference(want, have, where=where, digests=digests)
    if isinstance(want, list):
        if field in VARIES and want and have:
            return difference(want[0], have[0], where=f"{where}[0]", digests=digests, field=field)
        if len(want) != len(have):
            return [f"{where}: recorded {len(want)} items, got {len(have)}: {have!r}"]
        if field in ("models", "data"):
            want, have = (sorted(items, key=lambda item: str(item.get("name", item.get("id", "")))) for items in (want, have))
        pairs = enumerate(zip(want, have, strict=True))
        return [text for n, (a, b) in pairs for text in difference(a, b, where=f"{where}[{n}]", digests=digests)]
    if field in VARIES and isinstance(want, (str, int, float)):
        return []
    if field == "id":
        want, have = (re.sub(r"^(chatcmpl-|cmpl-|resp_|msg_)\w+$", r"\1", str(text)) for text in (want, have))
    if field in ("digest", "status") and not digests and isinstance(want, str):
        want, have = (re.sub(r"[0-9a-f]{64}|\b[0-9a-f]{12}\b", "…", text) for text in (want, have))
    if field == "error":
        want, have = (_STORE_PATH.sub(r"\1", text) if isinstance(text, str) else text for text in (want, have))
    return [] if want == have else [f"{where}: recorded {want!r}, got {have!r}"]


def _dict_difference(want: dict[str, t.Any], have: dict[str, t.Any], *, where: str, digests: bool) -> list[str]:
    found = []
    if lost := want.keys() - have.keys() - OMITTED_WHEN_ZERO:
        found.append(f"{where}: lacks {sorted(lost)}")
    if extra := have.keys() - want.keys() - OMITTED_WHEN_ZERO:
        found.append(f"{where}: has also {sorted(extra)}")
    loaded = "expires_at" in want
    for key in want.keys() & have.keys():
        before, after = want[key], have[key]
        if key == "modelfile":
            before, after = _modelfile(before), _modelfile(after)
        elif key == "parameters":
            before, after = _parameters(before), _parameters(after)
        elif key == "content" and isinstance(before, str) and where.startswith("messages"):
            key = ""
        elif key == "size" and loaded:
            continue
        found += difference(before, after, where=f"{where}.{key}".lstrip("."), digests=digests, field=key)
    return found


def compare(entry: Entry, reply: Reply, replay: Replay, *, digests: bool) -> list[str]:
    """Everything in which the answer is not the recorded one."""
    found = []
    if reply.status != entry.response["status"]:
        found.append(f"status: recorded {entry.response['status']}, got {reply.status}: {reply.text[:300]}")
    for name in HEADERS:
        if entry.response["headers"].get(name) != reply.headers.get(name):
            found.append(f"{name}: recorded {entry.response['headers'].get(name)!r}, got {reply.headers.get(name)!r}")
    kind = entry.response["headers"].get("content-type", "")
    body = replay.localise(entry.response["body"] or "")
    if not found:
        found += difference(_items(kind, body), _items(kind, reply.text), digests=digests)
    return found
