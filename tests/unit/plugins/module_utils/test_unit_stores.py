# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where units keep their models, as systemd says it and whoever wrote them."""

from __future__ import annotations

import pwd
from pathlib import Path

import pytest

from ansible_collections.llm.host.plugins.module_utils._unit_stores import (
    UnitStore,
    kept_stores,
    known_units,
    models_dir_of,
    set_after_ours,
    unit_stores,
)

OURS = "/etc/systemd/system/ollama.service.d/10-llm-host.conf"
BEFORE, AFTER = (OURS.replace("10-llm-host", name) for name in ("05-site", "override"))


def shown(
    *, environment: str = "", user: str = "", active: str = "active", fragment: str = "/etc/systemd/system/ollama.service", more: str = ""
) -> str:
    return f"Id=ollama.service\nActiveState={active}\nMainPID=0\nUser={user}\nEnvironment={environment}\nFragmentPath={fragment}\n{more}"


def stores(text: str, directory: Path, units: tuple[str, ...] = ("ollama.service",)) -> list[UnitStore]:
    return unit_stores(lambda command: (0, text, ""), units, directory=str(directory))


@pytest.mark.parametrize(
    ("environment", "user", "path"),
    [
        pytest.param('"OLLAMA_MODELS=/srv/my models" PATH=/bin', "", "/srv/my models", id="a-value-with-a-blank"),
        pytest.param("OLLAMA_MODELS=/a OLLAMA_MODELS=/b", "", "/b", id="later-ones-win"),
        pytest.param("HOME=/home/llm", "root", "/home/llm/.ollama/models", id="the-home-that-is-set"),
        pytest.param("", "root", f"{pwd.getpwuid(0).pw_dir}/.ollama/models", id="the-home-of-the-user"),
        pytest.param("", "", f"{pwd.getpwuid(0).pw_dir}/.ollama/models", id="root-where-no-user-is-set"),
    ],
)
def test_where_a_unit_keeps_its_models(tmp_path, environment, user, path):
    assert stores(shown(environment=environment, user=user), tmp_path) == [UnitStore("ollama.service", path, running=True)]


def test_a_unit_that_is_not_there_keeps_none(tmp_path):
    assert stores(shown(fragment="", active="inactive"), tmp_path) == []


def test_what_lies_there_for_a_unit_that_comes_is_seen(tmp_path):
    drop_in = tmp_path / "ollama@.service.d" / "override.conf"
    drop_in.parent.mkdir()
    drop_in.write_text("[Service]\nEnvironment=OLLAMA_MODELS=/data\n")
    found = stores(shown(fragment="", active="inactive"), tmp_path, ("ollama@gpu1.service",))
    assert found == [UnitStore("ollama@gpu1.service", "/data", set_by=str(drop_in))]


def test_an_environment_file_wins(tmp_path):
    defaults = tmp_path / "ollama.env"
    defaults.write_text('# old\nOLLAMA_MODELS="/data"\n')
    text = shown(environment="OLLAMA_MODELS=/srv", more=f"EnvironmentFiles={defaults} (ignore_errors=yes)\n")
    assert stores(text, tmp_path) == [UnitStore("ollama.service", "/data", running=True, set_by=str(defaults))]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param({OURS: "Environment=OLLAMA_MODELS=/srv"}, ("", ""), id="ours"),
        pytest.param({BEFORE: "Environment=OLLAMA_MODELS=/data"}, ("", ""), id="one-that-comes-before-ours"),
        pytest.param({AFTER: 'Environment="OLLAMA_MODELS=/data" A=b'}, (AFTER, "/data"), id="one-that-comes-after-ours"),
        pytest.param({AFTER: "#Environment=OLLAMA_MODELS=/data"}, ("", ""), id="a-comment"),
        pytest.param({AFTER: "Environment=OLLAMA_MODELS_X=/data"}, ("", ""), id="another-variable"),
        pytest.param({"/etc/systemd/system/ollama.service": "Environment=OLLAMA_MODELS=/data"}, ("", ""), id="the-unit-itself"),
    ],
)
def test_whose_file_wins_over_ours(files, expected):
    assert set_after_ours(files, {}) == expected


def test_links_lead_to_the_same_store(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    found = [UnitStore("a", f"{tmp_path}/link"), UnitStore("b", "/other"), UnitStore("c", "/other")]
    assert kept_stores(found, f"{tmp_path}/real") == {"/other": ["b", "c"]}


def test_units_are_known_by_their_settings_and_by_what_starts_at_boot(tmp_path):
    (tmp_path / "ollama@gpu0.service.d").mkdir()
    (tmp_path / "ollama@gpu0.service.d" / "10-llm-host.conf").write_text("")
    (tmp_path / "multi-user.target.wants").mkdir()
    (tmp_path / "multi-user.target.wants" / "ollama@hand.service").symlink_to("/nowhere")
    assert known_units(["ollama@new.service"], str(tmp_path)) == [
        "ollama.service",
        "ollama@gpu0.service",
        "ollama@hand.service",
        "ollama@new.service",
    ]


def test_nothing_is_guessed_without_a_home():
    assert models_dir_of({}, home="") == ""
