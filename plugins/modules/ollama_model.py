#!/usr/bin/python
# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One model of a host, for use by hand."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ollama_model
short_description: Pull, pin, build or remove one model of an Ollama host
version_added: 0.1.0
description:
  - Does for one model what M(llm.host.ollama_models) does for all of them. A play that has several models should declare
    them there, in one call.
author:
  - llm.host contributors (@llm-host)
options:
  name:
    description:
      - The model's name as Ollama reads it, C([host[:port]/][namespace/]model[:tag]). What is left out is
        C(registry.ollama.ai), C(library) and C(latest).
      - Names are compared completed and without case. V(llama3.2) is V(llama3.2:latest), and not V(llama3.2:1b).
    type: str
    required: true
  description:
    description: What the model is for. This module does not use it; the gateway's page shows it.
    type: str
  digest:
    description:
      - The digest that the model must have, 64 hex digits with or without V(sha256:) before them.
      - When the model on the host has another one or is missing, the registry is asked what the tag is now. If that
        differs from the pin, nothing is pulled and the module fails, naming both.
      - When another model on the host has this digest, for example a version that was kept, it is copied and nothing
        is downloaded. To go back to the version from before, write its digest here again.
      - Without a digest, a model that is present is left as it is.
      - Not for a model that is built on the host.
    type: str
  modelfile:
    description:
      - Path of a Modelfile on the controller.
      - It is searched for as M(ansible.builtin.copy) searches for its C(src), then below the directories of the
        inventory and of the playbook.
      - A file whose name ends in C(.j2) is a template, searched for as M(ansible.builtin.template) does. The
        C({{ }}) of Ollama's own templates stand in C({% raw %}) there.
    type: str
  modelfile_content:
    description:
      - The text of a Modelfile.
      - Errors in it are reported with file and line.
    type: str
  controller_files:
    description:
      - Files on the controller that the relative paths of the recipe mean. The action plugin fills it in; it is not meant for
        tasks.
    type: list
    elements: dict
    suboptions:
      path:
        description: The path in the recipe.
        type: str
        required: true
      name:
        description: The file's name in the request to build the model.
        type: str
        required: true
      digest:
        description: The file's digest, V(sha256:) and 64 hex digits.
        type: str
        required: true
      size:
        description: The file's size in bytes.
        type: int
        required: true
      staged:
        description: Where the file was put on the managed host for this run. It is removed there when the run ends.
        type: path
  from:
    description:
      - What the model is built from. That is the name of another model, or the path of a GGUF file or of a directory with
        safetensors files.
      - An absolute path is one on the managed host. A relative one is on the controller, and what it means is sent to the host
        when the server there does not have it. It is searched for like a Modelfile. In a Modelfile on the controller,
        C(FROM), C(ADAPTER) and C(DRAFT) are relative to the directory of the Modelfile, as Ollama has it.
      - The model is built again when the recipe, the base's digest or one of the files changed, and when it was altered
        by hand.
    type: str
  system:
    description: The system prompt.
    type: str
  template:
    description:
      - The prompt template, in the language of Go. In YAML it needs the tag C(!unsafe), so that Ansible leaves its
        braces alone.
    type: str
  parameters:
    description:
      - Parameters such as C(num_ctx) and C(temperature). Names and types are checked; C(stop) is a list.
    type: dict
  license:
    description: A licence text, or a list of them.
    type: raw
  messages:
    description: Messages that every conversation begins with.
    type: list
    elements: dict
    suboptions:
      role:
        description: Who says it.
        type: str
        required: true
        choices: [system, user, assistant]
      content:
        description: What is said.
        type: str
        required: true
  renderer:
    description: The name of the built-in prompt renderer.
    type: str
  parser:
    description: The name of the built-in output parser.
    type: str
  requires:
    description: The least version of Ollama that the model needs. It is recorded in the model.
    type: str
  preload:
    description:
      - Load the model into memory after all models are in place, unless it is loaded in its present version already.
      - Loading is not reported as a change.
    type: bool
    default: false
  keep_alive:
    description:
      - How long a preloaded model stays loaded, as a duration such as V(30m), a number of seconds, or V(-1) for ever.
      - Without it the server's setting holds.
    type: str
  insecure:
    description: Use plain HTTP for the registry that the name begins with.
    type: bool
    default: false
  state:
    description: Whether the model is on the host.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - llm.host.api
  - llm.host.attributes
  - llm.host.library
  - llm.host.proxy
attributes:
  check_mode:
    support: full
    details:
      - Where nothing listens at O(api_url), the host is taken for one on which Ollama is not installed yet.
  diff_mode:
    support: full
  idempotent:
    support: full
    details:
      - A model that is built on the host is built again when the record in O(state_dir) is lost. The result is reported as
        a change only when its digest differs.
seealso:
  - module: llm.host.ollama_models
"""

EXAMPLES = r"""
- name: Have a model
  llm.host.ollama_model:
    name: llama3.2:1b

- name: Build a model from another one
  llm.host.ollama_model:
    name: team-assistant
    from: llama3.2:1b
    system: You are an internal engineering assistant.
    parameters:
      num_ctx: 8192
      stop: ["<|user|>"]

- name: Remove a model
  llm.host.ollama_model:
    name: llama3.2:1b
    state: absent

# On the command line:
# ansible gpu -b -m llm.host.ollama_model -a 'name=llama3.2:1b'
"""

RETURN = r"""
models:
  description:
    - What was done to the model, and to its base if that was missing. In check mode, what would be.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The model's name, with its tag.
      type: str
      sample: llama3.2:1b
    action:
      description: One of V(none), V(pull), V(copy), V(create) and V(remove).
      type: str
      sample: pull
    reason:
      description: Why; empty when nothing was to be done.
      type: str
      sample: its digest differs from the pin
    digest_before:
      description: The digest before, or null when the model was not there.
      type: str
      sample: sha256:baf6a787fdffd633537aa2eb51cfd54cb93ff08e28040095462bb63daf552878
    digest_after:
      description: The digest now, or null when the model is not there. In check mode null also when it cannot be known.
      type: str
      sample: sha256:a80c4f17acd55265feec403c7aef86be0c25983ab279d83f3bcd3abbcb5b8b72
    bytes:
      description:
        - How many bytes were downloaded. With O(store_dir), those of the layers that it lacked; without it, those that the server reported,
          which leaves out small layers.
      type: int
      sample: 1321098329
    loaded:
      description: Whether O(preload) was asked for and the model is in memory.
      type: bool
      sample: false
orphans:
  description:
    - What lies in O(store_dir) and belongs to no model, the remains of interrupted pulls included. Null when O(store_dir) is
      not given or cannot be read.
  returned: always
  type: dict
  contains:
    count:
      description: How many files there were.
      type: int
      sample: 2
    bytes:
      description: How much room they took.
      type: int
      sample: 4661211424
    removed:
      description: How many of them O(remove_orphans) removed. In check mode, would remove.
      type: int
      sample: 0
pending:
  description: Whether anything is to be done.
  returned: when O(look_only) is true
  type: bool
  sample: true
needs_files:
  description: Digests of the files on the controller that the server does not have yet.
  returned: when O(look_only) is true
  type: list
  elements: str
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llm.host.plugins.module_utils._library_module import (
    api_options,
    library_options,
    model_options,
    run_library,
)


def main() -> None:
    """Wire options to the run."""
    module = AnsibleModule(
        argument_spec={**model_options(), **library_options(), **api_options()},
        supports_check_mode=True,
    )
    run_library(module, entries=[{name: module.params[name] for name in model_options()}], option=None)


if __name__ == "__main__":
    main()
