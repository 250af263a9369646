#!/usr/bin/python
# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ollama_release
short_description: Make one release of Ollama the active one on a host
version_added: 0.1.0
author:
  - llm.host contributors (@llm-host)
description:
  - Decides without the network whether a version is installed, intact and active. When it is, nothing is fetched and
    nothing changes.
  - Otherwise downloads the release for the architecture of the host, or takes an archive file, verifies its SHA-256,
    unpacks it beside the active version, and switches by one rename of a link. The active version goes on serving until
    the service is restarted, and stays where it is when anything goes wrong.
  - A download that breaks off is resumed, by the same run and by the next one.
  - Neither starts nor restarts a service.
extends_documentation_fragment:
  - llm.host.attributes
  - llm.host.proxy
attributes:
  check_mode:
    support: full
    details:
      - Uses no network, transfers no archive, and needs no zstd on the host.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  version:
    description:
      - The release, as three numbers. A V(v) in front is accepted.
      - V(latest) is refused. So is a pre-release such as V(0.33.0-rc2), whose files on the server are moved and
        replaced, unless it comes as a file with O(archive) or is installed already.
    type: str
    required: true
  root:
    description: The directory that holds one directory for each version.
    type: path
    default: /opt/ollama
  link:
    description:
      - The link that makes a version the active one.
      - A program that is there, as the vendor's script leaves it, is kept beside with C(.before-llm-host) behind its
        name while O(state=switched), and goes with its libraries when O(state=active).
    type: path
    default: /usr/local/bin/ollama
  url:
    description:
      - Where releases are downloaded from, so that C(<url>/v<version>/<file>) is a file of a release.
      - The environment variables E(HTTPS_PROXY) and E(NO_PROXY) are honoured.
    type: str
    default: https://github.com/ollama/ollama/releases/download
  archive:
    description:
      - The base archive of the release as a file on the controller, for hosts without a way to the internet. Searched
        like the O(ignore:src) of M(ansible.builtin.copy), and looked at only when the host needs it.
      - Its format is told by its content, not by its name.
      - An empty text means a download.
    type: path
    default: ""
  remote_src:
    description: O(archive) and O(overlay_archives) are on the managed host already.
    type: bool
    default: false
  checksum:
    description:
      - The SHA-256 of the base archive in hexadecimal digits, with or without C(sha256:) in front.
      - Without it the C(sha256sum.txt) of the release is used for a download. The versions 0.9.4 to 0.12.9 have none
        and need this option.
      - A version that is installed from an archive with another checksum is installed again.
    type: str
    default: ""
  overlays:
    description:
      - Archives to unpack over the base archive. V(rocm) is for AMD GPUs, V(jetpack5) and V(jetpack6) for Jetson boards
        with L4T R35 and R36, V(mlx) for MLX models.
      - A version that is installed with other overlays is installed again.
    type: list
    elements: str
    choices: [rocm, jetpack5, jetpack6, mlx]
    default: []
  overlay_archives:
    description: With O(archive), the file of each of O(overlays) by its name.
    type: dict
    default: {}
  overlay_checksums:
    description: The SHA-256 of overlays by their names, like O(checksum).
    type: dict
    default: {}
  architecture:
    description: V(amd64) or V(arm64), or what C(uname -m) says. By default the architecture of the host.
    type: str
    default: ""
  keep:
    description:
      - How many other versions stay installed beside the active one. The one that was active before this run is kept
        first.
      - With V(0) the files of a server that still runs the version before are removed while it runs.
    type: int
    default: 1
  integrity:
    description:
      - How to tell that a version is intact. V(metadata) compares type, size, mode, owner, time and target of each path
        with what was installed. V(content) reads every file, too, which takes some seconds.
    type: str
    choices: [metadata, content]
    default: metadata
  timeout:
    description: Seconds to wait for the server to answer, or to go on.
    type: int
    default: 60
  state:
    description:
      - V(installed) has the version unpacked and verified beside the active one, and nothing else.
      - V(switched) also makes O(link) lead to it, and removes nothing, so that there is a way back.
      - V(active) also removes what is not needed any more, which are versions beyond O(keep), a program that the vendor's script had
        installed with its libraries, and O(undo).
    type: str
    choices: [installed, switched, active]
    default: active
  undo:
    description:
      - The file that keeps what was there before, for M(llm.host.ollama_service) to put back. Where nothing serves, nothing needs to be kept.
    type: path
    default: ""
  min_free:
    description:
      - The space that has to be free in the file system of O(root) before something is downloaded or unpacked, such as
        V(8G).
      - By default what is left to download, and three times the size of the archives to unpack them.
    type: bytes
