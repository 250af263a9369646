# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may talk to the server: the Host check of a loopback server, CORS, unknown paths, bodies."""

from __future__ import annotations

import http.client
import typing as t

import pytest

if t.TYPE_CHECKING:
    from serverunder import Server
    from suite import Launch

HOSTS = [
    pytest.param("localhost", 200, id="localhost"),
    pytest.param("LOCALHOST:1", 200, id="localhost-in-capitals-and-any-port"),
    pytest.param("127.0.0.9", 200, id="another-loopback-address"),
    pytest.param("[::1]:11434", 200, id="ipv6-loopback"),
    pytest.param("0.0.0.0", 200, id="unspecified"),
    pytest.param("192.168.7.7:80", 200, id="private-c"),
    pytest.param("172.16.0.1", 200, id="private-b"),
    pytest.param("[fd00::1]:80", 200, id="private-ipv6"),
    pytest.param("[fd00::1]", 403, id="brackets-without-a-port-are-not-read-as-an-address"),
    pytest.param("::1", 200, id="ipv6-without-brackets"),
    pytest.param("[::ffff:10.0.0.1]:80", 200, id="private-ipv4-in-ipv6"),
    pytest.param("100.64.0.1", 403, id="carrier-address"),
    pytest.param("169.254.1.1", 403, id="link-local-address"),
    pytest.param("a.localhost", 200, id="below-localhost"),
    pytest.param("printer.local", 200, id="below-local"),
    pytest.param("gpu.internal", 200, id="below-internal"),
    pytest.param("ollama_pool", 403, id="the-name-of-an-nginx-upstream"),
    pytest.param("example.com", 403, id="a-public-name"),
    pytest.param("localhost.example.com", 403, id="a-public-name-that-begins-well"),
    pytest.param("8.8.8.8", 403, id="a-public-address"),
    pytest.param("172.32.0.1", 403, id="just-outside-private-b"),
]
ORIGINS = [
    pytest.param("http://localhost", 200, id="localhost"),
    pytest.param("https://127.0.0.1:8443", 200, id="loopback-any-port"),
    pytest.param("http://0.0.0.0:3000", 200, id="unspecified"),
    pytest.param("app://anything", 200, id="app"),
    pytest.param("vscode-webview://x", 200, id="vscode"),
    pytest.param("https://example.com", 403, id="a-public-site"),
    pytest.param("http://localhost.example.com", 403, id="a-site-that-begins-well"),
    pytest.param("null", 403, id="null"),
    pytest.param("http://LOCALHOST", 403, id="another-case"),
]


@pytest.mark.parametrize(("host", "status"), HOSTS)
def test_host_header_on_loopback(shared: Server, host: str, status: int) -> None:
    if not shared.loopback:
        pytest.skip("the server at OLLAMA_URL is not on loopback: it checks no Host header")
    reply = shared.ask("GET", "/api/version", headers={"Host": host})
    assert (reply.status, reply.body == b"") == (status, status == 403)


def test_host_header_is_not_checked_when_bound_to_all_addresses(launch: Launch) -> None:
    server = launch(bind="0.0.0.0")
    assert server.ask("GET", "/api/version", headers={"Host": "example.com"}).status == 200


@pytest.mark.parametrize(("origin", "status"), ORIGINS)
def test_origin(shared: Server, origin: str, status: int) -> None:
    reply = shared.ask("GET", "/api/version", headers={"Origin": origin})
    assert (reply.status, reply.body == b"") == (status, status == 403)


def test_origin_equal_to_the_host_header_is_no_foreign_origin(shared: Server) -> None:
    headers = {"Host": "gpu.internal", "Origin": "https://gpu.internal"}
    reply = shared.ask("GET", "/api/version", headers=headers)
    assert reply.status == 200
    assert "access-control-allow-origin" not in reply.headers


def test_preflight_of_an_allowed_origin(shared: Server) -> None:
    headers = {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "POST"}
    reply = shared.ask("OPTIONS", "/api/chat", headers=headers)
    assert reply.status == 204
    assert "POST" in reply.headers["access-control-allow-methods"]
    assert "authorization" in reply.headers["access-control-allow-headers"].lower()
    assert reply.headers["access-control-allow-origin"] == "http://localhost:3000"


def test_answer_to_an_allowed_origin_varies_by_it(shared: Server) -> None:
    headers = shared.ask("GET", "/api/version", headers={"Origin": "http://localhost"}).headers
    assert (headers["access-control-allow-origin"], headers["vary"]) == ("http://localhost", "Origin")


@pytest.mark.parametrize(
    ("host", "path", "status"),
    [
        pytest.param("localhost", "/api/chat", 204, id="a-local-name"),
        pytest.param("gpu.internal", "/no/such/path", 204, id="whatever-the-path"),
        pytest.param("127.0.0.1", "/api/chat", 405, id="an-address"),
        pytest.param("127.0.0.1", "/no/such/path", 404, id="an-address-and-no-path"),
        pytest.param("example.com", "/api/chat", 403, id="a-foreign-name"),
    ],
)
def test_options_without_an_origin(shared: Server, host: str, path: str, status: int) -> None:
    reply = shared.ask("OPTIONS", path, headers={"Host": host})
    assert (reply.status, reply.headers.get("allow")) == (status, "POST" if path == "/api/chat" else None)


