# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import html
import http.client
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import typing as t

import openai
import pytest

from ansible_collections.llm.host.plugins.module_utils._probe import Credentials

TINY = "916d21e4765d017daecd3cda555eb7f5fbd77472f5208e91947985f7243293f5"
EMBED = "85614f34646bfcebec0becfce04cf5d0fa68d06cf08769a4246e074e3612aa41"


@dataclasses.dataclass(frozen=True)
class Site:
    """What the inventory promises of a host."""

    url: str
    user: Credentials
    password: Credentials
    admin: Credentials
    models: dict[str, str]
    chat: str
    units: dict[str, int]
    redirect: int
    environment: tuple[str, ...]


SITES = {
    "debian12": Site(
        url="https://ollama.example.com",
        user=Credentials(key="alice-has-a-key-of-enough-length"),
        password=Credentials(name="ops", password="ops has a pass phrase"),
        admin=Credentials(name="ops", password="ops has a pass phrase"),
        models={"llama3.2:1b": TINY, "nomic-embed-text:v1.5": EMBED, "team-assistant:latest": ""},
        chat="llama3.2:1b",
        units={"ollama.service": 11434},
        redirect=80,
        environment=("OLLAMA_KEEP_ALIVE=30m", "OLLAMA_NUM_PARALLEL=4", "OLLAMA_NO_CLOUD=true"),
    ),
    "debian13": Site(
        url="https://llm.test:8443",
        user=Credentials(key="bob-has-a-key-of-enough-length"),
        password=Credentials(name="bob", password="bob has a pass phrase too"),
        admin=Credentials(key="ops-has-a-key-of-enough-length"),
        models={"tiny:latest": TINY, "embed:latest": EMBED, "team-assistant:latest": ""},
        chat="tiny",
        units={"ollama.service": 11434, "ollama@second.service": 11444},
        redirect=8080,
        environment=(
            r'LLM_HOST_TEST=a "b" %c \d $HOME',
            'LLM_HOST_SECRET=secret "of" the $environment',
            "OLLAMA_KEEP_ALIVE=-1",
            "OLLAMA_FLASH_ATTENTION=false",
        ),
    ),
}
SECRETS = (
    "alice-has-a-key", "report-has-a-key", "ops has a pass phrase", "bob-has-a-key", "bob has a pass", "ops-has-a-key",
    "secret-of-the-proxy", 'secret "of" the',
)  # fmt: skip


@pytest.fixture
def site(host) -> Site:
    return SITES[host.backend.get_hostname()]


@pytest.fixture
def gateway(endpoint, site):
    return endpoint(site.url)


def test_every_instance_runs_and_listens_on_loopback_only(host, site):
    for unit, port in site.units.items():
        assert host.service(unit).is_running
        assert host.service(unit).is_enabled
        assert f"127.0.0.1:{port}" in host.check_output(f"ss -Hltn sport = {port}")
        assert len(host.check_output(f"ss -Hltn sport = {port}").splitlines()) == 1


def test_the_service_has_the_settings_to_the_letter(host, site):
    environ = host.check_output("cat /proc/$(systemctl show -P MainPID ollama)/environ").split("\0")
    assert set(site.environment) <= set(environ)


def test_secrets_of_the_service_are_for_root_alone(host):
    assert "secret-of-the-proxy" not in host.check_output("systemctl show ollama; systemctl cat ollama")
    assert host.file("/etc/systemd/system/ollama.service.d/secret.env").mode == 0o600


def test_a_stranger_gets_nothing_but_a_sentence(gateway):
    for who in (Credentials(), Credentials(key="no-such-key-no-such-key-no-such"), Credentials(name="ops", password="wrong")):
        reply = gateway.request("GET", "/v1/models", who=who)
        assert reply.status == 401
        assert reply.json()["error"]["type"] == "authentication_error"
        assert gateway.request("POST", "/api/chat", who=who, body={}).status == 401


def test_a_user_infers_with_a_key_and_with_a_password(gateway, site):
    for who in (site.user, site.password):
        reply = gateway.request("POST", "/api/generate", who=who, body={"model": site.chat, "prompt": "hello", "stream": False})
        assert reply.status == 200
        assert reply.json()["done"] is True


def test_a_user_cannot_manage_models_and_an_admin_can_look(gateway, site):
    for method, path in (
        ("POST", "/api/pull"),
        ("DELETE", "/api/delete"),
        ("POST", "/api/create"),
        ("POST", "/api/copy"),
        ("GET", "/api/ps"),
    ):
        assert gateway.request(method, path, who=site.user, body={"model": "x"}).status == 403, path
    assert gateway.request("GET", "/api/ps", who=site.admin).status == 200


