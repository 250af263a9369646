# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fresh key: shown once, and in no result in clear."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[4]


def make(folder: Path, user: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["ansible-playbook", str(ROOT / "playbooks" / "key.yml"), "-e", f"user={user}", "-vvv", *options],
        cwd=folder,
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml",
            "ANSIBLE_NOCOLOR": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_key_is_shown_where_it_belongs_and_not_in_the_result(tmp_path):
    done = make(tmp_path, "alice")
    assert done.returncode == 0, done.stderr
    (key,) = re.findall(r"^([0-9a-f]{64})$", done.stdout, re.MULTILINE)
    assert f"\nvault_alice_key: {key}\n" in done.stdout
    assert '\n  - name: alice\n    key: "{{ vault_alice_key }}"\n' in done.stdout
    assert done.stdout.count(key) == 2
    assert key not in done.stderr
    assert key not in make(tmp_path, "alice").stdout


def test_with_a_vault_password_the_variable_comes_encrypted(tmp_path):
    password = tmp_path / "password"
    password.write_text("of the vault")
    done = make(tmp_path, "nightly.Report-1", "--vault-password-file", str(password))
    (key,) = re.findall(r"^([0-9a-f]{64})$", done.stdout, re.MULTILINE)
    (entry,) = re.findall(r"^vault_nightly_report_1_key: !vault \|\n(?: {10}.*\n)+", done.stdout, re.MULTILINE)
    (tmp_path / "vault.yml").write_text(entry)
    command = ["ansible", "localhost", "-m", "debug", "-a", "var=vault_nightly_report_1_key", "-e", "@vault.yml"]
    shown = subprocess.run(
        [*command, "--vault-password-file", str(password)], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    assert key in shown
    assert yaml.safe_load(entry.replace("!vault", "")) is not None


def test_a_name_that_no_user_can_have_is_refused(tmp_path):
    done = make(tmp_path, "a/b")
    assert done.returncode != 0
    assert "is no name for a user: write 1 to 64 letters" in done.stdout + done.stderr
