# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What cannot work of the variables of the role tailscale is said in a sentence, before anything changes."""

from __future__ import annotations

import pytest

from ansible_collections.llm.host.plugins.filter.tailscale import tailscale_names, tailscale_problems

WISHES = {
    "version": "1.96.4",
    "repository_url": "https://pkgs.tailscale.com/stable",
    "repository_fingerprint": "2596A99EAAB33821893C0A79458CA832957F5868",
    "package": "",
    "auth_key": True,
    "oauth_client_secret": False,
    "login_server": "",
    "hostname": "gpu-01",
    "tags": ["tag:llm"],
    "advertise_routes": ["10.20.0.0/16"],
    "advertise_exit_node": False,
    "exit_node": "",
    "exit_node_allow_lan_access": False,
    "serve": [{"port": 443, "target": "http://127.0.0.1:11434"}],
}


def test_nothing_is_wrong():
    assert tailscale_problems(WISHES) == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        pytest.param({"oauth_client_secret": True}, "tailscale_auth_key and tailscale_oauth_client_secret are both given", id="two-secrets"),
        pytest.param({"auth_key": False, "oauth_client_secret": True, "tags": []}, "write at least one tag", id="oauth-without-tags"),
        pytest.param({"tags": ["llm"]}, "tailscale_tags[0] is 'llm': write it as tag:llm", id="tag-without-its-beginning"),
        pytest.param({"login_server": "headscale"}, "tailscale_login_server is 'headscale': write an address", id="no-address"),
        pytest.param({"repository_url": "https://me:secret@example.com"}, "tailscale_repository_url is", id="password-in-an-address"),
        pytest.param({"version": "1.96"}, "tailscale_version is '1.96': write a release", id="half-a-version"),
        pytest.param({"repository_fingerprint": "2596"}, "tailscale_repository_fingerprint is '2596'", id="fingerprint"),
        pytest.param({"hostname": "gpu_01"}, "tailscale_hostname is 'gpu_01'", id="hostname"),
        pytest.param({"advertise_routes": ["lan"]}, "tailscale_advertise_routes[0] is 'lan': write a network", id="no-network"),
        pytest.param({"advertise_routes": ["10.20.0.1/16"]}, "write 10.20.0.0/16", id="address-in-a-network"),
        pytest.param({"advertise_routes": ["0.0.0.0/0"]}, "set tailscale_advertise_exit_node instead", id="everywhere"),
        pytest.param({"exit_node": "gw", "advertise_exit_node": True}, "a host is an exit node, or uses one", id="both-ends"),
        pytest.param({"exit_node_allow_lan_access": True}, "needs a tailscale_exit_node", id="lan-without-exit-node"),
        pytest.param({"serve": [{"target": "http://10.0.0.1:80"}]}, "tailscale_serve[0].target is 'http://10.0.0.1:80'", id="target-elsewhere"),
        pytest.param({"serve": [*WISHES["serve"], *WISHES["serve"]]}, "tailscale_serve[1] has port 443, which tailscale_serve[0] has", id="port-twice"),
    ],
)  # fmt: skip
def test_what_is_wrong(changes, sentence):
    (problem,) = tailscale_problems({**WISHES, **changes})
    assert sentence in problem


def test_a_package_file_says_its_version_itself():
    assert tailscale_problems({**WISHES, "package": "tailscale.deb", "version": ""}) == []


def test_two_hosts_with_one_name():
    hostvars = {"gpu-01.a.example.com": {}, "gpu-01.b.example.com": {}, "edge": {"tailscale_hostname": "gw"}}
    assert tailscale_names(hostvars, hostvars) == [
        "gpu-01.a.example.com and gpu-01.b.example.com would both be called gpu-01 in the tailnet: give one of them another tailscale_hostname."
    ]
