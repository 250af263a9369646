#!/usr/bin/python
# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The models of a host: the whole declared library in one call."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ollama_models
short_description: Pull, pin, build and remove the models of an Ollama host
version_added: 0.1.0
description:
  - Brings all declared models of a host into the declared state, from one look at what is there. When nothing is to be
    done, that look is the only request that is sent.
  - Models are pulled by tag and can be pinned by digest, which Ollama itself cannot do. Others are built on the host from
    a Modelfile or from structured fields.
author:
  - llm.host contributors (@llm-host)
options:
  models:
    description:
      - The library. The order does not matter, a model is built after the one that it is built from.
    type: list
    elements: dict
    required: true
    suboptions:
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
  exclusive:
    description:
      - Remove every model that is not declared. The bases of declared builds and the versions kept for going back stay.
    type: bool
    default: false
  allow_empty:
    description:
      - With O(exclusive=true), accept that no model is declared, which removes all of them.
    type: bool
    default: false
  validate_only:
    description:
      - Only check what is declared, with the Modelfiles and the other files on the controller, and ask no host anything.
      - For a play that is to find mistakes before it changes anything.
    type: bool
    default: false
  server_version:
    description: With O(validate_only), the version of Ollama that is going to serve. A recipe that requires a newer one is an error.
    type: str
    default: ""
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
  - module: llm.host.ollama_model
"""

EXAMPLES = r"""
- name: Declare the library of a host
  llm.host.ollama_models:
    models:
      - name: llama3.1:8b-instruct-q5_K_M
        digest: sha256:46e0c10c039e019119339687c3c1757cc81b9da49709a3b3924863ba87ca666e
      - name: nomic-embed-text
        preload: true
        keep_alive: "-1"
      - name: team-assistant
        modelfile: modelfiles/team-assistant.Modelfile
      - name: team-reviewer
        from: llama3.1:8b-instruct-q5_K_M
        system: You review merge requests.
        parameters:
          num_ctx: 16384
          temperature: 0.2

- name: Have exactly these models and no other
  llm.host.ollama_models:
    exclusive: true
    models:
      - name: llama3.2:1b

- name: Go back to the version from before, without the network
  llm.host.ollama_models:
    models:
      - name: llama3.2:1b
        digest: sha256:baf6a787fdffd633537aa2eb51cfd54cb93ff08e28040095462bb63daf552878
"""

RETURN = r"""
models:
  description:
    - What was done to each model, in the order of what is built from what. In check mode, what would be.
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
      description: Whether O(models[].preload) was asked for and the model is in memory.
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
    models_options,
    run_library,
)


def main() -> None:
    """Wire options to the run."""
    module = AnsibleModule(
        argument_spec=models_options(),
        supports_check_mode=True,
    )
    if module.params["validate_only"]:
        module.fail_json(msg="validate_only is for tasks: the action plugin checks the declaration on the controller.")
    run_library(
        module,
        entries=module.params["models"],
        option="models",
        exclusive=module.params["exclusive"],
        allow_empty=module.params["allow_empty"],
    )


if __name__ == "__main__":
    main()
