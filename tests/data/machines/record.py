#!/usr/bin/env python3
# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Record the machine that it runs on, as the module gpu_info sees it: ``tests/data/machines/record.py >NAME.json``, as root, from a checkout.

Nothing but Python is needed. UUIDs of GPUs, unique ids, keys and names of hosts are replaced.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import re
import sys
import types
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
for name in ("ansible_collections", "ansible_collections.llm", "ansible_collections.llm.host"):
    package = types.ModuleType(name)
    package.__path__ = [str(ROOT)]
    sys.modules.setdefault(name, package)

from ansible_collections.llm.host.plugins.module_utils._gpu_host import CERTIFICATES, read_host
from ansible_collections.llm.host.plugins.module_utils._gpus import read_gpus
from ansible_collections.llm.host.plugins.module_utils._machine import Machine, Node, Output, machine_at

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
BUILDER = re.compile(r"\(\S+@\S+\)")
SALT = os.urandom(16)


class Recorder(Machine):
    """A machine that keeps what is read of it."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine.root)
        self.machine = machine
        self.contents: dict[str, bytes] = {}
        self.links: dict[str, str] = {}
        self.nodes: dict[str, Node] = {}
        self.there: set[str] = set()
        self.commands: dict[str, Output] = {}

    def bytes(self, path: str) -> bytes:
        content = self.machine.bytes(path)
        if content or self.exists(path):
            self.contents[path] = content
        return content

    def link(self, path: str) -> str:
        link = self.machine.link(path)
        if link:
            self.links[path] = link
        return link

    def exists(self, path: str) -> bool:
        there = self.machine.exists(path)
        if there:
            self.there.add(path)
        return there

    def paths(self, pattern: str) -> list[str]:
        found = self.machine.paths(pattern)
        self.there.update(found)
        return found

    def target(self, path: str) -> str:
        target = self.machine.target(path)
        if target != path:
            self.links[path] = f"/{target}"
            self.there.add(target)
        return target

    def node(self, path: str) -> Node | None:
        node = self.machine.node(path)
        if node:
            self.nodes[path] = node
        return node

    def run(self, *command: str) -> Output | None:
        answer = self.machine.run(*command)
        if answer:
            self.commands[" ".join(command)] = answer
        return answer

    def recording(self) -> dict[str, t.Any]:
        found: dict[str, t.Any] = {path: self._thing(path) for path in self.there}
        found.update({path: self._content(path, content) for path, content in self.contents.items()})
        found.update({path: {"node": [node.owner, node.group, node.mode]} for path, node in self.nodes.items()})
        found.update({path: {"link": link} for path, link in self.links.items()})
        needless = {path for path in found if found[path] == {"directory": True} and any(other.startswith(f"{path}/") for other in found)}
        files = {path: found[path] for path in sorted(found) if path not in needless}
        commands = {
            command: {"code": answer.code, "stdout": without_ids(answer.stdout), "stderr": without_ids(answer.stderr)}
            for command, answer in self.commands.items()
        }
        return {**files, "commands": commands}

    def _thing(self, path: str) -> t.Any:
        return {"directory": True} if self.machine.real(path).is_dir() else ""

    def _content(self, path: str, content: bytes) -> t.Any:
        if path.endswith("/unique_id"):
            return hashlib.sha256(SALT + content).hexdigest()[:16] + "\n"
        certificates = [known for known in map(self.machine.bytes, CERTIFICATES) if known]
        if path in CERTIFICATES or "/MokListRT" in path:
            content = content[:4] * (path not in CERTIFICATES) + b"".join(
                hashlib.sha256(known).digest() for known in certificates if known in content
            )
        return as_json(content)


def as_json(content: bytes) -> t.Any:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = "\0"
    readable = all(letter.isprintable() or letter in "\n\t" for letter in text.rstrip("\0"))
    return without_ids(text) if readable and text != "\0" else {"base64": base64.b64encode(content).decode()}


def without_ids(text: str) -> str:
    return BUILDER.sub("(builder@host)", UUID.sub(lambda found: other_uuid(found.group()), text))


def other_uuid(uuid: str) -> str:
    digits = hashlib.sha256(SALT + uuid.encode()).hexdigest()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32]))


def written(recording: t.Mapping[str, t.Any]) -> str:
    """A line for each file and each command."""
    files = [f"  {json.dumps(path)}: {json.dumps(content)}" for path, content in recording.items() if path != "commands"]
    commands = [f"    {json.dumps(command)}: {json.dumps(answer)}" for command, answer in recording["commands"].items()]
    inner = "{\n" + ",\n".join(commands) + "\n  }" if commands else "{}"
    return "{\n" + ",\n".join([*files, f'  "commands": {inner}']) + "\n}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path("/"), help="another root directory")
    recorder = Recorder(machine_at(parser.parse_args().root))
    read_gpus(recorder)
    read_host(recorder)
    sys.stdout.write(written(recorder.recording()))


if __name__ == "__main__":
    main()
