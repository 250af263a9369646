# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the gateway role refuses before it touches a host, and when it issues a certificate."""

from __future__ import annotations

import pytest

from ansible_collections.llm.host.plugins.filter.gateway import FilterModule
from ansible_collections.llm.host.plugins.filter.gateway_identity import gateway_identity

FILTERS = FilterModule().filters()
GOOD = {
    "provider": "nginx",
    "package": "",
    "domain": "ollama.example.com",
    "url": "https://ollama.example.com",
    "bind": ["all"],
    "port": 443,
    "tailnet_users": "none",
    "http_port": 80,
    "tls": {"mode": "selfsigned"},
    "tls_given": {},
    "tls_alt_names": [],
    "users": [{"name": "alice", "key": "k" * 20}],
    "timeout": 600,
    "cors_origins": [],
    "hsts": 0,
    "ignored_options": [],
    "max_body": "64m",
    "backend_group": "ollama",
    "backends": ["127.0.0.1:11434"],
}
USER = {"name": "bob", "key": "k" * 20}
TAILNET = {"name": "bob", "tailnet": "Bob.B+x@example.com"}
FILES = {"mode": "files", "certificate": "a.crt", "key": "a.key"}
CERTIFICATE_PEM = "-----BEGIN CERTIFICATE-----\n"
KEY_PEM = "-----BEGIN PRIVATE KEY-----\n"
NOW = "2026-11-23T12:00:00+00:00"


