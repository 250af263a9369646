# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host is taken away and nobody notices, and comes back as what it was."""

from __future__ import annotations

import tarfile

import pytest

# One run after the other, on however busy a machine.
pytestmark = pytest.mark.timeout(900)

OWN = "/etc/systemd/system/ollama.service.d/mine.conf"
KEY = "/usr/share/ollama/.ollama/id_ed25519"
MANIFESTS = "/usr/share/ollama/.ollama/models/manifests/registry.ollama.ai/library"
WRITTEN = f"/opt /etc /usr/local /usr/share /var/lib -xdev ( -path *ollama* -o -path *llm-* ) -not -name *llm-host-lab* -not -path {OWN} -not -type d"
GREETER = {"name": "greeter", "from": "tiny", "system": "You greet people."}


@pytest.fixture
def wanted(site):
    """What the inventory says by now."""
    return {"ollama_version": site.version("first"), "ollama_models": [{"name": "tiny", "preload": True}, GREETER]}


def run(site, playbook, **variables):
    done = site.run(f"playbooks/{playbook}.yml", "--limit", "second", **variables)
    assert done.code == 0, done.output[-3000:]
    return done


def identity(host):
    return host.check_output(f"sha256sum {KEY} {MANIFESTS}/greeter/latest {MANIFESTS}/tiny/latest {OWN}")


def test_a_host_is_emptied_under_load_and_restored_without_building_anything(site, client, wanted, tmp_path):
    second = site.hosts["second"]
    second.check_output(f"printf '[Service]\\nEnvironment=MINE=1\\n' > {OWN}")
    run(site, "models", **wanted)
    before = identity(second)
    backups = {"backup_dir": str(tmp_path / "backups")}
    everything = site.run("playbooks/backup.yml", **backups, **wanted)
    assert everything.code == 0, everything.output[-3000:]
    assert run(site, "backup", **backups, **wanted).changed == {"second": 0}
    archives = {path.name.partition("-2")[0]: path for path in (tmp_path / "backups").iterdir()}
    assert {path.stat().st_mode & 0o777 for path in archives.values()} == {0o600}
    with tarfile.open(archives["first"]) as gateway, tarfile.open(archives["second"]) as backend:
        assert "system/etc/llm-gateway/tls/ca.key" in gateway.getnames()
        assert not any("/library/tiny/" in name for name in backend.getnames())

    other = site.run("playbooks/restore.yml", "--limit", "second", **backups, **{"from": "first"})
    assert [failure for failure in other.failures if f"something else than the backup of first: {KEY}" in failure], other.output[-3000:]

    with client() as asked:
        run(site, "uninstall", purge=True)
    assert set(asked.answers) == {200}
    assert second.check_output("find " + WRITTEN.replace("(", "\\(").replace(")", "\\)").replace("*", "\\*")) == ""
    assert not second.user("ollama").exists
    assert run(site, "uninstall", purge=True).changed == {"second": 0}

    run(site, "restore", **backups)
    assert run(site, "restore", **backups).changed == {"second": 0}
    run(site, "site", **wanted)
    assert identity(second) == before
    assert "MINE=1" in second.check_output("systemctl show -P Environment ollama")
    assert "/api/create" not in second.check_output(
        "journalctl -q -o cat -u ollama _SYSTEMD_INVOCATION_ID=$(systemctl show -P InvocationID ollama)"
    )
    site.all_up()
