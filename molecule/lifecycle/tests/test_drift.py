# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""verify.yml says all that is not as declared, and site.yml mends it."""

from __future__ import annotations

import json

DROP_IN = "/etc/systemd/system/ollama.service.d/10-llm-host.conf"
LIBRARY = "/opt/ollama/0.13.5/lib/ollama/libggml-base.so"
PAGE = "/etc/llm-gateway/page/index.html"
GPU = "GPU-8f2a6a5e-0d7c-4a3c-9f1e-2b7d5c9e1a44"
LEFT = "ollama@left.service"
DRIFTS = f"""
set -e
sed -i 's/OLLAMA_KEEP_ALIVE=30m/OLLAMA_KEEP_ALIVE=5m/; $aEnvironment="MY_TOKEN=hunter2"' {DROP_IN}
echo >> {LIBRARY}
systemctl disable ollama
nft delete table inet llm_host
rm /etc/ollama/preload.json
echo '{{}}' > /var/lib/llm-host/move.json
cp -r /etc/systemd/system/ollama.service.d /etc/systemd/system/{LEFT}.d
"""
DECLARED = {
    "ollama_instances": [{"name": "default", "port": 11434, "gpus": [GPU]}],
    "ollama_models": [{"name": "tiny", "preload": True}, {"name": "embed"}],
}
EXPECTED = {
    "second": [
        f"{LEFT}: expected nothing, since ollama_instances does not declare it",
        f"/opt/ollama/0.13.5: expected the files of the release, found {LIBRARY.removeprefix('/opt/ollama/0.13.5/')}",
        "the last move of the models: expected an end, found an interruption",
        "OLLAMA_KEEP_ALIVE=30m",
        "ollama.service: expected a unit that starts at boot, found one that does not",
        "ollama.service: expected running with what is configured, found running with older settings",
        "ollama.service: expected the GPUs that its entry in ollama_instances names, found none",
        "model tiny:latest at ollama.service: expected all of it in the memory of GPUs, found 0 % of it there",
        "the firewall's table inet llm_host: expected the rules that let in only whom it should, found nothing",
        "model embed:latest: expected a model, found nothing",
        "/etc/ollama/preload.json: expected a file, found nothing",
    ],
    "first": [
        "instance second.default at the balancer: expected ready, found taken out (drain)",
        f"{PAGE}: expected what the role writes, found another text",
        "expected embed, found a list without them",
    ],
}


def test_everything_that_is_not_as_declared_is_one_list_and_site_yml_mends_it(site, tmp_path):
    first, second = site.hosts.values()
    drain = "echo 'set server instances/second.default state {}' | socat - /run/haproxy/admin.sock"
    before = site.processes()
    second.check_output(DRIFTS)
    first.check_output(f"{drain.format('drain')}; cp {PAGE} /root/page; echo >> {PAGE}")
    try:
        run = site.run("playbooks/verify.yml", "-v", **DECLARED, report=str(tmp_path / "report.json"))
    finally:
        first.check_output(f"{drain.format('ready')}; mv /root/page {PAGE}")
    assert run.code != 0
    report = json.loads((tmp_path / "report.json").read_text())
    lists = {host: [entry["text"] for entry in entries] for host, entries in report["hosts"].items()}
    assert [said for host, all_of_it in EXPECTED.items() for said in all_of_it if said not in " ".join(lists[host])] == []
    assert sorted(run.failures) == sorted(lists.values())
    assert "hunter2" not in run.output
    assert (site.processes(), second.run("nft list table inet llm_host").rc, report["unreachable"]) == (before, 1, [])

    second.check_output("rm /var/lib/llm-host/move.json")
    run = site.run("site.yml", "--limit", "second")
    assert run.code == 0, run.output[-3000:]
    assert "hunter2" not in second.file(DROP_IN).content_string
    assert second.check_output("systemctl is-enabled ollama") == "enabled"
    assert not second.file(f"/etc/systemd/system/{LEFT}.d/10-llm-host.conf").exists
    assert second.run("nft list table inet llm_host").rc == 0
