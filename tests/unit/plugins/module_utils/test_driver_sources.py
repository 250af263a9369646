# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of apt: which archives get which components, who signs them, and what is pinned."""

from __future__ import annotations

import pytest

from ansible_collections.llm.host.plugins.module_utils._driver_sources import (
    Archive,
    components_file,
    parse_targets,
    preferences_file,
    repository_file,
    signed_by,
)

URI = "http://archive.example.com/debian"
COMPONENTS = ("contrib", "non-free")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
ONE_LINE = f"# a comment\ndeb [arch=amd64 signed-by={KEYRING}] {URI} trixie main contrib\ndeb http://example.com/debian trixie main\n"
STANZAS = f"""Types: deb
# snapshot
URIs: {URI}/
Suites: trixie trixie-updates
Components: main
Signed-By: {KEYRING}

Types: deb
URIs: http://example.com/debian
Suites: trixie
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINBF
 -----END PGP PUBLIC KEY BLOCK-----
"""
TARGETS = """Packages|http://archive.example.com/debian/|trixie|Debian|main|/etc/apt/sources.list:1
Translations|http://archive.example.com/debian/|trixie|Debian|main|/etc/apt/sources.list:1
Packages|file:/srv/mirror/||NVIDIA|$(COMPONENT)|/etc/apt/sources.list.d/llm-host-gpu.sources:2
"""


def test_targets_are_read_as_apt_writes_them():
    assert parse_targets(TARGETS) == (
        Archive("http://archive.example.com/debian/", "trixie", "main", "Debian", "/etc/apt/sources.list"),
        Archive("file:/srv/mirror/", "", "", "NVIDIA", "/etc/apt/sources.list.d/llm-host-gpu.sources"),
    )


@pytest.mark.parametrize(
    ("archives", "expected"),
    [
        pytest.param([Archive(URI, "trixie", "main", "Debian")], [(URI, "trixie", "contrib non-free")], id="all-are-missing"),
        pytest.param(
            [Archive(URI, "trixie", "main", "Debian"), Archive(URI, "trixie", "contrib", "Debian")],
            [(URI, "trixie", "non-free")],
            id="what-is-missing",
        ),
        pytest.param([Archive(URI, "trixie", name, "Debian") for name in ("main", *COMPONENTS)], [], id="nothing-is-missing"),
        pytest.param([Archive("https://example.com/apt", "stable", "main", "Example")], [], id="not-of-others"),
        pytest.param(
            [Archive(f"{URI}-security/", "trixie-security", "main")],
            [(f"{URI}-security", "trixie-security", "contrib non-free")],
            id="before-update",
        ),
        pytest.param([Archive("https://example.com/apt", "stable", "main")], [], id="not-of-others-before-the-first-update"),
        pytest.param(
            [Archive(URI, "trixie", "main", "Debian"), Archive(URI, "trixie-updates", "main", "Debian")],
            [(URI, "trixie trixie-updates", "contrib non-free")],
            id="suites-of-an-archive-share-an-entry",
        ),
    ],
)
def test_components(archives, expected):
    text = components_file(archives, COMPONENTS, lambda archive: "")
    stanzas = [
        dict(line.split(": ") for line in stanza.splitlines() if not line.startswith("#")) for stanza in text.split("\n\n") if stanza
    ]
    assert [(stanza["URIs"], stanza["Suites"], stanza["Components"]) for stanza in stanzas] == expected


@pytest.mark.parametrize(
    ("text", "uri", "suite", "expected"),
    [
        pytest.param(ONE_LINE, f"{URI}/", "trixie", KEYRING, id="option-of-a-line"),
        pytest.param(ONE_LINE, "http://example.com/debian", "trixie", "", id="line-without-options"),
        pytest.param(STANZAS, URI, "trixie-updates", KEYRING, id="field-of-a-stanza"),
        pytest.param(STANZAS, URI, "sid", "", id="other-suite"),
    ],
)
def test_signed_by(text, uri, suite, expected):
    assert signed_by(text, uri, suite) == expected


def test_a_key_of_several_lines_is_copied_whole():
    archive = Archive("http://example.com/debian", "trixie", "main", "Debian")
    text = components_file([archive], ["contrib"], lambda found: signed_by(STANZAS, found.uri, found.suite))
    assert text.endswith(STANZAS[STANZAS.index("Signed-By:\n") :])


def test_repository_names_its_key():
    text = repository_file("https://example.com/x", "/", [], "/etc/apt/keyrings/x.asc", "A" * 40)
    assert f"Signed-By: /etc/apt/keyrings/x.asc {'A' * 40}\n" in text
    assert "Components" not in text


@pytest.mark.parametrize(
    ("version", "uri", "pins"),
    [
        pytest.param("550", "", ["version 550.*"], id="branch"),
        pytest.param("580.95.05", "", ["version 580.95.05*"], id="whole-version"),
        pytest.param("580", "https://example.com:8443/x", ["version 580.*", 'origin "example.com"'], id="branch-before-repository"),
        pytest.param("", "file:/srv/x", ['origin ""'], id="repository-alone"),
        pytest.param("", "", [], id="nothing"),
    ],
)
def test_pins(version, uri, pins):
    text = preferences_file(["*nvidia*", "libcuda1"], version, uri)
    assert [line.removeprefix("Pin: ") for line in text.splitlines() if line.startswith("Pin:")] == pins
    assert text.count("Package: *nvidia* libcuda1\n") == len(pins)
