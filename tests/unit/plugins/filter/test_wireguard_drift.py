# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What verify.yml says of a WireGuard network."""

from __future__ import annotations

import pytest

from ansible_collections.llm.host.plugins.filter.drift import drift

CONF = {"before_header": "/etc/wireguard/wg0.conf", "before": "a\n", "after": "b\n"}


def interface(*actions, **found):
    return {"wireguard": {"actions": list(actions), "reasons": [], "diff": [], "added": [], "removed": [], **found}}


@pytest.mark.parametrize(
    ("results", "sentences"),
    [
        pytest.param(interface(), [], id="as-declared"),
        pytest.param({"wireguard": {"failed": True, "msg": "Cannot."}}, ["the WireGuard interface: expected an answer, found Cannot"], id="it-failed"),
        pytest.param(interface("write", diff=[CONF]), ["/etc/wireguard/wg0.conf: expected what the role writes"], id="edited"),
        pytest.param(interface("enable", "start"), ["expected a unit that starts at boot", "wg-quick@wg0: expected running, found stopped"], id="stopped"),
        pytest.param(interface("restart", reasons=["its MTU is 1300"]), ["wg0: expected an interface as declared, found its MTU is 1300"], id="another-mtu"),
        pytest.param(interface("write", "sync", added=["a"], removed=["b"]), ["wg0, peer a: expected a peer, found nothing", "wg0, peer b: expected nothing"], id="peers"),
        pytest.param(interface("sync"), ["wg0: expected running with what is configured"], id="another-key"),
        pytest.param({"tunnel": {"silent": ["gpu-02"]}}, ["wg0, asked for gpu-02: expected an answer through the tunnel, found none; look at that host"], id="silent"),
        pytest.param({"tunnel": {"silent": []}}, [], id="all-answer"),
    ],
)  # fmt: skip
def test_what_is_not_as_declared(results, sentences):
    found = [entry["text"] for entry in drift(results, "gpu-01", {"interface": "wg0"})]
    assert len(found) == len(sentences), found
    assert all(sentence in text for sentence, text in zip(sentences, found))