seealso:
  - module: llm.host.ollama_service
"""

EXAMPLES = r"""
- name: Install a pinned release from the official address
  llm.host.ollama_release:
    version: 0.32.15

- name: Install a release for AMD GPUs from a mirror
  llm.host.ollama_release:
    version: 0.32.15
    url: https://mirror.example.com/ollama
    overlays: [rocm]

- name: Install a release from a file on the controller
  llm.host.ollama_release:
    version: 0.32.15
    archive: files/ollama-linux-amd64.tar.zst
    checksum: "sha256:{{ vault_ollama_checksum }}"

- name: Go back to the version before, which is still installed
  llm.host.ollama_release:
    version: "{{ __ollama_release.previous_version }}"
"""

RETURN = r"""
version:
  description: The wanted version, without a V(v) in front.
  returned: success
  type: str
  sample: 0.32.15
architecture:
  description: The architecture in the names of the assets.
  returned: success
  type: str
  sample: amd64
active:
  description:
    - Whether the version is active and intact now. V(false) in check mode when something would have to be done for
      that.
  returned: success
  type: bool
  sample: true
settled:
  description: Whether O(state=active) would change nothing now.
  returned: success
  type: bool
  sample: true
program_changed:
  description:
    - Whether the program behind O(link) is another one than before this call, so that a running server has to be
      restarted. V(false) when only old versions or what a killed run left was removed.
  returned: success
  type: bool
  sample: true
previous_version:
  description:
    - The version that was active before this call, the same one when nothing was switched, V(none) when there was none
      below O(root).
  returned: success
  type: str
  sample: 0.30.11
path:
  description: The directory of the version.
  returned: success
  type: str
  sample: /opt/ollama/0.32.15
assets:
  description:
    - The archives that the version was installed from, or would be.
    - C(url) is the name of the file for an archive that was not downloaded. C(sha256) is empty and C(bytes) 0 as long
      as they are not known, which is before a download.
  returned: success
  type: list
  elements: dict
  sample:
    - name: ollama-linux-amd64.tar.zst
      url: https://github.com/ollama/ollama/releases/download/v0.32.15/ollama-linux-amd64.tar.zst
      sha256: 6c1ae2d4a3b0c9c6a8fd0f7b5f8f3d2d35a3a3be04e9a8d3c5f1c4b8b6a7e921
      bytes: 1380000000
actions:
  description: What was done, or in check mode would be, in this order.
  returned: success
  type: list
  elements: str
  sample:
    - Download https://github.com/ollama/ollama/releases/download/v0.32.15/ollama-linux-amd64.tar.zst
    - Install /opt/ollama/0.32.15 from ollama-linux-amd64.tar.zst
    - Point /usr/local/bin/ollama to /opt/ollama/0.32.15/bin/ollama
    - Remove /opt/ollama/0.23.4
altered:
  description: Why an installed tree of the version was not good enough, one text for each file.
  returned: success
  type: list
  elements: str
  sample: ["lib/ollama/libggml-base.so: missing"]
installed:
  description: The versions that are installed now, or would be.
  returned: success
  type: list
  elements: str
  sample: [0.30.11, 0.32.15]
