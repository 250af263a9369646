# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users in, two files out; and no secret in anything that is shown."""

from __future__ import annotations

import re
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.llm.host.plugins.module_utils._gateway_users import FORMATS, Caddy, Nginx, describe, user_problems, users_from
from ansible_collections.llm.host.plugins.modules.gateway_users import Crypt

KEY = "sk-alice-0123456789.ABC+~/x="
ALICE = {"name": "alice", "key": KEY}


@pytest.mark.parametrize(
    ("users", "expected"),
    [
        pytest.param([], [], id="nobody"),
        pytest.param([ALICE, {"name": "ops", "password": "p" * 8, "admin": True}], [], id="key-or-password"),
        pytest.param([{**ALICE, "password": "p" * 8, "concurrency": 4, "rate": 60}], [], id="both-and-limits"),
        pytest.param([{"name": "a" * 64, "key": "k" * 256, "password": None}], [], id="longest-name-and-key"),
        pytest.param("alice", ["gateway_users is not a list: write one entry for each user, such as - {name: alice, key: …}."], id="text"),
        pytest.param([3], ["gateway_users[0] is not a mapping: write it as {name: …, key: …}."], id="entry-that-is-no-mapping"),
        pytest.param(
            [ALICE, ALICE | {"name": "x"}, {"name": "bob"}],
            [
                "gateway_users[1] 'x' has the same key as gateway_users[0]: give each user a key of its own.",
                "gateway_users[2] 'bob' has neither key nor password nor tailnet: give one, or remove the entry.",
            ],
            id="shared-key-and-no-secret",
        ),
        pytest.param(
            [{"name": "bob", "key": "", "password": ""}],
            ["gateway_users[0] 'bob' has neither key nor password nor tailnet: give one, or remove the entry."],
            id="empty-secrets-are-none",
        ),
        pytest.param(
            [ALICE, {"name": "Alice", "password": "p" * 8}],
            ["gateway_users[1] 'Alice' has the same name as gateway_users[0]: give each user one entry and its own name."],
            id="two-of-one-name-whatever-the-case",
        ),
        pytest.param(
            [{"key": KEY}],
            ["gateway_users[0] has no name: give it one of letters, digits, '.', '_' and '-', or remove the entry."],
            id="no-name",
        ),
        pytest.param(
            [{"name": "bob", "key": "k" * 19}],
            ["gateway_users[0] 'bob' has a key of 19 characters: make it at least 20 random ones, such as openssl rand -hex 24 prints."],
            id="short-key",
        ),
        pytest.param(
            [{"name": "bob", "key": "k" * 257}], ["gateway_users[0] 'bob' has a key of 257 characters: make it at most 256."], id="long-key"
        ),
        pytest.param(
            [{"name": "bob", "password": "short"}],
            ["gateway_users[0] 'bob' has a password of 5 characters: make it at least 8."],
            id="short-password",
        ),
    ],
)
def test_each_problem_is_one_sentence(users, expected):
    assert user_problems(users) == expected


@pytest.mark.parametrize("name", ["a b", "a:b", 'a"b', "a;b", "a\nb", "a$b", "ä", "a" * 65, "a/b", "a\n"])
def test_name_that_could_break_a_file_is_refused_and_not_repeated(name):
    (found,) = user_problems([{"name": name, "key": KEY}])
    assert found == "gateway_users[0] has a name that cannot be used: write 1 to 64 letters, digits, '.', '_' and '-'."


@pytest.mark.parametrize("character", list(" \"';{}$\\\n\t#:,*()[]|^ä\x00"))
def test_key_that_could_break_a_file_is_refused_without_being_printed(character):
    (found,) = user_problems([{"name": "bob", "key": f"secret{character}" + "k" * 20}])
    assert "with a character that a header cannot carry" in found
    assert "secret" not in found


@pytest.mark.parametrize("character", ["\n", "\r", "\x00", "\x1f", "\x7f"])
def test_password_with_a_control_character_is_refused_without_being_printed(character):
    (found,) = user_problems([{"name": "bob", "password": f"secret{character}word"}])
    assert "control character" in found
    assert "secret" not in found


@given(st.text(alphabet="AZaz09._~+/=-", min_size=20, max_size=60))
def test_a_key_matches_itself_only_and_is_read_back(key):
    text = Nginx().render_keys(users_from([{"name": "u", "key": key}]))
    pattern = re.match(r'"~(\^.*)\\z" "u";\n', text).group(1)
    assert re.fullmatch(pattern, key)
    for other in (key + "x", key[:-1], key.swapcase(), key.replace(".", "x").replace("+", "")):
        assert other == key or not re.fullmatch(pattern, other)
    assert Nginx().stored_keys(text) == {"u": key}


