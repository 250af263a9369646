# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which monitors a gateway asks for the status page, and where."""

from __future__ import annotations

import pytest

from ansible_collections.llm.host.plugins.filter.status import status_certificates, status_monitors

ONE, OTHER = (f"-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----" for text in ("MIIB\nAAAA", "MIIC"))


def test_each_certificate_is_found_under_its_host():
    assert status_certificates(f"# host mon-1\n{ONE}\n# host mon-2\n{OTHER}\n") == {"mon-1": ONE, "mon-2": OTHER}


@pytest.mark.parametrize("text", ["", "# host mon-1\n", f"{ONE}\n", f"# host mon-1\n# host mon-2\n{ONE[:-5]}\n"])
def test_what_is_no_certificate_of_a_host_is_left_out(text):
    assert status_certificates(text) == {}


@pytest.mark.parametrize(
    ("names", "variables", "where"),
    [
        pytest.param(["DNS:mon-1", "IP:10.0.0.5"], {}, "10.0.0.5:9998", id="address"),
        pytest.param(
            ["DNS:mon-1", "IP Address:10.0.0.5", "IP:10.0.0.6"], {"metrics_port": "9000"}, "10.0.0.5:9000", id="first-address-own-port"
        ),
        pytest.param(["DNS:mon-1", "IP:fd00:0:0:0:0:0:0:5"], {}, "[fd00::5]:9998", id="ipv6"),
        pytest.param(["DNS:mon-1", "DNS:monitor.example.com"], {}, "monitor.example.com:9998", id="name"),
        pytest.param(["DNS:mon-1"], {}, "mon-1:9998", id="only-the-name-of-the-inventory"),
    ],
)
def test_a_monitor_is_asked_where_its_certificate_says_that_it_is(names, variables, where):
    assert status_monitors({"mon-1": names}, {"mon-1": variables}) == {"mon-1": where}
