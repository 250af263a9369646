# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import typing as t

from outside import NAME, PASSWORD, Outside

# It takes a minute; what is offered says the configuration, and that is the same on both Debians.
testinfra_hosts = ["ansible://*-13"]
# What testssl finds that is as it should be here.
ACCEPTED = {
    # The 398 days bind public authorities. The host's own one gives 820, within the 825 that browsers take from private ones, so that
    # a host that is seldom provisioned does not run out.
    "cert_extlifeSpan",
    # The host's own authority has this one certificate, and nobody whom clients could ask about it: they stop to trust the authority.
    "cert_revocation",
}


def scan(outside: Outside) -> list[dict[str, t.Any]]:
    # All that it checks but for how old browsers would fare, which is never a finding. It logs in, to see the page's headers.
    program = f"""
    testssl --quiet --warnings batch --color 0 --protocols --standard --fs --server-preference --server-defaults --headers --vulnerable \
      --basicauth 'alice:{PASSWORD}' --add-ca /ca.crt --nodns none --ip {outside.address} --jsonfile /tmp/found.json https://{NAME} >/tmp/log 2>&1
    cat /tmp/found.json"""
    return json.loads(outside.image("bash", "-c", program))


def test_testssl_finds_nothing_that_is_worse_than_low(outside: Outside):
    found = scan(outside)
    severity = {finding["id"]: finding["severity"] for finding in found}
    assert (severity["scanTime"], severity["cert_chain_of_trust"], severity["TLS1_3"]) == ("INFO", "OK", "OK"), found[-3:]
    bad = {finding["id"]: finding["finding"] for finding in found if finding["severity"] in ("MEDIUM", "HIGH", "CRITICAL", "FATAL")}
    assert set(bad) == ACCEPTED, bad
