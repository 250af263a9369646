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

from ansible_collections.llm.host.plugins.module_utils._names import InvalidName, ModelName

__all__ = ("FORMATS", "Caddy", "Nginx", "User", "describe", "user_problems", "users_from")

NAME = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
KEY = re.compile(r"[A-Za-z0-9._~+/=-]+\Z")
KEY_LENGTH = (20, 256)
PASSWORD_LENGTH = (8, 256)
# What the secrets of inventory.example contain, which everybody can read.
PLACEHOLDER = "change-me"
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# A login of Tailscale: an address, or a name at an identity provider as in alice@github.
LOGIN = re.compile(r"[A-Za-z0-9._+-]{1,64}@[A-Za-z0-9.-]{1,63}\Z")

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
    logins: dict[str, int] = {}
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
        login = _text(entry, "tailnet").lower()
        if login and logins.setdefault(login, position) != position:
            problems.append(f"{where} has the same tailnet as gateway_users[{logins[login]}]: give each login one user.")
    return problems


def users_from(users: t.Iterable[t.Mapping[str, t.Any]]) -> tuple[User, ...]:
    """The users of a list in which ``user_problems`` found nothing."""
    return tuple(
        User(name=_text(entry, "name"), key=_text(entry, "key"), password=_text(entry, "password"), admin=bool(entry.get("admin")))
        for entry in users
    )


class Format:
    """How a web server reads its users: lines of its own for keys and for the hashes of passwords."""

    method: str
    salt_length: int
    key_line: t.Pattern[str]
    password_line: t.Pattern[str]

    def key_entry(self, user: User) -> str:
        raise NotImplementedError

    def password_entry(self, user: User, value: str) -> str:
        raise NotImplementedError

    def render_keys(self, users: t.Iterable[User]) -> str:
        """Entries of a map from key to user."""
        return "".join(self.key_entry(user) for user in users if user.key)

    def stored_keys(self, text: str) -> dict[str, str]:
        """User to key, from what ``render_keys`` wrote; lines that it did not write are left out."""
        matches = (self.key_line.match(line) for line in text.splitlines())
        return {match["name"]: re.sub(r"\\(.)", r"\1", match["key"]) for match in matches if match}

    def stored_hashes(self, text: str) -> dict[str, str]:
        """User to hash, from what ``render_passwords`` wrote."""
        matches = (self.password_line.match(line) for line in text.splitlines())
        return {match["name"]: match["hash"] for match in matches if match}

    def render_passwords(self, users: t.Iterable[User], *, stored: t.Mapping[str, str], verify: Verify, make_hash: Hash) -> str:
        """The hashes of all passwords; a hash that still fits its password stays, so that no change is no change."""
        lines = []
        for user in users:
            if user.password:
                value = stored.get(user.name, "")
                kept = bool(value) and verify(user.password, value)
                lines.append(self.password_entry(user, value if kept else make_hash(user.password)))
        return "".join(lines)


class Nginx(Format):
    """Anchored patterns, because nginx compares the plain strings of a map without regard to case; and a htpasswd file.

    SHA-512, since nginx checks a password with every request, inside a worker that serves others too.
    """

    method = "$6$"
    salt_length = 16
    key_line = re.compile(r'"~\^(?P<key>\S+)\\z" "(?P<name>\S+)";\Z')
    password_line = re.compile(r"(?P<name>[^#:][^:]*):(?P<hash>.*)\Z")

    def key_entry(self, user: User) -> str:
        return f'"~^{_escaped(user.key)}\\z" "{user.name}";\n'

    def password_entry(self, user: User, value: str) -> str:
        return f"{user.name}:{value}\n"


class Caddy(Format):
    """Plain strings, but for a key that Caddy would take for a pattern; and bcrypt, the only hash for passwords that its users know.

    Caddy remembers which passwords were right, so the cost of bcrypt falls on who guesses, and on Caddy with them: 2^8 rounds take about
    15 ms of one core.
    """

    method = "$2b$08$"
    salt_length = 22
    key_line = re.compile(r'"(?:~\^)?(?P<key>[^"$]+)\$?" "(?P<name>\S+)"\Z')
    password_line = re.compile(r'"(?P<name>\S+)" "(?P<hash>\S+)"\Z')

    def key_entry(self, user: User) -> str:
        key = f"~^{_escaped(user.key)}$" if user.key.startswith("~") else user.key
        return f'"{key}" "{user.name}"\n'

    def password_entry(self, user: User, value: str) -> str:
        return f'"{user.name}" "{value}"\n'


FORMATS: dict[str, Format] = {"nginx": Nginx(), "caddy": Caddy()}


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
    login = _text(entry, "tailnet")
    if not key and not password and not login:
        yield f"{where} has neither key nor password nor tailnet: give one, or remove the entry."
    if login and not LOGIN.match(login):
        yield f"{where} has the tailnet '{login}', which is no login of Tailscale: write it as in alice@example.com."
    if PLACEHOLDER in key or PLACEHOLDER in password:
        yield f"{where} still has the secret of the example inventory: write one of your own, such as openssl rand -hex 24 prints."
    if key:
        yield from _key_problems(key, where=where)
    if password:
        yield from _password_problems(password, where=where)
    if entry.get("models") is not None:
        yield from _models_problems(entry["models"], admin=bool(entry.get("admin")), where=where)


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


def _models_problems(models: t.Any, *, admin: bool, where: str) -> t.Iterator[str]:
    if not isinstance(models, (list, tuple)):
        yield f"{where} has models that are not a list: write the names as in [tiny, team-assistant]."
        return
    if not models:
        yield f"{where} has an empty list of models: name those that the user may use, or remove models to allow all of them."
    if admin:
        yield f"{where} has models although admin is true: admins manage all models, so remove one of the two."
    for name in models:
        try:
            ModelName.parse(str(name))
        except InvalidName as error:
            yield f"{where} has models that cannot be: {error}"


def _text(entry: t.Mapping[str, t.Any], option: str) -> str:
    value = entry.get(option)
    return "" if value is None else str(value)


def _escaped(key: str) -> str:
    return re.sub(r"([.+])", r"\\\1", key)
