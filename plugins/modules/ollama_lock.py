#!/usr/bin/python
# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock file of a library: the digests that its tags have now."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ollama_lock
short_description: Write the digests of all declared models into a lock file
version_added: 0.1.0
description:
  - Asks the registries which digest every declared tag has now, without pulling anything, and writes them as the variable
    C(ollama_models_lock) into a file of the inventory. Runs on the controller.
  - Locked are models that are pulled without their own digest, and models that others are built from and that no host builds.
  - All or nothing. When one tag cannot be asked for, the file stays as it is.
author:
  - llm.host contributors (@llm-host)
options:
  libraries:
    description:
      - What the hosts declare. Their union is locked; when two hosts name the same tag, the first one's registry is asked.
    type: list
    elements: dict
    required: true
    suboptions:
      host:
        description: The host's name, for messages.
        type: str
        required: true
      models:
        description: The host's library, with the entries of O(llm.host.ollama_models#module:models).
        type: list
        elements: dict
        default: []
      registry_url:
        description: Base URL to ask instead of the default registry.
        type: str
        default: ""
  path:
    description: The lock file.
    type: path
    required: true
  update:
    description: Ask only for these models, and for those that are not locked yet. Without it all are asked for.
    type: list
    elements: str
    default: []
  timeout:
    description: Seconds that a request may take.
    type: int
    default: 30
extends_documentation_fragment:
  - llm.host.proxy
attributes:
  check_mode:
    description: The registries are asked, nothing is written.
    support: full
  diff_mode:
    description: Shows the lock file before and after.
    support: full
seealso:
  - module: llm.host.ollama_models
"""

EXAMPLES = r"""
- name: Lock what two hosts declare
  llm.host.ollama_lock:
    path: "{{ inventory_dir }}/group_vars/ollama/models.lock.yml"
    libraries:
      - host: gpu1
        models:
          - name: llama3.2:1b
      - host: gpu2
        models:
          - name: nomic-embed-text
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
path:
  description: The lock file.
  returned: success
  type: str
digests:
  description: What the lock file holds, or would hold in check mode.
  returned: success
  type: dict
  sample: {"llama3.2:1b": "sha256:baf6a787fdffd633537aa2eb51cfd54cb93ff08e28040095462bb63daf552878"}
moved:
  description: Locked tags whose digest changed.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: The model., type: str, returned: always}
    before: {description: The digest from before., type: str, returned: always}
    after: {description: The digest now., type: str, returned: always}
added:
  description: Names that were not locked before.
  returned: success
  type: list
  elements: str
removed:
  description: Names that are no longer declared.
  returned: success
  type: list
  elements: str
pinned_moved:
  description: Tags that moved away from the digest of their entry. They are not in the lock file.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: The model., type: str, returned: always}
    before: {description: The digest of the entry., type: str, returned: always}
    after: {description: The digest that the tag has now., type: str, returned: always}
summary:
  description: The same, as sentences.
  returned: success
  type: list
  elements: str
