# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only nginx can do, since it reads JSON: models of a user, options that are not heard, and the model in the log."""

from __future__ import annotations

import dataclasses
import http.client
import json
import socket
import ssl
import time
import typing as t

import pytest

DOMAIN = "llm.test"
ALICE, BOB, OPS = (f"Authorization: Bearer {name}-has-a-key-of-enough-length" for name in ("alice", "bob", "ops"))
LOG = "/var/log/nginx/llm-gateway.log"
ASK_BACKEND = "import sys, urllib.request as u; print(u.urlopen(u.Request('http://127.0.0.1:11434/_standin/seen?last=50', method=sys.argv[1])).read().decode())"
CHAT = "/v1/chat/completions"
INFERENCE = (
    "/api/generate",
    "/api/chat",
    "/api/embed",
    "/api/embeddings",
    CHAT,
    "/v1/completions",
    "/v1/embeddings",
    "/v1/responses",
    "/v1/messages",
)


@dataclasses.dataclass(frozen=True)
class Reply:
    status: int
    headers: t.Mapping[str, str]
    body: bytes
    arrivals: int

    @property
    def sentence(self) -> str:
        error = json.loads(self.body)["error"]
        return str(error if isinstance(error, str) else error["message"])


class Gateway:
    """The endpoint, which takes every byte that a test wants to send; and what its backend saw."""

    def __init__(self, host: t.Any, endpoint: t.Any) -> None:
        self._host, self._endpoint = host, endpoint
        self._logged_before = len(self._lines())
        self._context = ssl.create_default_context(cadata=host.file("/etc/llm-gateway/tls/ca.crt").content_string)

    def send(self, method: str, target: str, *headers: str, body: bytes | None = None, chunked: bool = False) -> Reply:
        lines = [f"{method} {target} HTTP/1.1", f"Host: {DOMAIN}", "Connection: close", *headers]
        data = body or b""
        if chunked:
            lines.append("Transfer-Encoding: chunked")
            data = (
                b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (data[i : i + 700] for i in range(0, len(data), 700)))
                + b"0\r\n\r\n"
            )
        elif body is not None:
            lines.append(f"Content-Length: {len(data)}")
        plain = socket.create_connection((self._endpoint.address, 443), timeout=60)
        with self._context.wrap_socket(plain, server_hostname=DOMAIN) as connection:
            connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + data)
            response = http.client.HTTPResponse(connection, method=method)
            response.begin()
            pieces = list(iter(lambda: response.read1(65536), b""))
            return Reply(response.status, dict(response.getheaders()), b"".join(pieces), len(pieces))

    def ask(self, target: str, who: str, body: t.Any, **how: t.Any) -> Reply:
        data = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
        return self.send("POST", target, who, "Content-Type: application/json", body=data, **how)

    def seen(self) -> list[dict[str, t.Any]]:
        """What arrived at the backend through the gateway since somebody asked last."""
        requests = json.loads(self._backend("GET"))["requests"]
        self._backend("DELETE")
        return [request for request in requests if "x-request-id" in request["headers"]]

    def bodies(self) -> list[t.Any]:
        return [json.loads(request["body"]) for request in self.seen()]

    def _backend(self, method: str) -> str:
        return str(self._host.check_output("python3 -c %s %s", ASK_BACKEND, method))

    def _lines(self) -> list[str]:
        return list(self._host.file(LOG).content_string.splitlines())

    def logged(self, count: int = 1) -> list[dict[str, t.Any]]:
        """The lines since the test began. They are written after the answers, so that may take a moment."""
        for _ in range(100):
            lines = self._lines()[self._logged_before :]
            if len(lines) >= count:
                return [json.loads(line) for line in lines]
            time.sleep(0.1)
        raise AssertionError(f"the log has {len(lines)} new lines and not {count}")


@pytest.fixture
def gateway(host, endpoint) -> Gateway:
    gateway = Gateway(host, endpoint(f"https://{DOMAIN}"))
    gateway.seen()
    return gateway


@pytest.fixture
def ignores(host) -> bool:
    """Whether options are taken out of requests on this host."""
    return "13" in host.backend.get_hostname()