def test_what_is_not_offered_does_not_exist(gateway, site):
    for path in ("/api/me", "/api/signout", "/api/experimental/web_search", "/metrics", "/status", "/api/tags/", "/_standin/seen"):
        assert gateway.request("GET", path, who=site.admin).status == 404, path


def test_a_person_finds_the_models_and_how_to_use_them(host, gateway, site):
    assert gateway.request("GET", "/").status == 401
    page = gateway.request("GET", "/", who=site.password)
    assert page.status == 200
    text = html.unescape(page.body.decode())
    for model in site.models:
        assert f"<code>{model.removesuffix(':latest')}" in text
    for wanted in (f"{site.url}/v1", f'model="{site.chat}', "${{ secrets.LLM_KEY }}", "@media (prefers-color-scheme: dark)"):
        assert wanted in text
    assert set(re.findall(r"(?:src|href)=\"([^\"]*)\"", text)) == {"/ca.crt"}
    assert "<script" not in text
    authority = gateway.request("GET", "/ca.crt", who=site.user)
    assert (authority.status, authority.body) == (200, host.file("/etc/llm-gateway/tls/ca.crt").content)
    assert gateway.request("POST", "/", who=site.user, body={}).status == 405


@pytest.mark.parametrize("client", ["OpenAI", "Ollama", "Anthropic"])
def test_the_examples_of_the_page_work_as_they_are(host, gateway, site, tmp_path, client):
    page = html.unescape(gateway.request("GET", "/", who=site.user).body.decode())
    (code,) = re.findall(rf"<summary>Python, {client}</summary>\n<pre[^>]*><code>(.*?)</code>", page, re.DOTALL)
    authority = tmp_path / "ca.crt"
    authority.write_bytes(host.file("/etc/llm-gateway/tls/ca.crt").content)
    # What a name server would say.
    resolve = (
        "import socket; known = socket.getaddrinfo\n"
        f"socket.getaddrinfo = lambda name, *a, **k: known({gateway.address!r} if name in ({gateway.host!r}, {gateway.host.encode()!r}) else name, *a, **k)\n"
    )

    def run(key: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "LLM_KEY": key, "SSL_CERT_FILE": str(authority)}
        return subprocess.run([sys.executable, "-c", resolve + code], env=env, capture_output=True, text=True, timeout=60)

    done = run(site.user.key)
    assert (done.returncode, bool(done.stdout.strip())) == (0, True), done.stderr
    refused = run("wrong-key-of-enough-length")
    assert refused.returncode != 0
    assert "Give a valid API key" in refused.stderr


def test_web_pages_call_from_the_origins_that_may_and_browsers_are_told_of_tls(host, gateway, site):
    def ask(method: str, origin: str, **headers: str) -> tuple[int, str | None, str | None]:
        context = ssl.create_default_context(cadata=host.file("/etc/llm-gateway/tls/ca.crt").content_string)
        connection = http.client.HTTPSConnection(gateway.host, gateway.port, context=context)
        raw = socket.create_connection((gateway.address, gateway.port), timeout=10)
        connection.sock = context.wrap_socket(raw, server_hostname=gateway.host)
        connection.request(method, "/v1/models", headers={"Origin": origin, **headers})
        reply = connection.getresponse()
        reply.read()
        assert reply.getheader("Strict-Transport-Security") == ("max-age=600" if "debian13" in host.backend.get_hostname() else None)
        return reply.status, reply.getheader("Access-Control-Allow-Origin"), reply.getheader("Access-Control-Allow-Headers")

    preflight = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization,x-stainless-os"}
    key = {"Authorization": f"Bearer {site.user.key}"}
    allowed = "https://chat.example.com"
    assert ask("OPTIONS", "https://evil.example.com", **preflight) == (401, None, None)
    assert ask("GET", "https://evil.example.com", **key) == (200, None, None)
    if "debian13" not in host.backend.get_hostname():
        assert ask("OPTIONS", allowed, **preflight) == (401, None, None)
        return
    assert ask("OPTIONS", allowed, **preflight) == (204, allowed, "Authorization, *")
    assert ask("OPTIONS", allowed) == (401, allowed, "Authorization, *")
    assert ask("GET", allowed, **key) == (200, allowed, "Authorization, *")
    assert ask("GET", allowed) == (401, allowed, "Authorization, *")


