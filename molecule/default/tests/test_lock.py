# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock file, from the registry over the inventory to the host."""

from __future__ import annotations

import json

import yaml

testinfra_hosts = ["ansible://debian12"]


def test_a_lock_holds_what_the_hosts_have_and_a_run_follows_it(host, run_playbook, upstream, tmp_path):
    lock = tmp_path / "models.lock.yml"
    registry = ("-e", f"ollama_models_registry_url={upstream.url}")
    write = ("playbooks/lock.yml", "-e", f"ollama_models_lock_file={lock}", *registry)

    foreseen = run_playbook(*write, "--check")
    assert (sum(foreseen.changed.values()), lock.exists()) == (1, False), foreseen.output
    written, again = run_playbook(*write), run_playbook(*write)
    assert (written.code, sum(written.changed.values())) == (0, 1), written.output
    assert (again.code, sum(again.changed.values())) == (0, 0), again.output

    digests = yaml.safe_load(lock.read_text())["ollama_models_lock"]
    look = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:11434/api/tags').read().decode())"
    listed = json.loads(host.check_output("python3 -c %s", look))["models"]
    have = {model["name"]: f"sha256:{model['digest']}" for model in listed}
    assert digests
    assert {name: have.get(name, digest) for name, digest in digests.items()} == digests
    assert set(digests) & set(have)

    followed = run_playbook("playbooks/models.yml", "--limit", "debian12", "-e", f"@{lock}", *registry)
    assert (followed.code, followed.changed) == (0, {"debian12": 0}), followed.output

    name = next(name for name in digests if name in have)
    other = "sha256:" + "0" * 64
    lock.write_text(yaml.safe_dump({"ollama_models_lock": {**digests, name: other}}))
    refused = run_playbook("playbooks/models.yml", "--limit", "debian12", "-e", f"@{lock}", *registry)
    assert refused.changed == {"debian12": 0}
    (said,) = refused.failures
    assert said.startswith("Nothing was pulled.")
    assert all(text in said for text in (other, digests[name]))