def chat(model: t.Any, **more: t.Any) -> dict[str, t.Any]:
    return {
        "model": model,
        "messages": [{"role": "user", "content": "hello"}],
        "max_tokens": 3,
        "input": "hello",
        "prompt": "hello",
        **more,
    }


# --- The models of a user -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", INFERENCE)
def test_a_user_with_models_may_use_them_and_no_others(gateway, path):
    for name in ("tiny", "TINY:Latest", "library/tiny", "registry.ollama.ai/library/tiny:latest"):
        # Whether the model can do that is for Ollama to say.
        assert gateway.ask(path, BOB, chat(name)).status == 200 or "embed" in path, name
    assert [request["path"] for request in gateway.seen()] == [path] * 4
    refused = gateway.ask(path, BOB, chat("team-assistant"))
    assert refused.status == 403
    assert "'team-assistant'" in refused.sentence
    assert "tiny. Ask the administrators" in refused.sentence
    error = json.loads(refused.body)
    if path == "/v1/messages":
        assert (error["type"], error["error"]["type"]) == ("error", "permission_error")
    elif path.startswith("/v1/"):
        assert (error["error"]["type"], error["error"]["code"]) == ("permission_error", "model_not_allowed")
    else:
        assert set(error) == {"error"}
    assert gateway.seen() == []


def test_a_user_without_models_may_use_all(gateway):
    for who in (ALICE, OPS):
        assert gateway.ask("/api/chat", who, chat("team-assistant", stream=False)).status == 200


NOT_BOBS = [
    *("embed", "team-assistant:latest", "tiny:cloud", "tiny:local", "tiny:latest:cloud", "tiny:latest-cloud", "tiny:1b", "tinyx", "xtiny"),
    *(
        "https://registry.ollama.ai/library/tiny",
        "registry.ollama.ai/other/tiny",
        "evil.example.com/library/tiny",
        "other/tiny",
        "/tiny",
        "./tiny",
    ),
    *(
        "tiny ",
        " tiny",
        "tiny\n",
        "tiny\u0000",
        "t\u0131ny",
        "tiny:",
        ":tiny",
        "tiny/",
        "tiny@sha256:00",
        "a/b/c/tiny",
        "*",
        "tiny,embed",
        "tiny embed",
    ),
    *("registry.ollama.ai/library/tiny:latest embed", 'tiny"', "tiny\\", "$llm_models", "\u212aey", "x" * 5000),
]


def test_no_spelling_of_another_name_is_allowed(gateway):
    refused = {name: gateway.ask("/api/chat", BOB, chat(name)) for name in NOT_BOBS}
    assert {name: reply.status for name, reply in refused.items()} == dict.fromkeys(NOT_BOBS, 403)
    assert all("Ask the administrators" in reply.sentence for reply in refused.values())
    assert gateway.seen() == []


UNREADABLE = {
    "another key": '{"Model": "team-assistant", "messages": []}',
    "another key behind": '{"model": "tiny", "MODEL": "team-assistant", "messages": []}',
    "another key before": '{"moDel": "team-assistant", "model": "tiny", "messages": []}',
    "another key, escaped": '{"model": "tiny", "\\u004dodel": "team-assistant", "messages": []}',
    "null behind": '{"model": "team-assistant", "model": null, "messages": []}',
    "a number": '{"model": 7}',
    "a list": '{"model": ["tiny"]}',
    "an object": '{"model": {"model": "tiny"}}',
    "an empty name": '{"model": ""}',
    "no model": '{"messages": []}',
    "no model, but a prototype": '{"__proto__": {"model": "tiny"}}',
    "nothing": "",
    "blanks": "  ",
    "a text": '"tiny"',
    "nothing but null": "null",
    "a list of requests": '[{"model": "tiny"}]',
    "a form": "model=tiny",
    "two values": '{"model": "tiny"}{"model": "team-assistant"}',
    "something behind": '{"model": "team-assistant"} {"model": "tiny"',
    "a NUL behind": '{"model": "team-assistant"}\0',
    "half of it": '{"model": "tiny", ',
    "a byte order mark": '\ufeff{"model": "tiny"}',
    "a comment": '{"model": "tiny" /* , "model": "team-assistant" */}',
    "single quotes": "{'model': 'tiny'}",
    "a line break in a key": '{"model": "tiny", "mod\nel": 1}',
    "too many levels": '{"model": "tiny", "x": ' + "[" * 40 + "]" * 40 + "}",
}