def problems(**changes):
    return FILTERS["gateway_problems"]({**GOOD, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="plain"),
        pytest.param({"cors_origins": ["*", "https://a.example.com:8443", "chrome-extension://abcdef"], "hsts": 600}, id="web-pages"),
        pytest.param({"domain": "192.0.2.7", "url": "https://192.0.2.7:8443"}, id="an-address-as-domain"),
        pytest.param({"domain": "fd00::1", "url": "https://[fd00::1]"}, id="an-ipv6-address-as-domain"),
        pytest.param({"http_port": 0}, id="no-redirect-port"),
        pytest.param({"backends": ["[fd00::7]:11434", "gpu.lan:11435"]}, id="ipv6-and-name-as-backend"),
        pytest.param({"tls": FILES, "tls_given": {"certificate": CERTIFICATE_PEM, "key": KEY_PEM}}, id="given-files"),
        pytest.param({"tls_alt_names": ["gw", "192.0.2.7"]}, id="alternative-names"),
        pytest.param({"users": []}, id="nobody-yet"),
        pytest.param({"users": [USER | {"models": ["tiny", "hf.co/team/model:Q4"]}]}, id="user-with-models"),
        pytest.param({"ignored_options": ["keep_alive", "num_ctx", "stop"], "max_body": "255m"}, id="ignored-options"),
        pytest.param({"provider": "caddy"}, id="caddy"),
        pytest.param({"bind": ["loopback", "tailscale", "wireguard", "eth0", "br-lan", "10.1.2.3", "[fd00::1]", "192.0.2.7"]}, id="binds"),
        pytest.param({"users": [TAILNET], "tailnet_users": "declared"}, id="known-by-the-tailnet-alone"),
        pytest.param({"users": [USER], "tailnet_users": "all"}, id="everybody-in-the-tailnet"),
    ],
)
def test_usable_settings_have_no_problem(changes):
    assert problems(**changes) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"domain": "a;b"}, "gateway_domain 'a;b'", id="domain-that-would-end-a-directive"),
        pytest.param({"domain": "-a.com"}, "gateway_domain", id="label-with-leading-dash"),
        pytest.param({"domain": "a.com\n"}, "gateway_domain", id="domain-with-line-break"),
        pytest.param({"url": "http://ollama.example.com"}, "gateway_url", id="url-without-tls"),
        pytest.param({"url": "https://a b"}, "gateway_url", id="url-with-blank"),
        pytest.param({"url": 'https://a";'}, "gateway_url", id="url-with-quote"),
        pytest.param({"backends": []}, "No host is in the group ollama, so nobody would answer", id="nobody-runs-ollama"),
        pytest.param({"backends": ["127.0.0.1"]}, "'127.0.0.1', which is not an address:port", id="backend-without-port"),
        pytest.param({"backends": ["a:0"]}, "'a:0'", id="backend-with-port-0"),
        pytest.param({"backends": ["a:1; }"]}, "gateway_backends", id="backend-that-would-end-a-directive"),
        pytest.param({"bind": []}, "gateway_bind is empty", id="bind-to-nothing"),
        pytest.param({"bind": ["all", "tailscale"]}, "gateway_bind has all and tailscale, which all includes", id="bind-to-all-and-some"),
        pytest.param({"bind": ["0.0.0.0"]}, "gateway_bind has 0.0.0.0, which is no address of one host", id="bind-to-any-address"),
        pytest.param({"bind": ["[::]"]}, "gateway_bind has [::], which is no address", id="bind-to-any-address-of-ipv6"),
        pytest.param({"bind": ["fe80::1"]}, "gateway_bind has fe80::1", id="bind-to-an-address-of-one-link"),
        pytest.param({"bind": ["a; b"]}, "gateway_bind has 'a; b': write all, loopback", id="bind-that-would-end-a-directive"),
        pytest.param({"bind": [3]}, "gateway_bind has '3'", id="bind-to-a-number"),
        pytest.param({"bind": ["10.0.0.0/8"]}, "gateway_bind has '10.0.0.0/8'", id="bind-to-a-network"),
        pytest.param({"users": [TAILNET]}, "'bob' has a tailnet, but nobody is known by it", id="tailnet-that-means-nothing"),
        pytest.param(
            {"users": [TAILNET | {"tailnet": 'a"b@c'}], "tailnet_users": "all"}, "which is no login of Tailscale", id="login-with-a-quote"
        ),
        pytest.param(
            {"users": [TAILNET, TAILNET | {"name": "eve", "tailnet": "bob.b+X@example.com"}], "tailnet_users": "declared"},
            "gateway_users[1] 'eve' has the same tailnet as gateway_users[0]",
            id="one-login-of-two-users",
        ),
        pytest.param({"port": 0}, "gateway_port 0", id="port-0"),
        pytest.param({"http_port": 65536}, "gateway_http_port 65536", id="port-too-large"),
        pytest.param({"http_port": 443}, "both 443", id="one-port-for-both"),
        pytest.param({"timeout": 0}, "gateway_timeout", id="no-time"),
        pytest.param({"hsts": -1}, "gateway_hsts -1", id="time-before-now"),
        pytest.param(
            {"cors_origins": ["https://a.example.com/"]}, "'https://a.example.com/', which is not an origin", id="origin-with-path"
        ),
        pytest.param({"cors_origins": ['https://a";']}, "gateway_cors_origins", id="origin-that-would-end-a-directive"),
        pytest.param({"max_body": "64 MB"}, "gateway_max_body", id="size-that-nginx-does-not-know"),
        pytest.param({"tls": {"mode": "files"}}, "no certificate", id="files-without-files"),
        pytest.param(
            {"tls": FILES, "tls_given": {"certificate": None, "key": KEY_PEM}}, "certificate a.crt, which is not on", id="file-not-there"
        ),
        pytest.param({"tls": FILES, "tls_given": {"certificate": KEY_PEM, "key": KEY_PEM}}, "does not hold one", id="key-as-certificate"),
        pytest.param(
            {"tls": FILES, "tls_given": {"certificate": CERTIFICATE_PEM, "key": "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED"}},
            "no passphrase",
            id="key-with-passphrase-in-the-old-form",
        ),
        pytest.param(
            {"tls": FILES, "tls_given": {"certificate": CERTIFICATE_PEM, "key": "-----BEGIN ENCRYPTED PRIVATE KEY-----"}},
            "no passphrase",
            id="key-with-passphrase",
        ),
        pytest.param({"tls_alt_names": ["a b"]}, "gateway_tls_alt_names has 'a b'", id="bad-alternative-name"),
        pytest.param(
            {"users": [{"name": "bob", "key": "example-key-of-bob-change-me"}]},
            "secret of the example inventory",
            id="secret-of-the-example",
        ),
        pytest.param({"users": [{"name": "bob"}]}, "gateway_users[0] 'bob' has neither key nor password", id="user-without-secret"),
        pytest.param({"users": [USER | {"models": []}]}, "gateway_users[0] 'bob' has an empty list of models", id="no-model-at-all"),
        pytest.param(
            {"users": [USER | {"models": None}]}, "gateway_users[0] 'bob' has models without a value", id="models-without-a-value"
        ),
        pytest.param({"users": [USER | {"models": "tiny"}]}, "'bob' has models that are not a list", id="one-model-is-no-list"),
        pytest.param({"users": [USER | {"models": ['a" b']}]}, "is not a model name", id="model-that-would-end-a-string"),
        pytest.param({"users": [USER | {"models": ["a:b:c"]}]}, "it has two tags", id="model-with-two-tags"),
        pytest.param({"users": [USER | {"models": ["tiny"], "admin": True}]}, "although admin is true", id="admin-with-models"),
        pytest.param(
            {"users": [USER | {"models": ["tiny"]}], "provider": "caddy"}, "set gateway_provider to nginx", id="models-with-caddy"
        ),
        pytest.param(
            {"ignored_options": ["num_ctx"], "provider": "caddy"}, "set gateway_provider to nginx", id="ignored-options-with-caddy"
        ),
        pytest.param({"ignored_options": ["num_ctxt"]}, "has 'num_ctxt', which Ollama does not know", id="unknown-option"),
        pytest.param({"ignored_options": ["num_ctx"], "max_body": "256m"}, "gateway_max_body 256m is more than", id="too-large-to-rewrite"),
    ],
)
def test_each_unusable_setting_is_one_sentence(changes, words):
    found = problems(**changes)
    assert any(words in sentence for sentence in found), found
    assert all(sentence.endswith(".") and ":" in sentence for sentence in found)


