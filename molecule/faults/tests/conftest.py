# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The site under test as its operators and its clients see it, and the internet that it sees."""

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.llm.host.plugins.module_utils._probe import Credentials

ALICE = Credentials(key="alice-has-a-key-of-enough-length")
STARTED = "39f53479d3a045ac8e11786248231fbf"
WATCHED = "/etc/systemd/system /etc/nginx /etc/llm-gateway /opt/ollama /usr/local/bin /usr/share/ollama /var/lib/llm-host"


class Site:
    """The host that serves, and runs of site.yml that want something else of it."""

    def __init__(self, host: t.Any, endpoint: t.Callable[[str], t.Any], run: t.Callable[..., t.Any]) -> None:
        self.host = host
        self._endpoint = endpoint
        self._run = run

    def apply(self, **variables: t.Any) -> t.Any:
        return self._run("site.yml", "--extra-vars", json.dumps(variables))

    def version(self) -> str:
        """What answers a client of the gateway, without build metadata."""
        reply = self._endpoint("https://llm.test").request("GET", "/api/version", who=ALICE)
        assert reply.status == 200, reply.body
        return reply.json()["version"].partition("+")[0]

    def starts(self) -> int:
        """How often systemd has started Ollama."""
        return int(self.host.check_output(f"journalctl -q UNIT=ollama.service MESSAGE_ID={STARTED} -o cat | wc -l"))

    def traces(self) -> list[str]:
        """Each path that is ours, when it was written, and the processes that run: the same list means that nothing happened."""
        found = f"find {WATCHED} \\( -type d -printf '%p %m %u %g\\n' \\) -o -printf '%p %m %u %g %T@ %l\\n' | sort"
        return self.host.check_output(f"{found}; systemctl show -P InvocationID ollama nginx").splitlines()


@pytest.fixture
def site(host, endpoint, run_playbook) -> Site:
    return Site(host, endpoint, run_playbook)