def test_origins_variable_adds_to_the_built_in_ones(launch: Launch) -> None:
    server = launch(env={"OLLAMA_ORIGINS": "https://*.example.com,https://tool.example.org"})
    answers = {
        origin: server.ask("GET", "/api/version", headers={"Origin": origin}).status
        for origin in ("https://a.example.com", "https://tool.example.org", "http://localhost:1", "https://example.net")
    }
    assert list(answers.values()) == [200, 200, 200, 403]


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("example.com", id="no-scheme"),
        pytest.param("https://a.example, https://b.example", id="a-blank-after-the-comma"),
        pytest.param("https://*.*.example.com", id="two-stars"),
    ],
)
def test_bad_origin_stops_the_server_at_start(launch: Launch, value: str) -> None:
    server = launch(env={"OLLAMA_ORIGINS": value}, wait=False)
    assert server.process is not None
    assert server.process.wait(30) != 0
    assert "panic" in server.log()


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        pytest.param("GET", "/v1/images/generations", 404, "404 page not found", id="a-removed-route"),
        pytest.param("GET", "/debug/pprof/", 404, "404 page not found", id="no-profiler"),
        pytest.param("POST", "/api/tags", 405, "405 method not allowed", id="post-to-tags"),
        pytest.param("GET", "/api/chat", 405, "405 method not allowed", id="get-of-chat"),
        pytest.param("PUT", "/api/delete", 405, "405 method not allowed", id="put-to-delete"),
    ],
)
def test_wrong_path_and_wrong_method(shared: Server, method: str, path: str, status: int, text: str) -> None:
    reply = shared.ask(method, path)
    assert (reply.status, reply.text, reply.headers["content-type"]) == (status, text, "text/plain")


@pytest.mark.parametrize("path", ["/api/generate", "/api/chat", "/api/pull", "/api/create", "/api/copy", "/api/embed", "/api/show"])
def test_empty_body_is_refused(shared: Server, path: str) -> None:
    reply = shared.post(path, b"")
    assert (reply.status, reply.json()) == (400, {"error": "missing request body"})


@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param(b"{", "unexpected EOF", id="cut-short"),
        pytest.param(b"nope", "invalid character 'o' in literal null (expecting 'u')", id="a-word"),
        pytest.param(b'{"model" 1}', "invalid character '1' after object key", id="no-colon"),
        pytest.param(b'{"model":1 2}', "invalid character '2' after object key:value pair", id="no-comma"),
        pytest.param(b"<xml>", "invalid character '<' looking for beginning of value", id="no-json-at-all"),
    ],
)
def test_malformed_body_is_refused_in_the_parsers_words(shared: Server, body: bytes, text: str) -> None:
    reply = shared.post("/api/show", body)
    assert (reply.status, reply.json()) == (400, {"error": text})


def test_unknown_fields_and_content_type_do_not_matter(shared: Server) -> None:
    reply = shared.post("/api/show", {"model": "tiny", "no_such_field": 1}, headers={"Content-Type": "text/plain"})
    assert reply.status == 200


def test_chunked_request_body_is_read(shared: Server) -> None:
    connection = shared.connect()
    connection.request("POST", "/api/show", iter([b'{"model":', b'"tiny"}']), {}, encode_chunked=True)
    assert connection.getresponse().status == 200
    connection.close()


def test_connection_serves_several_requests(shared: Server) -> None:
    connection = shared.connect()
    for _ in range(3):
        connection.request("POST", "/api/show", b'{"model":"nope"}')
        response = connection.getresponse()
        assert (response.status, response.read()) == (404, b'{"error":"model \'nope:latest\' not found"}')
    assert isinstance(connection, http.client.HTTPConnection)
    connection.close()


def test_authorization_header_is_ignored(shared: Server) -> None:
    assert shared.ask("GET", "/api/tags", headers={"Authorization": "Bearer nonsense"}).status == 200


@pytest.mark.parametrize("name", ["x:cloud", "x:20b-cloud"])
def test_cloud_model_is_forbidden_when_the_cloud_is_off(shared: Server, name: str) -> None:
    reply = shared.post("/api/generate", {"model": name, "prompt": "x"})
    assert (reply.status, reply.json()) == (403, {"error": "ollama cloud is disabled: remote model is unavailable"})


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/v1/messages", "/v1/responses"])
def test_answer_about_the_cloud_has_one_shape_in_all_apis(shared: Server, path: str) -> None:
    body = {"model": "x:cloud", "messages": [{"role": "user", "content": "x"}], "input": "x", "prompt": "x", "max_tokens": 1}
    reply = shared.post(path, body)
    assert (reply.status, reply.json()) == (403, {"error": "ollama cloud is disabled: remote model is unavailable"})
