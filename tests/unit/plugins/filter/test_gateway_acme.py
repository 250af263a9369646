# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates from an ACME server: which settings are refused, when one is due, and what certbot's output says."""

from __future__ import annotations

import pytest

from ansible_collections.llm.host.plugins.filter.gateway import FilterModule
from ansible_collections.llm.host.plugins.plugin_utils._gateway_acme import acme_problems

FILTERS = FilterModule().filters()
NOW = "2026-11-25T12:00:00+00:00"
ACME = {"directory": "https://ca.example.com/acme/directory", "challenge": "http-01", "dns_hook": "", "email": "", "ca": ""}
WEBROOT = "/var/lib/llm-gateway/webroot"
HOOK = "systemctl reload nginx"
# As certbot 2.1 and 4.0 write it.
KEPT = """\
# renew_before_expiry = 30 days
version = 2.1.0
archive_dir = /etc/letsencrypt/archive/llm-gateway

# Options used in the renewal process
[renewalparams]
account = e13daaac633e59b59d99b6d0cf4692dc
key_type = ecdsa
server = https://ca.example.com/acme/directory
authenticator = webroot
webroot_path = /var/lib/llm-gateway/webroot,
renew_hook = systemctl reload nginx
[[webroot_map]]
server = /var/lib/llm-gateway/webroot
"""
KEPT_DNS = KEPT.replace(
    "authenticator = webroot\nwebroot_path = /var/lib/llm-gateway/webroot,\n",
    "authenticator = manual\npref_challs = dns-01,\nmanual_auth_hook = /opt/hook add\nmanual_cleanup_hook = /opt/hook remove\n",
)


def problems(tls, **changes):
    settings = {"provider": "nginx", "bind": ["all"], "domain": "ollama.example.com", "tls_alt_names": [], "http_port": 80, "tls_given": {}}
    return list(acme_problems({**settings, "tls": {"mode": "acme", **tls}, **changes}))


@pytest.mark.parametrize(
    ("tls", "changes"),
    [
        pytest.param({}, {}, id="nothing-but-the-mode"),
        pytest.param({"email": "ops@example.com", "directory": "https://ca.lan:9000/acme/x/directory"}, {}, id="server-of-ones-own"),
        pytest.param({"ca": "ca.crt"}, {"tls_given": {"ca": "-----BEGIN CERTIFICATE-----\n"}}, id="authority-of-the-server"),
        pytest.param({}, {"http_port": 8080}, id="port-80-leads-there"),
        pytest.param({"challenge": "dns-01", "dns_hook": "/opt/hook"}, {"http_port": 0, "tls_alt_names": ["*.example.com"]}, id="dns"),
        pytest.param({}, {"provider": "caddy"}, id="caddy"),
        pytest.param({"mode": "selfsigned"}, {"domain": "192.0.2.7", "bind": ["tailscale"]}, id="another-mode"),
        pytest.param({"directory": "https://ca.lan/directory"}, {"bind": ["wireguard"]}, id="server-of-ones-own-in-the-same-network"),
        pytest.param({"challenge": "dns-01", "dns_hook": "/opt/hook"}, {"bind": ["tailscale"]}, id="dns-wherever-it-listens"),
        pytest.param({}, {"bind": ["10.1.2.3"]}, id="a-router-may-lead-to-a-private-address"),
        pytest.param({}, {"bind": ["loopback", "eth0"]}, id="or-to-an-interface"),
    ],
)
def test_usable_settings_have_no_problem(tls, changes):
    assert problems(tls, **changes) == []


@pytest.mark.parametrize(
    ("tls", "changes", "words"),
    [
        pytest.param({}, {"domain": "192.0.2.7"}, "gateway_domain has '192.0.2.7'", id="address"),
        pytest.param({}, {"tls_alt_names": ["fd00::1"]}, "gateway_tls_alt_names has 'fd00::1'", id="address-as-further-name"),
        pytest.param({}, {"tls_alt_names": ["*.example.com"]}, "through DNS only", id="wildcard-by-http"),
        pytest.param({}, {"tls_alt_names": ["a.*.com"]}, "only host names", id="star-inside"),
        pytest.param({}, {"http_port": 0}, "gateway_http_port is 0", id="no-port-for-the-challenge"),
        pytest.param({}, {"bind": ["tailscale"]}, "gateway_bind tailscale is where Let's Encrypt", id="tailnet"),
        pytest.param({}, {"bind": ["wireguard", "fd7a:115c:a1e0::1"]}, "set challenge: dns-01", id="tunnels-by-name-and-address"),
        pytest.param(
            {"directory": "https://acme-staging-v02.api.letsencrypt.org/directory"}, {"bind": ["loopback"]}, "does not get", id="loopback"
        ),
        pytest.param({"email": "ops"}, {}, "the email 'ops'", id="no-address"),
        pytest.param({"email": "a@b.com --x"}, {}, "the email", id="address-with-more-behind-it"),
        pytest.param({"directory": "http://ca.lan"}, {}, "not an https address", id="directory-without-tls"),
        pytest.param({"directory": "https://a\nb"}, {}, "not an https address", id="directory-with-line-break"),
        pytest.param({"ca": "ca.crt"}, {"tls_given": {"ca": ""}}, "the ca ca.crt", id="authority-not-there"),
        pytest.param({"dns_hook": "/opt/hook"}, {}, "for challenge dns-01", id="hook-without-dns"),
        pytest.param({"challenge": "dns-01"}, {}, "no dns_hook", id="dns-without-hook"),
        pytest.param({"challenge": "dns-01", "dns_hook": "/opt/a; b"}, {}, "absolute path", id="hook-that-is-a-command"),
        pytest.param({"challenge": "dns-01", "dns_hook": "hook"}, {}, "absolute path", id="hook-without-a-place"),
        pytest.param({"challenge": "dns-01", "dns_hook": "/opt/a"}, {"provider": "caddy"}, "lacks the plugins", id="dns-with-caddy"),
        pytest.param({"certificate": "a.crt"}, {}, "certificate, which is for mode files", id="file-in-mode-acme"),
        pytest.param({"mode": "files", "email": "a@b.com"}, {}, "email, which is for mode acme", id="email-in-mode-files"),
    ],
)
def test_each_unusable_setting_is_one_sentence(tls, changes, words):
    found = problems(tls, **changes)
    assert any(words in sentence for sentence in found), found
    assert all(sentence.endswith(".") and ":" in sentence for sentence in found)


