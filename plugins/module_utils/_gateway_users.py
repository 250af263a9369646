# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gateway's users: what is wrong with a list of them, and the files that a web server reads. PRIVATE to the collection.

Nothing here prints a secret: problems and descriptions name positions and users only.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

__all__ = ("User", "describe", "password_hashes", "render_htpasswd", "render_keys", "stored_keys", "user_problems", "users_from")

NAME = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
KEY = re.compile(r"[A-Za-z0-9._~+/=-]+\Z")
KEY_LENGTH = (20, 256)
PASSWORD_LENGTH = (8, 256)
# What the secrets of inventory.example contain, which everybody can read.
PLACEHOLDER = "change-me"
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
KEY_LINE = re.compile(r'"~\^(?P<key>\S+)\\z" "(?P<name>\S+)";\Z')

Verify = t.Callable[[str, str], bool]
Hash = t.Callable[[str], str]


@dataclasses.dataclass(frozen=True)
class User:
    """One person or program. An empty ``key`` or ``password`` means that there is none."""

    name: str
    key: str = dataclasses.field(default="", repr=False)
    password: str = dataclasses.field(default="", repr=False)
    admin: bool = False


def user_problems(users: t.Any) -> list[str]:
    """One sentence for each thing that is wrong; empty when the list can be used."""
    if not isinstance(users, (list, tuple)):
        return ["gateway_users is not a list: write one entry for each user, such as - {name: alice, key: …}."]
    problems: list[str] = []
    names: dict[str, int] = {}
    keys: dict[str, int] = {}
    for position, entry in enumerate(users):
        if not isinstance(entry, t.Mapping):
            problems.append(f"gateway_users[{position}] is not a mapping: write it as {{name: …, key: …}}.")
            continue
        name, key = _text(entry, "name"), _text(entry, "key")
        usable_name = bool(NAME.match(name))
        where = f"gateway_users[{position}]" + (f" '{name}'" if usable_name else "")
        problems += _entry_problems(entry, where=where)
        if usable_name and names.setdefault(name.lower(), position) != position:
            problems.append(
                f"{where} has the same name as gateway_users[{names[name.lower()]}]: give each user one entry and its own name."
            )
        if key and keys.setdefault(key, position) != position:
            problems.append(f"{where} has the same key as gateway_users[{keys[key]}]: give each user a key of its own.")
    return problems


def users_from(users: t.Iterable[t.Mapping[str, t.Any]]) -> tuple[User, ...]:
    """The users of a list in which ``user_problems`` found nothing."""
    return tuple(
        User(name=_text(entry, "name"), key=_text(entry, "key"), password=_text(entry, "password"), admin=bool(entry.get("admin")))
        for entry in users
    )


def render_keys(users: t.Iterable[User]) -> str:
    """Entries of an nginx map from key to user.

    Anchored patterns, because nginx compares the plain strings of a map without regard to case.
    """
    return "".join(f'"~^{_escaped(user.key)}\\z" "{user.name}";\n' for user in users if user.key)


def stored_keys(text: str) -> dict[str, str]:
    """User to key, from what ``render_keys`` wrote; lines that it did not write are left out."""
    matches = (KEY_LINE.match(line) for line in text.splitlines())
    return {match["name"]: re.sub(r"\\(.)", r"\1", match["key"]) for match in matches if match}


def password_hashes(text: str) -> dict[str, str]:
    """User to password hash, from a htpasswd file."""
    lines = (line.partition(":") for line in text.splitlines() if not line.startswith("#"))
    return {name: value for name, separator, value in lines if separator}


def render_htpasswd(users: t.Iterable[User], *, stored: t.Mapping[str, str], verify: Verify, make_hash: Hash) -> str:
    """The htpasswd file; a hash that still fits its password stays, so that no change is no change."""
    lines = []
    for user in users:
        if user.password:
            value = stored.get(user.name, "")
            kept = bool(value) and verify(user.password, value)
            lines.append(f"{user.name}:{value if kept else make_hash(user.password)}\n")
    return "".join(lines)


def describe(
    *, keys: t.Mapping[str, str], hashes: t.Mapping[str, str], old_keys: t.Mapping[str, str], old_hashes: t.Mapping[str, str]
) -> str:
    """What a diff shows of a state: for each user which secrets there are, and whether they differ from the old ones."""
    lines = []
    for name in sorted({*keys, *hashes}):
        parts = [_described("key", keys, old_keys, name), _described("password", hashes, old_hashes, name)]
        lines.append(f"{name}: {', '.join(part for part in parts if part)}\n")
    return "".join(lines)


def _described(what: str, now: t.Mapping[str, str], old: t.Mapping[str, str], name: str) -> str:
    if name not in now:
        return ""
    return f"{what} changed" if name in old and old[name] != now[name] else f"{what} set"


def _entry_problems(entry: t.Mapping[str, t.Any], *, where: str) -> t.Iterator[str]:
    name, key, password = _text(entry, "name"), _text(entry, "key"), _text(entry, "password")
    if not name:
        yield f"{where} has no name: give it one of letters, digits, '.', '_' and '-', or remove the entry."
    elif not NAME.match(name):
        yield f"{where} has a name that cannot be used: write 1 to 64 letters, digits, '.', '_' and '-'."
    if not key and not password:
        yield f"{where} has neither key nor password: give one, or remove the entry."
    if PLACEHOLDER in key or PLACEHOLDER in password:
        yield f"{where} still has the secret of the example inventory: write one of your own, such as openssl rand -hex 24 prints."
    if key:
        yield from _key_problems(key, where=where)
    if password:
        yield from _password_problems(password, where=where)


def _key_problems(key: str, *, where: str) -> t.Iterator[str]:
    shortest, longest = KEY_LENGTH
    if not KEY.match(key):
        yield f"{where} has a key with a character that a header cannot carry: use letters, digits and . _ ~ + / = - only."
    if len(key) < shortest:
        yield f"{where} has a key of {len(key)} characters: make it at least {shortest} random ones, such as openssl rand -hex 24 prints."
    if len(key) > longest:
        yield f"{where} has a key of {len(key)} characters: make it at most {longest}."


def _password_problems(password: str, *, where: str) -> t.Iterator[str]:
    shortest, longest = PASSWORD_LENGTH
    if CONTROL.search(password):
        yield f"{where} has a password with a control character or a line break: remove it."
    if len(password) < shortest:
        yield f"{where} has a password of {len(password)} characters: make it at least {shortest}."
    if len(password.encode()) > longest:
        yield f"{where} has a password of more than {longest} bytes: make it shorter."


def _text(entry: t.Mapping[str, t.Any], option: str) -> str:
    value = entry.get(option)
    return "" if value is None else str(value)


def _escaped(key: str) -> str:
    return re.sub(r"([.+])", r"\\\1", key)