@pytest.mark.parametrize("path", ["/api/chat", CHAT, "/v1/messages"])
def test_what_cannot_be_read_is_refused(gateway, path):
    refused = {what: gateway.ask(path, BOB, body) for what, body in UNREADABLE.items()}
    assert {what: reply.status for what, reply in refused.items()} == dict.fromkeys(UNREADABLE, 400)
    assert all("The gateway has to look into this request and cannot" in reply.sentence for reply in refused.values())
    assert gateway.seen() == []


def test_what_ollama_takes_is_what_counts(gateway):
    """Of keys that are there twice Go takes the last, and escapes are letters."""
    assert gateway.ask("/api/chat", BOB, '{"model": "tiny", "model": "team-assistant", "messages": []}').status == 403
    assert gateway.ask("/api/chat", BOB, '{"model": "tiny", "mod\\u0065l": "team-assistant", "messages": []}').status == 403
    assert gateway.ask("/api/chat", BOB, '{"model": "te\\u0061m-assistant", "messages": []}').status == 403
    assert gateway.seen() == []
    assert gateway.ask("/api/chat", BOB, '{"model": "team-assistant", "model": "tiny", "messages": []}').status == 200
    assert gateway.ask("/api/chat", BOB, '{"mod\\u0065l": "t\\u0069ny", "messages": []}').status == 200
    assert gateway.ask("/api/chat", BOB, b'{"model": "tiny", "messages": [], "x": "\xff\xe2", "y": "\xf0\x9f"}').status == 200
    assert (
        gateway.ask("/api/chat", BOB, b'{"x": "\xe2", "model": "tiny", "y": "\xe2", "model": "team-assistant", "messages": []}').status
        == 403
    )
    assert [request["path"] for request in gateway.seen()] == ["/api/chat"] * 3


def test_compressed_and_other_bodies_are_refused(gateway):
    plain = json.dumps(chat("tiny")).encode()
    for encoding in ("zstd", "gzip", "br", "identity, zstd", "ZSTD"):
        refused = gateway.send("POST", CHAT, BOB, f"Content-Encoding: {encoding}", body=plain)
        assert refused.status == 400, encoding
        assert "without Content-Encoding" in refused.sentence
    twice = gateway.send("POST", CHAT, BOB, "Content-Encoding: identity", "Content-Encoding: zstd", body=plain)
    assert twice.status == 400
    form = b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\ntiny\r\n--b--\r\n'
    for body in (form, plain):
        refused = gateway.send("POST", "/v1/audio/transcriptions", BOB, "Content-Type: multipart/form-data; boundary=b", body=body)
        assert refused.status == 400
        assert "an upload does not show" in refused.sentence
    assert gateway.send("POST", CHAT, BOB, "Content-Encoding: identity", body=plain).status == 200
    assert [request["path"] for request in gateway.seen()] == [CHAT]


@pytest.mark.parametrize("chunked", [False, True], ids=["with-length", "in-chunks"])
@pytest.mark.parametrize("size", [100, 40_000, 3_000_000], ids=["small", "middle", "larger-than-the-usual-buffer"])
def test_the_model_counts_wherever_it_stands_in_a_body_of_any_size(gateway, size, chunked):
    filling = {"messages": [{"role": "user", "content": "x" * size}], "stream": False}
    assert gateway.ask("/api/chat", BOB, {**filling, "model": "team-assistant"}, chunked=chunked).status == 403
    assert gateway.seen() == []
    assert gateway.ask("/api/chat", BOB, {**filling, "model": "tiny"}, chunked=chunked).status == 200
    (request,) = gateway.seen()
    sent = len(json.dumps({**filling, "model": "tiny"}))
    assert int(request["headers"]["content-length"]) == sent
    assert "transfer-encoding" not in request["headers"]