removed:
  description: The directories and files that were removed, or would be.
  returned: success
  type: list
  elements: str
  sample: [/opt/ollama/0.23.4]
archive_needed:
  description: Whether the host still needs the files of O(archive) and O(overlay_archives) for this version.
  returned: O(archive) is given
  type: bool
  sample: false
"""

import dataclasses
import platform
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.llm.host.plugins.module_utils._proxy import proxy_options, use_proxies
from ansible_collections.llm.host.plugins.module_utils._release import Outcome, ensure
from ansible_collections.llm.host.plugins.module_utils._release_plan import STATES, Request, make_request
from ansible_collections.llm.host.plugins.module_utils._release_values import ReleaseError, shown_url


def request_of(params: t.Mapping[str, t.Any]) -> Request:
    return make_request(
        version=params["version"],
        machine=params["architecture"] or platform.machine(),
        overlays=params["overlays"],
        root=params["root"],
        link=params["link"],
        url=params["url"],
        archive=params["archive"],
        overlay_archives=params["overlay_archives"],
        archives_here=params["remote_src"],
        checksum=params["checksum"],
        overlay_checksums=params["overlay_checksums"],
        keep=params["keep"],
        content=params["integrity"] == "content",
        timeout=params["timeout"],
        min_free=params["min_free"],
        state=params["state"],
        undo=params["undo"],
    )


def result_of(outcome: Outcome, *, check_mode: bool) -> dict[str, t.Any]:
    plan, request = outcome.plan, outcome.plan.request
    result: dict[str, t.Any] = {
        # The record is of this run itself.
        "changed": (outcome.done or check_mode) and dataclasses.replace(plan, close=False).changed,
        "version": str(request.version),
        "architecture": request.architecture,
        "active": outcome.active,
        "settled": outcome.settled,
        "program_changed": (outcome.done or check_mode) and (plan.install or plan.switch),
        "previous_version": plan.state.link.version or None,
        "path": request.tree,
        "assets": [
            {"name": source.name, "url": shown_url(source.url), "sha256": source.sha256, "bytes": source.bytes}
            for source in outcome.sources
        ],
        "actions": plan.actions(),
        "altered": list(plan.reasons),
        "installed": plan.after()["installed"],
        "removed": [*plan.clean, *plan.remove],
        "diff": {
            "before_header": request.link,
            "after_header": request.link,
            "before": plan.before(),
            "after": plan.after(),
        },
    }
    if request.archives:
        result["archive_needed"] = plan.install and not outcome.done
    return result


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "version": {"type": "str", "required": True},
            "root": {"type": "path", "default": "/opt/ollama"},
            "link": {"type": "path", "default": "/usr/local/bin/ollama"},
            "url": {"type": "str", "default": "https://github.com/ollama/ollama/releases/download"},
            "archive": {"type": "path", "default": ""},
            "remote_src": {"type": "bool", "default": False},
            "checksum": {"type": "str", "default": ""},
            "overlays": {
                "type": "list",
                "elements": "str",
                "choices": ["rocm", "jetpack5", "jetpack6", "mlx"],
                "default": [],
            },
            "overlay_archives": {"type": "dict", "default": {}},
            "overlay_checksums": {"type": "dict", "default": {}},
            "architecture": {"type": "str", "default": ""},
            "keep": {"type": "int", "default": 1},
            "integrity": {"type": "str", "choices": ["metadata", "content"], "default": "metadata"},
            "timeout": {"type": "int", "default": 60},
            "min_free": {"type": "bytes"},
            "state": {"type": "str", "choices": list(STATES), "default": "active"},
            "undo": {"type": "path", "default": ""},
            **proxy_options(),
        },
        supports_check_mode=True,
    )
    use_proxies(module.params)
    try:
        outcome = ensure(request_of(module.params), check_mode=module.check_mode)
    except ReleaseError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result_of(outcome, check_mode=module.check_mode))


if __name__ == "__main__":
    main()