"""

import concurrent.futures
import os
import tempfile
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.llm.host.plugins.module_utils._http import OpenUrlTransport
from ansible_collections.llm.host.plugins.module_utils._library import InputError, read_library
from ansible_collections.llm.host.plugins.module_utils._library_module import model_options
from ansible_collections.llm.host.plugins.module_utils._lock import Question, changes, parse_lock, render_lock, wanted_in
from ansible_collections.llm.host.plugins.module_utils._names import InvalidName, ModelName
from ansible_collections.llm.host.plugins.module_utils._proxy import proxy_options, use_proxies
from ansible_collections.llm.host.plugins.module_utils._registry import Registry, RegistryError

_AT_ONCE = 8


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "libraries": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "host": {"type": "str", "required": True},
                    "models": {"type": "list", "elements": "dict", "default": []},
                    "registry_url": {"type": "str", "default": ""},
                },
            },
            "path": {"type": "path", "required": True},
            "update": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "int", "default": 30},
            **proxy_options(),
        },
        supports_check_mode=True,
    )
    use_proxies(module.params)
    try:
        result = _lock(module)
    except InputError as exc:
        module.fail_json(msg=str(exc))
    except OSError as exc:
        module.fail_json(msg=f"cannot read or write the lock file {module.params['path']}: {exc}")
    module.exit_json(**result)


def _lock(module: AnsibleModule) -> dict[str, t.Any]:
    path = module.params["path"]
    _refuse_hiding(path)
    before_text = _read(path)
    before = parse_lock(before_text, path=path)
    wanted = wanted_in(
        (read_library(_entries(library), option=f"{library['host']}: ollama_models"), library["registry_url"])
        for library in module.params["libraries"]
    )
    update = _update_keys(module.params["update"], {*wanted.locked, *(question.name.key for question in wanted.pinned)})
    known = {ModelName.parse(name).key: digest for name, digest in before.items()}
    asked = [question for key, question in wanted.locked.items() if not update or key in update or key not in known]
    pinned = [question for question in wanted.pinned if not update or question.name.key in update]
    answers = _ask([*asked, *pinned], timeout=module.params["timeout"])
    failed = [answers[question] for question in asked if isinstance(answers[question], RegistryError)]
    if failed:
        raise InputError(f"The lock file {path} stays as it is: {'; '.join(exc.message for exc in failed)}.")

    digests = {
        question.name.short: f"sha256:{answers[question]}" if question in answers else known[key] for key, question in wanted.locked.items()
    }
    pinned_moved = []
    for question in pinned:
        answer = answers[question]
        if isinstance(answer, RegistryError):
            module.warn(f"{question.name} has its own digest and could not be compared: {answer.message}")
        elif answer != question.pin:
            pinned_moved.append({"name": question.name.short, "before": f"sha256:{question.pin}", "after": f"sha256:{answer}"})
    after_text = render_lock(digests)
    changed = after_text != before_text
    if changed and not module.check_mode:
        _write(path, after_text)
    differences = changes(before, digests)
    result = {"changed": changed, "path": path, "digests": digests, "pinned_moved": pinned_moved, **differences}
    result["summary"] = [
        *(f"{item['name']} moved from {item['before']} to {item['after']}" for item in differences["moved"]),
        *(f"{name} is new, at {digests[name]}" for name in differences["added"]),
        *(f"{name} is no longer declared" for name in differences["removed"]),
        *(f"{item['name']} moved to {item['after']}, its entry still says digest: {item['before']}" for item in pinned_moved),
    ] or ["every tag is where the lock file says"]
    if changed and module._diff:
        result["diff"] = {"before": before_text, "after": after_text, "before_header": path, "after_header": path}
    return result


def _entries(library: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    """The entries of a host with the types that they have as options of the module for models."""
    spec = {"ollama_models": {"type": "list", "elements": "dict", "options": model_options()}}
    checked = ArgumentSpecValidator(spec).validate({"ollama_models": library["models"]})
    if checked.error_messages:
        raise InputError(f"{library['host']}: {'; '.join(checked.error_messages)}.")
    return t.cast("list[dict[str, t.Any]]", checked.validated_parameters["ollama_models"])


def _refuse_hiding(path: str) -> None:
    """Ansible reads a directory of variables instead of the file of the same name, so creating the one would hide the other."""
    directory = os.path.dirname(path)
    if os.path.isdir(directory):
        return
    for ending in (".yml", ".yaml", ".json"):
        if os.path.exists(directory + ending):
            raise InputError(
                f"{directory}{ending} would no longer be read once {directory} is a directory: move it to {directory}/main{ending} first."
            )


def _update_keys(names: t.Sequence[str], declared: t.Container[str]) -> set[str]:
    keys = set()
    for text in names:
        try:
            key = ModelName.parse(text).key
        except InvalidName as exc:
            raise InputError(f"update: {exc}") from exc
        if key not in declared:
            raise InputError(f"update names {text!r}, which no host declares as a pulled model: write one of the declared names.")
        keys.add(key)
    return keys


def _ask(questions: t.Sequence[Question], *, timeout: float) -> dict[Question, t.Any]:
    """The digest of each tag, or the RegistryError that came instead."""

    def ask(question: Question) -> t.Any:
        registry = Registry(OpenUrlTransport(use_proxy=True), mirror=question.registry_url, timeout=timeout)
        try:
            return registry.manifest(question.name, insecure=question.insecure).digest
        except RegistryError as exc:
            return exc

    with concurrent.futures.ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        return dict(zip(questions, pool.map(ask, questions)))


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def _write(path: str, text: str) -> None:
    """Put the file in place in one step; a reader sees the old one or the new one."""
    directory = os.path.dirname(path) or "."
    os.makedirs(directory, mode=0o755, exist_ok=True)
    # The ending keeps Ansible from taking an abandoned one for variables.
    handle, temporary = tempfile.mkstemp(dir=directory, prefix=".models.lock.", suffix="~")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


if __name__ == "__main__":
    main()
