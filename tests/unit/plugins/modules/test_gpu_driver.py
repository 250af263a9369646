# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with the options is said in a sentence, before anything is read or changed."""

from __future__ import annotations

import types

import pytest

from ansible_collections.llm.host.plugins.module_utils._driver_plan import Refusal
from ansible_collections.llm.host.plugins.modules import gpu_driver
from ansible_collections.llm.host.plugins.modules.gpu_driver import ARMOUR, fingerprint_of, key_text, wanted_of

KEY = f"{ARMOUR}\n\nmQINBF\n-----END PGP PUBLIC KEY BLOCK-----\n"
ADDRESS = "https://mirror.example.com/key.asc"
PARAMS = {
    "packages": ["nvidia-kernel-dkms", "nvidia-modprobe=*"],
    "version": "550",
    "driver": ["*nvidia*"],
    "dkms": "nvidia-kernel-dkms",
    "kernel_packages": [],
    "repository": None,
    "hold": True,
    "upgrade": False,
}


def test_packages_may_have_versions_of_their_own():
    wanted = wanted_of(PARAMS)
    assert wanted.packages == {"nvidia-kernel-dkms": "", "nvidia-modprobe": "*"}
    assert not wanted.fits("nvidia-kernel-dkms", "570.1-1")
    assert wanted.fits("nvidia-modprobe", "570.1-1")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"packages": []}, "packages is empty: name at least one", id="nothing"),
        pytest.param({"packages": ["-y"], "dkms": ""}, r"packages\[0\] is '-y': write the name of a package", id="options-are-no-names"),
        pytest.param(
            {"packages": ["nvidia-smi", "nvidia-smi=5"], "dkms": ""}, r"packages\[1\] is nvidia-smi, which the list has before", id="twice"
        ),
        pytest.param({"version": "550.*"}, "version is '550.*': write the numbers", id="patterns-are-no-branch"),
        pytest.param(
            {"dkms": "nvidia-open-kernel-dkms"},
            "dkms is nvidia-open-kernel-dkms, which is not among packages",
            id="source-that-is-not-wanted",
        ),
        pytest.param(
            {"repository": {"uri": "https://me:secret@example.com/x"}}, "repository.uri holds a user or a password", id="password"
        ),
    ],
)
def test_wrong_options(changes, message):
    with pytest.raises(Refusal, match=message) as caught:
        wanted_of({**PARAMS, **changes})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "fingerprint", "expected"),
    [
        pytest.param(KEY, "", "", id="text-needs-none"),
        pytest.param(ADDRESS, "eb69 " * 10, "EB69" * 10, id="written-as-gpg-shows-it"),
    ],
)
def test_fingerprint(key, fingerprint, expected):
    assert fingerprint_of({"key": key, "fingerprint": fingerprint}) == expected


@pytest.mark.parametrize(
    ("key", "fingerprint", "message"),
    [
        pytest.param(ADDRESS, "", "repository.key is fetched, and repository.fingerprint is empty", id="fetched-key-needs-one"),
        pytest.param(KEY, "3BF863CC", "write the 40 hexadecimal digits", id="short-ones-can-be-made-up"),
    ],
)
def test_wrong_fingerprint(key, fingerprint, message):
    with pytest.raises(Refusal, match=message):
        fingerprint_of({"key": key, "fingerprint": fingerprint})


@pytest.fixture
def module(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu_driver, "KEYRING", str(tmp_path / "keyring.asc"))

    def fetch(module, url, timeout):
        module.fetched.append(url)
        return types.SimpleNamespace(read=KEY.encode), {"status": module.status, "msg": "HTTP Error 404: Not Found"}

    monkeypatch.setattr(gpu_driver, "fetch_url", fetch)
    return types.SimpleNamespace(check_mode=False, fetched=[], status=200)


def test_a_key_is_fetched_once(module, tmp_path):
    assert key_text(module, ADDRESS, known=False) == KEY
    (tmp_path / "keyring.asc").write_text(KEY)
    assert key_text(module, ADDRESS, known=True) == KEY
    assert module.fetched == [ADDRESS]
    key_text(module, ADDRESS, known=False)
    assert module.fetched == [ADDRESS] * 2


def test_check_mode_fetches_nothing(module):
    module.check_mode = True
    assert ADDRESS in key_text(module, ADDRESS, known=False)
    assert module.fetched == []


def test_a_key_that_is_not_there_is_named(module):
    module.status = 404
    with pytest.raises(Refusal, match=f"Cannot fetch repository.key from {ADDRESS}: HTTP Error 404"):
        key_text(module, ADDRESS, known=False)


def test_a_key_is_read_from_the_host_or_taken_as_it_is(module, tmp_path):
    (tmp_path / "key").write_text(KEY)
    assert key_text(module, str(tmp_path / "key"), known=False) == key_text(module, f"\n{KEY}", known=False) == KEY


@pytest.mark.parametrize("key", ["/nonexistent/key.asc", "mQINBF"])
def test_what_is_no_key_is_refused(module, key):
    with pytest.raises(Refusal, match=r"repository\.key is no ASCII-armoured key"):
        key_text(module, key, known=False)
