# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be measured, as the role writes it.

    {"balancer": "http://127.0.0.1:8405/metrics", "tokens": 16, "instances": [
      {"host": "gpu-01", "server": "default", "pool": "instances", "name": "gpu-01.default", "address": "10.20.0.7:11434",
       "models": [{"name": "llama3.2:3b", "preload": true, "keep_alive": "-1"}]}]}

``pool`` and ``name`` are those of HAProxy; a model's name is the one under which Ollama lists it.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any, Dict, List, Mapping, Optional, Tuple, Union

LOADED, ALL = "loaded", "all"
MODES = (LOADED, ALL)

# Host, instance, model.
Key = Tuple[str, str, str]


class BadConfig(Exception):
    """The file is not one of the role."""


@dataclasses.dataclass(frozen=True)
class Model:
    name: str
    preload: bool
    keep_alive: Optional[Union[int, str]]

    def listed(self) -> str:
        return self.name.lower()


@dataclasses.dataclass(frozen=True)
class Instance:
    host: str
    server: str
    pool: str
    name: str
    address: str
    models: List[Model]

    def key(self, model: Model) -> Key:
        return (self.host, self.server, model.name)


@dataclasses.dataclass(frozen=True)
class Config:
    balancer: str
    tokens: int
    instances: List[Instance]

    def keys(self) -> List[Key]:
        return [instance.key(model) for instance in self.instances for model in instance.models]


def read(path: str) -> Config:
    """Raises BadConfig with a sentence."""
    try:
        with open(path, encoding="utf-8") as stream:
            value = json.load(stream)
        return Config(str(value["balancer"]), int(value["tokens"]), [_instance(entry) for entry in value["instances"]])
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as exc:
        raise BadConfig(f"{path} cannot be used ({type(exc).__name__}: {exc}): run the playbook again.") from exc


def _instance(value: Dict[str, Any]) -> Instance:
    names = ("host", "server", "pool", "name", "address")
    return Instance(**{name: str(value[name]) for name in names}, models=[_model(entry) for entry in value["models"]])


def _model(value: Mapping[str, Any]) -> Model:
    keep_alive = value.get("keep_alive")
    # Ollama takes seconds as a number only.
    if keep_alive is not None:
        text = str(keep_alive)
        keep_alive = int(text) if text.lstrip("-").isdigit() else text
    return Model(str(value["name"]), bool(value.get("preload")), keep_alive)