def test_a_body_beyond_the_limit_is_refused_in_any_form(gateway):
    for who in (ALICE, BOB):
        refused = gateway.send("POST", CHAT, who, "Content-Length: 99999999999")
        assert (refused.status, json.loads(refused.body)["error"]["code"]) == (413, "request_too_large")
        assert gateway.send("POST", "/api/pull", who, "Content-Length: 99999999999").status == 403
        assert gateway.send("POST", "/api/none", who, "Content-Length: 99999999999").status == 404
        assert gateway.send("GET", CHAT, who, "Content-Length: 99999999999").status == 405
    assert gateway.send("POST", CHAT, "Content-Length: 99999999999").status in (401, 429)
    assert gateway.seen() == []


def test_a_user_with_models_sees_only_them(gateway):
    everything = {model["name"] for model in json.loads(gateway.send("GET", "/api/tags", ALICE).body)["models"]}
    assert everything == {"tiny:latest", "embed:latest", "team-assistant:latest"}
    mine = gateway.send("GET", "/api/tags", BOB)
    assert mine.status == 200
    assert mine.headers["Content-Type"].startswith("application/json")
    models = json.loads(mine.body)["models"]
    assert [model["name"] for model in models] == ["tiny:latest"]
    assert set(models[0]) >= {"name", "model", "digest", "size", "details"}
    assert "Content-Length" not in gateway.send("HEAD", "/api/tags", BOB).headers
    listed = json.loads(gateway.send("GET", "/v1/models", BOB).body)
    assert (listed["object"], [model["id"] for model in listed["data"]]) == ("list", ["tiny:latest"])
    for target, status in (
        ("tiny", 200),
        ("tiny:latest", 200),
        ("tiny%3Alatest", 200),
        ("TINY%3alatest?x=/v1/models/embed", 200),
        ("embed", 403),
        ("embed?tiny", 403),
        ("team-assistant%3alatest", 403),
        ("tiny%3alatest%3acloud", 403),
        ("tin%79", 404),
        ("tiny/", 404),
    ):
        assert gateway.send("GET", f"/v1/models/{target}", BOB).status == status, target
    for target in ("embed", "embed:latest", "embed%3Alatest", "embed%3alatest"):
        assert gateway.send("GET", f"/v1/models/{target}", ALICE).status == 200, target


def test_nothing_else_changes_for_a_user_with_models(gateway):
    assert gateway.send("GET", "/", BOB).status == 200
    assert gateway.send("GET", "/api/version", BOB).status == 200
    assert gateway.ask("/api/pull", BOB, {"model": "tiny"}).status == 403
    assert gateway.ask("/api/show", BOB, {"model": "tiny"}).status == 403
    assert gateway.send("GET", "/api/chat", BOB).status == 405
    assert gateway.send("POST", "/v1/models", BOB, body=b"{}").status == 405
    assert gateway.send("GET", "/api/none", BOB).status == 404
    gateway.seen()
    streamed = gateway.ask(CHAT, BOB, {**chat("tiny", stream=True), "max_tokens": 60})
    assert streamed.body.endswith(b"data: [DONE]\n\n")
    assert streamed.arrivals > 5
    (request,) = gateway.seen()
    assert (request["headers"]["x-llm-user"], request["headers"]["x-llm-role"]) == ("bob", "user")
    assert "authorization" not in request["headers"]


# --- Options that are not heard -------------------------------------------------------------------------------------------------------


def options(**values: t.Any) -> dict[str, t.Any]:
    return chat("tiny", stream=False, options=values)


def test_ignored_options_do_not_reach_ollama(gateway, ignores):
    for who in (ALICE, BOB):
        assert gateway.ask("/api/chat", who, options(num_ctx=64, seed=7, num_predict=2)).status == 200
    for body in gateway.bodies():
        assert body["options"] == ({"seed": 7, "num_predict": 2} if ignores else {"num_ctx": 64, "seed": 7, "num_predict": 2})
        assert body["messages"] == [{"role": "user", "content": "hello"}]


