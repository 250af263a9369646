# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Prometheus that somebody else has configured sees what ours sees, from what it is given to include."""

from __future__ import annotations

import pytest
from conftest import Watcher
from load import eventually

PLACE, CONFIG, UNIT, PORT = "/srv/llm", "/srv/other.yml", "other-prometheus", 9199
# As the README says.
INCLUDED = f"""global: {{scrape_interval: 2s, evaluation_interval: 2s}}
rule_files: [{PLACE}/rules/*.yml]
scrape_config_files: [{PLACE}/scrape.yml]
"""
DECLARED = ("--limit", "watcher", "-e", "monitoring_provider=existing", "-e", f"monitoring_dir={PLACE}")


@pytest.fixture
def other(watcher):
    yield Watcher(PORT)
    watcher.host.check_output(f"systemctl stop {UNIT}; rm -rf {PLACE} {CONFIG} /var/tmp/{UNIT}")


def test_it_asks_the_same_hosts_and_knows_the_same_rules(run_playbook, watcher, other):
    run = run_playbook("site.yml", *DECLARED)
    assert run.code == 0, run.output[-3000:]
    assert f"{PLACE}/scrape.yml in scrape_config_files" in " ".join(run.output.split())
    again = run_playbook("site.yml", *DECLARED)
    assert (again.code, again.changed) == (0, {"watcher": 0}), again.output[-3000:]

    other.host.check_output(f"printf %s > {CONFIG}", INCLUDED)
    other.host.check_output(
        f"systemd-run --unit={UNIT} --uid=prometheus prometheus --config.file={CONFIG}"
        f" --storage.tsdb.path=/var/tmp/{UNIT} --web.listen-address=127.0.0.1:{PORT}"
    )
    other.ready()
    hosts = "up{instance=~'watche.*',job=~'node|ollama|gateway|balancer|users'}"
    assert len(watcher.ask(hosts)) > 8
    eventually(lambda: other.ask(hosts) == watcher.ask(hosts), 30)
    assert [group["name"] for group in other.api("rules")["groups"]] == [group["name"] for group in watcher.api("rules")["groups"]]
