# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Models move to another directory when somebody says so, and are never left behind in silence."""

from __future__ import annotations

OLD, NEW = "/usr/share/ollama/.ollama/models", "/mnt/disk/models"


def listing(host, root):
    return host.check_output(f"cd {root} && find blobs manifests -type f -exec sha256sum {{}} + -printf '%u %m %p\\n' | sort")


def test_models_move_to_another_file_system_under_load_and_back(site, client):
    second = site.hosts["second"]
    second.check_output(f"mkdir -p /mnt/disk && mount -t tmpfs -o size=200m tmpfs /mnt/disk; echo mine > {OLD}/notes")
    before, process = listing(second, OLD), site.processes()[1]

    run = site.run("site.yml", "--limit", "second", ollama_models_dir=NEW)
    (sentence,) = run.failures
    assert f"ollama_models_dir is {NEW}, but ollama.service keeps its models in {OLD}, and tiny:latest is only there" in sentence
    assert (run.changed["second"], site.processes()[1]) == (0, process)

    with client() as asking:
        run = site.run("playbooks/move_models.yml", "--limit", "second", ollama_models_dir=NEW)
    assert run.code == 0, run.output[-3000:]
    assert f"These are not Ollama's and stay: {OLD}/notes" in run.output
    assert (listing(second, NEW), second.check_output(f"ls {OLD}")) == (before, "notes")
    assert second.check_output("systemctl show -P Environment ollama").count(f"OLLAMA_MODELS={NEW}") == 1
    assert set(asking.answers) == {200}

    run = site.run("playbooks/move_models.yml", "--limit", "second")
    assert run.code == 0, run.output[-3000:]
    assert listing(second, OLD) == before
    assert second.run(f"test -e {NEW}").rc == 1
    second.check_output(f"rm {OLD}/notes; umount /mnt/disk")
