# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The comparison itself: what it must notice, and what it must let pass."""

from __future__ import annotations

import pytest
import transcripts

DIGEST = "916d21e4765d017daecd3cda555eb7f5fbd77472f5208e91947985f7243293f5"


@pytest.mark.parametrize(
    ("want", "have"),
    [
        pytest.param({"error": "a"}, {"error": "b"}, id="another-error-text"),
        pytest.param({"status": "success"}, {"status": "done"}, id="another-status"),
        pytest.param({"a": 1}, {}, id="a-missing-field"),
        pytest.param({}, {"a": 1}, id="an-extra-field"),
        pytest.param({"a": {"b": 1}}, {"a": {"b": "1"}}, id="another-type-deep-inside"),
        pytest.param({"done": True}, {"done": 1}, id="a-number-for-a-truth-value"),
        pytest.param({"data": None}, {"data": []}, id="an-empty-list-for-null"),
        pytest.param({"created_at": "x"}, {"created_at": 1}, id="another-type-of-a-field-that-varies"),
        pytest.param({"digest": DIGEST}, {"digest": DIGEST[::-1]}, id="another-digest"),
        pytest.param([{"status": "a"}, {"status": "b"}], [{"status": "b"}, {"status": "a"}], id="lines-in-another-order"),
        pytest.param({"data": [{"id": "a:latest"}]}, {"data": [{"id": "b:latest"}]}, id="another-model-id"),
        pytest.param({"id": "resp_1"}, {"id": "msg_1"}, id="another-kind-of-id"),
        pytest.param({"messages": [{"content": "hi"}]}, {"messages": [{"content": "ho"}]}, id="another-stored-message"),
        pytest.param({"parameters": "a 1\nb 2"}, {"parameters": "a 1\nb 3"}, id="another-parameter"),
        pytest.param(
            {"modelfile": "FROM /a/blobs/sha256-" + DIGEST},
            {"modelfile": "FROM /a/blobs/sha256-" + DIGEST[::-1]},
            id="another-blob-in-the-modelfile",
        ),
    ],
)
def test_difference_is_noticed(want: object, have: object) -> None:
    assert transcripts.difference(want, have)


@pytest.mark.parametrize(
    ("want", "have"),
    [
        pytest.param({"modified_at": "a"}, {"modified_at": "b"}, id="times"),
        pytest.param({"id": "chatcmpl-1"}, {"id": "chatcmpl-22"}, id="ids-of-one-kind"),
        pytest.param({"eval_duration": 5, "a": 1}, {"a": 1}, id="a-zero-duration"),
        pytest.param({"embedding": [0.1, 0.2]}, {"embedding": [0.3, 0.4]}, id="numbers-of-a-vector"),
        pytest.param({"models": [{"name": "a"}, {"name": "b"}]}, {"models": [{"name": "b"}, {"name": "a"}]}, id="order-of-models"),
        pytest.param({"parameters": "a 1\nb 2"}, {"parameters": "b 2\na 1"}, id="order-of-parameters"),
        pytest.param(
            {"modelfile": "FROM /a/blobs/sha256-" + DIGEST}, {"modelfile": "FROM /b/c/blobs/sha256-" + DIGEST}, id="place-of-the-store"
        ),
        pytest.param({"size": 5, "expires_at": "x"}, {"size": 6, "expires_at": "y"}, id="size-in-memory"),
    ],
)
def test_what_may_vary_passes(want: object, have: object) -> None:
    assert transcripts.difference(want, have) == []


def test_digests_of_another_server_version_pass_when_told_so() -> None:
    want, have = {"digest": DIGEST}, {"digest": DIGEST[::-1]}
    assert transcripts.difference(want, have, digests=False) == []
