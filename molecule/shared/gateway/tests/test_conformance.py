# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every endpoint, every identity, every oddity: both web servers keep one contract, and docs/verdicts.md tells it."""

from __future__ import annotations

import collections
import dataclasses
import json
import re
import typing as t
import urllib.parse

import conformance
import pytest
import verdicts
from conformance import Request

KEPT = 25


@dataclasses.dataclass(frozen=True)
class Answer:
    """What became of one request."""

    request: Request
    address: str
    replies: tuple[dict[str, t.Any], ...]
    seen: tuple[dict[str, t.Any], ...]

    @property
    def verdict(self) -> str:
        return verdicts.verdict(self.replies, self.seen[0] if self.seen else None)

    @property
    def headers(self) -> dict[str, str]:
        return dict(self.replies[0]["headers"])


@dataclasses.dataclass(frozen=True)
class Answers:
    """What became of all of them, and what the backend saw besides."""

    of: dict[str, Answer]
    unmarked: list[dict[str, t.Any]]

    def __iter__(self) -> t.Iterator[Answer]:
        return iter(self.of.values())


@pytest.fixture(scope="module")
def answers(agent, shown) -> Answers:
    plain, odd = list(conformance.endpoint_requests()), list(conformance.odd_requests())
    groups = [
        {"alone": alone, "jobs": [_job(request) for request in some]}
        for alone, some in ((False, plain), (True, odd))
        for some in _parts(some)
    ]
    found = agent("table", groups=groups)
    seen = collections.defaultdict(list)
    for request in found["seen"]:
        seen[request["headers"].get("x-case", "")].append(request)
    requests = {request.id: request for request in (*plain, *odd)}
    assert len(requests) == len(plain) + len(odd), "two requests have one name"
    of = {
        result["id"]: Answer(requests[result["id"]], result["address"], tuple(result["replies"]), tuple(seen.pop(result["id"], ())))
        for result in found["results"]
    }
    # The balancer looks after the backend, too.
    rest = [request for requests in seen.values() for request in requests if request["headers"].get("user-agent") != "llm-balancer"]
    return Answers(of, rest)


def _job(request: Request) -> dict[str, t.Any]:
    return {"id": request.id, "data": request.data, "method": request.method, "pour": request.pour, "chunked": request.chunked}


def _parts(requests: list[Request]) -> t.Iterator[list[Request]]:
    for start in range(0, len(requests), KEPT):
        yield requests[start : start + KEPT]


def test_every_verdict_is_the_one_of_the_contract(answers, engine):
    wrong = {
        answer.request.id: (answer.verdict, answer.request.verdict[engine.name])
        for answer in answers
        if answer.verdict not in answer.request.verdict[engine.name].split(" or ")
    }
    assert wrong == {}, "got, wanted"


def test_the_page_of_verdicts_says_what_was_answered(answers, engine):
    """A difference that is meant: change conformance.py and write the page anew, as CONTRIBUTING.md says."""
    told = {name: verdicts.declared(name) for name in verdicts.ENGINES}
    measured = {
        answer.request.id: wanted if answer.verdict in (wanted := told[engine.name][answer.request.id]).split(" or ") else answer.verdict
        for answer in answers
    }
    assert verdicts.render({**told, engine.name: measured}) == verdicts.PAGE.read_text()


def test_nothing_but_what_was_forwarded_reaches_the_backend(answers):
    assert [(request["method"], request["path"], request["headers"]) for request in answers.unmarked] == []
    assert [answer.request.id for answer in answers if len(answer.seen) > 1] == []


def test_the_backend_sees_the_request_as_it_was_sent(answers):
    for answer in answers:
        for seen in answer.seen:
            assert seen["method"] == answer.request.method, answer.request.id
            assert seen["path"] == _path(answer.request.target), answer.request.id


def _path(target: str) -> str:
    """Without the origin that an absolute target names."""
    parts = urllib.parse.urlsplit(target)
    return target.removeprefix(f"{parts.scheme}://{parts.netloc}") if parts.scheme else target


def test_the_backend_learns_who_it_is_from_the_gateway_alone(answers):
    for answer in answers:
        for seen in answer.seen:
            headers = seen["headers"]
            identity = answer.request.identity
            who = (identity.name, identity.role) if identity.name else ("alice", "user")
            assert (headers.get("x-llm-user"), headers.get("x-llm-role")) == who, answer.request.id
            assert headers["host"] == "localhost", answer.request.id
            assert headers["x-forwarded-for"] == answer.address, answer.request.id
            assert headers["x-forwarded-proto"] == "https", answer.request.id