def certificate(*, not_after="20270501000000Z", names=("DNS:ollama.example.com",), authority="aa", key="k1"):
    return {
        "not_after": not_after,
        "subject_alt_name": list(names) or None,
        "authority_key_identifier": authority,
        "subject_key_identifier": "aa",
        "public_key_fingerprints": {"sha256": key},
    }


AUTHORITY = certificate(not_after="20360101000000Z")


@pytest.mark.parametrize(
    ("have", "authority", "reason"),
    [
        pytest.param(certificate(), AUTHORITY, "", id="a-good-one-stays"),
        pytest.param({}, {}, "the authority does not exist yet", id="first-run"),
        pytest.param({}, AUTHORITY, "there is no certificate yet", id="certificate-missing"),
        pytest.param(certificate(not_after="20261222000000Z"), AUTHORITY, "the certificate expires on 2026-12-22", id="29-days-left"),
        pytest.param(certificate(not_after="20261224000000Z"), AUTHORITY, "", id="31-days-left"),
        pytest.param(
            certificate(),
            certificate(not_after="20271101000000Z"),
            "the authority's certificate expires on 2027-11-01",
            id="authority-near-its-end",
        ),
        pytest.param(certificate(names=["DNS:old.example.com"]), AUTHORITY, "the certificate is for other names", id="domain-changed"),
        pytest.param(certificate(names=[]), AUTHORITY, "the certificate is for other names", id="no-names"),
        pytest.param(certificate(authority="bb"), AUTHORITY, "the certificate is from another authority", id="authority-replaced"),
    ],
)
def test_certificate_is_issued_only_when_due(have, authority, reason):
    assert FILTERS["gateway_certificate_due"](have, authority, ["ollama.example.com"], NOW) == reason


