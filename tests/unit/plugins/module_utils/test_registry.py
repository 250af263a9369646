# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking a tag up in a registry."""

from __future__ import annotations

import hashlib
import json

import pytest
from scripted import Call, Script

from ansible_collections.llm.host.plugins.module_utils._http import TransportError
from ansible_collections.llm.host.plugins.module_utils._names import ModelName
from ansible_collections.llm.host.plugins.module_utils._registry import Registry, RegistryError

URL = "https://registry.ollama.ai/v2/library/x/manifests/1b"
X = ModelName.parse("x:1b")
BODY = json.dumps(
    {"schemaVersion": 2, "config": {"digest": "sha256:c", "size": 3}, "layers": [{"digest": "sha256:l", "size": 40}]}, indent=3
).encode()


def test_the_digest_is_that_of_the_bytes_as_they_came():
    with Script(Call("GET", URL, BODY)) as script:
        manifest = Registry(script).manifest(X)
    assert manifest.digest == hashlib.sha256(BODY).hexdigest()
    assert manifest.size == 43


@pytest.mark.parametrize(
    ("name", "insecure", "mirror", "url"),
    [
        ("x:1b", False, "", URL),
        ("team/x", False, "", "https://registry.ollama.ai/v2/team/x/manifests/latest"),
        ("x:1b", False, "http://mirror.lan/base/", "http://mirror.lan/base/v2/library/x/manifests/1b"),
        ("m.lan:5000/library/x", True, "http://mirror.lan", "http://m.lan:5000/v2/library/x/manifests/latest"),
        ("m.lan:5000/library/x", False, "", "https://m.lan:5000/v2/library/x/manifests/latest"),
    ],
)
def test_where_the_manifest_of_a_name_is(name, insecure, mirror, url):
    assert Registry(Script(), mirror=mirror).manifest_url(ModelName.parse(name), insecure=insecure) == url


@pytest.mark.parametrize(
    ("call", "says", "unreachable"),
    [
        (Call("GET", URL, status=404), "the registry does not know x:1b", False),
        (Call("GET", URL, {"errors": ["denied"]}, 401), 'answered 401: {"errors": ["denied"]}', False),
        (Call("GET", URL, b"", 500), "answered 500: (no text)", False),
        (Call("GET", URL, b"<html>"), "something that is no manifest: <html>", False),
        (Call("GET", URL, {"layers": []}), "something that is no manifest", False),
        (Call("GET", URL, raises=TransportError("no answer within 30 s")), f"cannot reach the registry at {URL}", True),
    ],
)
def test_what_the_registry_did_not_give_is_an_error(call, says, unreachable):
    with pytest.raises(RegistryError) as caught:
        Registry(Script(call)).manifest(X)
    assert says in caught.value.message
    assert caught.value.unreachable is unreachable