def test_admins_are_heard(gateway):
    assert gateway.ask("/api/chat", OPS, options(num_ctx=64)).status == 200
    assert [body["options"] for body in gateway.bodies()] == [{"num_ctx": 64}]


WITH_NUM_CTX = [
    '{"model": "tiny", "options": {"num_ctx": 64}, "options": {"seed": 1}}',
    '{"model": "tiny", "Options": {"num_ctx": 64}}',
    '{"model": "tiny", "options": {}, "OPTIONS": {"num_ctx": 64}}',
    '{"model": "tiny", "option\\u017f": {"num_ctx": 64}}',
    '{"model": "tiny", "option\u017f": {"num_ctx": 64}}',
    '{"model": "tiny", "options": {"num\\u005fctx": 64}}',
    '{"model": "tiny", "opt\\u0069ons": {"n\\u0075m_ctx": 64, "num_ctx": 65}}',
    '{"model": "tiny", "num_ctx": 64, "NUM_CTX": 64}',
    '{"model": "tiny", "x": "\\ud800 \\ud83d\\ude00 \u00e9 \u212a", "options": {"num_ctx": 64}}',
]


def test_no_spelling_of_an_ignored_option_reaches_ollama(gateway, ignores):
    if not ignores:
        pytest.skip("options are heard here")
    for body in WITH_NUM_CTX:
        gateway.ask("/api/generate", ALICE, body)
        gateway.ask("/api/generate", BOB, body, chunked=True)
    requests = gateway.seen()
    assert len(requests) == 2 * len(WITH_NUM_CTX)
    for request in requests:
        assert "num_ctx" not in json.dumps(json.loads(request["body"])).lower()
        assert int(request["headers"]["content-length"]) == len(request["body"].encode())


def test_a_request_that_says_nothing_of_it_arrives_letter_by_letter(gateway):
    body = (
        '{ "model":"tiny", "stream":false, "options":{"seed":12345678901234567890.0,"temperature":1.0}, "x":"\u00e9\\u00e9\\/", "x":1e999 }'
    )
    for who in (ALICE, BOB):
        gateway.ask("/api/generate", who, body)
    assert [request["body"] for request in gateway.seen()] == [body, body]


def test_what_may_hide_an_ignored_option_is_refused(gateway, ignores):
    if not ignores:
        pytest.skip("options are heard here")
    assert gateway.ask("/api/chat", ALICE, '{"model": "tiny", "options": {"num_ctx": 64}} x').status == 400
    assert gateway.send("POST", CHAT, ALICE, "Content-Encoding: zstd", body=b"{}").status == 400
    assert gateway.seen() == []
    upload = b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\ntiny\r\n--b--\r\n'
    gateway.send("POST", "/v1/audio/transcriptions", ALICE, "Content-Type: multipart/form-data; boundary=b", body=upload)
    assert [request["path"] for request in gateway.seen()] == ["/v1/audio/transcriptions"]


def test_large_requests_lose_their_options_too(gateway, ignores):
    request = {"messages": [{"role": "user", "content": "\u00e9" * 2_000_000}], **options(num_ctx=64)}
    assert gateway.ask("/api/chat", ALICE, json.dumps(request, ensure_ascii=False).encode()).status == 200
    request["options"] = {} if ignores else {"num_ctx": 64}
    (seen,) = gateway.seen()
    separators = (",", ":") if ignores else None
    assert int(seen["headers"]["content-length"]) == len(json.dumps(request, ensure_ascii=False, separators=separators).encode())


# --- The path as it was sent ----------------------------------------------------------------------------------------------------------


ODD_TARGETS = [
    *(
        "//api/tags",
        "/api//tags",
        "/api/./tags",
        "/api/x/../tags",
        "/api/%74ags",
        "/api%2ftags",
        "/API/tags",
        "/api/tags/",
        "/api/tags#x",
        "/api/tags;x",
    ),
    *(
        "//forward",
        "//body",
        "/%2fforward",
        "/%2Fforward",
        "/./forward",
        "/forward",
        "//name",
        "//403",
        "/@error",
        "/none",
        "//none",
        "//healthz",
    ),
    *(
        "/x/../healthz",
        "/v1/models/..",
        "/v1/models/%2e%2e",
        "/v1/models/tiny%2f",
        "/v1/models/..%3a",
        "//",
        "/./",
        "/index.html",
        "/%2f",
    ),
    *("http://llm.test//api/tags", "http://llm.test//forward", "/api/tags%00", "/api/tags%0a", "/api/tags%20"),
]


