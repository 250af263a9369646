# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.llm.host.plugins.module_utils._proxy import proxy_options, use_proxies


def test_given_proxies_take_the_place_of_the_hosts_own():
    environ = {"https_proxy": "http://old", "http_proxy": "http://stays"}
    use_proxies({"https_proxy": "http://u:p@new", "http_proxy": "", "no_proxy": ["a", "b"]}, environ=environ)
    assert environ == {"https_proxy": "http://u:p@new", "http_proxy": "http://stays", "no_proxy": "a,b"}


def test_urls_with_passwords_are_not_logged():
    assert all(proxy_options()[name]["no_log"] for name in ("https_proxy", "http_proxy"))