def test_what_the_client_says_of_itself_does_not_reach_the_backend(answers):
    kept_back = {
        "authorization", "x-api-key", "cookie", "origin", "referer", "forwarded", "x-real-ip", "x-forwarded-host", "proxy-authorization",
        "x_llm_user", "x_llm_role", "upgrade", "tailscale-user-login", "tailscale-user-name",
    }  # fmt: skip
    passed = {(answer.request.id, name) for answer in answers for seen in answer.seen for name in kept_back & set(seen["headers"])}
    assert passed == set()


def test_what_the_gateway_says_itself_has_the_shape_that_clients_of_the_path_know(answers):
    for answer in answers:
        if (
            answer.seen
            or not answer.replies
            or answer.request.method == "HEAD"
            or answer.replies[0]["status"] not in (401, 403, 404, 405, 413)
        ):
            continue
        headers, path = answer.headers, _path(answer.request.target)
        assert headers["content-type"] == "application/json", answer.request.id
        if answer.request.method == "TRACE" and path == "/api/tags":
            continue
        body = json.loads(answer.replies[0]["body"])
        if path.startswith("/v1/messages"):
            assert (body["type"], set(body["error"])) == ("error", {"type", "message"}), answer.request.id
        elif path.startswith("/v1/"):
            assert set(body["error"]) == {"message", "type", "param", "code"}, answer.request.id
        else:
            assert isinstance(body["error"], str), answer.request.id


def test_each_refusal_says_what_would_be_right(answers):
    for answer in answers:
        if answer.replies and answer.replies[0]["status"] == 401:
            assert answer.headers["www-authenticate"] == 'Basic realm="Ollama gateway"', answer.request.id
    for endpoint in conformance.ENDPOINTS:
        wanted = ", ".join(endpoint.user or endpoint.admin)
        refused = [answer for answer in answers if answer.request.target == endpoint.path and answer.verdict == "405"]
        assert {answer.headers.get("allow") for answer in refused} <= {wanted}, endpoint.path


def test_no_answer_tells_the_version_of_the_web_server(answers, engine):
    for answer in answers:
        for reply in answer.replies:
            assert dict(reply["headers"]).get("server", engine.server) == engine.server, answer.request.id
            if reply["status"] >= 400:
                assert not re.search(r"(nginx|caddy)[/ ]?\d", reply["body"], re.IGNORECASE), answer.request.id


def test_only_listed_origins_are_told_that_they_may_call(answers):
    listed = {"a request of a listed origin", "a preflight of a listed origin"}
    for answer in answers:
        label = answer.request.id.rpartition(" as ")[0]
        allowed = answer.headers.get("access-control-allow-origin") if answer.replies else None
        if label in listed:
            assert allowed == "https://chat.example.com", answer.request.id
            assert answer.headers["access-control-allow-headers"].split(", ") == ["Authorization", "*"], answer.request.id
        else:
            assert allowed is None, answer.request.id


def test_an_admin_uploads_model_files_of_any_size_and_they_are_on_their_way_at_once(agent):
    size, pieces = 1 << 18, 280
    who = conformance.ADMIN.headers[0]
    head = f"POST /api/blobs/{conformance.DIGEST} HTTP/1.1\r\nHost: llm.test\r\n{who}\r\nContent-Length: {size * pieces}\r\n\r\n"
    found = agent("upload", head=head, pieces=pieces, size=size)
    assert found["known_after"] is not None and found["known_after"] <= 8
    assert found["reply"]["status"] == 400
    assert "digest mismatch" in found["reply"]["body"]


def test_who_guesses_is_slowed_down(agent, engine):
    if not engine.limits_guesses:
        pytest.skip("Debian's Caddy has nothing that could")
    wrong = "GET /api/tags HTTP/1.1\r\nHost: llm.test\r\nAuthorization: Bearer no-such-key-no-such-key-no-such\r\n\r\n"
    right = wrong.replace("no-such-key-no-such-key-no-such", "alice-has-a-key-of-enough-length")
    jobs = [{"id": str(n), "data": wrong if n < 80 else right, "method": "GET"} for n in range(81)]
    replies = [result["replies"][0] for result in agent("table", groups=[{"alone": False, "jobs": jobs}])["results"]]
    assert {reply["status"] for reply in replies[:80]} == {401, 429}
    assert {dict(reply["headers"]).get("retry-after") for reply in replies if reply["status"] == 429} == {"2"}
    assert replies[80]["status"] == 200
