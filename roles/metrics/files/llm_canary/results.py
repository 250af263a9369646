# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was measured: kept from run to run, and as Prometheus' metrics."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple

from llm_canary.config import Key
from llm_canary.ollama import Answer

LABELS = ("host", "server", "model")
SUCCESS, TIMESTAMP, LOAD, FIRST, SPEED = "success", "timestamp_seconds", "load_seconds", "first_token_seconds", "tokens_per_second"
RUNS, SKIPPED = "runs_total", "skipped_total"
METRICS = {
    SUCCESS: ("gauge", "Whether the last try succeeded."),
    SPEED: ("gauge", "Generated tokens a second in the last try."),
    FIRST: ("gauge", "Seconds to the first token in the last try, without the load."),
    LOAD: ("gauge", "Seconds that the model took to load when it was not in memory the last time."),
    TIMESTAMP: ("gauge", "When the last try ended."),
    RUNS: ("counter", "Tries."),
    SKIPPED: (
        "counter",
        "Tries that were left out or stopped, since they would have been in somebody's way or the instance takes no requests.",
    ),
}


@dataclasses.dataclass
class Record:
    """Of one model on one instance. ``left``: until when the model would have stayed when we were there last, as Ollama said it."""

    values: Dict[str, float] = dataclasses.field(default_factory=dict)
    runs: int = 0
    skipped: Dict[str, int] = dataclasses.field(default_factory=dict)
    left: str = ""


class Results:
    """The records in a file, of what is declared; what cannot be read is begun anew."""

    def __init__(self, path: Path, keys: List[Key]) -> None:
        known = _known(path)
        self._path = path
        self._records = {key: known.get(key, Record()) for key in keys}

    def succeeded(self, key: Key, answer: Answer, *, loaded: bool) -> None:
        """``loaded``: whether the model had to be loaded for it; otherwise what is known of that stays."""
        record = self._records[key]
        load = answer.load if loaded else record.values.get(LOAD)
        self._tried(record, {SUCCESS: 1, SPEED: answer.speed, FIRST: answer.first, LOAD: load})

    def failed(self, key: Key) -> None:
        self._tried(self._records[key], {SUCCESS: 0})

    def skipped(self, key: Key, reason: str) -> None:
        counts = self._records[key].skipped
        counts[reason] = counts.get(reason, 0) + 1
        self._save()

    def left(self, key: Key) -> str:
        return self._records[key].left

    def leave(self, key: Key, expires: str) -> None:
        self._records[key].left = expires
        self._save()

    def metrics(self) -> str:
        return "".join(self._lines())

    def _tried(self, record: Record, values: Dict[str, Optional[float]]) -> None:
        record.values = {name: value for name, value in values.items() if value is not None}
        record.values[TIMESTAMP] = round(time.time(), 3)
        record.runs += 1
        self._save()

    def _lines(self) -> Iterator[str]:
        for name, (kind, text) in METRICS.items():
            samples = [(labels, value) for key, record in self._records.items() for labels, value in _samples(key, record, name)]
            if samples:
                yield f"# HELP llm_canary_{name} {text}\n# TYPE llm_canary_{name} {kind}\n"
            for labels, value in samples:
                yield f"llm_canary_{name}{{{labels}}} {value!r}\n"

    def _save(self) -> None:
        value = [{**dict(zip(LABELS, key)), **dataclasses.asdict(record)} for key, record in self._records.items()]
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps(value), encoding="utf-8")
        os.replace(new, self._path)


def _known(path: Path) -> Dict[Key, Record]:
    try:
        return dict(_entry(entry) for entry in json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}


def _entry(value: Dict[str, Any]) -> Tuple[Key, Record]:
    host, server, model = (str(value[label]) for label in LABELS)
    values = {str(name): float(number) for name, number in value["values"].items()}
    skipped = {str(reason): int(count) for reason, count in value["skipped"].items()}
    return (host, server, model), Record(values, int(value["runs"]), skipped, str(value["left"]))


def _samples(key: Key, record: Record, name: str) -> Iterator[Tuple[str, float]]:
    labels = ",".join(f'{label}="{_escaped(value)}"' for label, value in zip(LABELS, key))
    if name == SKIPPED:
        for reason, count in sorted(record.skipped.items()):
            yield f'{labels},reason="{reason}"', count
    elif name == RUNS:
        yield labels, record.runs
    elif name in record.values:
        yield labels, record.values[name]


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