@given(st.text(alphabet="AZaz09._~+/=-", min_size=20, max_size=60))
def test_caddy_compares_a_key_as_it_is_unless_it_looks_like_a_pattern(key):
    text = Caddy().render_keys(users_from([{"name": "true", "key": key}]))
    shown = re.match(r'"(.*)" "true"\n', text).group(1)
    assert shown == key or re.fullmatch(shown.removeprefix("~"), key)
    assert shown.startswith("~") is key.startswith("~")
    assert Caddy().stored_keys(text) == {"true": key}


@pytest.mark.parametrize("provider", FORMATS)
def test_hashes_are_read_back_as_they_were_written(provider):
    form = FORMATS[provider]
    text = form.render_passwords(
        users_from([{"name": "ops", "password": "p" * 8}]),
        stored={},
        verify=lambda *_: False,
        make_hash=lambda _: f"{form.method}salt$hash",
    )
    assert form.stored_hashes(text) == {"ops": f"{form.method}salt$hash"}


def test_only_users_with_a_key_are_in_the_map_and_only_those_with_a_password_in_htpasswd():
    users = users_from([ALICE, {"name": "ops", "password": "p" * 8}])
    assert Nginx().stored_keys(Nginx().render_keys(users)) == {"alice": KEY}
    assert Nginx().render_passwords(users, stored={}, verify=lambda *_: False, make_hash=lambda password: "H") == "ops:H\n"


def test_fitting_hash_stays_and_any_other_is_made_anew():
    users = users_from([{"name": name, "password": f"password-{name}"} for name in ("kept", "changed", "new")])
    text = Nginx().render_passwords(
        users,
        stored={"kept": "old-kept", "changed": "old-changed", "gone": "old-gone"},
        verify=lambda password, stored: stored == "old-kept",
        make_hash=lambda password: f"hash-of-{password}",
    )
    assert Nginx().stored_hashes(text) == {"kept": "old-kept", "changed": "hash-of-password-changed", "new": "hash-of-password-new"}


def test_lines_that_others_wrote_are_ignored():
    assert Nginx().stored_keys("# x\n\nrubbish\n") == {}
    assert Nginx().stored_hashes("# comment: x\nnobody\nops:$6$x\n") == {"ops": "$6$x"}


def test_diff_names_users_and_never_a_secret():
    old_keys, old_hashes = {"a": "KEY-A", "b": "KEY-B", "gone": "KEY-G"}, {"a": "HASH-A"}
    keys, hashes = {"a": "KEY-A", "b": "KEY-B2"}, {"a": "HASH-A2", "c": "HASH-C"}
    before = describe(keys=old_keys, hashes=old_hashes, old_keys=old_keys, old_hashes=old_hashes)
    after = describe(keys=keys, hashes=hashes, old_keys=old_keys, old_hashes=old_hashes)
    assert before == "a: key set, password set\nb: key set\ngone: key set\n"
    assert after == "a: key set, password changed\nb: key changed\nc: password set\n"


def test_user_shows_no_secret_when_printed():
    (user,) = users_from([{**ALICE, "password": "geheim-geheim"}])
    assert KEY not in repr(user) and "geheim" not in repr(user)


@pytest.mark.parametrize("password", ["correct horse", "wörd €", "x" * 200])
def test_hash_is_what_other_programs_make_of_the_same_password_and_salt(password):
    value = Crypt("$6$", 16).make_hash(password)
    salt = value.split("$")[2]
    other = subprocess.run(["openssl", "passwd", "-6", "-salt", salt, "-stdin"], input=password, capture_output=True, text=True, check=True)
    assert value == other.stdout.strip()


@pytest.mark.parametrize("provider", FORMATS)
def test_hash_verifies_its_password_only_and_two_hashes_differ(provider):
    crypt = Crypt(FORMATS[provider].method, FORMATS[provider].salt_length)
    first, second = crypt.make_hash("password-1"), crypt.make_hash("password-1")
    assert first.startswith(FORMATS[provider].method)
    assert first != second
    assert crypt.verify("password-1", first)
    assert not crypt.verify("password-2", first)
    assert not crypt.verify("password-1", "")
    assert not crypt.verify("password-1", "$1$weak$hash")