@pytest.mark.parametrize("who", [ALICE, BOB, OPS], ids=["user", "user-with-models", "admin"])
def test_only_the_very_path_counts(gateway, who):
    found = {target: gateway.send("GET", target, who).status for target in ODD_TARGETS}
    assert found == dict.fromkeys(ODD_TARGETS, 404) | {target: 400 for target in ODD_TARGETS if target.endswith("%00")}
    assert gateway.seen() == []


def test_a_stranger_learns_nothing_from_odd_paths(gateway):
    found = {target: gateway.send("GET", target).status for target in ODD_TARGETS if not target.endswith("%00")}
    # 429 when other tests were refused just before.
    assert set(found.values()) <= {401, 429}, found
    assert gateway.seen() == []


def test_what_is_no_request_gets_a_sentence_too(gateway):
    for target, headers, status in (
        ("/api/tags%00", (), 400),
        ("/" + "x" * 20_000, (), 414),
        ("/api/tags", ("X-Long: " + "x" * 20_000,), 431),
    ):
        reply = gateway.send("GET", target, ALICE, *headers)
        assert reply.status == status
        assert reply.sentence
        assert reply.headers["Content-Type"] == "application/json"


def test_the_target_is_forwarded_as_it_came(gateway):
    for target in ("/api/tags?a=%2f..%2f&b=%20+//", "http://elsewhere.example.com/api/tags?a=%2f..%2f&b=%20+//"):
        assert gateway.send("GET", target, ALICE).status == 200
        (request,) = gateway.seen()
        assert (request["path"].partition("?")[0], request["headers"]["host"]) == ("/api/tags", "localhost")
    assert {line["path"] for line in gateway.logged(2)} == {"/api/tags"}


# --- The log --------------------------------------------------------------------------------------------------------------------------


def test_the_log_has_the_model_and_nothing_else_of_a_request(host, gateway):
    secret = "a prompt that nobody may read"
    asked = [
        ("alice", "/api/chat", chat("team-assistant", stream=False, secret=secret), "team-assistant"),
        ("bob", CHAT, chat("Library/Tiny:latest", secret=secret), "Library/Tiny:latest"),
        ("bob", CHAT, chat("embed", secret=secret), "embed"),
        ("bob", CHAT, chat(secret), ""),
        ("alice", CHAT, chat(secret), ""),
        ("alice", CHAT, chat('x","user":"ops'), ""),
        ("alice", CHAT, {"model": 7, "secret": secret}, ""),
        ("alice", CHAT, '{"model": "embed", "MODEL": "tiny"', ""),
        ("alice", CHAT, {"input": "x" * 200_000, **options(num_ctx=64)}, "tiny"),
        ("alice", CHAT, {"input": "x" * 300_000, "model": "tiny"}, ""),
        ("alice", CHAT, {"input": "x" * 2_000_000, "model": "tiny"}, ""),
        ("ops", "/api/show", {"model": "tiny"}, "tiny"),
        ("", "/api/chat", chat("tiny"), ""),
    ]
    for user, path, body, _ in asked:
        gateway.ask(f"{path}?q={secret.replace(' ', '+')}", f"Authorization: Bearer {user}-has-a-key-of-enough-length", body)
    # Two workers may write in another order.
    lines = gateway.logged(len(asked))
    assert sorted((line["user"], line["path"], line["model"]) for line in lines) == sorted(
        (user, path, model) for user, path, _, model in asked
    )
    logs = host.check_output("cat /var/log/nginx/llm-gateway.log /var/log/nginx/error.log")
    assert "nobody may read" not in logs
    assert "nobody+may" not in logs
    assert "has-a-key" not in logs