def test_every_declared_model_is_there_with_its_digest(gateway, site):
    listed = {model["name"]: model["digest"] for model in gateway.request("GET", "/api/tags", who=site.user).json()["models"]}
    assert set(listed) == set(site.models)
    assert {name: listed[name] for name, digest in site.models.items() if digest} == {n: d for n, d in site.models.items() if d}


def test_tokens_arrive_one_by_one(gateway, site):
    body = {"model": site.chat, "prompt": "hello", "options": {"num_predict": 60}}
    reply = gateway.request("POST", "/api/generate", who=site.user, body=body)
    assert reply.status == 200
    assert len(reply.arrivals) >= 10


def test_the_openai_client_streams(host, gateway, site, monkeypatch):
    resolve = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda name, *args, **kwargs: resolve(gateway.address if name == gateway.host else name, *args, **kwargs)
    )
    context = ssl.create_default_context(cadata=host.file("/etc/llm-gateway/tls/ca.crt").content_string)
    with openai.OpenAI(base_url=f"{site.url}/v1", api_key=site.user.key, http_client=openai.DefaultHttpxClient(verify=context)) as client:
        stream = client.chat.completions.create(model=site.chat, messages=[{"role": "user", "content": "hello"}], max_tokens=8, stream=True)
        assert "".join(event.choices[0].delta.content or "" for event in stream if event.choices)
        with pytest.raises(openai.NotFoundError, match="model"):
            client.chat.completions.create(model="no-such-model", messages=[{"role": "user", "content": "hello"}])
    with (
        openai.OpenAI(base_url=f"{site.url}/v1", api_key="wrong", http_client=openai.DefaultHttpxClient(verify=context)) as client,
        pytest.raises(openai.AuthenticationError, match="API key"),
    ):
        client.models.list()


def test_plain_http_only_leads_to_https(gateway, site):
    connection = http.client.HTTPConnection(gateway.address, site.redirect, timeout=10)
    connection.request("GET", "/v1/models", headers={"Host": gateway.host})
    reply = connection.getresponse()
    assert reply.status in (301, 308)
    assert reply.headers["Location"].startswith(site.url)


@pytest.mark.parametrize("path", ["/etc/llm-gateway/nginx/keys.map", "/etc/llm-gateway/tls/selfsigned.key", "/etc/llm-gateway/tls/ca.key"])
def test_keys_on_the_host_are_for_root_alone(host, path):
    assert host.file(path).user == "root"
    assert host.file(path).mode & 0o077 == 0


def test_a_check_run_changes_nothing_and_shows_no_secret(run_playbook):
    run = run_playbook("site.yml", "--check", "--diff", "-vvv")
    assert run.code == 0, run.output[-3000:]
    assert run.changed == {"debian12": 0, "debian13": 0}
    assert [secret for secret in SECRETS if secret in run.output] == []


def test_verify_yml_agrees(run_playbook):
    run = run_playbook("playbooks/verify.yml")
    assert run.code == 0, run.output[-3000:]


def guess(gateway, tries: t.Iterable[Credentials]) -> list[tuple[int, bytes]]:
    """The answers on one connection. Who greets anew for each guess is slow enough on a busy machine to be let through."""
    connection = gateway._connect(ssl.create_default_context(cadata=gateway._ca))
    replies = []
    for who in tries:
        connection.request("GET", "/v1/models", headers=who.headers())
        reply = connection.getresponse()
        replies.append((reply.status, reply.read()))
    connection.close()
    return replies


# The last one: this address is limited for a while afterwards.
def test_who_guesses_is_slowed_down_and_nobody_else(gateway, site):
    wrong = guess(gateway, [Credentials(key="no-such-key-no-such-key-no-such")] * 80)
    assert {status for status, _body in wrong} == {401, 429}
    assert json.loads(wrong[-1][1])["error"]["type"] == "rate_limit_error"
    assert gateway.request("GET", "/v1/models", who=site.user).status == 200
    assert gateway.request("GET", "/v1/models", who=site.password).status == 200
    guesses = guess(gateway, [Credentials(name=site.password.name, password=f"guess {number}") for number in range(200)])
    assert [status for status, _body in guesses].count(429) >= 10
    assert gateway.request("GET", "/v1/models", who=Credentials(name="somebody", password="wrong")).status == 401
    assert gateway.request("GET", "/v1/models", who=site.user).status == 200