def due(kept=KEPT, *, names=("ollama.example.com",), have=("DNS:ollama.example.com",), not_after="20261126000000Z", exists=True, **acme):
    certificate = {"not_after": not_after, "subject_alt_name": list(have)} if exists else {}
    options = FILTERS["gateway_certbot_options"]({**ACME, **acme}, WEBROOT, HOOK)
    return FILTERS["gateway_acme_due"](certificate, kept, list(names), options, NOW)


@pytest.mark.parametrize(
    ("reason", "arguments"),
    [
        pytest.param("", {}, id="a-good-one-stays-even-on-its-last-day"),
        pytest.param("", {"names": ["Ollama.example.com", "ollama.example.com"]}, id="same-name-in-another-spelling"),
        pytest.param("there is no certificate yet", {"exists": False, "kept": ""}, id="first-run"),
        pytest.param("there is no certificate yet", {"kept": ""}, id="certbot-does-not-know-it"),
        pytest.param("the certificate expired on 2026-11-25", {"not_after": "20261125115959Z"}, id="renewal-failed"),
        pytest.param("the certificate is for other names", {"names": ["ollama.example.com", "b.com"]}, id="name-added"),
        pytest.param("the certificate is from another ACME server", {"directory": "https://other.example.com/"}, id="directory-changed"),
        pytest.param(
            "certbot would renew the certificate in another way", {"challenge": "dns-01", "dns_hook": "/opt/hook"}, id="challenge-changed"
        ),
        pytest.param("certbot would renew the certificate in another way", {"kept": KEPT.replace("renew_hook", "x")}, id="hook-removed"),
        pytest.param("", {"kept": KEPT_DNS, "challenge": "dns-01", "dns_hook": "/opt/hook"}, id="dns-stays"),
        pytest.param(
            "certbot would renew the certificate in another way",
            {"kept": KEPT_DNS, "challenge": "dns-01", "dns_hook": "/opt/new"},
            id="script-changed",
        ),
    ],
)
def test_certificate_is_issued_only_when_due(reason, arguments):
    assert due(**arguments) == reason


@pytest.mark.parametrize(
    ("output", "words"),
    [
        pytest.param(
            "Requesting a certificate for a.com\n\nCertbot failed to authenticate some domains (authenticator: webroot). "
            "The Certificate Authority reported these problems:\n  Domain: a.com\n  Type:   connection\n"
            "  Detail: 192.0.2.7: Fetching http://a.com/.well-known/acme-challenge/x: Connection refused\n\nHint: The Certificate Authority failed.",
            "a.com: 192.0.2.7: Fetching http://a.com/.well-known/acme-challenge/x: Connection refused",
            id="what-the-server-said-of-a-name",
        ),
        pytest.param(
            "Saving debug log to /var/log/letsencrypt/letsencrypt.log\nAll authorizations were not finalized by the CA.\nAsk for help or search",
            "All authorizations were not finalized by the CA",
            id="one-line",
        ),
        pytest.param(
            "An unexpected error occurred:\nValueError: Requesting ca.example.com/x: Connection refused",
            "Requesting ca.example.com/x: Connection refused",
            id="nobody-there",
        ),
        pytest.param(
            "An unexpected error occurred:\nrequests.exceptions.ConnectionError: HTTPSConnectionPool(host='c', port=443): Max retries exceeded with "
            "url: /x (Caused by NewConnectionError('<x at 0x7>: Failed to establish a new connection: [Errno -2] Name or service not known'))",
            "the ACME server cannot be reached (Name or service not known)",
            id="no-such-server",
        ),
        pytest.param(
            "requests.exceptions.SSLError: HTTPSConnectionPool(host='c', port=443): (Caused by SSLError(SSLCertVerificationError(1, "
            "'[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local issuer certificate (_ssl.c:992)')))",
            "the ACME server's own certificate is not trusted (unable to get local issuer certificate); gateway_tls.ca names the authority that it is from",
            id="server-not-trusted",
        ),
        pytest.param("", "it did not say why", id="silence"),
    ],
)
def test_the_reason_is_found_among_the_advice(output, words):
    assert FILTERS["gateway_acme_failure"](output.splitlines()) == words