def test_same_names_in_another_spelling_and_order_are_the_same_names():
    have = certificate(names=["IP:fd00:0:0:0:0:0:0:1", "DNS:OLLAMA.example.com"])
    assert FILTERS["gateway_certificate_due"](have, AUTHORITY, ["ollama.example.com", "fd00::1", "ollama.example.com"], NOW) == ""


def test_alt_names_know_addresses_from_names_and_repeat_nothing():
    names = FILTERS["gateway_alt_names"](["a.example.com", "192.0.2.7", "fd00::1", "a.example.com"])
    assert names == ["DNS:a.example.com", "IP:192.0.2.7", "IP:fd00::1"]


@pytest.mark.parametrize(
    ("have", "key", "domain", "words"),
    [
        pytest.param(certificate(), "k1", "ollama.example.com", [], id="fits"),
        pytest.param(certificate(names=["DNS:*.example.com"]), "k1", "ollama.example.com", [], id="wildcard-fits"),
        pytest.param(certificate(names=["IP:192.0.2.7"]), "k1", "192.0.2.7", [], id="address-fits"),
        pytest.param(certificate(), "k2", "ollama.example.com", ["does not belong"], id="key-of-another-certificate"),
        pytest.param(certificate(not_after="20261123115959Z"), "k1", "ollama.example.com", ["has expired"], id="expired"),
        pytest.param(
            certificate(names=["DNS:*.example.com"]), "k1", "a.b.example.com", ["not for gateway_domain"], id="wildcard-is-one-label"
        ),
        pytest.param(
            certificate(names=["DNS:192.0.2.7"]), "k1", "192.0.2.7", ["not for gateway_domain"], id="address-as-name-does-not-count"
        ),
        pytest.param(certificate(names=[]), "k2", "a.com", ["does not belong", "is for no name"], id="two-things-two-sentences"),
    ],
)
def test_given_certificate_and_key(have, key, domain, words):
    found = FILTERS["gateway_certificate_problems"](have, {"public_key_fingerprints": {"sha256": key}}, domain, NOW)
    assert len(found) == len(words)
    assert all(word in sentence for word, sentence in zip(words, found, strict=True))


def test_all_spellings_of_a_model_have_one_key():
    spellings = ["llama3.2", "Llama3.2:latest", "library/llama3.2", "registry.ollama.ai/library/llama3.2:LATEST"]
    assert set(FILTERS["gateway_model_keys"](spellings)) == {"registry.ollama.ai/library/llama3.2:latest"}
    assert FILTERS["gateway_model_keys"](["hf.co/team/model:Q4"]) == ["hf.co/team/model:q4"]


def test_the_endpoint_is_tried_by_somebody_who_sees_all_models():
    users = [USER | {"models": ["tiny"]}, {"name": "ops", "password": "p", "admin": True}, USER | {"name": "alice"}]
    assert gateway_identity(users) == {"name": "alice", "key": "k" * 20, "password": ""}
    assert gateway_identity(users, admin=True) == {"name": "ops", "key": "", "password": "p"}
    assert gateway_identity(users[:2]) == {}
    assert gateway_identity([TAILNET, *users]) == gateway_identity(users)


@pytest.mark.parametrize(
    ("addresses", "units"),
    [
        pytest.param([], [], id="all-addresses"),
        pytest.param(["127.0.0.1", "::1"], [], id="loopback-is-always-there"),
        pytest.param(["127.0.0.1", "10.86.1.2", "fd00::2"], ["10.86.1.2", "fd00::2"], id="each-other-one-is-waited-for"),
    ],
)
def test_the_web_server_waits_for_addresses_that_come_late(addresses, units):
    wait = FILTERS["gateway_wait"](addresses)
    assert wait["file"]["path"].endswith("/llm-gateway-address@.service")
    after = [line for line in wait["lines"] if line.startswith("After=llm-gateway")]
    assert after == ([f"After={' '.join(f'llm-gateway-address@{unit}.service' for unit in units)}"] if units else [])
